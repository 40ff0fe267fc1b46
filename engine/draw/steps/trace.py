"""Backpropagation as lists of frames: the correct pass, and wrong ones with their mistakes."""

from collections.abc import Mapping, Sequence

from engine.draw.formulas.notation import NO_NAMES, Name, Notation, choose_names
from engine.draw.formulas.places import remove_marks
from engine.draw.formulas.shortening import shorten_names
from engine.draw.page.live import pack_graph
from engine.draw.steps.frames import TITLES, Run, Trace
from engine.draw.steps.numbers import (
    Texts,
    choose_places,
    list_contributions,
    list_data,
    place_contributions,
)
from engine.draw.steps.tracer import BackwardTracer
from engine.draw.steps.wrong_frames import WrongPassTracer
from engine.graph import topological
from engine.node import Node
from engine.sequences.vector_op import Outputs
from engine.value import Value
from engine.watch.wrong_passes import RIGHT, WRONG, Mistake, Pass, compare_passes, contributions


def trace(
    root: Value,
    spec: str = ".4g",
    order: Sequence[Node] = (),
    places: Mapping[Node, str] | None = None,
    network: Mapping[Node, Name] = NO_NAMES,
    has_mistakes: bool = True,
) -> Trace:
    """Return the frames of the forward and the backward passes from `root`.

    The gradients of the graph are neither read nor changed.

    Args:
        root: the result of the graph.
        spec: the format of numbers.
        order: the graph in topological order, if known.
        places: for nodes of a model, the place in it, such as "layers[0], neuron 1".
        network: the names of the values of a network.
        has_mistakes: whether wrong passes follow.

    >>> x = Value(3.0, "x")
    >>> y = x * x
    >>> y.label = "y"
    >>> for frame in trace(y).frames:
    ...     print(frame.kind, frame.title, frame.data, frame.grad)
    start Start with the inputs {'v0': '3'} {}
    forward y = x · x {'v1': '9'} {}
    seed The gradient starts at y {} {'v1': '1'}
    backward From y to x, use 1 of 2 {} {'v0': '3'}
    backward From y to x, use 2 of 2 {} {'v0': '6'}
    end All gradients are complete {} {}
    """
    order = order or topological(root)
    full_names = [*map(remove_marks, choose_names(order, spec, network))]
    shorts = shorten_names(full_names)
    names = {node: shorts[name] for node, name in zip(order, full_names, strict=True)}
    variants = (RIGHT, *WRONG) if has_mistakes else (RIGHT,)
    passes = {variant: list(contributions(order, variant)) for variant in variants}
    places = {node: remove_marks(place) for node, place in (places or {}).items()}
    notation = Notation(names, spec, network, choose_places(order))
    runs = []
    for title, (variant, passed) in zip(TITLES, passes.items(), strict=False):
        tracer = BackwardTracer(order, notation, places, variant)
        placed = place_contributions(passed, tracer.place)
        frames = tracer.trace_all(placed) if variant is RIGHT else tracer.trace_pass(placed)
        runs.append(Run(title, [*frames]))

    def describe(runs: Sequence[Run]) -> list[Run]:
        """Return the runs, of which the wrong ones say what their mistakes are."""
        right, *wrong = runs
        triples = zip(wrong, WRONG, compare_passes(order, passes) if wrong else [], strict=False)
        return [right, *(describe_run(*triple) for triple in triples)]

    def describe_run(run: Run, variant: Pass, mistake: Mistake) -> Run:
        known = WrongPassTracer(order, notation, places, variant, passes[variant], mistake)
        return run._replace(frames=[*known.describe(run.frames)])

    grads: dict[Node, float] = dict.fromkeys(order, 0.0) | {order[-1]: 1.0}
    grads |= {sent.to: sent.after for sent in passes[RIGHT] if not isinstance(sent.to, Outputs)}
    whole = {short: name for name, short in shorts.items() if short != name}
    shared = dict(list_data(order, grads))
    texts = [Texts(shared | dict(list_contributions(x)), spec) for x in passes.values()]
    return Trace(runs, names, grads, whole, texts, pack_graph(names, passes, spec), describe)
