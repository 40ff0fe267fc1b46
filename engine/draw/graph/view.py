"""The content of a drawing as data: cells, boxes, arrows, and the clusters around them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from engine.draw.graph.clusters import Model, Modules, format_path, group_nodes
from engine.draw.graph.coarse import CoarsePart, group_large, group_wide_sums
from engine.draw.graph.layers import list_layers
from engine.draw.graph.parts import ModelPart, PartFinder
from engine.graph import topological
from engine.node import Node
from engine.sequences.vector_op import Output, Outputs
from engine.support.arguments import check_whole

if TYPE_CHECKING:
    import numpy as np

LIMIT = 500  # nodes; beyond it modules collapse
FEW = 16  # nodes outside modules that are drawn beside neurons
LEVELS = ("values", "neurons", "layers", "blocks", "network")
Level: TypeAlias = str | Iterable[str] | None


class Cell(NamedTuple):
    """A drawn node: `v3` at place 3 of the topological order, its operation is `o3`."""

    id: str
    node: Node
    kind: str  # "leaf", "parameter", "constant", "inner", "root", or "operation" without a value


class Box(NamedTuple):
    """A collapsed cluster or another group of nodes, and its content."""

    id: str
    path: str
    title: str
    parameters: list[Node]
    nodes: int
    kind: str  # "box", or "root" if the root is inside
    lines: Sequence[str] | None = None  # below the title; by default, the number of nodes
    result: Node | None = None  # the only node that others use, whose numbers the box shows
    opens: str = ""  # the title of the view that a click on the box opens in a page


class Arrow(NamedTuple):
    """An arrow from a value to an operation, from there to its result, or to and from boxes.

    `local` is the local derivative of an arrow into an operation. `multiplicity` is the number of
    inputs that one arrow between boxes stands for.
    """

    id: str
    tail: str
    head: str
    local: "float | np.ndarray | None" = None
    multiplicity: int = 1


class View(NamedTuple):
    """A graph as it is drawn."""

    contents: dict[str, list[Cell | Box]]  # of each cluster, by its path; "" is outside all
    arrows: list[Arrow]
    modules: Modules
    ids: dict[Node, str]  # of the cell or box of each node, in topological order
    note: str = ""  # about what is left out, which the picture states
    parts: Sequence[ModelPart] = ()  # of a model, if a drawing of its blocks shows them

    @property
    def drawn(self) -> list[Cell | Box]:
        """All cells and boxes."""
        return [part for parts in self.contents.values() for part in parts]


def build_view(
    root: Node,
    model: Model | None = None,
    level: Level = None,
    limit: int = LIMIT,
    to_step: bool = False,
) -> View:
    """Return the view of the graph under `root`, with the modules of `model` as clusters.

    Args:
        root: the graph's result.
        model: the model whose modules are drawn.
        level: "values", "neurons", "layers", "blocks", or the paths of the modules to draw as
            boxes; see `list_closed` and `engine.draw.graph.parts`. By default nothing collapses
            unless there are more than `limit` nodes. Then a model that is more than a sequence of
            layers is shown as its blocks; in others neurons collapse, then layers, then all nodes
            outside modules.
        limit: the largest number of cells and boxes. If modules cannot reduce the number to it,
            the graph is drawn coarsely, see `engine.draw.graph.coarse`.
        to_step: whether the view is for stepping: no box depends on one that depends on it, and
            a sum is one box only if there are too many nodes.

    Raises ValueError for an unknown path.
    """
    limit = check_whole("limit", limit)
    order = topological(root)
    if model is None and level is not None and level != "values":
        if remedy := suggest_level(level):
            raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {level!r}{remedy}")
        raise ValueError(f"level={level!r} requires a model; pass it as the second argument")
    modules = Modules(order, model)
    groups = group_nodes(order, modules)
    parts = 0
    if level == "blocks" or (level is None and len(order) > limit and is_scalar(root)):
        finder = PartFinder(order, modules, groups, model)
        if level == "blocks" or (model is not None and finder.has_blocks()):
            found = finder.find()
            contents, ids = place_parts(order, modules, found)
            parts = len(found)
            if parts <= limit:
                arrows = [x._replace(multiplicity=1) for x in build_arrows(order, ids)]
                return View(contents, arrows, modules, ids, parts=found)
    choices = list_choices(modules) if level is None else list_closed(level, model, modules, groups)
    for closed in choices:
        contents, ids = place_nodes(order, modules, groups, closed)
        parts = sum(map(len, contents.values()))
        if parts <= limit:
            sums = [] if model is not None or to_step else group_wide_sums(order)
            if sums:
                contents, ids = place_groups(order, modules, sums)
            return View(contents, list(build_arrows(order, ids)), modules, ids)
    contents, ids = place_groups(order, modules, group_large(order, limit, acyclic=to_step))
    note = f"Coarser than level={level!r}, which has {parts:,} parts; limit={limit:,}"
    arrows = list(build_arrows(order, ids))
    return View(contents, arrows, modules, ids, "" if level is None else note)


def list_choices(modules: Modules) -> list[set[str]]:
    """Return the sets of modules to collapse, from none to neurons, layers and everything."""
    depths = {path: len(modules.list_ancestors(path)) for path in modules.by_path}
    closed = [
        {path for path in depths if depths[path] >= depth}
        for depth in sorted({*depths.values()}, reverse=True)
    ]
    return [set(), *closed, {*depths, modules.inputs, modules.rest}] if depths else [set()]


def list_closed(
    level: object, model: Model | None, modules: Modules, groups: Mapping[Node, str]
) -> list[set[str]]:
    """Return the sets of modules to collapse at a level, of which the first that fits is drawn.

    "neurons" are the innermost modules; the nodes outside are boxes if there are more than `FEW`.
    "layers" are the outermost modules, but not those around fully connected layers.

    Raises ValueError for an unknown level or path.
    """
    outside = {modules.inputs, modules.rest}
    if level == "blocks":  # they are more than the limit
        return []
    if level == "values" or not modules.by_path:
        return [set()]
    if level == "neurons":
        neurons = {path for path in modules.by_path if not modules.list_children(path)}
        few = sum(path in outside for path in groups.values()) <= FEW
        return [neurons, neurons | outside] if few else [neurons | outside]
    if level == "layers":  # a module around all others would hide them
        layers = list_layers(model)
        return [{*modules.by_path, *outside} - list_around(layers, modules)]
    return [parse_paths(level, {*modules.by_path, *outside})]


def list_around(paths: Iterable[str], modules: Modules) -> set[str]:
    """Return the paths of the modules around some others, without these."""
    return {around for path in paths for around in modules.list_ancestors(path)[:-1]}


def parse_paths(level: object, known: set[str]) -> set[str]:
    """Return the paths to collapse. Raises ValueError for a path that is not in the model."""
    several = isinstance(level, Iterable) and not isinstance(level, str)
    paths: list[Any] = [*level] if several else [level]  # type: ignore[misc]
    written = {format_path(path): path for path in known}  # as pictures write them
    paths = [written.get(path, path) if isinstance(path, str) else path for path in paths]
    for path in paths:
        if path not in known:
            near = sorted(get_close_matches(str(path), known, n=4, cutoff=0.3) or known)[:4]
            raise ValueError(
                f"level must be one of {', '.join(LEVELS)}, or paths such as {', '.join(near)}, "
                f"got {path!r}{suggest_level(path)}"
            )
    return set(paths)


def suggest_level(level: object) -> str:
    """Return the end of a message about a misspelled level; "" for anything else.

    >>> suggest_level("valus")
    "; write 'values'"
    """
    is_word = isinstance(level, str) and level.isalpha()  # and not a path such as layers[7]
    meant = get_close_matches(str(level), LEVELS, n=1, cutoff=0.8) if is_word else []
    return f"; write {meant[0]!r}" if meant and meant[0] != level else ""


def place_nodes(
    order: Sequence[Node], modules: Modules, groups: Mapping[Node, str], closed: set[str]
) -> tuple[dict[str, list[Cell | Box]], dict[Node, str]]:
    """Return the cells and boxes of each cluster, and the id of each node's cell or box."""
    around = {}  # the closed modules around each group, the outermost first
    for path in dict.fromkeys(groups.values()):
        around[path] = [x for x in modules.list_ancestors(path) or [path] if x in closed]
    boxes: dict[str, list[Node]] = {paths[0]: [] for paths in around.values() if paths}
    box_ids = {path: f"b{i}" for i, path in enumerate(boxes)}
    contents: dict[str, list[Cell | Box]] = {}
    ids: dict[Node, str] = {}
    for i, node in enumerate(order):
        path = groups[node]
        if around[path]:
            boxes[around[path][0]].append(node)
            ids[node] = box_ids[around[path][0]]
        else:
            ids[node] = f"v{i}"
            cluster = path if path in modules.by_path else ""
            cell = Cell(f"v{i}", node, classify(node, order[-1], modules))
            contents.setdefault(cluster, []).append(cell)
    for path, nodes in boxes.items():
        parameters = [node for node in nodes if node in modules.parameters]
        kind = "root" if ids[order[-1]] == box_ids[path] else "box"
        box = Box(box_ids[path], path, modules.format_title(path), parameters, len(nodes), kind)
        contents.setdefault(modules.find_parent(path), []).append(box)
    return contents, ids


def is_scalar(node: Node) -> bool:
    """Return whether a node holds a number rather than an array."""
    return not hasattr(node.data, "ndim")


def place_parts(
    order: Sequence[Node], modules: Modules, parts: Sequence[ModelPart]
) -> tuple[dict[str, list[Cell | Box]], dict[Node, str]]:
    """Return the boxes of parts in each cluster, and the id of each node's cell or box.

    A part of one value is a cell.
    """
    place = {node: i for i, node in enumerate(order)}
    ids: dict[Node, str] = dict.fromkeys(order, "")
    contents: dict[str, list[Cell | Box]] = {}
    for i, part in enumerate(parts):
        (node, *others), item = part.nodes, None
        if others or part.path:
            parameters = [x for x in part.nodes if x in modules.parameters]
            kind = "root" if order[-1] in part.nodes else "box"
            item = Box(
                f"b{i}", part.name, part.lines[0], parameters, len(part.nodes), kind, part.lines[1:]
            )
        ids |= dict.fromkeys(part.nodes, f"b{i}" if item else f"v{place[node]}")
        cell = item or Cell(ids[node], node, classify(node, order[-1], modules))
        contents.setdefault(part.cluster, []).append(cell)
    return contents, ids


def place_groups(
    order: Sequence[Node], modules: Modules, groups: Sequence[CoarsePart]
) -> tuple[dict[str, list[Cell | Box]], dict[Node, str]]:
    """Return a box for each group and a cell for each other node, and the id of each node's."""
    ids = {node: f"v{i}" for i, node in enumerate(order)}
    ids |= {node: f"b{i}" for i, group in enumerate(groups) for node in group.nodes}
    used = {x for node in order for x in node.inputs if ids[x] != ids[node]} | {order[-1]}
    boxes = {}
    for i, group in enumerate(groups):
        results = [node for node in group.nodes if node in used]
        title, *lines = group.lines
        boxes[f"b{i}"] = Box(
            f"b{i}", group.name, title, [x for x in group.nodes if x in modules.parameters],
            len(group.nodes), "root" if order[-1] in results else "box", lines,
            results[0] if len(results) == 1 and not isinstance(results[0], Outputs) else None,
        )  # fmt: skip
    contents: list[Cell | Box] = []
    for id, node in {id: node for node, id in ids.items()}.items():
        cell = Cell(id, node, classify(node, order[-1], modules))
        contents.append(boxes.get(id, cell))
    return {"": contents}, ids


def classify(node: Node, root: Node, modules: Modules) -> str:
    """Return the kind of a node's cell."""
    if isinstance(node, Outputs):
        return "operation"
    if node is root:
        return "root"
    if node.op is not None:
        return "inner"
    if node.constant:
        return "constant"
    return "parameter" if node in modules.parameters else "leaf"


def build_arrows(order: Sequence[Node], ids: Mapping[Node, str]) -> Iterator[Arrow]:
    """Yield an arrow for each input of each node, and one for all those between two boxes."""
    counts: Counter[tuple[str, str]] = Counter()
    for i, node in enumerate(order):
        if node.op is None:
            continue
        is_cell = ids[node][0] == "v"
        is_operation = isinstance(node, Outputs)
        locals = node.locals if is_cell and not is_operation else ()
        for k, x in enumerate(node.inputs):
            if is_cell and ids[x][0] == "v":
                if isinstance(x, Outputs):
                    yield Arrow(f"e{i}", find_head(ids, x), ids[node])
                else:
                    local = None if is_operation else locals[k]
                    yield Arrow(name_arrow(ids, node, k), ids[x], f"o{i}", local)
            elif ids[x] != ids[node]:
                counts[ids[x], find_head(ids, node)] += 1
        if is_cell and not is_operation and not is_result(node):
            yield Arrow(f"e{i}", f"o{i}", ids[node])
    for (tail, head), count in counts.items():
        yield Arrow(f"e-{tail}-{head}", tail, head, multiplicity=count)


def is_result(node: Node) -> bool:
    """Return whether a node is one of several results, which share one operation."""
    return isinstance(node.op, Output)


def find_head(ids: Mapping[Node, str], node: Node) -> str:
    """Return the id that the arrows from a node's inputs lead to: its operation or its box."""
    return ids[node] if is_result(node) else ids[node].replace("v", "o")


def name_arrow(ids: Mapping[Node, str], node: Node, k: int) -> str:
    """Return the id of the arrow from a node's k-th input, which may be one between boxes."""
    tail = ids[node.inputs[k]]
    if tail[0] == ids[node][0] == "v":
        return f"e{ids[node][1:]}-{k}"
    return f"e-{tail}-{find_head(ids, node)}"
