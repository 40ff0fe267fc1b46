"""The parts of a page that steps through a graph of Arrays."""

from engine.draw.arrays.cells import Room
from engine.draw.arrays.columns import draw_array_columns
from engine.draw.arrays.facts import collect_array_facts
from engine.draw.arrays.live import LiveArrays, add_note_to_start, make_live, record_small
from engine.draw.arrays.notation import ArrayNotation, is_plain_number
from engine.draw.arrays.tracer import trace_arrays
from engine.draw.drawing import Drawing, add_note, find_arrays, title_graph
from engine.draw.graph.clusters import describe_places
from engine.draw.graph.dot import write_dot
from engine.draw.graph.room import reserve_heights, reserve_widths
from engine.draw.graph.view import View
from engine.draw.options import Options
from engine.draw.steps.facts import Facts
from engine.draw.steps.frames import Run, Trace
from engine.functions import is_array
from engine.watch.wrong_passes import RIGHT, WRONG, contributions

CHANGE = "Drag an underlined number to change it, or select it and type another one."
USUAL = "−0.12"  # a number for which arrays that can change have room


def trace_array_view(
    view: View, look: Options
) -> tuple[Trace, list[Facts], Drawing, LiveArrays | None]:
    """Return the runs through a graph of Arrays without boxes, the facts, and the drawing.

    The last result is what a page needs to compute the graph. It is None for a large graph, and for
    one with a row that cannot be recorded, as the first frame then says.
    """
    places, order = describe_places(view.modules), [*view.ids]
    if not all(map(is_array, order)):
        raise TypeError(
            "step cannot show Values that are arguments of a function under jit; call the function "
            "itself, without jit, and step through its result"
        )
    rows, problem = record_small(order)
    structures = {node: row.structures for node, row in rows.items()}
    traced = trace_arrays(order, look.format, look.matrix_size, places, structures)
    add_note_to_start(traced.templates, CHANGE if rows else problem)
    notation = ArrayNotation(traced.names, look.format, look.matrix_size)
    facts = collect_array_facts(notation, traced.grads, view.modules.parameters)
    names = {node: name for node, name in traced.names.items() if not is_plain_number(node)}
    widths = {} if look.names_only else reserve_widths(traced.runs)
    room = reserve_room(traced.runs, widths, bool(rows))
    arrays = find_arrays(view, look, names, traced.grads, room)
    dot = write_dot(view, reserve_heights(look), names, traced.grads, widths, arrays=arrays)
    scene = draw_array_columns(view, look, arrays, names, traced.grads) if arrays else None
    scene = scene and add_note(scene, view, look)
    drawing = Drawing(dot, title_graph(view), look, scene, arrays)
    if not rows:
        return traced, facts, drawing, None
    passes = {variant: contributions(order, variant) for variant in (RIGHT, *WRONG)}
    parameters = view.modules.parameters
    live = make_live(traced.names, passes, rows, look.format, look.matrix_size, places, parameters)
    facts = [
        fact._replace(lines=placed.lines, factors=placed.factors, uses=placed.uses)
        for fact, placed in zip(facts, live.facts, strict=True)
    ]
    add_note_to_start(live.templates, CHANGE)
    return traced, facts, drawing, live


def reserve_room(runs: list[Run], marks: dict[str, float], is_live: bool) -> Room:
    """Return the texts of all steps, for which cells must have room. If the page computes them,
    there is also room for a number of the usual length."""
    usual, texts = USUAL if is_live else "", dict[str, list[str]]()
    for run in runs:
        for frame in run.frames:
            for key, cells in frame.cells.items():
                texts.setdefault(key, [usual]).extend(cells.get("texts", ()))
    return Room(texts, marks)
