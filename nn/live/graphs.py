"""The scalar graphs that a training page opens: those of samples and of neurons.

Each graph is drawn here once, with places for numbers, and the page sets the numbers of its leaves.
The neurons of a layer share a drawing, and so do the samples whose losses have the same program.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.draw.circles.activity import Place
from engine.draw.circles.connections import Network
from engine.draw.options import Options
from engine.draw.stepper import LIMIT, Stepper, open_neuron, step_blank_network, step_graph
from engine.draw.steps.neuron_graphs import MOST_TERMS, NeuronOpener, OpenedNeuron
from engine.draw.steps.neuron_steps import find_network
from engine.functions import dot
from engine.graph import topological
from engine.node import Node
from engine.value import Value, as_nodes
from nn.batches import Samples
from nn.init import generator
from nn.live.lanes import Program
from nn.live.loss_programs import LossPrograms
from nn.live.overlay import OpenView
from nn.module import Module
from nn.objective import Loss

Source = tuple[str | int, ...]  # where a page finds a number
Sources = Mapping[Any, Source]  # of leaves
LONG = -1.234e-05  # a gradient for which drawings have room
MOST_DRAWN = 4  # programs of losses whose samples have drawings of their own
TRIES = 8  # sets of numbers, of which a drawing shows the one with the fewest zeros
SLOT = 0x4E00  # a letter for each product of a large neuron, which the page replaces by its number


class SampleGraph(NamedTuple):
    """The loss of a sample, the outputs of the model, and the sources of the leaves.

    `is_row` is True if the model returns its outputs in a list.
    """

    root: Value
    outputs: list[Value]
    is_row: bool
    sources: Sources


def draw_graphs(
    model: Module, samples: Samples, losses: LossPrograms, theme: str
) -> dict[str, OpenView]:
    """Return the views that a page opens, by their names.

    - "layer 1" is a neuron of the first layer.
    - "sample 0" is a sample whose loss has the first program.
    - If such a graph has too many values to step through, or if there are many of them, "network"
      is any sample, neuron by neuron, and "loss 0" computes the loss from the outputs.

    A model that is not made of layers has neither neurons nor "network".
    """
    options, loss = Options(theme=theme), losses.loss
    views: dict[str, OpenView] = {}
    for k, program in enumerate(losses.programs):
        own = [i for i, number in enumerate(losses.program_of) if number == k]
        i = max(own, key=lambda i: len(str(samples[1][i])))  # its target has the longest text
        if "network" not in views:
            example, graph = build_example(model, loss, samples, i, program)
        if k == 0 and (opener := find_opener(example, graph.root)) is not None:
            views |= open_layers(opener, options)
            is_large = len(topological(graph.root)) > LIMIT or len(losses.programs) > MOST_DRAWN
            if is_large and sum(opener.network.counts[1:]) <= LIMIT:  # inputs have no steps
                views |= open_network(opener, example, graph, options)
        if "network" in views:
            outputs = [
                Value(p.data, f"out{j}" if graph.is_row else "out")
                for j, p in enumerate(graph.outputs)
            ]
            root, sources = apply_loss(loss, outputs, samples[1][i], program, graph.is_row)
            sources |= {p: ("out", j) for j, p in enumerate(outputs)}
            stepper = step_graph(root, None, "values", options, LIMIT, False, LONG)
            views[f"loss {k}"] = open_stepper(stepper, root, sources)
        elif len(topological(graph.root)) <= LIMIT:
            stepper = step_graph(graph.root, example, "values", options, LIMIT, gradient=LONG)
            views[f"sample {k}"] = open_stepper(stepper, graph.root, graph.sources)
        else:
            break
    return views


def build_example(
    model: Module, loss: Loss, samples: Samples, i: int, program: Program
) -> tuple[Module, SampleGraph]:
    """Return a copy of a model with random parameters, and a graph of the loss of its sample i.

    A drawing reserves room for its own numbers. Random parameters give long ones; of a few sets,
    the one with the fewest gradients of 0 is returned.
    """
    X, y = samples
    best: Any = None
    for seed in range(TRIES):
        rng, example = generator(seed), copy.deepcopy(model)
        for p in example.parameters():
            p.data, p.grad = 0.5 * float(rng.normal()), 0.0
        graph = build_sample(example, loss, rng.normal(size=X.shape[1:]), y[i], program)
        graph.root.backward()
        order = topological(graph.root)
        idle = sum(not node.grad for node in order if not node.constant)
        if best is None or idle < best[0]:
            best = idle, example, graph
        if not idle or len(order) > LIMIT:
            break
    return best[1:]


def build_sample(
    model: Module, loss: Loss, x: np.ndarray, y: np.ndarray, program: Program
) -> SampleGraph:
    """Return the graph of the loss of one sample."""
    xs = [Value(float(number), f"x{j}") for j, number in enumerate(x.ravel())]
    prediction: Any = model(xs if x.ndim else xs[0])  # type: ignore[operator]
    is_row = isinstance(prediction, list | tuple)
    outputs = [*prediction] if is_row else [prediction]
    root, sources = apply_loss(loss, outputs, y, program, is_row)
    sources |= {p: ("x", j) for j, p in enumerate(xs)}
    sources |= {p: ("w", j) for j, p in enumerate(model.parameters())}
    return SampleGraph(root, outputs, is_row, sources)


def apply_loss(
    loss: Loss, outputs: list[Value], y: np.ndarray, program: Program, is_row: bool
) -> tuple[Value, dict[Any, Source]]:
    """Return the loss of one sample, and the sources of its target.

    The target is a constant with a label if it is an input of the program of the loss. Otherwise
    the graph is that of its number.
    """
    target: Any = y.tolist()
    sources: dict[Any, Source] = {}
    if len(program.inputs) > len(outputs):
        ys = as_nodes([float(t) for t in y.ravel()])
        for j, t in enumerate(ys):
            t.label, sources[t] = f"y{j}" if len(ys) > 1 else "y", ("y", j)
        target = [*ys] if isinstance(target, list) else ys[0]
    root: Any = loss([outputs if is_row else outputs[0]], [target])
    root.label = root.label or "loss"
    return root, sources


def find_opener(model: Module, root: Value) -> "SlotOpener | None":
    """Return a builder of neurons, or None for a model not made of fully connected layers."""
    try:
        return SlotOpener(Network(model, root))
    except (TypeError, ValueError):
        return None


def open_layers(opener: "SlotOpener", options: Options) -> Iterator[tuple[str, OpenView]]:
    """Yield the name and the view of a neuron of each layer."""
    for c in range(1, len(opener.network.columns) + 1):
        if places := [place for place in opener.places if place[0] == c]:
            opened = opener.build(max(places, key=opener.measure_gradient))
            stepper = open_neuron(opened, options, LONG)
            yield f"layer {c}", open_stepper(stepper, opened.root, opener.list_sources(opened))


def open_network(
    opener: "SlotOpener", model: Module, graph: SampleGraph, options: Options
) -> Iterator[tuple[str, OpenView]]:
    """Yield the view of a network, whose last part, the loss, has its number from the page.

    The root is a linear function of the outputs in place of the loss, and has its gradients. There
    is no view if the graph has more values than a page computes.
    """
    *slopes, bias = as_nodes(generator(0).normal(size=len(graph.outputs) + 1).tolist())
    root = dot(slopes, graph.outputs, bias)
    root.label = graph.root.label
    model.zero_grad()
    root.backward()
    network = find_network(root, model, is_whole=False)
    if network is None:
        return
    opens: dict[str, Sequence[int]] = {network.name(place): place for place in opener.places}
    opens[network.name_opened_root()] = ()
    stepper = step_blank_network(network, model, options, [*opener.places, "root"])
    if stepper is None:
        return
    view = open_stepper(stepper, root, {**graph.sources, root: ("loss",)})
    order = topological(root)
    places = [order.index(node) for node in graph.outputs]
    assert view.view.graph is not None
    nodes = view.view.graph.nodes
    nodes[-1] = {"inputs": places, "data": 0.0, "slopes": [0.0] * len(places)}
    yield "network", view._replace(opens=opens)


class SlotOpener(NeuronOpener):
    """A builder of neurons for which the page chooses the products that are shown.

    The labels of these products have a letter in place of a number if some are left out.
    """

    when = "when this graph opened"

    def __init__(self, network: Network):
        assert network.activity is not None
        super().__init__(network, {x: x.grad for x in network.activity.owners})
        self.terms, self.shown = MOST_TERMS, 1
        self.slots: Sequence[int] = ()
        self.places = [place for place in self.places if self.find_sum(place) is not None]

    def list_sources(self, opened: OpenedNeuron) -> dict[Node, Source]:
        """Return the sources of the leaves of a neuron's graph.

        ("w", j) is a weight, ("x", j) its input, ("b",) the bias, ("rest",) the sum of the other
        products, and ("grad",) the gradient of the output.
        """
        *weights, bias = opened.parameters
        inputs = [
            x
            for x, link in opened.links.items()
            if link.kind == "d" and x not in {*opened.parameters}
        ]
        sources: dict[Node, Source] = {x: ("w", j) for j, x in enumerate(weights)}
        sources |= {x: ("x", j) for j, x in enumerate(inputs)} | {bias: ("b",)}
        kinds = {"dot": "rest", "g": "grad"}
        return sources | {
            x: (kinds[link.kind],) for x, link in opened.links.items() if link.kind in kinds
        }

    def find_sum(self, place: Place) -> Any:
        """Return the sum of a neuron."""
        return self.activity.find_sum(self.activity.nodes[place[0]][place[1]][0])

    def measure_gradient(self, place: Place) -> float:
        """Return the size of the gradient of a neuron's sum."""
        return abs(self.find_sum(place).grad)

    def choose_terms(self, place: Place, nodes: list[Any]) -> list[int]:
        """Return the first weights."""
        size = self.network.columns[place[0] - 1].shape[1]
        self.slots = range(self.terms) if size > self.terms else ()
        return [*range(min(size, self.terms))]

    def number_term(self, j: int) -> str:
        """Return the number of a weight, or the letter of its slot."""
        return f"_{chr(SLOT + j)}" if self.slots else str(j)

    def name_input(self, c: int, j: int) -> str:
        """Return the label of the input of a weight."""
        return f"{'x' if c == 1 else 'a'}{self.number_term(j)}"


def open_stepper(stepper: Stepper, root: Node, sources: Sources) -> OpenView:
    """Return the view of a stepper, which computes its numbers."""
    places = enumerate(topological(root))
    leaves = [(i, *sources[node]) for i, node in places if node in sources]
    return OpenView(stepper.to_view(), leaves)
