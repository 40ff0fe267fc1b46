"""The frames of a wrong backward pass, with the contributions that it loses and their consequences.

The note of a frame says what goes wrong in it. The mark below a gradient shows the true gradient
while contributions are still to come, and then whether the gradient ended right, ended wrong, or
was sent too early.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from engine.draw.formulas.notation import Notation
from engine.draw.steps.frames import Frame, Status
from engine.draw.steps.tracer import BackwardTracer
from engine.node import Node
from engine.sequences.vector_op import Outputs
from engine.support.arguments import format_count
from engine.value import Value
from engine.watch.causes import Cause, find_causes, is_rounding_error
from engine.watch.sizes import measure_gradient
from engine.watch.wrong_passes import Contribution, Mistake, Pass, nearly_equal

MOST_CAUSES = 3  # causes that the last frame explains
MOST_NAMES = 3  # names in a list


class WrongPassTracer(BackwardTracer):
    """The frames of a wrong backward pass.

    Args:
        order: the graph in topological order.
        notation: the names of all its nodes.
        places: the places of nodes in a model.
        variant: the pass.
        passed: its contributions.
        mistake: its gradients beside the right ones.
    """

    def __init__(
        self,
        order: Sequence[Node],
        notation: Notation,
        places: Mapping[Node, str],
        variant: Pass,
        passed: Sequence[Contribution],
        mistake: Mistake,
    ):
        super().__init__(order, notation, places, variant)
        self.passed, self.mistake = passed, mistake
        self.causes = find_causes(order, variant, passed, mistake)
        self.early = {x.node: x for x in self.causes if variant.accumulates}

    def trace(self) -> Iterator[Frame]:
        """Yield all frames; the data of the graph appears in the first one."""
        return self.describe([*self.trace_pass(self.passed)])

    def describe(self, frames: Sequence[Frame]) -> Iterator[Frame]:
        """Yield the frames of the pass with notes and marks."""
        ids, right = self.ids, self.mistake.right
        start, seed, *frames, _ = frames
        true = {ids[x]: f"true {self.notation.format(grad)}" for x, grad in right.items()}
        note = f"{self.describe_luck()} {start.note}".strip()
        yield start._replace(
            marks={id: Status("due", text) for id, text in true.items()}, note=note
        )
        yield seed._replace(marks={ids[self.order[-1]]: Status("right", "✓ correct")})
        arrived: Counter[Any] = Counter()
        self.started = started = set[Any]()  # nodes that have sent
        made = False  # the first mistake
        for frame, sent in zip(frames, self.passed, strict=True):
            notes: list[tuple[str, bool]] = []  # each with whether it is a mistake
            marks: dict[str, Status] = {}
            if sent.node not in started:
                started.add(sent.node)
                notes.append(self.describe_sender(sent.node, arrived[sent.node]))
                if notes[0][1] and arrived[sent.node] < self.uses[sent.node]:
                    marks |= self.mark_early(sent.node)
            arrived[sent.to] += 1
            notes.append(self.describe_receiver(sent, arrived[sent.to], sent.to in started))
            if arrived[sent.to] == self.uses[sent.to]:
                marks |= self.mark_complete(sent.to)
            texts = []
            for text, alarm in notes:
                texts.append(f"{text} This is the first mistake." if alarm and not made else text)
                made = made or alarm
            alarm = any(alarm for _, alarm in notes)
            yield frame._replace(note=" ".join(filter(None, texts)), marks=marks, alarm=alarm)
        yield self.finish()

    def describe_luck(self) -> str:
        """Return a sentence that says that no gradient ends wrong; "" if one does."""
        if self.mistake.wrong_at_end or self.mistake.wrong:
            return ""
        if max(self.uses.values(), default=0) < 2:
            return "In this graph nothing goes wrong, because no value is used twice."
        if self.variant.accumulates and not self.causes:
            return (
                "In this graph nothing goes wrong: by luck, each value is reached after all "
                "contributions to it."
            )
        return "In this graph nothing goes wrong: all gradients end correct."

    # ------------------------------------------------------------------------------------- notes

    def describe_sender(self, node: Any, arrived: int) -> tuple[str, bool]:
        """Return a note about a node that begins to propagate, and whether it is a mistake."""
        name, uses = self.name(node), self.uses[node]
        early = arrived < uses
        if isinstance(node, Outputs):
            if not early:
                return "", False
            text = f"{name} sends too early, with the gradients of {arrived} of its {uses} results."
            return text, bool(self.early[node].wrong)
        sent, right = self.mistake.gradients[node], self.mistake.right[node]
        if nearly_equal(sent, right):
            if not early:
                return "", False
            return (
                f"{name} sends too early, with {arrived} of {uses} contributions. The others add "
                "up to 0, so this changes nothing.",
                False,
            )
        numbers = "{} instead of {}".format(*self.notation.format_apart(sent, right))
        if early:
            return (
                f"{name} sends too early, with {arrived} of {uses} contributions: {numbers}.",
                True,
            )
        return f"{name} sends {numbers}{self.list_reasons(node)}.", True

    def describe_receiver(
        self, sent: Contribution, arrived: int, is_late: bool
    ) -> tuple[str, bool]:
        """Return a note about a node that receives a contribution, and whether it is a mistake."""
        node, name = sent.to, self.name(sent.to)
        complete = arrived == self.uses[node]
        if isinstance(node, Outputs):
            return (f"Too late: {name} has already sent.", True) if is_late else ("", False)
        final, right = self.mistake.final[node], self.mistake.right[node]
        is_right = nearly_equal(final, right)
        last, due = self.notation.format_apart(final, right)
        notes, alarm = [], False
        if is_late:
            amount = self.notation.format(sent.sent)
            before, now = self.notation.format_apart(self.mistake.gradients[node], right)
            notes.append(
                f"{amount} arrives too late: {name} has already sent {before}, and does not send "
                "again."
            )
            if complete:
                number = f"{last} instead of {due}"
                notes.append(
                    f"Its own gradient is now complete: {now}."
                    if is_right
                    else f"Its own gradient is complete, but {number}{self.list_reasons(node)}."
                )
                alarm = not is_right
        if arrived > 1 and not self.variant.accumulates:
            before, after = map(self.notation.format, (sent.before, sent.after))
            if measure_gradient(sent.before) == 0.0:
                notes.append(f"0 is replaced by {after}: nothing is lost.")
            else:
                after = f"another {after}" if before == after else after
                notes.append(f"{before} is replaced by {after}, not added to it.")
            alarm = measure_gradient(sent.before) != 0.0 and not is_right
        ends = complete and all(x.constant for x in node.inputs)
        if ends and not is_right and not is_late:
            notes.append(f"{name} ends with {last} instead of {due}{self.list_reasons(node)}.")
            alarm = True
        return " ".join(notes), alarm

    def list_reasons(self, node: Any) -> str:
        """Return ", because of b" with the nodes that have caused a wrong gradient so far."""
        nodes = [
            cause.node
            for cause in self.causes
            if (cause.node in self.started or not self.variant.accumulates)
            and not is_rounding_error(cause.effects.get(node, 0.0), self.mistake.right[node])
        ]
        names = shorten_list([self.name(x) for x in nodes if x is not node], "others")
        if not names:
            return ""
        return f", {'also ' if node in nodes else ''}because of {join_names(names)}"

    def finish(self) -> Frame:
        """Return the last frame, which names the wrong gradients and their causes."""
        wrong, total = self.mistake.wrong_at_end, len(self.mistake.right)
        title = f"{len(wrong)} of {format_count(total, 'gradient')} "
        title += f"{'ends' if len(wrong) == 1 else 'end'} wrong"
        if 0 < len(wrong) <= MOST_NAMES:
            title += f": {join_names(map(self.name, reversed(wrong)))}"
        if not wrong:
            title = "All gradients end correct, this time"
        reason = self.variant.reason
        if self.variant.accumulates and not self.causes:
            reason = f"By luck, each value was reached after all contributions to it. {reason}"
        if max(self.uses.values(), default=0) < 2:
            reason = "No value is used twice here: nothing can arrive late or be overwritten."
        causes = [cause for cause in self.causes if cause.wrong]
        describe = self.describe_late if self.variant.accumulates else self.describe_lost
        lines = [*map(describe, causes[:MOST_CAUSES])]
        if rest := len(causes) - len(lines):
            verb = "sent too early" if self.variant.accumulates else "lost a part"
            lines.append(f"{rest} more {verb}.")
        if wrong and not self.variant.accumulates:
            lines = [" ".join(lines), f"Because of this, {self.list_wrong(wrong)}."]
        return Frame("end", title, note="\n".join([*lines, reason]))

    def describe_late(self, cause: Cause) -> str:
        """Return sentences about a node that sent too early, and the consequences."""
        name, node = self.name(cause.node), cause.node
        effect = self.list_wrong(cause.wrong)
        if isinstance(node, Outputs):
            return (
                f"{name} sent too early, with the gradients of {cause.arrived} of its "
                f"{cause.uses} results, so {effect}."
            )
        sent, final, right = (
            grads[node]
            for grads in (self.mistake.gradients, self.mistake.final, self.mistake.right)
        )
        own = f" {name} itself ends correct." if nearly_equal(final, right) else ""
        return (
            f"{name} sent too early, with {cause.arrived} of {cause.uses} contributions: it sent "
            f"{self.notation.format(sent)}, and {self.list_numbers(cause.missing)} arrived late, "
            f"so {effect}.{own}"
        )

    def describe_lost(self, cause: Cause) -> str:
        """Return a sentence about a node that kept only its last contribution."""
        kept = self.notation.format(self.mistake.final[cause.node])
        return f"{self.name(cause.node)} lost {self.list_numbers(cause.missing)} and kept {kept}."

    def list_wrong(self, nodes: Sequence[Value]) -> str:
        """Return "a ends with 3 instead of 6", for the first few nodes that propagate."""
        pairs = [(x, self.mistake.final[x], self.mistake.right[x]) for x in reversed(nodes)]
        texts: list[str] = []
        for node, final, right in pairs:
            numbers = "{} instead of {}".format(*self.notation.format_apart(final, right))
            texts.append(f"{self.name(node)} {'' if texts else 'ends '}with {numbers}")
        return join_names(shorten_list(texts, "others end wrong"))

    def list_numbers(self, numbers: Sequence[float]) -> str:
        """Return "1, 2 and 3"; of only zeros, "0"."""
        texts = [self.notation.format(x) for x in numbers if measure_gradient(x)] or ["0"]
        return join_names(shorten_list(texts, "others"))

    def name(self, node: Node) -> str:
        """Return the name of a node, or of an operation with several results."""
        return node.op.name if isinstance(node, Outputs) else self.notation.text(node)

    # ------------------------------------------------------------------------------------- marks

    def mark_early(self, node: Any) -> dict[str, Status]:
        """Return the mark of a node that sends too early."""
        if isinstance(node, Outputs):
            return {}
        sent = self.notation.format(self.mistake.gradients[node])
        return {self.ids[node]: Status("early", f"sent {sent} early")}

    def mark_complete(self, node: Any) -> dict[str, Status]:
        """Return the mark of a gradient to which nothing more will be added."""
        if isinstance(node, Outputs):
            return {}
        sent, final, right = (
            grads[node]
            for grads in (self.mistake.gradients, self.mistake.final, self.mistake.right)
        )
        if nearly_equal(final, right):
            mark = Status("right", "✓ correct")
            if node in self.early and not nearly_equal(sent, right):
                differ = self.notation.format(sent) != self.notation.format(right)
                text = f"but sent {self.notation.format(sent)}" if differ else "sent early"
                mark = Status("early", f"✓ {text}")
        elif self.notation.format(final) == self.notation.format(right):
            mark = Status("wrong", f"✗ by {self.notation.format(final - right)}")
        else:
            mark = Status("wrong", f"✗ true {self.notation.format(right)}")
        return {self.ids[node]: mark}


def shorten_list(texts: list[str], rest: str) -> list[str]:
    """Return the first texts and the number of the others.

    >>> shorten_list(["a", "b", "c", "d"], "others")
    ['a', 'b', '2 others']
    """
    if len(texts) <= MOST_NAMES:
        return texts
    return [*texts[: MOST_NAMES - 1], f"{len(texts) - MOST_NAMES + 1} {rest}"]


def join_names(names: Iterable[str]) -> str:
    """Join names as a sentence does.

    >>> join_names("abc"), join_names("ab"), join_names("a")
    ('a, b and c', 'a and b', 'a')
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
