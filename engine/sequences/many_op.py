"""`ManyOp`: a row with sequences among its arguments and one result, such as `dot`."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.rules import Op, accepts, argument_names, flatten
from engine.value import as_float, as_nodes, lift, make_node, result_class


class ManyOp(Op):
    """A row with sequences of any length among its arguments; it makes one node.

    forward     xs, ... -> out
    partials    out, xs, ... -> the local derivatives, one entry for each argument

    One function computes all local derivatives. The entry of a sequence is the sequence of its
    elements' derivatives. `sequences` names the arguments that are sequences, which must have equal
    lengths; omit it for a row of one argument. `finite_slopes` states that slopes are finite
    wherever the result is finite: backward then skips nodes whose gradient is 0.

    >>> from engine import Value
    >>> from engine.arithmetic import divide, sqrt
    >>> from engine.sequences.rules import multiply_add
    >>> NORM = ManyOp(
    ...     "norm",
    ...     lambda xs, eps: sqrt(multiply_add(xs, xs, eps)),
    ...     lambda out, xs, eps: ([divide(x, out) for x in xs], divide(0.5, out)),
    ...     sequences=["xs"],
    ... )
    >>> NORM([Value(3.0), Value(4.0)], 0.0)
    Value(5.0)
    """

    __slots__ = ("finite_slopes", "sequences")

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        partials: Callable[..., Any],
        *,
        sequences: Iterable[str] = (),
        finite_slopes: bool = False,
    ):
        super().__init__(name, forward, partials)
        if not hasattr(forward, "__code__"):
            raise TypeError(
                f"{name} expects a function with named arguments, got {forward!r}; write "
                "lambda xs: ..."
            )
        given = tuple([sequences] if isinstance(sequences, str) else sequences)
        self.sequences = given or self.letters[: len(self.letters) == 1]
        self.finite_slopes = finite_slopes
        if not self.sequences or not set(self.sequences) <= set(self.letters):
            raise ValueError(
                f"{name}: expected the names of the sequences among {self.letters}, such as "
                f"sequences={list(self.letters[:1])}, got {list(given)}"
            )

    def _check_arguments(self) -> None:
        """Raise ValueError unless the slopes take `out` and the arguments of the formula."""
        known = hasattr(self.forward, "__code__")
        if known and not accepts(self.partials[0], len(argument_names(self.forward)) + 1):
            raise ValueError(
                f"{self.name}: the function of the slopes must take out and the arguments of the "
                "formula"
            )

    @property
    def letters(self) -> tuple[str, ...]:
        """The names of the arguments."""
        return argument_names(self.forward)

    @property
    def arity(self) -> int:
        return len(self.letters)

    def _check_sequences(self, args: Sequence[Any]) -> None:
        """Raise TypeError if an argument must be a sequence, ValueError for unequal lengths."""
        given = [
            x for letter, x in zip(self.letters, args, strict=True) if letter in self.sequences
        ]
        for letter, x in zip(self.sequences, given, strict=True):
            if not isinstance(x, list | tuple):
                raise TypeError(f"{self.name} takes a list for {letter}, got {x!r}; write [x]")
            if len(x) != len(given[0]):
                raise ValueError(
                    f"{self.name} takes sequences of equal length, got {len(given[0])} and {len(x)}"
                )

    def locals(self, out: Any, *args: Any) -> tuple[Any, ...]:
        """Return the local derivatives of `out`: a list of them for a sequence.

        >>> from engine.sequences.rules import DOT
        >>> [*DOT.locals(8.0, [2.0], [4.0], 0.0)]
        [[4.0], [2.0], 1.0]
        """
        return self.partials[0](out, *args)

    def _apply_to_values(self, *args: Any) -> Any:
        """Return the node of this row applied to nodes, numbers and sequences of them."""
        args = self._with_defaults(args)
        args = tuple([as_nodes(a) if isinstance(a, (list, tuple)) else lift(a) for a in args])
        self._check_sequences(args)
        data = [[x._data for x in a] if type(a) is tuple else a._data for a in args]
        return self._make_node(args, data, self.forward(*data))

    def _make_node(self, args: tuple[Any, ...], data: list[Any], out: Any) -> Any:
        slopes: list[float] = []
        local = self.locals(out, *data)
        if len(local) != len(args):
            raise ValueError(f"{self.name} has {len(args)} arguments, but {len(local)} slopes")
        for arg, slope in zip(args, local, strict=True):
            if type(arg) is not tuple:
                slopes.append(as_float(slope))
            elif not hasattr(slope, "__len__"):
                raise TypeError(
                    f"{self.name} expects a list of slopes for a sequence, got {slope!r}"
                )
            elif len(arg) == len(slope):
                slopes.extend(map(as_float, slope))
            else:
                raise ValueError(f"{self.name} has {len(slope)} slopes for {len(arg)} inputs")
        inputs = tuple(flatten(args))
        kind = result_class(map(type, inputs))
        return make_node(self, inputs, None, as_float(out), tuple(slopes), None, kind)

    def unflatten(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        single = len(self.letters) - len(self.sequences)
        length = (len(inputs) - single) // len(self.sequences)
        rest = iter(inputs)
        take = lambda n: tuple([next(rest) for _ in range(n)])
        return tuple([take(length) if x in self.sequences else next(rest) for x in self.letters])
