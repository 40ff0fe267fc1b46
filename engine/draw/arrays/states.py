"""The fields of Arrays in pictures of steps: those that have appeared, as in a page."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

from engine.draw.look.scene import format_length, measure

SVG = "{http://www.w3.org/2000/svg}"
DIGIT, POINT = measure("0", 10.0), measure(".", 10.0)


def find_cells(frames: Sequence[Any]) -> dict[str, Any]:
    """Return the matrices that have appeared after some frames, by "v3 data" or "v3 grad"."""
    cells: dict[str, Any] = {}
    for frame in frames:
        cells.update(frame.cells)
    return cells


def list_panels(element: ET.Element) -> list[ET.Element]:
    """Return the elements that show the data or the gradient of an Array."""
    return [x for x in element.iter(f"{SVG}g") if x.get("class") == "panel"]


def show_cells(element: ET.Element, id: str, cells: Mapping[str, Any]) -> None:
    """Replace the numbers and colours of an Array by those that have appeared."""
    for panel in list_panels(element):
        show_panel(panel, cells.get(f"{id} {panel.get('data-field')}"))


def show_panel(panel: ET.Element, cells: Mapping[str, Any] | None) -> None:
    """Show a matrix, or an empty one."""
    parts = {
        x.get("class"): x for x in panel.iter() if x.get("class") in ("fill", "numbers", "size")
    }
    if cells is None:
        for part in parts.values():
            part.set("visibility", "hidden")
        return
    x, y, width, height, widest = (
        float(panel.get(f"data-{name}", 0.0)) for name in ("x", "y", "width", "height", "widest")
    )
    columns = int(panel.get("data-columns", 1))
    for path in parts["fill"]:
        d = f"M{format_length(x)},{format_length(y)}"
        for i, level in enumerate(cells["levels"]):
            if level == path.get("data-level"):
                left, top = x + i % columns * width, y + i // columns * height
                right, bottom = left + width, top + height
                corners = ((left, top), (right, top), (right, bottom), (left, bottom))
                points = [f"{format_length(a)},{format_length(b)}" for a, b in corners]
                d += f"M{'L'.join(points)}Z"
        path.set("d", d)
    texts = cells.get("texts", ())
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    for i, (text, content) in enumerate(zip(parts.get("numbers", ()), texts, strict=False)):
        end = x + i % columns * width + (width + widest) / 2.0
        shift = POINT + DIGIT * decimals if content == "0" and decimals else 0.0
        text.text = content
        text.set("x", format_length(end - shift))
    if "size" in parts:
        parts["size"].text = cells.get("title", "")
