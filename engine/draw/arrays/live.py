"""A small graph of Arrays as data and JavaScript, from which a page computes its numbers.

Each row is recorded on the elements of its arrays, forward and backward (see
`engine.draw.arrays.recorded`). The frames are made of a copy of the graph whose arrays have
recorded elements, so that their texts have places for numbers. A place names slots. The first slots
are those of the elements of all nodes, then follow those of the contributions of each pass
(upstream, sent, before and after), and then those that a program computes from them.
"""

import functools
import operator
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.arrays.arithmetic import run
from engine.arrays.rules import ArrayOp
from engine.draw.arrays.facts import collect_live_array_facts
from engine.draw.arrays.matrices import DEFAULT, DIGITS, LEVELS, MOST_COLUMNS, MOST_ROWS
from engine.draw.arrays.notation import SHORT, ArrayNotation, is_plain_number
from engine.draw.arrays.recorded import ElementRecorder, wrap
from engine.draw.arrays.terms import Structure
from engine.draw.arrays.tracer import ArrayFrames
from engine.draw.formulas.labels import set_plain
from engine.draw.formulas.places import remove_marks
from engine.draw.page.javascript import print_program
from engine.draw.page.live import LiveGraph, pack_numbers
from engine.draw.steps.facts import Facts
from engine.draw.steps.frames import TITLES, Run
from engine.instructions import Instruction, Recorded
from engine.node import Node
from engine.watch.wrong_passes import RIGHT, Contribution, Pass

MOST_ELEMENTS = 100  # of all arrays of a graph that a page computes


class Row(NamedTuple):
    """The row of a node as instructions on elements.

    code          its functions `forward(x)` and `pullback(g, out, x)` as JavaScript; the pullback
                  returns the contributions to all inputs that require a gradient, one after the
                  other
    structures    for each input, which elements of its gradient depend on which upstream elements
    """

    code: str
    structures: dict[int, Structure]


class LiveArrays(NamedTuple):
    """The parts of a page that computes: its runs and facts with places, and its graph."""

    templates: list[Run]
    facts: list[Facts]
    graph: LiveGraph


def find_obstacle(order: Sequence[Any]) -> str:
    """Return why a page cannot compute a graph of Arrays; "" if it can."""
    sizes = [node.data.size for node in order]
    dtypes = {str(node.data.dtype) for node in order if not node.constant}
    if sum(sizes) > MOST_ELEMENTS:
        return f"its arrays have {sum(sizes):,} elements, and a page computes up to {MOST_ELEMENTS}"
    if min(sizes) == 0:
        return "an array is empty"
    return f"its arrays have the dtypes {', '.join(sorted(dtypes))}" if len(dtypes) > 1 else ""


def record_rows(order: Sequence[Any]) -> dict[Any, Row]:
    """Return the rows of the operations in a graph.

    Raises an exception with the note "cannot be recorded" for a row that does not run on recorded
    elements.
    """
    rows = {}
    with np.errstate(all="ignore"):
        for node in order:
            if node.op is not None:
                try:
                    rows[node] = record_row(node, is_single(order))
                except Exception as problem:  # a user's row may raise anything
                    problem.add_note(f"row {node.op.name!r} cannot be recorded")
                    raise
    return rows


def record_small(order: Sequence[Node]) -> tuple[dict[Any, Row], str]:
    """Return the rows of a graph and "", or no rows and why a page does not compute it."""
    obstacle = find_obstacle(order)
    if not obstacle:
        try:
            return record_rows(order), ""
        except Exception as problem:  # a user's row may raise any exception for symbols
            obstacle = problem.__notes__[-1]
    return {}, f"This page replays its numbers: {obstacle}."


def is_single(order: Sequence[Any]) -> bool:
    """Return whether a graph is of float32."""
    return bool(order[-1].data.dtype == np.float32)


def record_row(node: Any, single: bool) -> Row:
    """Record the row of one node."""
    recorder = ElementRecorder(single)
    xs = [recorder.read(x.data) for x in node.inputs]
    settings = node.op.settings if isinstance(node.op, ArrayOp) else {}
    out = wrap(run(node.op.forward, node.data.dtype, *xs, **settings))
    if out.shape != node.data.shape:
        raise TypeError(f"expected a result of shape {node.data.shape}, got {out.shape}")
    outs = recorder.list_slots(out)
    forward, recorder.instructions = recorder.instructions, []
    g, copy = recorder.read(node.data), replace_data(node, node.inputs, out, xs)
    free = [k for k, x in enumerate(node.inputs) if not x.constant]
    sent = {k: copy._contribution(k, g, node.inputs[k].data.shape)[1] for k in free}
    slots = {k: recorder.list_slots(x) for k, x in sent.items()}
    inputs = [s for x in xs for s in recorder.list_slots(x)]
    gs, flat = recorder.list_slots(g), [s for k in free for s in slots[k]]
    row = Recorded(forward, outs, gs, recorder.instructions, [], recorder.constants, recorder.slots)
    code = (
        f"{{forward: {print_program({'x': inputs}, row, outs)}, "
        f"pullback: {print_program({'g': gs, 'out': outs, 'x': inputs}, row, flat)}}}"
    )
    return Row(code, {k: find_structure(recorder.instructions, gs, slots[k]) for k in free})


def find_structure(
    steps: Sequence[Instruction], gs: Sequence[int], sent: Sequence[int]
) -> Structure:
    """Return which elements that a pullback sends depend on which upstream elements, `gs`."""
    needed = {s: 1 << o for o, s in enumerate(gs)}  # bit masks
    sums = set(gs)  # the slots that are sums of upstream elements
    for step in steps:
        masks = [needed.get(s, 0) for s in step.operands]
        needed[step.result] = functools.reduce(operator.or_, masks)
        terms = [s for s, mask in zip(step.operands, masks, strict=True) if mask]
        if step.opname in ("+", "=", "fround") and sums.issuperset(terms):
            sums.add(step.result)
    columns = [
        [(needed.get(s, 0) >> o & 1) * (1 + (s in sums)) for s in sent] for o in range(len(gs))
    ]
    return np.array(columns)


def replace_data(node: Any, inputs: Sequence[Any], data: Any, xs: Sequence[Any]) -> Any:
    """Return a copy of a node with other inputs and data."""
    copy: Any = object.__new__(type(node))
    for name in ("op", "_label", "label", "_origin", "_own_rank"):
        if hasattr(node, name):
            setattr(copy, name, getattr(node, name))
    copy._data, copy._grad, copy._y, copy._dy = data, None, None, None
    copy._x, copy._dx = (tuple(inputs), tuple(xs)) if node.op is not None else (None, None)
    return copy


# ------------------------------------------------------------------------------------- the page


def add_note_to_start(runs: Sequence[Run], note: str) -> None:
    """Add a sentence to the first frame of the correct pass."""
    first, *_ = runs[0].frames
    runs[0].frames[0] = first._replace(note=f"{first.note} {note}".strip())


class RecordedCopy(NamedTuple):
    """A copy of a graph whose arrays have recorded elements.

    nodes    the copies of the nodes, in topological order
    passes   the contributions of the passes, with recorded gradients
    recorder of the elements, and of the numbers that texts compute from them
    sources  the number of slots of the nodes and of the contributions
    """

    nodes: dict[Any, Any]
    passes: dict[Pass, list[Contribution]]
    recorder: ElementRecorder
    sources: int


def copy_graph(order: Sequence[Any], passes: Mapping[Pass, Sequence[Contribution]]) -> RecordedCopy:
    """Return a copy of a graph, given in topological order, and of its passes."""
    recorder = ElementRecorder(is_single(order))
    copies: dict[Any, Any] = {}
    for node in order:
        data, inputs = recorder.read(node.data), [copies[x] for x in node.inputs]
        if is_plain_number(node):
            data = node.data
        copies[node] = replace_data(node, inputs, data, [x._data for x in inputs])
    sent = {x: [read_contribution(c, copies, recorder) for c in cs] for x, cs in passes.items()}
    return RecordedCopy(copies, sent, recorder, recorder.slots)


def make_notation(
    copy: RecordedCopy, names: Mapping[Any, str], rows: Mapping[Any, Row], spec: str, largest: int
) -> ArrayNotation:
    """Return the names of copied nodes, and the format of their arrays."""
    named = {copy.nodes[node]: remove_marks(name) for node, name in names.items()}
    notation = ArrayNotation(named, spec, largest)
    notation.structures = {copy.nodes[node]: row.structures for node, row in rows.items()}
    return notation


def make_live(
    names: Mapping[Any, str],
    passes: Mapping[Pass, Sequence[Contribution]],
    rows: Mapping[Any, Row],
    spec: str,
    largest: int,
    places: Mapping[Node, str],
    parameters: Collection[Node],
) -> LiveArrays:
    """Return the parts of a page that computes a graph, given with names in topological order."""
    copy = copy_graph([*names], passes)
    copies, notation = copy.nodes, make_notation(copy, names, rows, spec, largest)
    places = {copies[x]: remove_marks(place) for x, place in places.items() if x in copies}
    runs = []
    for title, (variant, contributed) in zip(TITLES, copy.passes.items(), strict=True):
        frames = ArrayFrames([*copies.values()], notation, places, variant)
        trace = frames.trace_all if variant is RIGHT else frames.trace_pass
        runs.append(Run(title, [*trace(contributed)]))
    facts = collect_copied_facts(copy, notation, parameters)
    return LiveArrays(runs, facts, pack_copy(copy, names, passes, rows, spec))


def collect_copied_facts(
    copy: RecordedCopy, notation: ArrayNotation, parameters: Collection[Node]
) -> list[Facts]:
    """Return the facts about all nodes, with places for numbers."""
    grads = {x: np.zeros(np.shape(x._data)) for x in copy.nodes.values()}
    owned = {copy.nodes[x] for x in parameters if x in copy.nodes}
    return collect_live_array_facts(notation, grads, owned)


def pack_copy(
    copy: RecordedCopy,
    names: Mapping[Any, str],
    passes: Mapping[Pass, Sequence[Contribution]],
    rows: Mapping[Any, Row],
    spec: str,
) -> LiveGraph:
    """Return a graph for a page, with the program of all texts that were made from its copy."""
    recorder, sources = copy.recorder, copy.sources
    shown = [s for s in sorted(recorder.shown) if s >= sources]
    row = Recorded(recorder.instructions, shown, [], [], [], recorder.constants, recorder.slots)
    program = print_program({"x": range(sources)}, row, shown)
    arrays = {
        "shown": shown, "single": recorder.is_single, "digits": DIGITS, "levels": LEVELS,
        "map": [MOST_ROWS, MOST_COLUMNS], "short": SHORT if spec == DEFAULT else spec,
        "default": spec == DEFAULT,
    }  # fmt: skip
    return pack_arrays(names, passes, rows, program, spec, arrays)


def pack_arrays(
    names: Mapping[Any, str],
    passes: Mapping[Pass, Sequence[Contribution]],
    rows: Mapping[Any, Row],
    program: str,
    spec: str,
    arrays: Mapping[str, Any],
) -> LiveGraph:
    """Return a graph of Arrays for a page, as `live_arrays.js` reads it."""
    place, codes = {node: i for i, node in enumerate(names)}, dict[str, int]()
    nodes: list[dict[str, Any]] = []
    for node, name in names.items():
        packed: dict[str, Any] = {"constant": True} if node.constant else {}
        packed |= {"name": set_plain(name), "shape": [*node.data.shape]}
        if node.op is None:
            data = np.asarray(node.data, np.float32 if arrays["single"] else float)
            packed["data"] = pack_numbers([float(x) for x in data.ravel()])
            packed["fixed"] = is_plain_number(node)
        else:
            packed["inputs"] = [place[x] for x in node.inputs]
            packed["row"] = codes.setdefault(rows[node].code, len(codes))
        nodes.append(packed)
    senders = [
        (
            [*dict.fromkeys(place[sent.node] for sent in sent)],
            variant.accumulates,
            variant.reason,
        )
        for variant, sent in passes.items()
    ]
    return LiveGraph(nodes, [*codes, program], senders, spec, arrays=arrays)


def read_contribution(
    sent: Contribution, copies: Mapping[Any, Any], recorder: ElementRecorder
) -> Contribution:
    """Return a contribution of the copied graph, with recorded gradients."""
    read = lambda x: recorder.read(np.asarray(x))
    return Contribution(
        copies[sent.node], sent.k, copies[sent.to], None, read(sent.upstream), read(sent.sent),
        read(sent.before), read(sent.after),
    )  # fmt: skip
