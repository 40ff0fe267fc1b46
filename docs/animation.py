"""`python -m docs.animation` writes the training page of the README, and its pictures, into demos.

The frames of the animation are those of the page. Needs Chromium, playwright and Pillow.
"""

import io
import shutil
from pathlib import Path
from typing import Any

from nn import MLP, data
from nn.live import train_page
from nn.live.train_page import TrainPage

DEMOS = Path(__file__).parents[1] / "demos"
FRAMES, STEPS, MILLISECONDS, LAST = 18, 6, 200, 2500
SIZE = (768, 432)  # of the animation
THEMES: dict[Any, str] = {"light": "", "dark": "-dark"}


def make_page() -> TrainPage:
    """Make the training page of the README."""
    X, y = data.moons(100, noise=0.1, rng=1)
    model = MLP(2, [8, 8, 1], "tanh", rng=1)
    return train_page(model, X, y, loss="binary_cross_entropy", lr=0.02, rng=1)


def main() -> None:
    from playwright.sync_api import sync_playwright  # an extra

    path = make_page().save(DEMOS / "training.html")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for theme, suffix in THEMES.items():
            tab: Any = browser.new_page(viewport={"width": 1280, "height": 720}, color_scheme=theme)
            tab.goto(path.as_uri())
            save_animation([shoot(tab, STEPS) for _ in range(FRAMES)], f"learning{suffix}.png")
            tab.locator(".neuron").nth(12).click()
            tab.mouse.move(2, 2)
            reduce(shoot(tab, 0), 256).save(DEMOS / f"training{suffix}.png", optimize=True)
        browser.close()


def shoot(tab: Any, steps: int) -> Any:
    """Train for some steps, and return a picture of the page."""
    from PIL import Image

    tab.evaluate(f"stepgrad.train({steps})")
    tab.evaluate("new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)))")
    return Image.open(io.BytesIO(tab.screenshot())).convert("RGB")


def reduce(image: Any, colours: int) -> Any:
    """Return an image with a few colours."""
    from PIL import Image

    return image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def save_animation(frames: list[Any], name: str) -> None:
    """Write frames as an animated PNG. They share the colours of the last one."""
    from PIL import Image

    small = [frame.resize(SIZE, Image.Resampling.LANCZOS) for frame in frames]
    palette = reduce(small[-1], 96)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    first.save(
        DEMOS / name, save_all=True, append_images=others, loop=0, optimize=True,
        duration=[MILLISECONDS] * len(others) + [LAST],
    )  # fmt: skip


if __name__ == "__main__":
    main()
