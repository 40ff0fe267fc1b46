"""The parts of a model's graph that a drawing shows as boxes, which open one inside another.

A part is a module, or a group of nodes that a module computes itself: those of one operation whose
inputs come from the same parts, such as the additions around attention at all positions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from engine.draw.graph.clusters import Modules, format_path
from engine.draw.graph.coarse import number_names
from engine.draw.graph.layers import list_layers
from engine.draw.look.theme import SYMBOLS, format_number
from engine.node import Node
from engine.sequences.vector_op import Output, Outputs
from engine.support.arguments import format_count

MOST_PARTS = 24  # in one picture
MOST_INPUTS = 2  # in the name of a group
SKIP = "+ residual"
WORDS = {"+": "sum", "-": "difference", "*": "product", "/": "quotient"}  # names in formulas


class ModelPart(NamedTuple):
    """The nodes of one box, or a single value.

    name     in formulas, and as the title of the picture that it opens
    lines    the texts of its box
    cluster  the path of the module around it; "" for none
    path     the path of its module; "" for a group
    nodes    in topological order
    """

    name: str
    lines: list[str]
    cluster: str
    path: str
    nodes: list[Node]


class PartFinder:
    """A finder of the parts of a graph, of a whole model or inside a module.

    Args:
        order: the graph in topological order.
        modules: the modules of the model.
        groups: the path of each node, from `group_nodes`.
        model: the model.
    """

    def __init__(
        self, order: Sequence[Node], modules: Modules, groups: Mapping[Node, str], model: object
    ):
        self.order, self.modules = order, modules
        self.path_of = {x: path if path in modules.by_path else "" for x, path in groups.items()}
        self.inputs = {x for x, path in groups.items() if path == modules.inputs}
        self.layers = list_layers(model)
        self.used: set[str] = set()  # the paths of modules with nodes
        for path in {*self.path_of.values()}:
            self.used.update(modules.list_ancestors(path))

    def list_children(self, path: str) -> list[str]:
        """Return the paths of the modules with nodes directly inside one."""
        return [child for child in self.modules.list_children(path) if child in self.used]

    def has_blocks(self) -> bool:
        """Return whether a module that is not a fully connected layer computes nodes."""
        layers = lambda path: self.layers.intersection(self.modules.list_ancestors(path))
        paths = {self.path_of[node] for node in self.order if node.op is not None}
        return any(path and not layers(path) for path in paths)

    def is_chain(self, path: str) -> bool:
        """Return whether a module has no parts, or only fully connected layers."""
        children = self.list_children(path)
        own = any(x.op is not None and self.path_of[x] == path for x in self.order)
        is_chain = not own and self.layers.issuperset(children)
        return not children or path in self.layers or is_chain

    def find(self) -> list[ModelPart]:
        """Return the parts of the model: modules are opened while at most MOST_PARTS result."""
        closed = self.list_children("")
        parts = self.split(self.order, closed)
        while candidates := [path for path in closed if not self.is_chain(path)]:
            inner = [child for path in candidates for child in self.list_children(path)]
            closed = [*(path for path in closed if path not in candidates), *inner]
            finer = self.split(self.order, closed)
            if len(finer) > MOST_PARTS:
                break
            parts = finer
        return parts

    def split(
        self, nodes: Sequence[Node], closed: Iterable[str], around: Mapping[Node, str] | None = None
    ) -> list[ModelPart]:
        """Return the parts of some nodes in topological order.

        Args:
            nodes: the nodes.
            closed: the paths of the modules that are one part each.
            around: the names of the parts of nodes around these.
        """
        keys = self.find_keys(nodes, {*closed}, around or {})
        members: dict[object, list[Node]] = {}
        for node in nodes:
            members.setdefault(keys[node], []).append(node)
        inputs = {
            key: {keys.get(x) for node in part for x in node.inputs} - {key}
            for key, part in members.items()
        }
        part_by_key = {key: self.make_part(key, members[key], inputs) for key in members}
        parts = [*part_by_key.values()]
        names = number_names(self.tell_apart(part_by_key, keys))
        return [part._replace(name=name) for part, name in zip(parts, names, strict=True)]

    def tell_apart(
        self, parts: Mapping[object, ModelPart], keys: Mapping[Node, object]
    ) -> Iterator[str]:
        """Yield the names of parts; a name that an earlier part has is followed by the inputs."""
        short = lambda part: part.name.rpartition("." if part.path else " ")[2]
        known: set[str] = set()
        for key, part in parts.items():
            name = part.name
            if name in known and not part.path:
                taken = dict.fromkeys(keys.get(x) for node in part.nodes for x in node.inputs)
                inputs = [short(parts[x]) for x in taken if x in parts and x != key]
                inputs = [x for x in inputs if x != short(part)]  # a residual of a residual
                name += f" of {', '.join(inputs)}" if 0 < len(inputs) <= MOST_INPUTS else ""
            known.add(part.name)
            yield name

    def find_keys(
        self, nodes: Sequence[Node], closed: set[str], around: Mapping[Node, str]
    ) -> dict[Node, object]:
        """Return a key for each node, which the nodes of a part share."""
        own = {*nodes}
        keys: dict[Node, object] = {x: ("around", around[x]) for x in around if x not in own}
        numbers: dict[object, int] = {}
        users: dict[object, dict[object, None]] = {}
        for node in nodes:
            path = self.path_of[node]
            outer = next((x for x in self.modules.list_ancestors(path) if x in closed), None)
            if outer is not None:
                keys[node] = outer
            elif isinstance(node.op, Output):
                keys[node] = keys[node.inputs[0]]
            elif node.op is not None:
                inputs = frozenset(keys[x] for x in node.inputs if x in keys)
                form = path, node.op.name, inputs
                keys[node] = numbers.setdefault(form, len(numbers))
            for x in node.inputs:
                users.setdefault(self.identify(x), {})[keys[node]] = None
        sizes = Counter(keys[x] for x in nodes if x.op is not None)
        for node in nodes:
            if node not in keys:
                its_users = [*users.get(self.identify(node), ())]
                alone = node.constant and not node.label and len(its_users) == 1
                alone = alone and node not in self.inputs
                is_setting = alone and type(its_users[0]) is int and sizes[its_users[0]] > 1
                kind = self.path_of[node], node in self.modules.owned, frozenset(its_users)
                key = its_users[0] if is_setting else numbers.setdefault(kind, len(numbers))
                keys[node] = key
        return keys

    def identify(self, x: Node) -> object:
        """Return a node, or the number of a float among the inputs: each use has its own node."""
        is_float = x in self.inputs and x.constant and not x.label and isinstance(x.data, float)
        return ("number", x.data) if is_float else x

    def make_part(
        self, key: object, nodes: list[Node], inputs: Mapping[object, set[object]]
    ) -> ModelPart:
        """Return the part of some nodes with the same key. `inputs` are those of each part."""
        modules = self.modules
        if isinstance(key, str):
            parent = modules.find_parent(key)
            short = key.removeprefix(f"{parent}.") if parent else key
            lines = [f"{format_path(short)}   {modules.by_path[key]!r}"]
            return ModelPart(format_path(key), lines, parent, key, nodes)
        path = self.path_of[nodes[-1]]
        title, name = self.title_group(nodes, inputs[key])
        if title == "+" and is_skip(inputs[key], inputs):
            title, name = SKIP, "residual"
        name = f"{format_path(path)} {name}" if path else name
        values = [x for x in nodes if not isinstance(x, Outputs) and (x.op or nodes[0].op is None)]
        own = [x for x in values if x.op is not None] or values
        size = format_count(self.count_values(own), "value")
        return ModelPart(name, [f"{title}   {size}"], path, "", nodes)

    def count_values(self, nodes: Sequence[Node]) -> int:
        """Return the number of values; of the floats, the most that a single module reads."""
        floats = {x for x in nodes if self.identify(x) is not x}
        read: dict[str, set[Node]] = {}
        for node in self.order if floats else ():
            read.setdefault(self.path_of[node], set()).update(floats.intersection(node.inputs))
        return len(nodes) - len(floats) + max(map(len, read.values()), default=0)

    def title_group(self, nodes: Sequence[Node], inputs: Iterable[object]) -> tuple[str, str]:
        """Return the symbol of a group's operation, with its constant if all share one, and a
        name. `inputs` are the keys of the parts that it takes."""
        op = next((x.op for x in nodes if x.op is not None), None)
        if op is None:
            title = "parameters" if nodes[0] in self.modules.owned else "inputs"
            return title, title
        title, name = SYMBOLS.get(op.name, op.name), WORDS.get(op.name, op.name)
        constants = {x.data for x in nodes if x.op is None and not getattr(x.data, "ndim", 0)}
        if len(constants) == 1 and op.name in WORDS:
            title += f" {format_number(constants.pop(), '.4g')}"
            paths = [x for x in inputs if isinstance(x, str)]
            if op.name in ("*", "/") and len(paths) == 1:
                name = f"scaled {paths[0].rpartition('.')[2]}"
        return title, name


def is_skip(pair: set[object], inputs: Mapping[object, set[object]]) -> bool:
    """Return whether one of two parts depends on the other; their sum is then a skip connection."""
    if len(pair) != 2:
        return False
    a, b = pair
    return any(reaches(x, y, inputs) for x, y in ((a, b), (b, a)))


def reaches(start: object, end: object, inputs: Mapping[object, set[object]]) -> bool:
    """Return whether the part `start` depends on the part `end`."""
    waiting, known = [start], {start}
    while waiting:
        new = inputs.get(waiting.pop(), set()) - known
        known |= new
        waiting += new
    return end in known and start != end
