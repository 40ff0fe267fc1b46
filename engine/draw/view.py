"""What a picture of a graph shows, as data: cells, boxes, arrows, and the clusters around them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

from engine.draw.clusters import INPUTS, REST, Modules, whereabouts
from engine.graph import topological
from engine.sequences import Outputs
from engine.support.arguments import whole

LIMIT = 500  # nodes; beyond, clusters collapse


class Cell(NamedTuple):
    """A node that is drawn: `v3` at place 3 of the topological order, and its operation `o3`."""

    id: str
    node: Any
    kind: str  # "leaf", "parameter", "constant", "inner" or "root"; "operation": no value


class Box(NamedTuple):
    """A cluster that is drawn collapsed, and what is in it."""

    id: str
    path: str
    title: str
    parameters: list[Any]
    nodes: int
    kind: str  # "box", or "root" where the root is inside


class Arrow(NamedTuple):
    """From a value to an operation, from there to its result, or to and from boxes.

    `local` is the local derivative at an arrow into an operation; `times` says how many arrows one
    between boxes stands for.
    """

    id: str
    tail: str
    head: str
    local: Any = None
    times: int = 1


class View(NamedTuple):
    """A graph as it is drawn. `inside` has the cells and boxes of each cluster by its path, `ids`
    what stands for each node, in topological order."""

    inside: dict[str, list[Cell | Box]]
    arrows: list[Arrow]
    modules: Modules
    ids: dict[Any, str]

    @property
    def drawn(self) -> list[Cell | Box]:
        return [each for part in self.inside.values() for each in part]


def view(
    root: Any, model: Any = None, collapse: bool | Iterable[str] | None = None, limit: int = LIMIT
) -> View:
    """The graph under `root`, the modules of `model` as clusters.

    `collapse` holds the paths of the modules to be drawn as boxes; True means all, False none. By
    default none is, unless there are more than `limit` nodes: then neurons are, then layers, then
    what belongs to no module. ValueError where all that leaves more than `limit`.
    """
    limit = whole("limit, a number of nodes,", limit)
    order = topological(root)
    if model is None and collapse not in (None, False):
        raise ValueError("there are no modules to collapse without a model; pass it too")
    modules = Modules(order, model)
    places = whereabouts(order, modules)
    choices = levels(modules) if collapse is None else [chosen(collapse, modules)]
    for closed in choices:
        inside, ids = placed(order, modules, places, closed)
        count = sum(map(len, inside.values()))
        if count <= limit:
            return View(inside, list(arrows(order, ids)), modules, ids)
    remedy = "pass the model too, and its layers are drawn as one box each"
    if model is not None:
        remedy = "collapse more: collapse=True"
    raise ValueError(
        f"{count:,} nodes are more than the {limit:,} that can be read; {remedy}. "
        "Or take a node further down, or raise the limit=..."
    )


def levels(modules: Modules) -> list[set[str]]:
    """What to collapse, from nothing to everything: neurons, layers, the inputs and the rest."""
    depths = {path: len(modules.chain(path)) for path in modules.named}
    closed = [
        {path for path in depths if depths[path] >= depth}
        for depth in sorted({*depths.values()}, reverse=True)
    ]
    return [set(), *closed, {*depths, INPUTS, REST}] if depths else [set()]


def chosen(collapse: bool | Iterable[str], modules: Modules) -> set[str]:
    """The paths to collapse; ValueError that lists the modules for one that there is not."""
    known = {*modules.named, INPUTS, REST}
    if isinstance(collapse, bool):
        return known if collapse and modules.named else set()
    several = isinstance(collapse, Iterable) and not isinstance(collapse, str)
    paths: list[Any] = [*collapse] if several else [collapse]
    for path in paths:
        if path not in known:
            near = get_close_matches(str(path), known, n=10, cutoff=0.3) or sorted(known)[:10]
            raise ValueError(f"no module {path!r} to collapse; there are {', '.join(near)}, ...")
    return set(paths)


def placed(
    order: list[Any], modules: Modules, places: dict[Any, str], closed: set[str]
) -> tuple[dict[str, list[Cell | Box]], dict[Any, str]]:
    """The cells and boxes of each cluster, and the id of what stands for each node."""
    outer = {}
    for path in dict.fromkeys(places.values()):
        outer[path] = [each for each in modules.chain(path) or [path] if each in closed]
    boxes: dict[str, list[Any]] = {box[0]: [] for box in outer.values() if box}
    names = {path: f"b{i}" for i, path in enumerate(boxes)}
    inside: dict[str, list[Cell | Box]] = {}
    ids: dict[Any, str] = {}
    for i, node in enumerate(order):
        path = places[node]
        if outer[path]:
            boxes[outer[path][0]].append(node)
            ids[node] = names[outer[path][0]]
        else:
            ids[node] = f"v{i}"
            home = path if path in modules.named else ""
            cell = Cell(f"v{i}", node, kind_of(node, order[-1], modules))
            inside.setdefault(home, []).append(cell)
    for path, nodes in boxes.items():
        weights = [node for node in nodes if node in modules.parameters]
        kind = "root" if ids[order[-1]] == names[path] else "box"
        box = Box(names[path], path, modules.title(path), weights, len(nodes), kind)
        inside.setdefault(modules.within(path), []).append(box)
    return inside, ids


def kind_of(node: Any, root: Any, modules: Modules) -> str:
    if isinstance(node, Outputs):
        return "operation"
    if node is root:
        return "root"
    if node.op is not None:
        return "inner"
    if node.constant:
        return "constant"
    return "parameter" if node in modules.parameters else "leaf"


def arrows(order: list[Any], ids: dict[Any, str]) -> Iterator[Arrow]:
    """An arrow for each input of each node; those from and to boxes are counted together."""
    together: Counter[tuple[str, str]] = Counter()
    for i, node in enumerate(order):
        if node.op is None:
            continue
        single = ids[node][0] == "v"
        several = isinstance(node, Outputs)
        local = node.locals if single and not several else ()
        for k, each in enumerate(node.inputs):
            if isinstance(each, Outputs) and single and ids[each][0] == "v":
                yield Arrow(f"e{i}", head_of(ids, each), ids[node])
            elif single and ids[each][0] == "v":
                slope = None if several else local[k]
                yield Arrow(arrow_id(ids, node, k), ids[each], f"o{i}", slope)
            elif ids[each] != ids[node]:
                together[ids[each], head_of(ids, node)] += 1
        if single and not several and node.op.index is None:
            yield Arrow(f"e{i}", f"o{i}", ids[node])
    for (tail, head), times in together.items():
        yield Arrow(f"e-{tail}-{head}", tail, head, times=times)


def head_of(ids: dict[Any, str], node: Any) -> str:
    """What the arrows from a node's inputs lead to: its operation, or its box."""
    if node.op.index is not None:  # one of several results has no operation of its own
        return ids[node]
    return ids[node].replace("v", "o")


def arrow_id(ids: dict[Any, str], node: Any, k: int) -> str:
    """The arrow from a node's k-th input; those from and to boxes stand for several."""
    tail = ids[node.inputs[k]]
    if tail[0] == ids[node][0] == "v":
        return f"e{ids[node][1:]}-{k}"
    return f"e-{tail}-{head_of(ids, node)}"
