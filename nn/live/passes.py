"""Backward passes of samples at several epochs, as data for a page.

The page of the first pass is stored as a whole, those of the others as changes to it.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from engine import topological
from engine.arrays.array import Array
from engine.draw import step
from engine.draw.arrays.notation import choose_array_names
from engine.draw.formulas.labels import set_plain
from engine.draw.page.html import PageView, pack_page
from engine.draw.page.live import pack_numbers
from engine.draw.stepper import LIMIT, Stepper
from engine.value import Value
from nn.module import Module
from nn.objective import Loss
from nn.predictions import data_of_outputs

MOST_VALUES = 600  # of a graph of Values that is stepped through one by one
MOST_ELEMENTS = 10_000  # of an array whose numbers are stored

Form: TypeAlias = list[tuple[Any, bool, list[int]]]
Key: TypeAlias = tuple[tuple[Any, ...], ...]


class TracedPass(NamedTuple):
    """The pass of a sample at one epoch.

    Attributes:
        page: The data of the stepper's page.
        arrays: The name, the shape and the type of each node whose data and gradient are stored.
        numbers: The bytes of the data and of the gradient of each of them.
        loss, outputs: The loss of the sample, and the outputs of the model.
        width: The total length of the longest text of each value, for which the drawing has room.
        form: The operation of each node, whether it is constant, and the places of its inputs.
    """

    page: dict[str, Any]
    arrays: list[tuple[str, list[int], str]]
    numbers: bytes
    loss: float
    outputs: list[float]
    width: int
    form: Form


def compute_loss(
    model: Module, loss: Loss, x: np.ndarray, y: Any, batches: bool
) -> tuple[Any, list[float]]:
    """Return the loss of one sample and the outputs of the model.

    The numbers of the sample are leaves that receive a gradient, unless they are integers.
    """
    has_leaves = x.dtype.kind == "f"
    if batches:
        x = x[None]
        inputs = Array(x.astype(find_model_dtype(model)), "x") if has_leaves else x
        outputs = model(inputs)  # type: ignore[operator]
        root, numbers = loss(outputs, y[None]), np.ravel(outputs.data)
    else:
        leaves: list[Any] = x.ravel().tolist()
        if has_leaves:
            leaves = [Value(number, f"x{j}") for j, number in enumerate(leaves)]
        outputs = model(leaves if x.ndim else leaves[0])  # type: ignore[operator]
        root = loss([outputs], [y.tolist()])
        numbers = np.ravel(data_of_outputs(outputs))
    root.label = root.label or "loss"
    return root, [float(x) for x in numbers]


def find_model_dtype(model: Module) -> np.dtype:
    """Return the type of the numbers of a model of Arrays."""
    nodes = [*model.parameters(), *model.named_state().values()]
    return next(x.data.dtype for x in nodes if x.data.dtype.kind == "f")


def trace_pass(
    root: Any,
    outputs: list[float],
    model: Module,
    theme: str,
    rows: dict[str, int],
    known: "dict[Key, TracedPass]",
) -> TracedPass:
    """Return the pass from the loss of a sample, and add the rows of its graph to `rows`.

    `known` has the pass with the longest texts for each list of operations; the others share its
    drawing. If the page computes the numbers, they share all but the numbers of the leaves.
    """
    root.backward()
    order: list[Any] = topological(root)
    form = list_form(order)
    key = name_operations(form)
    widest = known.get(key)
    if widest is not None and (page := renumber_leaves(widest, order, form)) is not None:
        return TracedPass(page, [], b"", float(root.data), outputs, 0, form)
    level: str | None = None
    if isinstance(root, Value):
        level = "values" if len(order) <= MOST_VALUES else "layers"
    stepper = step(root, model, level=level, limit=MOST_VALUES if level else LIMIT, theme=theme)
    width = measure_texts(stepper)
    is_drawn = widest is None or widest.width < width
    page = pack_page([view_stepper(stepper, is_drawn)], theme, rows)
    arrays: list[tuple[str, list[int], str]] = []
    numbers = b""
    if isinstance(root, Array):
        names = choose_array_names(order, ".4g")
        matrices = {p for p in model.parameters() if np.ndim(p.data) > 1}
        for name, node in zip(names, order, strict=True):
            if not node.constant and node not in matrices and node.data.size <= MOST_ELEMENTS:
                data, grad = (np.asarray(x) for x in (node.data, node.grad))
                arrays.append((set_plain(name), [*data.shape], data.dtype.str))
                numbers += data.tobytes() + grad.astype(data.dtype).tobytes()
    traced = TracedPass(page, arrays, numbers, float(root.data), outputs, width, form)
    if is_drawn:
        known[key] = traced
    return traced


def renumber_leaves(known: TracedPass, order: Sequence[Any], form: Form) -> dict[str, Any] | None:
    """Return the page of a pass with the leaves of another graph, given in topological order.

    Returns None if the page does not compute all its numbers, or if the graph has another form.
    """
    [view] = known.page["views"]
    nodes = view["graph"]["nodes"] if "graph" in view else []
    if not nodes or any("slopes" in node for node in nodes) or known.form != form:
        return None
    new = [
        packed | {"data": pack_numbers(node.data)} if node.op is None else packed
        for packed, node in zip(nodes, order, strict=True)
    ]
    return known.page | {"views": [view | {"graph": view["graph"] | {"nodes": new}}]}


def list_form(order: Sequence[Any]) -> Form:
    """Return the operation of each node, whether it is constant, and the places of its inputs."""
    place = {node: i for i, node in enumerate(order)}
    return [(node.op, node.constant, [place[x] for x in node.inputs]) for node in order]


def name_operations(form: Form) -> Key:
    """Return the names of operations, and the places of their inputs."""
    return tuple([(op.name if op else "", *places) for op, _, places in form])


def view_stepper(stepper: Stepper, is_drawn: bool) -> PageView:
    """Return the view of a stepper, with its drawing if `is_drawn`."""
    svg = stepper.drawing.svg if is_drawn else ""
    return PageView(
        stepper.title, svg, stepper.templates, stepper.facts, stepper.whole, stepper.graph
    )


def measure_texts(stepper: Stepper) -> int:
    """Return the sum over the values of a stepper of the length of the longest texts."""
    longest: dict[str, int] = {}
    for frame in stepper.frames:
        texts = {f"{id} data": [text] for id, text in frame.data.items()}
        texts |= {f"{id} grad": [text] for id, text in frame.grad.items()}
        texts |= {key: cells.get("texts", ()) for key, cells in frame.cells.items()}
        for key, parts in texts.items():
            longest[key] = max(longest.get(key, 0), *map(len, parts), 0)
    return sum(longest.values())


class PackedPasses(NamedTuple):
    """The page of the first pass, the drawings of all, and each sample's changes to that page."""

    page: dict[str, Any]
    drawings: list[str]
    samples: list[dict[str, Any]]


def pack_passes(
    passes: Sequence[Sequence[TracedPass]], known: Mapping[Key, TracedPass]
) -> PackedPasses:
    """Return the passes of several samples at the same epochs as data, with the known drawings."""
    for traced in [x for of_sample in passes for x in of_sample]:
        drawn = known[name_operations(traced.form)].page["views"][0]
        traced.page["views"][0] |= {name: drawn[name] for name in ("svg", "group")}
    base = passes[0][0].page
    drawings = [traced.page["views"][0]["svg"] for traced in known.values()]
    return PackedPasses(base, drawings, [pack_sample(base, of_sample) for of_sample in passes])


def pack_sample(base: dict[str, Any], passes: Sequence[TracedPass]) -> dict[str, Any]:
    """Return the passes of one sample as data."""
    return {
        "changes": [find_changes(base, x.page) for x in passes],
        "arrays": passes[0].arrays,
        "numbers": [base64.b64encode(x.numbers).decode("ascii") for x in passes],
        "losses": pack_numbers([x.loss for x in passes]),
        "outputs": pack_numbers([x.outputs for x in passes]),
    }


def find_changes(old: Any, new: Any) -> Any:
    """Return the changes from `old` to `new` as data, or None if they are equal.

    A list holds a new value. A dict has the changes by the keys of a dict, or by the places in a
    list of the same length.

    >>> find_changes({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 3]})
    {'b': {'1': [3]}}
    >>> find_changes([1], [1, 2])
    [[1, 2]]
    """
    if old is new:
        return None
    if isinstance(old, Mapping) and isinstance(new, Mapping) and old.keys() == new.keys():
        pairs = {key: (x, new[key]) for key, x in old.items()}
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = {str(i): pair for i, pair in enumerate(zip(old, new, strict=True))}
    else:
        return None if old == new else [new]
    changes = {key: find_changes(*pair) for key, pair in pairs.items()}
    return {key: x for key, x in changes.items() if x is not None} or None
