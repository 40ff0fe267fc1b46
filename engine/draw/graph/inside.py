"""The insides of the boxes of a drawing: the pictures that they open, one inside another."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import NamedTuple

from engine.draw.graph.clusters import Modules, format_path, group_nodes, is_setting
from engine.draw.graph.parts import MOST_PARTS, ModelPart, PartFinder
from engine.draw.graph.view import Arrow, Box, Cell, View, build_arrows, classify
from engine.node import Node

MOST_CELLS = 64  # values in one picture
MOST_PICTURES = 60  # of a page
HIDDEN = "-"  # the id of nodes that a picture leaves out


class Heading(NamedTuple):
    """A cluster around the values of a part that is not a module."""

    title: str

    def __repr__(self) -> str:
        return self.title


class Inside(NamedTuple):
    """The picture of a part.

    title  of the picture, the name of the part
    view   its content: the inside of the part, and the parts and values around it. All nodes of the
           graph have an id, HIDDEN for those that are left out
    own    the ids of cells and boxes inside the part
    """

    title: str
    view: View
    own: set[str]


def open_parts(view: View, model: object) -> tuple[View, list[Inside]]:
    """Return a view whose boxes open, and the pictures of their insides, which also open.

    A part opens if a picture can show its inside. If the pictures of one depth would make more than
    MOST_PICTURES, that depth and those below are left out.
    """
    opener = Opener(view, model)
    names = {node: part.name for part in view.parts for node in part.nodes}
    level = [(part, names) for part in view.parts]
    insides: list[tuple[Inside, Sequence[ModelPart]]] = []
    while level:
        opened = [found for part, around in level if (found := opener.open(part, around))]
        if len(insides) + len(opened) > MOST_PICTURES:
            break
        insides += opened
        level = [
            (part, opener.name_around(inside, parts)) for inside, parts in opened for part in parts
        ]
    titles = {inside.title for inside, _ in insides}
    own = [inside._replace(view=link(inside.view, titles, inside.own)) for inside, _ in insides]
    return link(view, titles), own


def link(view: View, titles: set[str], own: set[str] | None = None) -> View:
    """Return a view in which boxes open the pictures with their names, if there are any."""
    opens = lambda box: box.path in titles and (own is None or box.id in own)
    contents = {
        path: [x._replace(opens=x.path) if isinstance(x, Box) and opens(x) else x for x in items]
        for path, items in view.contents.items()
    }
    return view._replace(contents=contents)


class Opener:
    """A builder of the pictures of the insides of parts."""

    def __init__(self, view: View, model: object):
        self.order, self.modules = [*view.ids], view.modules
        self.place = {node: i for i, node in enumerate(self.order)}
        groups = group_nodes(self.order, self.modules)
        self.finder = PartFinder(self.order, self.modules, groups, model)
        self.neurons: dict[str, Sequence[str]] = {}  # paths of neurons, by the name of their group
        self.users: dict[Node, list[Node]] = {}
        for node in self.order:
            for x in dict.fromkeys(node.inputs):
                self.users.setdefault(x, []).append(node)
        self.biases = {
            x for node in self.order for k, x in enumerate(node.inputs)
            if x.constant and x.op is None and not x.data and not x.label
            and is_setting(node, k, self.modules)
        }  # fmt: skip

    def name_around(self, inside: Inside, parts: Sequence[ModelPart]) -> dict[Node, str]:
        """Return the names of the parts that an inside shows, by their nodes."""
        ids = inside.view.ids
        boxes = {box.id: box.path for box in inside.view.drawn if isinstance(box, Box)}
        names = {node: boxes[id] for node, id in ids.items() if id in boxes}
        return names | {node: part.name for part in parts for node in part.nodes}

    def open(
        self, part: ModelPart, around: Mapping[Node, str]
    ) -> tuple[Inside, Sequence[ModelPart]] | None:
        """Return the inside of a part, and its parts if it has any; None if it does not open.

        Args:
            part: the part.
            around: the names of the parts around it, by their nodes.
        """
        if len(part.nodes) < 2 or all(x.op is None for x in part.nodes):
            return None
        own = {*part.nodes}
        inputs = {
            x: None for node in part.nodes for x in node.inputs
            if x not in own and x not in self.biases
        }  # fmt: skip
        children = self.neurons.get(part.name, [])
        is_layer = bool(children) or part.path in self.finder.layers
        if part.path:
            children = self.finder.list_children(part.path)
        shown = [x for x in part.nodes if x not in self.biases]
        parts: list[ModelPart] = []
        if is_layer or not children:
            if len(shown) > MOST_CELLS:
                parts = [*self.split_leaves(part, children)]
                shown = [x for x in shown if x.op is not None]
        else:
            shown = []
        if not shown or len(shown) > MOST_CELLS:
            parts = self.finder.split(part.nodes, children, around) if children else []
            if is_layer and len(parts) > MOST_PARTS:
                parts = [*self.group_neurons(part, children)]
            if not 1 < len(parts) <= MOST_PARTS:
                return None
            shown = []
        single = {x.nodes[0] for x in parts if len(x.nodes) == 1 and not x.path}
        cells = dict.fromkeys([*shown, *single])
        are_cells = bool(shown) and len(shown) + len(inputs) <= MOST_CELLS
        cells |= inputs if are_cells else {x: None for x in inputs if x not in around}
        return self.build(part, parts, cells, inputs, around), parts

    def group_neurons(self, part: ModelPart, neurons: Sequence[str]) -> Iterator[ModelPart]:
        """Yield consecutive neurons of a large layer as parts, each small enough to open."""
        owner: dict[Node, str] = {}
        for node in part.nodes:
            ancestors = self.modules.list_ancestors(self.finder.path_of[node])
            path = next((x for x in ancestors if x in neurons), None)
            if path is None:  # the layer itself computes the node
                return
            owner[node] = path
        largest = max(Counter(owner[x] for x in part.nodes if x.op is not None).values(), default=0)
        count = math.ceil(len(neurons) / max(1, MOST_CELLS // largest))
        size = math.ceil(len(neurons) / count)
        for first in range(0, len(neurons), size):
            some = neurons[first : first + size]
            short = f"neurons[{first}:{first + len(some)}]"
            name = f"{part.name}.{short}"
            self.neurons[name] = some
            yield ModelPart(
                name, [short], part.path, "", [x for x in part.nodes if owner[x] in some]
            )

    def split_leaves(self, part: ModelPart, children: Sequence[str]) -> Iterator[ModelPart]:
        """Yield the leaves of each neuron of a layer as a part, or all leaves if it is large."""
        leaves = [x for x in part.nodes if x.op is None and x not in self.biases]
        if not 1 < len(children) <= MOST_PARTS:
            children = [part.path]
        for path in children:
            own = [x for x in leaves if path in self.modules.list_ancestors(self.finder.path_of[x])]
            if own:
                name = format_path(path)
                short = name.rpartition(".")[2] if path != part.path else name
                yield ModelPart(f"{name} parameters", [short], "", "", own)

    def build(
        self, part: ModelPart, parts: Sequence[ModelPart], cells: Mapping[Node, None],
        inputs: Mapping[Node, None], around: Mapping[Node, str],
    ) -> Inside:  # fmt: skip
        """Return the inside of a part, whose parts are boxes and whose `cells` are values."""
        ids, contents = dict.fromkeys(self.order, HIDDEN), dict[str, list[Cell | Box]]()
        own, count, members = set[str](), 0, {*part.nodes}
        frame = part.path or part.name
        modules = self.frame([frame, *(around.get(x, "") for x in inputs if x in cells)])

        def add_box(name: str, lines: Sequence[str], nodes: Sequence[Node], cluster: str) -> str:
            nonlocal count
            parameters = [x for x in nodes if x in modules.parameters] if cluster else []
            box = Box(f"b{count}", name, lines[0], parameters, len(nodes), "box", lines[1:])
            contents.setdefault(cluster, []).append(box)
            ids.update(dict.fromkeys(nodes, box.id))
            count += 1
            return box.id

        for inner in parts:
            if len(inner.nodes) > 1 or inner.path:
                own.add(add_box(inner.name, inner.lines, inner.nodes, frame))
        for node in reversed(self.order):  # Graphviz draws the last one first
            if node in cells:
                id = ids[node] = f"v{self.place[node]}"
                kind = classify(node, self.order[-1], modules)
                if node in members:
                    own.add(id)
                elif kind == "inner":  # the picture does not show its operation
                    kind = "leaf"
                cluster = frame if node in members else around.get(node, "")
                contents.setdefault(cluster, []).append(Cell(id, node, kind))
        users = {u: None for node in part.nodes for u in self.users.get(node, ())}
        outside: dict[str, list[Node]] = {}
        for node in [*inputs, *users]:
            if node not in members and ids[node] == HIDDEN:
                nodes = outside.setdefault(around.get(node, "the rest"), [])
                nodes += [node] if node not in nodes else []
        for name, nodes in outside.items():
            add_box(name, [name], nodes, "")
        arrows = [*self.list_arrows(ids, own)]
        return Inside(part.name, View(contents, arrows, modules, ids, parts=[part]), own)

    def list_arrows(self, ids: Mapping[Node, str], own: set[str]) -> Iterator[Arrow]:
        """Yield the arrows that begin or end inside a part."""
        find = lambda id: id.replace("o", "v")
        for arrow in build_arrows(self.order, ids):
            ends = {find(arrow.tail), find(arrow.head)}
            if HIDDEN not in ends and ends & own:
                yield arrow._replace(multiplicity=1)

    def frame(self, names: Sequence[str]) -> Modules:
        """Return a copy of the modules with clusters of these names only.

        A name that is not the path of a module is a heading.
        """
        modules = copy(self.modules)
        known = self.modules.by_path
        modules.by_path = {name: known.get(name, Heading(name)) for name in names if name}
        return modules
