"""The scalar graphs that a training page opens: those of samples and of neurons.

Each graph is drawn here once, with places for numbers, and the page sets the numbers of its leaves.
The neurons of a layer share a drawing, and so do the samples whose losses have the same program.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.draw.circles.connections import Network
from engine.draw.options import Options
from engine.draw.page.html import PageView
from engine.draw.stepper import LIMIT, Stepper, open_neuron, step_graph
from engine.draw.steps.neuron_graphs import MOST_TERMS, NeuronOpener
from engine.graph import topological
from engine.node import Node
from engine.value import Value, as_nodes
from nn.batches import Samples
from nn.init import generator
from nn.live.lanes import Program
from nn.live.loss_programs import LossPrograms, count_outputs
from nn.live.overlay import OpenView
from nn.module import Module
from nn.objective import Loss

Sources = Mapping[Any, tuple[str, int]]  # where a page finds the numbers of leaves
TRIES = 8  # sets of numbers, of which a drawing shows the one with the fewest zeros
SLOT = 0x4E00  # a letter for each product of a large neuron, which the page replaces by its number


def draw_graphs(
    model: Module, loss: Loss, samples: Samples, losses: LossPrograms, theme: str
) -> dict[str, OpenView]:
    """Return the views of samples, one for each program of a loss, and of the neurons of layers.

    A sample whose graph has too many values to step through has none.
    """
    options = Options(theme=theme)
    views: dict[str, OpenView] = {}
    for k, program in enumerate(losses.programs):
        own = [i for i, number in enumerate(losses.program_of) if number == k]
        i = max(own, key=lambda i: len(str(samples[1][i])))
        example, root, sources = build_example(model, loss, samples, i, program)
        if not k:
            views |= draw_neurons(example, root, options)
        if len(topological(root)) > LIMIT:  # and so are those of the other programs
            break
        stepper = step_graph(root, example, "values", options, LIMIT)
        views[f"sample {k}"] = open_stepper(stepper, root, sources)
    return views


def build_example(
    model: Module, loss: Loss, samples: Samples, i: int, program: Program
) -> tuple[Module, Value, Sources]:
    """Return a copy of a model with random parameters, and its loss and sources as `build_sample`.

    A drawing reserves room for the numbers that it has. Those of a copy are long: neither biases
    of 0 nor units without a gradient, if possible.
    """
    X, y = samples
    best: Any = None
    for seed in range(TRIES):
        rng, example = generator(seed), copy.deepcopy(model)
        for p in example.parameters():
            p.data, p.grad = 0.5 * float(rng.normal()), 0.0
        inputs = rng.normal(size=(1, *X.shape[1:]))
        root, sources = build_sample(example, loss, (inputs, y[i : i + 1]), 0, program)
        root.backward()
        order = topological(root)
        idle = sum(not node.grad for node in order if not node.constant)
        if best is None or idle < best[0]:
            best = idle, example, root, sources
        if not idle or len(order) > LIMIT:
            break
    return best[1:]


def build_sample(
    model: Module, loss: Loss, samples: Samples, i: int, program: Program
) -> tuple[Value, Sources]:
    """Return the loss of the i-th sample, and the sources of its leaves.

    The target is a constant with a label if it is an input of the program of the loss. Otherwise
    the graph is that of its number.
    """
    X, y = samples
    xs = [Value(float(x), f"x{j}") for j, x in enumerate(X[i].ravel())]
    sources: dict[Any, tuple[str, int]] = {x: ("x", j) for j, x in enumerate(xs)}
    sources |= {p: ("w", j) for j, p in enumerate(model.parameters())}
    outputs: Any = model(xs if X.ndim > 1 else xs[0])  # type: ignore[operator]
    outputs = [*outputs] if isinstance(outputs, tuple) else outputs
    target: Any = y[i].tolist()
    if len(program.inputs) > count_outputs(outputs):
        ys = as_nodes([float(t) for t in y[i].ravel()])
        for j, t in enumerate(ys):
            t.label = f"y{j}" if len(ys) > 1 else "y"
            sources[t] = ("y", j)
        target = [*ys] if isinstance(target, list) else ys[0]
    root = loss([outputs], [target])
    root.label = root.label or "loss"
    return root, sources


def draw_neurons(model: Module, root: Value, options: Options) -> Iterator[tuple[str, OpenView]]:
    """Yield the name and the view of a neuron of each layer."""
    try:
        network = Network(model, root)
    except (TypeError, ValueError):  # it is not made of fully connected layers
        return
    opener = SlotOpener(network)
    for c in range(1, len(network.columns) + 1):
        places = [place for place in opener.places if place[0] == c and opener.has_sum(place)]
        if places:
            opened = opener.build(max(places, key=opener.measure_gradient))
            stepper = open_neuron(opened, options)
            yield f"layer {c}", open_stepper(stepper, opened.root, opened.sources)


class SlotOpener(NeuronOpener):
    """A builder of neurons for which the page chooses the products that are shown.

    The labels of these products have a letter in place of a number if some are left out.
    """

    def __init__(self, network: Network):
        super().__init__(network, {x: x.grad for x in network.activity.owners})
        self.terms, self.shown = MOST_TERMS, 1
        self.slots: Sequence[int] = ()

    def has_sum(self, place: Any) -> bool:
        """Return whether the graph has the sum of a neuron."""
        return self.activity.find_sum(self.activity.nodes[place[0]][place[1]][0]) is not None

    def measure_gradient(self, place: Any) -> float:
        """Return the size of the gradient of a neuron's sum."""
        z: Any = self.activity.find_sum(self.activity.nodes[place[0]][place[1]][0])
        return abs(z.grad)

    def choose_terms(self, place: Any, nodes: list[Any]) -> list[int]:
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
    view = PageView(
        stepper.title, stepper.drawing.svg, stepper.templates, stepper.facts, stepper.whole,
        stepper.graph,
    )  # fmt: skip
    places = enumerate(topological(root))
    return OpenView(view, [(i, *sources[node]) for i, node in places if node in sources])
