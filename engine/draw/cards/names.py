"""The names of the values of a network: short ones for formulas, full ones that are distinct."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from engine.draw.cards.neurons import LooseStep, NeuronGraph, NeuronValues
from engine.draw.cards.samples import Item
from engine.draw.formulas.notation import Name
from engine.draw.graph.clusters import format_path, name_root
from engine.draw.look.theme import format_number
from engine.node import Node
from engine.sequences.vector_op import Output

OPERATIONS = {  # the name of a result, by that of its operation
    "+": "sum", "total": "sum", "-": "diff", "*": "prod", "/": "ratio", "neg": "neg", "**": "pow",
    "softmax": "p", "cross_entropy": "ce", "relu": "relu",
}  # fmt: skip
POWERS = {2.0: "square", 3.0: "cube"}


def name_samples(network: NeuronGraph, items: Mapping[Item, Name]) -> dict[Node, Name]:
    """Return the names of the nodes of a network; of samples, the full ones have the number."""
    names: dict[Node, Name] = {}
    for item, name in items.items():
        for sample in range(len(item.nodes)):
            for node in item.list_copies(sample):
                short, full = name
                if item.terms and node is not item.node:
                    short, full = f"sum{sample}", f"{full}, up to sample {sample}"
                elif item.has_samples:
                    own = network.graph.describe_sample(node) or f"sample {sample}"
                    full = f"{full}, {own}"
                names.setdefault(node, Name(short, full))
    return names


def name_items(network: NeuronGraph, spec: str) -> dict[Item, Name]:
    """Return the names of the items of a network."""
    names: dict[Item, Name] = {}
    for i, item in enumerate(network.inputs):
        name = read_label(item) or f"x{find_slot(network, item, i)}"
        names[item] = Name(name, name)
    for layer in network.layers:
        paths = Counter(neuron.path for neuron in layer.neurons)
        for i, neuron in enumerate(layer.neurons):
            path = format_path(neuron.path) if layer.path or len(layer.neurons) > 1 else ""
            if paths[neuron.path] > 1:
                path += f"[{i}]"
            index = str(i) if len(layer.neurons) > 1 else ""
            name_neuron(neuron, index, f"{path}." if path else "", network.parameters, names)
    steps = [step for stack in network.stacks for step in stack.steps]
    name_steps(network, steps, spec, names)
    return make_distinct(names)


def find_slot(network: NeuronGraph, item: Item, otherwise: int) -> int:
    """Return the number of the weight that multiplies an input in the first neuron that uses it."""
    for layer in network.layers:
        for neuron in layer.neurons:
            for i, row in enumerate(row for row in neuron.rows if row.input):
                if row.input is item:
                    return i
    return otherwise


def name_neuron(
    neuron: NeuronValues,
    index: str,
    prefix: str,
    paths: Mapping[Node, str],
    names: dict[Item, Name],
) -> None:
    """Name the rows, z and activation of a neuron, which is the `index`-th of its layer."""
    add = lambda item, short: names.setdefault(item, Name(short + index, prefix + short))
    for k, row in enumerate(neuron.rows):
        short = name_parameter(row.parameter.node, paths, neuron.path)
        names.setdefault(row.parameter, Name(short, prefix + short))
        for item, letter in ((row.product, "p"), (row.sum, "s")):
            if item:
                names.setdefault(item, Name(f"{letter}{k}", f"{prefix}{letter}{k}"))
    for item, letter in ((neuron.z, "z"), (neuron.activation, "a")):
        if item and (label := read_label(item)):
            names.setdefault(item, Name(label, label))
        elif item:
            add(item, letter)


def name_parameter(node: Node, paths: Mapping[Node, str], module: str) -> str:
    """Return the label of a parameter, or its path in its module: weights.0 is weights0."""
    path = paths.get(node, "")
    own = path.removeprefix(f"{module}.") if path.startswith(f"{module}.") else path
    return node.label or re.sub(r"\.(\d+)$", r"\1", own) or "c"


def name_steps(
    network: NeuronGraph, steps: Sequence[LooseStep], spec: str, names: dict[Item, Name]
) -> None:
    """Name the values outside neurons by their labels or operations, and their constants.

    Parameters outside neurons, such as the rows of an embedding, have their labels and paths.
    """
    bases: dict[Item, str] = {}
    for step in steps:
        for x in network.graph.list_inputs(step.operation):
            if path := network.parameters.get(x.node):
                name = name_parameter(x.node, network.parameters, path.rpartition(".")[0])
                names.setdefault(x, Name(name, format_path(path)))
        for item in step.items:
            bases[item] = read_label(item) or name_result(item)
            if network.root is item.node and not item.node.label:
                bases[item] = name_root(item.node).short
        for leaf in step.leaves:
            text = format_number(leaf.node.data, spec) if leaf.is_number else "y"
            bases.setdefault(leaf, read_label(leaf) or text)
    totals = Counter(bases.values())
    counts: Counter[str] = Counter()
    for item, base in bases.items():
        name = base
        if totals[base] > 1 and not item.is_number and not read_label(item):
            name, counts[base] = f"{base}{counts[base]}", counts[base] + 1
        names.setdefault(item, Name(name, name))


def name_result(item: Item) -> str:
    """Return a word for the result of an operation."""
    op, inputs = item.node.op, item.node.inputs
    if isinstance(op, Output):
        return f"{OPERATIONS.get(op.vector_op.name, op.vector_op.name)}{op._output_index}"
    name = op.name if op is not None else ""
    if name == "**" and inputs[1].constant and inputs[1].data in POWERS:
        return POWERS[inputs[1].data]
    return OPERATIONS.get(name, name)


def read_label(item: Item) -> str:
    """Return the label of an item; of samples with different labels, their common letters."""
    if item.terms:  # a chain of additions, whose last sum has the label
        return item.node.label or ""
    labels = {node.label or "" for node in item.nodes}
    if len(labels) == 1:
        return labels.pop()
    stems = {re.sub(r"[\d_⁰-⁹₀-₉]+$", "", label) for label in labels}
    return stems.pop() if len(stems) == 1 else ""


def make_distinct(names: Mapping[Item, Name]) -> dict[Item, Name]:
    """Return the names, with "#2" after the second of several equal full names."""
    counts: Counter[str] = Counter()
    distinct = {}
    for item, (short, full) in names.items():
        counts[full] += 1
        if counts[full] > 1 and not item.is_number:
            full = f"{full} #{counts[full]}"
        distinct[item] = Name(short, full)
    return distinct
