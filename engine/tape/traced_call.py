"""The arguments of a function while `jit` records it, and the leaves that they fill in replays."""

from collections.abc import Callable, Sequence, Set
from numbers import Real
from reprlib import repr as short_repr
from typing import Any, NamedTuple

from engine.arithmetic import where
from engine.sequences.many_op import ManyOp
from engine.tape.index import Index, Integers, Table, fits_64_bits
from engine.value import Constant, Value, lift
from engine.watch.recorded_number import RecordedNumber


def choose(i: Any, xs: Sequence[Any]) -> Any:
    """Return the element of a list at an index, which is a whole number counted from 0."""
    out = xs[-1]
    for k in range(len(xs) - 2, -1, -1):
        out = where(i <= float(k), xs[k], out)
    return out


TAKE = ManyOp(
    "take",
    choose,
    lambda out, i, xs: (0.0, [where(i == float(k), 1.0, 0.0) for k in range(len(xs))]),
    sequences=["xs"],
    finite_slopes=True,
)


class IntegerDecision(NamedTuple):
    """A decision from integer arguments."""

    text: str
    compute: Callable[[Integers], int]
    function: Callable[[int], bool]
    outcome: bool

    def decide(self, integers: Integers) -> bool:
        """Return the outcome for other arguments."""
        return bool(self.function(self.compute(integers)))


class Selection(NamedTuple):
    """A row of a table of leaves that an index selects, with the leaves that stand for it.

    `rows` are those of the table at that time; a row may be a single Value.
    """

    name: str
    rows: tuple[Any, ...]
    chosen: Index
    leaves: list[Value]
    least: int  # the smallest index

    @property
    def key(self) -> tuple[int, ...]:
        """The ids of all leaves, which identify the table."""
        return tuple(map(id, self.all()))

    def all(self) -> list[Value]:
        """Return all leaves of the table."""
        rows = [[row] if isinstance(row, Value) else row for row in self.rows]
        return [x for row in rows for x in row]


class IndexNumber(NamedTuple):
    """An index that is a number of the graph, and its leaf.

    If `length` is not 0, the number is an index of a list of this length. It is at least `least`,
    and counts from the end if it is below 0.
    """

    chosen: Index
    leaf: Constant
    length: int
    least: int


class TracedCall:
    """The arguments of a function while it is recorded.

    Attributes:
        integers, floats: The numbers of this call, in the order of the arguments.
        selections: The rows that indices select.
        numbers: The indices that are numbers of the graph.
        inputs: The leaves of the floats.
        decisions: The decisions from integers.
    """

    def __init__(self, integers: list[int], floats: list[float]):
        self.integers, self.floats = integers, floats
        self.selections: dict[tuple[Any, str, int], Selection] = {}
        self.numbers: dict[tuple[str, int, int], IndexNumber] = {}
        self.inputs: list[Value] = []
        self.decisions: dict[str, IntegerDecision] = {}
        self.own_leaves: set[Value] = set()  # those that the recording made
        self.tables: dict[Any, TableColumns] = {}  # of leaves, by their ids
        self.count = 0  # integers that have become an Index
        self.names: set[str] = set()  # of these

    # ----------------------------------------------------------------- arguments of the function

    def make_index(self, _: int, name: str) -> Index:
        """Return the next integer argument, with a name that no other integer has."""
        k = self.count
        self.count += 1
        name = f"{name} ({k})" if name in self.names else name  # as of f(i, /, **options)
        self.names.add(name)
        return Index(self, lambda integers: integers[k], name, k)

    def make_float(self, x: float, like: Value | None = None) -> Any:
        """Return the next float argument, or a leaf of the type and label of a Value."""
        if like is None:
            return RecordedNumber(self.add_input(Constant(x)))
        leaf = self.add_input(type(like)(x))
        leaf.label = like.label
        return leaf

    def add_input(self, leaf: Value) -> Value:
        """Store the leaf of a float, and return it."""
        self.inputs.append(leaf)
        self.own_leaves.add(leaf)
        return leaf

    # ------------------------------------------------------------------------ uses of an index

    def decide(self, index: Index, function: Callable[[int], bool], text: str) -> bool:
        """Return the outcome of a decision, and record it."""
        outcome = bool(function(index.now))
        self.decisions[text] = IntegerDecision(text, index.compute, function, outcome)
        return outcome

    def make_number(self, index: Index, length: int = 0, least: int = 0) -> Constant:
        """Return the leaf of an index, as described in `IndexNumber`.

        Raises OverflowError for an index beyond 64 bits.
        """
        if not fits_64_bits(index.now):
            self.decide(index, fits_64_bits, f"{index.text} fits in 64 bits")  # if it is caught
            raise OverflowError(
                f"jit expects integers of at most 64 bits as numbers, got {index.text} = "
                f"{short_repr(index.now)}; pass it as a float"
            )
        key = index.text, length, least
        if key not in self.numbers:
            now = index.now + length if index.now < 0 and length else index.now
            self.numbers[key] = IndexNumber(index, Constant(float(now)), length, least)
            self.own_leaves.add(self.numbers[key].leaf)
        return self.numbers[key].leaf

    def select(self, xs: Sequence[Any], index: Index, from_end: bool = True) -> Any:
        """Return the element of a sequence at an index, from the end if it is below 0.

        Raises IndexError for an index out of range, and for one below 0 unless `from_end`.
        """
        least = -len(xs) if from_end else 0
        if not least <= index.now < len(xs):
            text = f"{index.text} in range({least}, {len(xs)})"
            self.decide(index, lambda i: least <= i < len(xs), text)
            raise IndexError(f"{name_table(xs)} has {len(xs)} rows, got {index.text} = {index.now}")
        ids = tuple([tuple(map(id, x)) if isinstance(x, list | tuple) else id(x) for x in xs])
        table = self.tables.get(ids) or read_table(xs, self.own_leaves)
        if table.are_leaves:
            self.tables[ids] = table
            key = ids, index.text, least
            if key not in self.selections:
                chosen: list[Any] = [column[index.now] for column in table.columns]
                leaves = [
                    (Constant if all(x.constant for x in column) else Value)(x._data)
                    for x, column in zip(chosen, table.columns, strict=True)
                ]
                self.own_leaves.update(leaves)
                self.selections[key] = Selection(name_table(xs), tuple(xs), index, leaves, least)
            selected = self.selections[key].leaves
        else:
            i = self.make_number(index, len(xs), least)
            selected = [Value.apply(TAKE, i, [*map(lift, column)]) for column in table.columns]
        return selected[0] if table.single else list(selected)


class TableColumns(NamedTuple):
    """A table from which an index selects.

    Attributes:
        columns: Its columns; there is one if a row is a single Value.
        single: Whether a row is a single Value.
        are_leaves: Whether all its elements are leaves that the recording did not make.
    """

    columns: list[Any]
    single: bool
    are_leaves: bool


def read_table(xs: Sequence[Any], own_leaves: Set[Value]) -> TableColumns:
    """Return the columns of a table. Raises TypeError or ValueError if it has none of Values."""
    rows = list(xs)
    single = not isinstance(rows[0], list | tuple)
    columns: list[Any] = [rows]
    if not single:
        columns = list(zip(*rows, strict=True)) if same_lengths(rows) else []
    if not columns:
        raise ValueError(f"the rows of {name_table(xs)} must have the same length of 1 or more")
    elements = [x for column in columns for x in column]
    for x in elements:
        if not isinstance(x, Value | Real):
            raise TypeError(
                f"{name_table(xs)} is indexed by an argument under jit and must contain "
                f"Values, or rows of Values, got {x!r}"
            )
    are_leaves = all(isinstance(x, Value) and x.op is None for x in elements)
    return TableColumns(columns, single, are_leaves and own_leaves.isdisjoint(elements))


def same_lengths(rows: Sequence[Any]) -> bool:
    """Return whether all rows are sequences of the same length."""
    return len({len(row) if isinstance(row, list | tuple) else -1 for row in rows}) == 1


def name_table(xs: Sequence[Any]) -> str:
    """Return the name of a table in messages."""
    return xs.name if isinstance(xs, Table) else "the list"
