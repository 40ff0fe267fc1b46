"""The items of a picture: what one network computes for several samples is drawn once.

Nodes with the same structure above the same parameters, one for each sample, are one item of a
picture. So are the inputs in the same place, and a sum over samples that is written as a chain of
additions.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from engine.node import Node
from engine.sequences.vector_op import Outputs

UNORDERED = ("cross_entropy",)  # its first input is that of the label, which samples differ in


@dataclass(eq=False)
class Item:
    """A value of the picture.

    nodes   for each sample, the node; a single one if samples share it
    copies  further constants with the same numbers and the same use, for each sample
    terms   the item that a chain of additions sums up, whose partial sums are `nodes`
    """

    nodes: list[Node]
    copies: list[list[Node]] = field(default_factory=list)
    terms: "Item | None" = None

    @property
    def node(self) -> Node:
        """The last node, which for a chain of additions is the sum."""
        return self.nodes[-1]

    @property
    def has_samples(self) -> bool:
        """Whether the item has a number for each of several samples."""
        return len(self.nodes) > 1 and self.terms is None

    @property
    def is_number(self) -> bool:
        """Whether the item is a constant without a label, the same for all samples."""
        is_constant = all(x.constant and not x.label and x.op is None for x in self.nodes)
        return is_constant and len({x.data for x in self.nodes}) == 1

    def list_copies(self, sample: int) -> list[Node]:
        """Return all nodes of one sample."""
        return [self.nodes[sample], *(copy[sample] for copy in self.copies)]


class ItemGraph:
    """The items of a graph.

    Attributes:
        items: the items of computed nodes and of parameters, in topological order.
        item_of: the item of each node, without inputs and constants.
        samples: the number of samples, which is how often the first repeated node occurs.
        sources: the samples that each node is computed from.

    What combines samples, such as the distance of two, may repeat more or less often.

    Raises NotRepeatedError if nodes that repeat are not computed from different samples, and for a
    graph with more than `limit` items.
    """

    def __init__(self, order: Sequence[Node], parameters: Collection[Node], limit: float):
        self.users: dict[Node, list[Node]] = {node: [] for node in order}
        for node in order:
            for x in node.inputs:
                self.users[x].append(node)
        self.shapes = number_shapes(order, set(parameters))
        classes: dict[int, list[Node]] = {}
        for node in order:
            if node in self.shapes:
                classes.setdefault(self.shapes[node], []).append(node)
        self.ranks = {shape: shape for shape in classes}  # the order of inputs whose order varies
        self.samples = next((len(x) for x in classes.values() if len(x) > 1), 1)
        if len(classes) > limit + self.samples:  # the sums in a chain become one item
            raise NotRepeatedError
        self.sources: dict[Node, tuple[int, ...]] = {}
        self.item_of: dict[Node, Item] = {}
        self.items: list[Item] = []
        self.slots: dict[tuple[Node, ...], Item] = {}
        self.entrances: dict[tuple[Node, ...], int] = {}  # the sample of inputs of the network
        for nodes in classes.values():
            self.add(Item(self.sort_by_sample(nodes) if len(nodes) > 1 else nodes))
        self.add_chains(order)

    def add(self, item: Item) -> None:
        self.items.append(item)
        for node in item.nodes:
            self.item_of[node] = item

    def sort_by_sample(self, nodes: Sequence[Node]) -> list[Node]:
        """Return the nodes of a class in the order of the samples that they are computed from."""
        sources = [self.find_sources(node) for node in nodes]
        if len(nodes) == self.samples and all(len(x) < 2 for x in sources):
            outside = [tuple(x for x in node.inputs if x not in self.shapes) for node in nodes]
            is_known = len({*outside}) == len(nodes) and all(x in self.entrances for x in outside)
            numbers = [self.entrances[x] if is_known else i for i, x in enumerate(outside)]
            sources = [x or (i,) for i, x in zip(numbers, sources, strict=True)]
            self.entrances |= {x: y[0] for x, y in zip(outside, sources, strict=True)}
        keys = {node: sorted(x) for node, x in zip(nodes, sources, strict=True)}
        if [] in keys.values() or len({*map(tuple, keys.values())}) < len(nodes):
            raise NotRepeatedError
        self.sources |= dict(zip(nodes, sources, strict=True))
        return sorted(nodes, key=keys.__getitem__)

    def find_sources(self, node: Node) -> tuple[int, ...]:
        """Return the samples that a node's inputs are computed from, in the order of the inputs."""
        return tuple(dict.fromkeys(i for x in node.inputs for i in self.sources.get(x, ())))

    def describe_sample(self, node: Node) -> str:
        """Return the samples that a node is computed from: "sample 2", or "samples 2, 3"."""
        numbers = [*map(str, self.sources.get(node, ()))]
        return f"sample{'s' * (len(numbers) > 1)} {', '.join(numbers)}" if numbers else ""

    def add_chains(self, order: Sequence[Node]) -> None:
        """Make one item of each chain of additions over all samples of an item."""
        chains: dict[Node, tuple[Item, list[Node], list[Node]]] = {}
        for node in order:
            chain = self.extend_chain(node, chains) if node in self.item_of else None
            if chain:
                chains[node] = chain
        inner = {x for node in chains for x in node.inputs if x in chains}
        for node, (item, sums, terms) in chains.items():
            if node in inner or sorted(map(id, terms)) != sorted(map(id, item.nodes)):
                continue
            self.items = [x for x in self.items if x.node not in sums[:-1] or len(x.nodes) > 1]
            self.items[self.items.index(self.item_of[node])] = chain_item = Item(sums, terms=item)
            self.item_of |= dict.fromkeys(sums, chain_item)

    def extend_chain(
        self, node: Node, chains: Mapping[Node, tuple[Item, list[Node], list[Node]]]
    ) -> "tuple[Item, list[Node], list[Node]] | None":
        """Return the item, the partial sums and the terms of a sum; None for another node."""
        if node.op is None or node.op.name != "+" or self.item_of[node].has_samples:
            return None
        items, sums, terms = set(), [], []
        for x in node.inputs:
            if x in chains and len(self.users[x]) == 1:
                item, more, summed = chains[x]
                items.add(item)
                sums += more
                terms += summed
            elif x in self.item_of and self.item_of[x].has_samples:
                items.add(self.item_of[x])
                terms.append(x)
            elif x.op is not None or not x.constant or x.data != 0.0:
                return None
        return (items.pop(), [*sums, node], terms) if len(items) == 1 else None

    def get_input(self, item: Item, k: int) -> Item:
        """Return the item of an item's k-th input."""
        if item.terms is not None:
            return item.terms
        nodes = [self.sorted_inputs(node)[k] for node in item.nodes]
        return self.find(nodes)

    def list_inputs(self, item: Item) -> list[Item]:
        """Return the items of an item's inputs, in order."""
        if item.terms is not None:
            return [item.terms]
        return [self.get_input(item, k) for k in range(len(item.node.inputs))]

    def sorted_inputs(self, node: Node) -> Sequence[Node]:
        """Return the inputs of a node, in the order of the picture."""
        if node.op is not None and node.op.name in UNORDERED:
            return sorted(node.inputs, key=lambda x: self.ranks.get(self.shapes.get(x, -1), -1))
        return node.inputs

    def find(self, nodes: Sequence[Node]) -> Item:
        """Return the item of nodes that are used in the same place, one for each sample.

        Raises NotRepeatedError if they are of different kinds.
        """
        if nodes[0] in self.item_of:
            item = self.item_of[nodes[0]]
            is_aligned = len(nodes) != len(item.nodes) or item.nodes == [*nodes]
            if any(self.item_of.get(x) is not item for x in nodes) or not is_aligned:
                raise NotRepeatedError
            return item
        if len({id(x) for x in nodes}) == 1:
            nodes = nodes[:1]
        key = tuple(nodes)
        if key not in self.slots:
            kinds = {x.op and x.op.name for x in nodes}
            if len(kinds) > 1 or any(x in self.item_of for x in nodes):
                raise NotRepeatedError
            self.slots[key] = Item(list(nodes))
            if nodes[0].op is not None:
                self.items.append(self.slots[key])
        return self.slots[key]


class NotRepeatedError(Exception):
    """Raised for a graph that does not repeat once for each sample."""


def number_shapes(order: Sequence[Node], parameters: Collection[Node]) -> dict[Node, int]:
    """Return the number of the structure above each node that depends on parameters.

    Two nodes have the same number if they apply the same operations to the same parameters, and to
    any other leaves.
    """
    numbers: dict[object, int] = {}
    shapes: dict[Node, int] = {}
    dependent: set[Node] = set()
    for node in order:
        if node in parameters:
            key: object = node
            dependent.add(node)
        elif node.op is None:
            key = "leaf"
        else:
            inputs = [shapes[x] for x in node.inputs]
            key = (node.op.name, *(sorted(inputs) if node.op.name in UNORDERED else inputs))
            if not dependent.isdisjoint(node.inputs):
                dependent.add(node)
        shapes[node] = numbers.setdefault(key, len(numbers))
    return {node: shapes[node] for node in order if node in dependent}


def contains_arrays(order: Sequence[Node]) -> bool:
    """Return whether a graph contains Arrays."""
    return any(node._zero is None and not isinstance(node, Outputs) for node in order)
