"""Backpropagation as lists of frames: the correct pass, and wrong ones with their mistakes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from engine.draw.frames import END, TITLES, Frame, Run, Trace
from engine.draw.notation import NO_NAMES, Name, Notation, choose_names
from engine.draw.theme import format_number
from engine.draw.tracer import BackwardTracer
from engine.graph import topological
from engine.node import Node
from engine.sequences.vector_op import Outputs
from engine.value import Value
from engine.watch.wrong_passes import (
    RIGHT,
    WRONG,
    Contribution,
    Mistake,
    compare_passes,
    contributions,
)


def trace(
    root: Value,
    spec: str = ".4g",
    order: Sequence[Node] = (),
    network: Mapping[Node, Name] = NO_NAMES,
) -> Trace:
    """Return the frames of the forward and the backward passes from `root`.

    The gradients of the graph are neither read nor changed. `order` is the graph in topological
    order, if known. `network` are the names of the values of a network.

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
    names = dict(zip(order, choose_names(order, spec, network), strict=True))
    passes = {variant: list(contributions(order, variant)) for variant in (RIGHT, *WRONG)}
    mistakes = compare_passes(order, passes)
    notation = Notation(names, spec, network)
    tracer = BackwardTracer(order, notation, RIGHT)
    frames = [tracer.start(), *tracer.trace_forward(), *tracer.trace_backward(passes[RIGHT]), END]
    runs = [Run(TITLES[0], frames)]
    for title, variant, mistake in zip(TITLES[1:], WRONG, mistakes, strict=True):
        right = {tracer.ids[node]: format_number(x, spec) for node, x in mistake.right.items()}
        wrong_tracer = WrongPassTracer(order, notation, variant)
        runs.append(Run(title, list(wrong_tracer.trace_mistake(passes[variant], mistake)), right))
    grads = {node: mistakes[0].right.get(node, 0.0) for node in order}  # type: ignore[arg-type]
    return Trace(runs, names, grads)


class WrongPassTracer(BackwardTracer):
    """The frames of a wrong backward pass, which show where it goes wrong."""

    def trace_mistake(self, passed: Sequence[Contribution], mistake: Mistake) -> Iterator[Frame]:
        """Yield the frames of a wrong backward pass, which name the wrong gradients."""
        notation, ids, names = self.notation, self.ids, self.notation.names
        data = {ids[x]: notation.format(x.data) for x in self.order if isinstance(x, Value)}
        note = "The correct gradient is shown below each gradient."
        yield Frame("start", self.variant.description, data=data, note=note)
        seed, *frames = self.trace_backward(passed)
        yield seed
        waiting = Counter(self.uses)
        reached: set[Node] = set()
        done: set[Node] = set()  # nodes that have sent, or have received everything
        for frame, sent in zip(frames, passed, strict=True):
            notes, to = [], sent.to
            settled = [] if isinstance(sent.node, Outputs) else [sent.node]
            waiting[to] -= 1
            if to in done:
                notes.append(f"Too late: {names[to]} has already propagated its gradient.")
            if to in reached and not self.variant.accumulates and isinstance(to, Value):
                notes.append(f"The earlier gradient {notation.format(sent.before)} is lost.")
            reached.add(to)
            if not waiting[to] and not any(x is not None for x in to.locals):
                settled.append(to)
            wrong = [x for x in settled if x not in done and x in mistake.wrong]
            done.update(settled)
            for x in wrong:
                verb = "sends" if x is sent.node else "ends with"
                first = " This is the first wrong gradient." if x is mistake.first else ""
                notes.append(
                    f"{names[x]} {verb} {notation.format(mistake.gradients[x])}; the correct "
                    f"gradient is {notation.format(mistake.right[x])}.{first}"
                )
            yield frame._replace(note=" ".join(notes), wrong=[ids[x] for x in wrong])
        count, total, reason = len(mistake.wrong), len(mistake.right), self.variant.reason
        title = f"{count} of {total} gradients are wrong"
        if not count:
            title = "All gradients are correct, this time"
            if max(self.uses.values(), default=0) < 2:
                reason = "No value is used twice here: nothing can arrive late or be overwritten."
        yield Frame("end", title, note=reason)
