"""`python -m docs.screenshots` remakes the pictures of stepper pages in README.md and the tour.

The pages are those of `demos/graphs.py`. Each picture is made in light and dark colours. Needs
Chromium, playwright and Pillow. `docs.animation` makes the pictures of training pages.
"""

import io
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from demos import graphs
from docs.animation import DEMOS, THEMES
from engine import record_origins
from engine.draw import Stepper, step

SCALE = 2  # pixels per point
CODE = np.array([1 << 16, 1 << 8, 1])  # with a colour's red, green and blue


class Screenshot(NamedTuple):
    """A page at one of its steps.

    width   of the window, in points
    height  of the window
    state   the step and the selected value, as in the page's address
    """

    page: Stepper
    width: int
    height: int
    state: str


def list_screenshots() -> dict[str, Screenshot]:
    """Return the screenshots by the names of their files."""
    with record_origins():  # the panel then shows the line that made a value
        loss, model = graphs.network()
    return {
        "steps": Screenshot(step(loss, model, level="values"), 1300, 760, "step=30&value=x1"),
        "stepper": Screenshot(step(graphs.neuron()), 1000, 670, "step=15&value=x1"),
        "order": Screenshot(step(graphs.used_twice()), 1000, 600, "step=5&pass=2"),
        "arrays": Screenshot(step(*graphs.arrays()), 1250, 620, "step=16"),
    }


def main() -> None:
    from playwright.sync_api import sync_playwright  # an extra

    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, screenshot in list_screenshots().items():
            path = Path(folder, f"{name}.html")
            screenshot.page.save(path)
            for theme, suffix in THEMES.items():
                picture = shoot(browser, path, screenshot, theme)
                picture.save(DEMOS / f"{name}{suffix}.png", optimize=True)
                print(f"wrote demos/{name}{suffix}.png")
        browser.close()


def shoot(browser: Any, path: Path, screenshot: Screenshot, theme: Any) -> Any:
    """Return a picture of a page with few colours."""
    from PIL import Image

    tab = browser.new_page(
        viewport={"width": screenshot.width, "height": screenshot.height},
        device_scale_factor=SCALE,
        color_scheme=theme,
        reduced_motion="reduce",
    )
    tab.goto(f"{path.as_uri()}#{screenshot.state}")
    picture = Image.open(io.BytesIO(tab.screenshot(animations="disabled"))).convert("RGB")
    tab.close()
    return reduce_colours(picture)


def reduce_colours(picture: Any) -> Any:
    """Return a picture with its 256 most frequent colours in place of all, to save space."""
    from PIL import Image

    colours = np.array([colour for _, colour in sorted(picture.getcolors(1 << 24), reverse=True)])
    kept, place_of = colours[:256], np.zeros(1 << 24, np.uint8)
    for colour in colours:
        place_of[colour @ CODE] = np.argmin(np.abs(kept - colour).sum(axis=1))
    reduced = Image.fromarray(place_of[np.asarray(picture) @ CODE], "P")
    reduced.putpalette(kept.astype(np.uint8).tobytes())
    return reduced


if __name__ == "__main__":
    main()
