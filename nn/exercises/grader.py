"""`Exercise`: a grader that compares a learner's function with the correct one.

An exercise is data: inputs in order of size, the correct function, and typical wrong functions with
explanations. The first input for which the learner's function is wrong is the smallest
counterexample. An explanation fits if its function gives the same wrong numbers for all inputs.
"""

import dis
import html
import math
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from typing import Any

from engine import GradientWarning, Op, Value
from engine.value import as_float

Case = tuple[Any, ...]
Observed = dict[str, Any]  # numbers or arrays, by name
Run = Callable[..., Any]  # a name of the call and the arguments -> the result


class WrongAnswer(Exception):
    """A reason why an answer is wrong, in a sentence for the learner."""


@dataclass(frozen=True, repr=False)
class Answer:
    """The grader's answer, in words and as a drawing. Jupyter displays both.

    right    whether the function is correct; None for a stub and for a hint
    text     the answer in words
    drawing  the graph for which the function is wrong, with the correct numbers, or None
    error    the exception that the function raised, or None
    """

    right: bool | None
    text: str
    drawing: Any = None
    error: BaseException | None = None

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        text = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(self.text))
        text = f'<p style="white-space:pre-wrap">{text}</p>'
        if self.drawing is None:
            return text
        return f"{text}<p>The graph with the correct numbers:</p>{self.drawing._repr_html_()}"


@dataclass(eq=False, kw_only=True)
class Exercise:
    """An exercise: `check` grades a function, and `hint` returns a hint.

    name       its name in `nn.exercises`
    follows    the name of the next exercise
    inputs     returns the inputs, in order of size
    given      a format of an input in words
    observe    runs an answer on an input and returns the observed numbers by name
    right      the correct function
    mistakes   by explanation, a typical wrong function or a list of them
    hints      from vague to precise
    graph      returns the root of the graph to draw for an input, with its gradients
    tolerance  the largest error of a correct number, relative to numbers larger than 1

    >>> from nn import exercises
    >>> exercises.slope.check(lambda x: x * x)
    slope(1.0) should be 2.0, not 1.0: this is the value of x², not its slope.
    >>> exercises.slope.check(lambda x: 2 * x)
    Right, for all 10 inputs. Next: row.
    """

    name: str
    follows: str
    inputs: Callable[[], Iterable[Case]]
    given: str = ""
    observe: Callable[..., Observed]
    right: Callable[..., Any]
    mistakes: dict[str, Any]
    hints: Sequence[str]
    graph: Callable[..., Any]
    tolerance: float = 1e-9

    def __repr__(self) -> str:
        return f"<exercise {self.name}: .check(function) grades a function, .hint() gives a hint>"

    def hint(self, number: int = 1) -> Answer:
        """Return a hint. Raises ValueError if there is none with this number."""
        if number not in range(1, len(self.hints) + 1):
            raise ValueError(f"{self.name} has the hints 1 to {len(self.hints)}, got {number!r}")
        more = f" `hint({number + 1})` says more." if number < len(self.hints) else ""
        return Answer(None, f"Hint {number} of {len(self.hints)}: {self.hints[number - 1]}{more}")

    def check(self, answer: Any) -> Answer:
        """Grade a function: right, not answered yet, or wrong, with the smallest counterexample."""
        from engine.draw import draw

        hint = f"`exercises.{self.name}.hint()` gives a hint."
        if not callable(answer):
            return Answer(False, f"`check` expects the function itself, not {answer!r}.")
        if is_stub(answer):
            return Answer(None, f"Not answered yet. {hint}")
        cases = [*self.inputs()]
        for case in cases:
            try:
                if wrong := self._compare(answer, case):
                    name, *pair = wrong
                    observed, right = map(format_numbers, pair)
                    reason = self._diagnose(answer, cases) or hint
                    raise WrongAnswer(f"{name} should be {right}, not {observed}: {reason}")
            except WrongAnswer as problem:
                text = self.given.format(*map(copy_lists, case)) + str(problem)
                drawing = draw(self.graph(*case), locals=True)
                return Answer(False, text, drawing, problem.__cause__)
        return Answer(True, f"Right, for all {len(cases)} inputs. Next: {self.follows}.")

    def _observe(self, answer: Any, case: Case) -> Observed:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GradientWarning)  # the grader explains the mistake
            return self.observe(lambda call, *args: call_answer(answer, call, args), *case)

    def _compare(self, answer: Any, case: Case) -> tuple[str, Any, Any] | None:
        """Return the first wrong name with the observed and the right numbers, or None."""
        observed, right = self._observe(answer, case), self._observe(self.right, case)
        wrong = (name for name in right if not self._are_close(observed[name], right[name]))
        return next(((name, observed[name], right[name]) for name in wrong), None)

    def _are_close(self, x: Any, y: Any) -> bool:
        pairs = zip(list_numbers(x), list_numbers(y), strict=True)
        return all(abs(a - b) <= self.tolerance * max(1.0, abs(b)) for a, b in pairs)

    def _diagnose(self, answer: Any, cases: Sequence[Case]) -> str:
        """Return the explanation that fits the numbers of a wrong answer, or ""."""
        seen = []
        for case in cases:
            with suppress(WrongAnswer):
                seen.append((case, self._compare(answer, case)))
        for explanation, mistakes in self.mistakes.items():
            for mistake in mistakes if isinstance(mistakes, list) else [mistakes]:
                if all(self._agrees(mistake, case, wrong) for case, wrong in seen):
                    return explanation
        pairs: list[tuple[float, float]] = []
        for _, wrong in seen:
            if wrong is not None:
                pairs += zip(*map(list_numbers, wrong[1:]), strict=True)
        return explain_numbers(pairs)

    def _agrees(self, mistake: Any, case: Case, wrong: Any) -> bool:
        """Return whether a typical mistake gives the wrong number of an answer, or is right too."""
        try:
            if wrong is None:
                return self._compare(mistake, case) is None
            return self._are_close(self._observe(mistake, case)[wrong[0]], wrong[1])
        except WrongAnswer:
            return False


def explain_numbers(pairs: Sequence[tuple[float, float]]) -> str:
    """Return what wrong numbers, each paired with the correct one, have in common, or ""."""
    factors = {round(x / y, 6) if y else math.nan for x, y in pairs if x or y}
    k = min(factors, default=math.nan) if len(factors) == 1 else math.nan
    if k == -1.0:
        return "the sign is wrong."
    if k == 0.0:
        return "it is always 0."
    if k == k and len(pairs) > 1:
        return f"it is always {k:g} times the correct number."
    close = all(abs(x - y) <= 0.02 * max(1.0, abs(y)) for x, y in pairs)
    return "this is close, but only an approximation." if close else ""


def call_answer(answer: Any, call: str, args: Case) -> Any:
    """Return the result of a learner's function.

    Raises WrongAnswer if the function raises an exception, or changes a list or an array.
    """
    before = copy_lists(args)
    try:
        result = answer(*args)
    except Exception as error:
        raise WrongAnswer(f"{call} raised {describe_error(error, answer)}.") from error
    for was, now in zip(before, copy_lists(args), strict=True):
        if was != now:
            raise WrongAnswer(f"{call} changed its argument {was} to {now}; work on a copy.")
    return result


def is_stub(answer: Any) -> bool:
    """Return whether a function, or one of the functions of a row, consists of `...`."""
    if isinstance(answer, Op):
        return any(map(is_stub, (answer.forward, *answer.partials)))
    if not hasattr(answer, "__code__"):
        return False
    steps = [x for x in dis.get_instructions(answer) if x.opname not in ("RESUME", "RETURN_VALUE")]
    return all(x.argval in (None, ...) for x in steps)


def copy_lists(x: Any) -> Any:
    """Return a copy of nested lists and arrays, as lists. Nodes and functions stay themselves."""
    if isinstance(x, list | tuple):
        return [copy_lists(element) for element in x]
    return x.tolist() if hasattr(x, "tolist") else x


def describe_error(error: Exception, answer: Any) -> str:
    """Return an exception in words, with the learner's line that raised it."""
    code = getattr(getattr(answer, "forward", answer), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [x for x in frames if code and x.filename == code.co_filename]
    line = f", in line {own[-1].lineno}: `{own[-1].line}`" if own else ""
    return f"{type(error).__name__}{': ' * bool(str(error))}{error}{line}"


def check_type(call: str, x: Any, kind: type = Value) -> Any:
    """Return a result of an expected type: Value, Real or list; otherwise raise WrongAnswer."""
    if x is None:
        raise WrongAnswer(f"{call} returned None; does the function end with `return`?")
    if isinstance(x, kind) or (kind is list and isinstance(x, tuple)):
        return as_float(x) if kind is Real else x
    remedy = ""
    if kind is Value and isinstance(x, float):
        remedy = ": compute with the Values, not with their `.data`, to record the graph"
    if isinstance(x, set):
        remedy = ", which has no order"
    name = {list: "list", Real: "number", Value: "Value"}[kind]
    raise WrongAnswer(f"{call} should be a {name}, not {x!r}{remedy}.")


def compute_gradients(root: Any) -> Any:
    """Return the root of a graph after its backward pass."""
    root.backward()
    return root


def list_numbers(x: Any) -> list[float]:
    return x.ravel().tolist() if hasattr(x, "ravel") else [x]


def format_numbers(x: Any) -> str:
    x = x + 0.0  # so that -0.0 is 0.0
    return str(x.tolist()) if hasattr(x, "ravel") else repr(float(f"{x:.12g}"))
