"""A network as neurons, inputs and the values computed from them: the content of its picture.

`engine.draw.cards.content` writes it as tables, `engine.draw.cards.columns` places them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from engine.draw.cards.samples import Item, ItemGraph, NotRepeatedError, contains_arrays
from engine.draw.graph.clusters import Modules, format_path
from engine.draw.graph.neurons import SumReader, SumTerm, has_activation_form
from engine.node import Node
from engine.sequences.vector_op import Output, Outputs
from engine.support.arguments import format_count

Row: TypeAlias = SumTerm[Item]


@dataclass(eq=False)
class NeuronValues:
    """A neuron: its rows, its pre-activation z, and its activation, if any."""

    path: str
    rows: list[Row]
    z: Item
    activation: Item | None
    heading: str = ""

    @property
    def out(self) -> Item:
        return self.activation or self.z

    @property
    def items(self) -> list[Item]:
        """The computed items, in order."""
        inner = [x for row in self.rows for x in (row.product, row.sum) if x]
        return [*inner, self.z, *([self.activation] if self.activation else [])]


@dataclass(eq=False)
class NeuronLayer:
    """The neurons of one column."""

    path: str
    neurons: list[NeuronValues]

    @property
    def title(self) -> str:
        """The path of the layer and a description, as "layers[0]: 4 neurons, tanh"."""
        names = {name_operation(x.activation) for x in self.neurons}
        kind = next(iter(names)) if len(names) == 1 else "mixed"
        count = format_count(len(self.neurons), "neuron")
        if len(self.neurons) == 1 and not self.path:
            return f"1 neuron, {kind}"
        return f"{format_path(self.path)}: {count}, {kind}" if self.path else f"{count}, {kind}"


@dataclass(eq=False)
class LooseStep:
    """A value outside neurons, or the results of one operation; `leaves` are used only here."""

    items: list[Item]
    operation: Item
    leaves: list[Item]


@dataclass(eq=False)
class StepStack:
    """Steps of which each has the one before as its only computed input."""

    steps: list[LooseStep]

    @property
    def items(self) -> list[Item]:
        return [item for step in self.steps for item in step.items]


class UnknownFormError(Exception):
    """Raised for a model that is not made of neurons."""


@dataclass(eq=False)
class NeuronGraph:
    """The content of the picture of a network."""

    graph: ItemGraph
    root: Node
    parameters: Mapping[Node, str]  # and frozen parameters, by their paths
    inputs: list[Item] = field(default_factory=list)
    columns: list["NeuronLayer | list[StepStack]"] = field(default_factory=list)
    place: dict[Node, int] = field(default_factory=dict)

    @property
    def layers(self) -> list[NeuronLayer]:
        return [x for x in self.columns if isinstance(x, NeuronLayer)]

    @property
    def stacks(self) -> list[StepStack]:
        return [stack for x in self.columns if not isinstance(x, NeuronLayer) for stack in x]

    def list_ids(self, item: Item, letter: str = "v") -> tuple[str, ...]:
        """Return the ids of the values, or of the operations, of all samples of an item."""
        nodes = [x for sample in range(len(item.nodes)) for x in item.list_copies(sample)]
        return tuple(f"{letter}{self.place[node]}" for node in nodes)

    def list_items(self) -> list[Item]:
        """Return all items of the picture."""
        seen: dict[Item, None] = dict.fromkeys(self.inputs)
        for layer in self.layers:
            for neuron in layer.neurons:
                seen |= dict.fromkeys(row.parameter for row in neuron.rows)
                seen |= dict.fromkeys(neuron.items)
        for stack in self.stacks:
            for step in stack.steps:
                seen |= dict.fromkeys([*step.leaves, step.operation, *step.items])
        return [*seen]


def read_network(
    order: Sequence[Node], modules: Modules, limit: float = math.inf
) -> NeuronGraph | None:
    """Return the network that computes a graph in topological order.

    Returns None if the model is not made of neurons, if it is applied several times other than
    once for each sample, or if there are more than `limit` values, of which samples count once.
    """
    if contains_arrays(order) or not modules.owned:
        return None
    try:
        network = NetworkReader(order, modules, limit).read()
        return network if len(network.list_items()) <= limit else None
    except (NotRepeatedError, UnknownFormError):
        return None


class NetworkReader:
    """A reader of the neurons and stacks in a graph."""

    def __init__(self, order: Sequence[Node], modules: Modules, limit: float):
        self.order, self.modules = order, modules
        self.graph = ItemGraph(order, modules.owned, limit)
        owners = {node: modules.path_by_node[node] for node in modules.owned}
        self.sums = SumReader(order, owners)
        self.place = {node: i for i, node in enumerate(order)}
        self.rank = {path: i for i, path in enumerate(modules.owned.values())}

    def read(self) -> NeuronGraph:
        neurons = self.read_neurons()
        layers: dict[str, list[NeuronValues]] = {}
        for neuron in neurons:
            layers.setdefault(self.find_layer(neuron.path), []).append(neuron)
        for path, several in layers.items():
            several.sort(key=self.sort_key)
            for i, neuron in enumerate(several):
                neuron.heading = f"neuron {i}" if len(several) > 1 or path else "neuron"
            self.share_constants(several)
        in_order = [neuron for several in layers.values() for neuron in several]
        outs = [self.graph.shapes[neuron.out.node] for neuron in in_order]
        self.graph.ranks |= dict(zip(outs, sorted(outs), strict=True))
        inside = {item for neuron in neurons for item in neuron.items}
        stacks = self.stack(inside)
        network = NeuronGraph(self.graph, self.order[-1], self.modules.owned, place=self.place)
        network.inputs = self.find_inputs(neurons, stacks)
        network.columns = self.arrange([NeuronLayer(*x) for x in layers.items()], stacks)
        return network

    # -------------------------------------------------------------------------------- neurons

    def read_neurons(self) -> list[NeuronValues]:
        """Return the neurons. Raises UnknownFormError if a module computes something else."""
        by_path: dict[str, list[Item]] = {}
        for item in self.graph.items:
            paths = {self.modules.path_by_node.get(node, "") for node in item.nodes}
            if len(paths) > 1:
                raise UnknownFormError
            path = paths.pop()
            if item.node.op is not None and path:
                by_path.setdefault(path, []).append(item)
        neurons = []
        for path, items in by_path.items():
            inside = {*items}
            found = [self.read_neuron(path, x, inside) for x in items if self.is_head(x, inside)]
            covered = [item for neuron in found for item in neuron.items]
            if len(covered) != len({*covered}) or {*covered} != inside:
                raise UnknownFormError
            neurons += found
        if not neurons:
            raise UnknownFormError
        return neurons

    def is_head(self, item: Item, inside: set[Item]) -> bool:
        """Return whether no other value of the same module uses a value."""
        users = self.graph.users[item.node]
        return not any(self.graph.item_of.get(user) in inside for user in users)

    def read_neuron(self, path: str, head: Item, inside: set[Item]) -> NeuronValues:
        """Return the neuron whose output is `head`. Raises UnknownFormError for another form."""
        z, activation = head, None
        if has_activation_form(head.node) and self.graph.get_input(head, 0) in inside:
            z, activation = self.graph.get_input(head, 0), head
        terms = self.sums.read(z.node)
        rows = [self.translate(term, z) for term in terms or ()]
        if not rows or z.terms or len({row.parameter for row in rows}) < len(rows):
            raise UnknownFormError  # also for a weight that is used twice
        rows.sort(
            key=lambda row: self.rank.get(
                self.modules.owned.get(row.parameter.node, ""), len(self.rank)
            )
        )
        return NeuronValues(path, rows, z, activation)

    def translate(self, term: SumTerm[Node], z: Item) -> Row:
        """Return a term of the last sample as the items of all samples."""
        find = lambda node: None if node in (None, z.node) else self.graph.item_of[node]
        user = self.graph.item_of[term.user]
        operand = self.graph.get_input(user, term.k)
        values = user, term.k, find(term.product), find(term.sum)
        if term.input is None:
            return SumTerm(operand, None, *values)
        return SumTerm(self.graph.item_of[term.parameter], operand, *values)

    def find_layer(self, path: str) -> str:
        """Return the path of the layer of a neuron: the module around the list that it is in."""
        return self.modules.find_parent(path)

    def sort_key(self, neuron: NeuronValues) -> tuple[int, ...]:
        """Return the place of a neuron in its layer: that of its first parameter in the model."""
        paths = [self.modules.owned.get(row.parameter.node, "") for row in neuron.rows]
        return (min(self.rank.get(path, len(self.rank)) for path in paths),)

    def share_constants(self, neurons: Sequence[NeuronValues]) -> None:
        """Let the neurons of a layer share constants that were made anew for each of them."""
        first = neurons[0]
        for neuron in neurons[1:]:
            if len(neuron.rows) != len(first.rows):
                return
            for i, (row, other) in enumerate(zip(neuron.rows, first.rows, strict=True)):
                mine, shared = row.input, other.input
                if mine and shared and mine is not shared and is_same_constant(mine, shared):
                    if mine.nodes not in shared.copies:
                        shared.copies.append(mine.nodes)
                    neuron.rows[i] = row._replace(input=shared)

    # --------------------------------------------------------------------- values outside neurons

    def stack(self, inside: set[Item]) -> list[StepStack]:
        """Return the values outside neurons as stacks."""
        graph, loose = self.graph, []
        computed = [x for x in [*graph.items, *graph.slots.values()] if x.node.op is not None]
        for item in dict.fromkeys(computed):
            if item not in inside:
                loose.append(item)
                graph.list_inputs(item)
        computed = [*loose, *(x for x in graph.slots.values() if x.node.op is not None)]
        loose = sorted(dict.fromkeys(computed), key=lambda item: self.place[item.node])
        users: dict[Item, list[Item]] = {}
        for item in loose:
            for x in dict.fromkeys(graph.list_inputs(item)):
                users.setdefault(x, []).append(item)
        self.users, taken = users, {x for item in inside for x in graph.list_inputs(item)}
        stacks: list[StepStack] = []
        step_of: dict[Item, LooseStep] = {}
        for item in loose:
            inputs = graph.list_inputs(item)
            if isinstance(item.node.op, Output) and inputs[0] in step_of:
                step_of[item] = step_of[inputs[0]]
                step_of[item].items.append(item)
                continue
            leaves = [
                x for x in dict.fromkeys(inputs)
                if x.node.op is None and x.node not in self.modules.owned and x not in taken
                and (len(users[x]) == 1 or x.node.constant)
            ]  # fmt: skip
            step = LooseStep([] if isinstance(item.node, Outputs) else [item], item, leaves)
            step_of[item] = step
            rest = {x for x in inputs if x not in leaves}
            before = next((s for s in stacks if self.may_follow(s, item, rest, taken)), None)
            if before:
                before.steps.append(step)
            else:
                stacks.append(StepStack([step]))
        return stacks

    def may_follow(self, stack: StepStack, item: Item, inputs: set[Item], taken: set[Item]) -> bool:
        """Return whether a value uses the last step of a stack only, which nothing else uses."""
        last = stack.steps[-1].items
        others = {user for x in last for user in self.users.get(x, []) if user is not item}
        return bool(inputs) and inputs <= {*last} and not others and taken.isdisjoint(last)

    def find_inputs(
        self, neurons: Sequence[NeuronValues], stacks: Sequence[StepStack]
    ) -> list[Item]:
        """Return the inputs in the order in which the neurons use them.

        Raises UnknownFormError if a parameter of no neuron is one of them.
        """
        used = [row.input for neuron in neurons for row in neuron.rows if row.input]
        leaves = {x for stack in stacks for step in stack.steps for x in step.leaves}
        for stack in stacks:
            used += [x for step in stack.steps for x in self.graph.list_inputs(step.operation)]
        parameters = {row.parameter for neuron in neurons for row in neuron.rows}
        if any(x.node in self.modules.owned and x not in parameters for x in used):
            raise UnknownFormError
        return [
            x for x in dict.fromkeys(used)
            if x.node.op is None and x not in leaves and x.node not in self.modules.owned
        ]  # fmt: skip

    # -------------------------------------------------------------------------------- columns

    def arrange(
        self, layers: Sequence[NeuronLayer], stacks: Sequence[StepStack]
    ) -> list["NeuronLayer | list[StepStack]"]:
        """Return the columns: one for each layer, and one for the stacks of each depth.

        Raises UnknownFormError if layers depend on each other.
        """
        parts: list[NeuronLayer | StepStack] = [*layers, *stacks]
        part_of: dict[Item, NeuronLayer | StepStack] = {}
        for part in parts:
            for item in self.list_part(part):
                part_of[item] = part
        depths: dict[NeuronLayer | StepStack, int] = {}
        waiting = {
            part: {part_of[x] for x in self.list_needs(part) if x in part_of} - {part}
            for part in parts
        }
        while waiting:
            ready = [part for part, needs in waiting.items() if needs <= depths.keys()]
            if not ready:
                raise UnknownFormError
            for part in ready:
                depths[part] = 1 + max((depths[x] for x in waiting.pop(part)), default=0)
        self.delay(stacks, part_of, depths)
        for layer in layers:  # of which no neuron may use another one
            own = {item for neuron in layer.neurons for item in neuron.items}
            if any(row.input in own for neuron in layer.neurons for row in neuron.rows):
                raise UnknownFormError
        columns: list[NeuronLayer | list[StepStack]] = []
        for depth in sorted({*depths.values()}):
            columns += [x for x in layers if depths[x] == depth]
            if level := [x for x in stacks if depths[x] == depth]:
                columns.append(level)
        return columns

    def delay(
        self,
        stacks: Sequence[StepStack],
        part_of: Mapping[Item, NeuronLayer | StepStack],
        depths: dict[NeuronLayer | StepStack, int],
    ) -> None:
        """Move stacks that no layer uses to the depth before the first of their users."""
        users: dict[NeuronLayer | StepStack, set[NeuronLayer | StepStack]] = {
            part: set() for part in depths
        }
        for part in depths:
            for item in self.list_needs(part):
                if item in part_of and part_of[item] is not part:
                    users[part_of[item]].add(part)
        for stack in sorted(stacks, key=lambda x: -depths[x]):
            if users[stack] and not any(isinstance(x, NeuronLayer) for x in users[stack]):
                depths[stack] = min(depths[x] for x in users[stack]) - 1

    def list_part(self, part: NeuronLayer | StepStack) -> list[Item]:
        if isinstance(part, StepStack):
            return [*part.items, *(step.operation for step in part.steps)]
        return [item for neuron in part.neurons for item in neuron.items]

    def list_needs(self, part: NeuronLayer | StepStack) -> Iterable[Item]:
        if isinstance(part, NeuronLayer):
            return [row.input for neuron in part.neurons for row in neuron.rows if row.input]
        return [x for step in part.steps for x in self.graph.list_inputs(step.operation)]


def is_same_constant(a: Item, b: Item) -> bool:
    """Return whether two items are constants without labels and with the same numbers."""
    nodes = [*a.nodes, *b.nodes]
    if len(a.nodes) != len(b.nodes) or not all(x.constant and not x.label for x in nodes):
        return False
    return [x.data for x in a.nodes] == [x.data for x in b.nodes]


def name_operation(item: Item | None) -> str:
    """Return the name of an activation, "linear" for none."""
    return item.node.op.name if item is not None and item.node.op is not None else "linear"
