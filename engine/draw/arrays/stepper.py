"""The parts of a page that steps through a graph of Arrays."""

from engine.draw.arrays.cells import Room
from engine.draw.arrays.columns import draw_array_columns
from engine.draw.arrays.facts import collect_array_facts
from engine.draw.arrays.notation import ArrayNotation
from engine.draw.arrays.tracer import trace_arrays
from engine.draw.drawing import Drawing, add_note, find_arrays, title_graph
from engine.draw.graph.clusters import describe_places
from engine.draw.graph.dot import write_dot
from engine.draw.graph.room import reserve_heights, reserve_widths
from engine.draw.graph.view import View
from engine.draw.options import Options
from engine.draw.steps.facts import Facts
from engine.draw.steps.frames import Run, Trace


def trace_array_view(view: View, look: Options) -> tuple[Trace, list[Facts], Drawing]:
    """Return the runs through a graph of Arrays without boxes, the facts, and the drawing."""
    places = describe_places(view.modules)
    traced = trace_arrays(view.ids, look.format, look.matrix_size, places)
    notation = ArrayNotation(traced.names, look.format, look.matrix_size)
    facts = collect_array_facts(notation, traced.grads, view.modules.parameters)
    numbers = {x for x in view.ids if x.constant and not x.label and not x.data.ndim}
    names = {node: name for node, name in traced.names.items() if node not in numbers}
    widths = {} if look.names_only else reserve_widths(traced.runs)
    arrays = find_arrays(view, look, names, traced.grads, reserve_room(traced.runs, widths))
    dot = write_dot(view, reserve_heights(look), names, traced.grads, widths, arrays=arrays)
    scene = draw_array_columns(view, look, arrays, names, traced.grads) if arrays else None
    scene = scene and add_note(scene, view, look)
    drawing = Drawing(dot, title_graph(view), look, scene, arrays)
    return traced, facts, drawing


def reserve_room(runs: list[Run], marks: dict[str, float]) -> Room:
    """Return the texts of all steps, for which cells must have room."""
    texts: dict[str, list[str]] = {}
    for run in runs:
        for frame in run.frames:
            for key, cells in frame.cells.items():
                texts.setdefault(key, []).extend(cells.get("texts", ()))
    return Room(texts, marks)
