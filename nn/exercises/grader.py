"""`Exercise`: a grader that compares a learner's function with the engine.

An exercise is data: inputs in order of size, a correct answer, and typical mistakes as changes of
its code. The first input for which the learner's function is wrong is the smallest counterexample.
An explanation fits if its mistake gives the same wrong numbers for all inputs.
"""

import dis
import html
import math
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import combinations
from numbers import Real
from typing import Any

from engine import GradientWarning, Op, Value, topological
from engine.value import as_float

Case = tuple[Any, ...]
Function = Callable[..., Any]
Results = Iterable[tuple[str, Any]]  # names and results
Mistake = tuple[str, str, str]  # a part of the correct code, its replacement, an explanation


class WrongAnswer(Exception):
    """A reason why an answer is wrong: a sentence, or the name of a wrong and a correct number."""

    def __init__(self, name: str, wrong: Any = None, correct: Any = None) -> None:
        self.name, self.wrong, self.correct = name, wrong, correct

    def __str__(self) -> str:
        if self.wrong is None:
            return self.name
        correct, wrong = map(format_numbers, (self.correct, self.wrong))
        return f"{self.name} should be {correct}, not {wrong}"


RIGHT = WrongAnswer("")


@dataclass(frozen=True, repr=False)
class Answer:
    """The grader's answer, in words and as a drawing. Jupyter displays both."""

    right: bool | None  # None for a stub and for a hint
    text: str
    drawing: Any = None  # the graph for which the function is wrong, with the correct numbers
    error: BaseException | None = None  # the exception that the function raised

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        text = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(self.text))
        text = f'<p style="white-space:pre-wrap">{text}</p>'
        if self.drawing is None:
            return text
        return f"{text}<p>The graph with the correct numbers:</p>{self.drawing._repr_html_()}"


def run_once(answer: Function, *case: Any) -> Results:
    """Yield the result of an answer; a result without a name has that of the call."""
    yield "", answer(*map(copy, case))


@dataclass(eq=False, kw_only=True)
class Exercise:
    """An exercise: `check` grades a function, and `hint` returns a hint.

    >>> from nn import exercises
    >>> exercises.slope.check(lambda x: x * x)
    slope(1.0) should be 2.0, not 1.0: this is the value of x², not its slope.
    >>> exercises.slope.check(lambda x: 2 * x)
    Right, for all 10 inputs. Next: row.
    """

    name: str  # its name in `nn.exercises`
    next: str  # the name of the next exercise
    cases: Sequence[Case]  # the inputs, in order of size
    given: str = ""  # a format of an input in words
    call: str  # a format of the call
    run: Callable[..., Results] = run_once  # calls an answer with an input
    right: Function | None = None  # the correct function, which calls the engine; or the code's
    graph: Function  # returns the graph to draw for an input, after its backward pass
    tolerance: float = 1e-9  # of a correct number, relative to numbers larger than 1
    code: str = ""  # a correct answer
    mistakes: Sequence[Mistake] = ()
    names: dict[str, Any] = field(default_factory=dict)  # functions that wrong answers call
    hints: Sequence[str]  # from vague to precise

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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GradientWarning)  # the grader explains the mistake
            problems = self.find_problems(answer)
            for number, (case, problem) in enumerate(zip(self.cases, problems, strict=False)):
                if problem.name:
                    why = self.explain([*[RIGHT] * number, problem, *problems])
                    why = f": {why or hint}" if problem.wrong is not None else f" {why}".rstrip()
                    text = f"{self.given.format(*case)}{problem}{why}"
                    drawing = draw(self.graph(*case), locals=True)
                    return Answer(False, text, drawing, problem.__cause__)
        return Answer(True, f"Right, for all {len(self.cases)} inputs. Next: {self.next}.")

    def find_problems(self, answer: Function) -> Iterator[WrongAnswer]:
        """Yield the first problem of an answer to each input, or RIGHT."""
        return map(partial(self._find_problem, answer), self.cases, self._results)

    def _find_problem(self, answer: Function, case: Case, right: Results) -> WrongAnswer:
        call = self.call.format(*case)
        try:
            results = self.run(partial(call_answer, answer, call), *case)
            for (name, x), (_, y) in zip(results, right, strict=True):
                for number, wrong, correct in pair_numbers(name or call, x, y):
                    if not are_close(wrong, correct, self.tolerance):
                        return WrongAnswer(number, wrong, correct)
        except WrongAnswer as problem:
            return problem
        return RIGHT

    @cached_property
    def _results(self) -> list[Results]:
        right = self.right or self.define()
        return [[*self.run(right, *case)] for case in self.cases]

    def define(self, *mistakes: Mistake) -> Function:
        """Return the function of the code with some mistakes."""
        code, space = self.code, {"Op": Op, "topological": topological, **self.names}
        for old, new, _ in mistakes:
            code = code.replace(old, new)
        exec(code, space)
        return [*space.values()][-1]

    def explain(self, problems: Sequence[WrongAnswer]) -> str:
        """Return one or two mistakes that lead to these problems, in words, or ""."""
        for mistake in self.mistakes:
            if self._leads_to(problems, mistake):
                return mistake[-1]
        if why := explain_numbers(problems):
            return why
        for pair in combinations({x[-1]: x for x in self.mistakes[::-1]}.values(), 2):
            if self._leads_to(problems, *pair):
                return "\n- ".join(["there are two mistakes.", *(x[-1] for x in pair)])
        return ""

    def _leads_to(self, problems: Sequence[WrongAnswer], *mistakes: Mistake) -> bool:
        """Return whether the code with these mistakes has the same problems."""
        others = self.find_problems(self.define(*mistakes))
        return all(map(partial(are_equal, self.tolerance), problems, others))


def are_equal(tolerance: float, a: WrongAnswer, b: WrongAnswer) -> bool:
    """Return whether problems are the same, up to the line of an exception."""
    if a.__cause__ is not None:
        return repr(a.__cause__) == repr(b.__cause__)
    return a.name == b.name and are_close(a.wrong, b.wrong, tolerance)


def pair_numbers(name: str, x: Any, right: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, the numbers and the correct numbers of each part of a result.

    Raises WrongAnswer unless `x` has the type of the correct result.
    """
    if isinstance(right, dict | list):
        check_type(name, "a list", x, list | tuple)
        yield f"the length of {name}", len(x), len(right)
        if isinstance(right, list):
            right = {f"{name}[{k}]": y for k, y in enumerate(right)}
        for element, (part, y) in zip(x, right.items(), strict=True):
            yield from pair_numbers(part, element, y)
    elif isinstance(right, Value):
        check_type(name, "a Value", x, Value)
        yield name, x.data, right.data
    elif hasattr(right, "shape"):
        check_type(name, "an array", x, type(right) | type(right.sum()))
        yield f"the shape of {name}", x.shape, right.shape
        yield name, x.tolist(), right.tolist()
    elif right is not None:
        check_type(name, "a number", x, Real)
        yield name, as_float(x), right


def check_type(name: str, expected: str, x: Any, kind: Any) -> None:
    """Raise WrongAnswer unless a result has the expected type."""
    if x is None:
        raise WrongAnswer(f"{name} returned None; does the function end with `return`?")
    if not isinstance(x, kind):
        remedy = ", which has no order" if isinstance(x, set) else ""
        if kind is Value and isinstance(x, float):
            remedy = ": compute with the Values, not with their `.data`, to record the graph"
        raise WrongAnswer(f"{name} should be {expected}, not {x!r}{remedy}.")


def list_numbers(x: Any) -> list[Any]:
    """Return the numbers in nested lists."""
    return [z for y in x for z in list_numbers(y)] if isinstance(x, list | tuple) else [x]


def are_close(x: Any, y: Any, tolerance: float) -> bool:
    """Return whether numbers are equal up to an error relative to numbers larger than 1."""
    a, b = list_numbers(x), list_numbers(y)
    return len(a) == len(b) and all(
        v is w
        or (v != v and w != w)
        or (isinstance(v, Real) and abs(v - w) <= tolerance * max(1.0, abs(w)))
        for v, w in zip(a, b, strict=True)
    )


def format_numbers(x: Any) -> str:
    return repr(float(f"{x + 0.0:.12g}")) if isinstance(x, float) else str(x)  # -0.0 is 0.0


def explain_numbers(problems: Sequence[WrongAnswer]) -> str:
    """Return a relation between all wrong numbers and the correct ones in words, or ""."""
    both = [(list_numbers(x.wrong), list_numbers(x.correct)) for x in problems if x.name]
    pairs = [(x, y) for wrong, right in both for x, y in zip(wrong, right, strict=False)]
    if not all(isinstance(z, float) for pair in pairs for z in pair):
        return ""  # lengths, shapes, exceptions
    factors = {round(x / y, 6) if y else math.nan for x, y in pairs if x or y}
    k = min(factors, default=math.nan) if len(factors) == 1 else math.nan
    if k in (-1.0, 0.0):
        return "the sign is wrong." if k else "it is always 0."
    if k == k and len(pairs) > 1:
        return f"it is always {k:g} times the correct number."
    close = all(abs(x - y) <= 0.02 * max(1.0, abs(y)) for x, y in pairs)
    return "this is close, but only an approximation." if close else ""


def call_answer(answer: Function, call: str, *args: Any) -> Any:
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


def is_stub(answer: Any) -> bool:
    """Return whether a function, or one of the functions of a row, consists of `...`."""
    if isinstance(answer, Op):
        return any(map(is_stub, (answer.forward, *answer.partials)))
    if not hasattr(answer, "__code__"):
        return False
    steps = [x for x in dis.get_instructions(answer) if x.opname not in ("RESUME", "RETURN_VALUE")]
    return all(x.argval in (None, ...) for x in steps)
