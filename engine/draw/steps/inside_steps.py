"""The steps of both passes inside a part of a drawing with boxes.

A picture of the inside shows the same passes of the same graph as the drawing from which it opens.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from engine.draw.formulas.notation import Name, Notation, choose_names
from engine.draw.formulas.places import remove_marks
from engine.draw.graph.inside import HIDDEN, Inside
from engine.draw.page.live import LiveGraph
from engine.draw.steps.box_numbers import BoxTexts
from engine.draw.steps.boxes import BoxTracer, Bundle, Part, bundle_contributions, split_into_parts
from engine.draw.steps.frames import END, KEYS, START, TITLES, Frame, Run, Trace, fill_runs
from engine.draw.steps.numbers import choose_places, place_contribution
from engine.draw.steps.tracer import BackwardTracer
from engine.node import Node
from engine.rules import Op
from engine.sequences.vector_op import Outputs
from engine.watch.wrong_passes import RIGHT, Contribution

WEIGHT = re.compile(r"neurons\.(\d+)\.(?:weights\.(\d+)|bias)$")
INSIDE = "This picture shows the inside of a box; the boxes around it are its neighbours."


class InsideTracer(BoxTracer):
    """The frames of both passes inside a part.

    Args:
        inside: the picture of the inside.
        outer: the trace of the drawing from which it opens.
        texts: the numbers of that drawing's passes.
        spec: the format of numbers.
    """

    def __init__(self, inside: Inside, outer: Trace, texts: BoxTexts, spec: str):
        self.inside, self.outer, self.shared = inside, outer, texts
        super().__init__(inside.view, spec)
        self.tracer = BackwardTracer(self.order, self.notation, {}, RIGHT)

    def choose_notation(self, spec: str) -> Notation:
        """Return the names of nodes: values are numbered in the picture."""
        names = dict(self.outer.names)
        shown = [x for x in self.order if self.ids[x][0] == "v"]
        weights = self.name_weights([x for x in self.order if self.ids[x] in self.inside.own])
        in_cells = {x: name for x, name in weights.items() if self.ids[x][0] == "v"}
        names |= zip(shown, choose_names(shown, spec, in_cells), strict=True)
        names |= {x: self.boxes[id].path for x, id in self.ids.items() if id in self.boxes}
        if shown:  # the values inside are computed from weights in boxes
            names |= {x: name.short for x, name in weights.items()}
        names |= {x: x.op.name for x in shown if isinstance(x, Outputs)}
        names[self.order[-1]] = self.outer.names[self.order[-1]]
        names = {node: remove_marks(name) for node, name in names.items()}
        return Notation(names, spec, places=choose_places(self.order))

    def name_weights(self, nodes: Sequence[Node]) -> dict[Node, Name]:
        """Return the names of the weights and biases of several neurons, such as w₁₀ and b₁."""
        owned = self.view.modules.owned
        found = {x: WEIGHT.search(owned[x]) for x in nodes if x in owned}
        places = {x: [k for k in match.groups() if k] for x, match in found.items() if match}
        if len({place[0] for place in places.values()}) < 2:
            return {}
        are_short = all(len(k) == 1 for place in places.values() for k in place)
        indices = {x: ("" if are_short else ",").join(place) for x, place in places.items()}
        names = {x: f"{'wb'[len(places[x]) == 1]}_{{{index}}}" for x, index in indices.items()}
        return {x: Name(name, name) for x, name in names.items()}

    def trace(self) -> Trace:
        """Return the frames, the names of the nodes, and their gradients."""
        ids, own = self.ids, self.inside.own
        paths = {x: self.boxes[id].path for x, id in ids.items() if id in self.boxes}
        parts = split_into_parts(self.view, self.names | paths)
        grads = self.outer.grads
        ends = {id for id in ids.values() if id != HIDDEN}
        passed = [x for x in self.shared.passed if ids[x.node] in ends or ids[x.to] in ends]
        bundles = [
            bundle for bundle in bundle_contributions(parts, passed, ids)
            if HIDDEN not in (bundle.part.id, bundle.to) and own & {bundle.part.id, bundle.to}
        ]  # fmt: skip
        first = [x for x in passed if ids[x.to][0] == "v" and not own & {ids[x.node], ids[x.to]}]
        self.prepare(passed, bundles, grads)
        backward = [*self.receive(first), *self.trace_backward(bundles)]
        inner = [part for part in parts if part.id in own]
        frames = [self.start(), *self.trace_forward(inner), *backward, END]
        return self.finish(Run(TITLES[0], frames), passed, grads)

    def prepare(self, *_: Any) -> None:
        """Prepare the numbers of groups and stages, of the passes of the whole graph."""
        self.numbers = self.shared.share()

    def start(self) -> Frame:
        """Return the first frame, which shows the leaves, and the values that others compute."""
        own = self.inside.own
        shown = [x for x in self.order if self.ids[x] != HIDDEN]
        known = [x for x in shown if x.op is None or self.ids[x] not in own]
        data = {
            self.ids[x]: "" if self.ids[x] in self.boxes else self.notation.format_data(x)
            for x in known
            if not isinstance(x, Outputs)
        }
        computed = {self.ids[x] for x in shown if x.op is not None} & own
        data = {id: text for id, text in data.items() if id not in computed}
        return START._replace(data=data, note=f"{INSIDE} {KEYS}")

    def receive(self, sent: Sequence[Contribution]) -> Iterator[Frame]:
        """Yield a frame for the gradients from parts that the picture does not show, if any."""
        receivers = dict.fromkeys(x.to for x in sent if not isinstance(x.to, Outputs))
        if not receivers:
            return
        self.numbers.add_stage([x for x in sent if x.to in receivers])
        grad: dict[str, str] = {}
        for x in receivers:
            grad |= self.show_gradient(x, self.numbers.place_sum(x))
        title = "Gradients arrive from other parts of the graph"
        yield Frame("backward", title, grad=grad, marked=[self.ids[x] for x in receivers])

    def trace_backward(self, bundles: Sequence[Bundle]) -> Iterator[Frame]:
        """Yield a frame for each bundle, after the seed if the root is inside."""
        frames = super().trace_backward(bundles)
        seed = next(frames)
        if self.ids[self.order[-1]] in self.inside.own:
            yield seed
        yield from frames

    def mark_inputs(self, part: Part) -> list[str]:
        """Return the ids of a part, its arrows and their sources that the picture shows."""
        marked = super().mark_inputs(part)
        return [id for id in marked if id != HIDDEN and f"e-{HIDDEN}-" not in id]

    def compute(self, part: Part, node: Node, op: Op) -> Frame:
        """Return the frame in which a value is computed, with names and with numbers."""
        frame = self.tracer.compute(node, op)
        return frame._replace(marked=self.mark_result(part), node=part.id)

    def send(self, bundle: Bundle, root: Any) -> Frame:
        """Return the frame of a bundle. That of one between two values has their numbers."""
        frame = super().send(bundle, root)
        (sent, *others), ids = bundle.sent, self.ids
        if others or ids[sent.node][0] != "v" or ids[sent.to][0] != "v":
            return frame
        j, i = self.numbers.index[sent.node, sent.k], self.numbers.place[sent.node]
        placed = place_contribution(sent, j, i)
        return frame._replace(lines=self.tracer.propagate(placed).lines, note="")

    def finish(self, run: Run, passed: Sequence[Contribution], grads: dict[Node, Any]) -> Trace:
        """Return the trace of a run, which shares the graph of the outer trace if it has one."""
        texts = self.numbers
        if self.outer.graph is None:
            return Trace(fill_runs([run], [texts]), self.names, grads)
        graph = LiveGraph([], [], [], self.notation.spec, boxes=texts.pack(), is_shared=True)
        return Trace([run], self.names, grads, texts=[texts], graph=graph)
