"""Pictures as PDF, EPS and PNG files, drawn by matplotlib from their SVG.

Shapes remain vectors, and texts remain texts in an embedded TrueType font, DejaVu Sans unless
another is chosen: journals refuse fonts of type 3. Graphviz writes no EPS with embedded fonts,
svglib and cairosvg need the cairo library, and reportlab's PostScript embeds no TrueType font.
"""

import base64
import io
import logging
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.draw.files.shapes import Fragment, Image, Line, Outline, Picture, read_svg
from engine.draw.look.theme import FONTS

FALLBACK = "DejaVu Sans"  # installed with matplotlib
SETTINGS: dict[str, Any] = {
    "pdf.fonttype": 42, "ps.fonttype": 42, "ps.useafm": False, "text.usetex": False,
    "path.simplify": False, "lines.scale_dashes": False, "savefig.bbox": None,
    "savefig.transparent": False, "path.effects": [], "path.sketch": None,
}  # fmt: skip
CODES = {"M": [1], "L": [2], "Q": [3, 3], "C": [4, 4, 4], "Z": [79]}  # of matplotlib's Path
DPI = 192.0


def write_picture(svg: str, path: Path, dpi: float = DPI) -> None:
    """Write an SVG element as a .svg, .pdf, .eps or .png file."""
    if path.suffix.lower() == ".svg":
        path.write_text(svg, "utf-8")
    else:
        write_pictures([svg], path, dpi)


def write_pictures(svgs: Iterable[str], path: Path, dpi: float = DPI) -> None:
    """Write SVG elements as the pages of a .pdf file, or one as a .pdf, .eps or .png file.

    Raises ImportError if matplotlib is not installed.
    """
    matplotlib = import_matplotlib(path.suffix)
    form = path.suffix.lower()[1:]
    with matplotlib.rc_context(SETTINGS), quiet_fonts():
        if form == "pdf":
            from matplotlib.backends.backend_pdf import PdfPages

            with PdfPages(path, metadata={"CreationDate": None}) as pages:
                for svg in svgs:
                    pages.savefig(make_figure(read_svg(svg), form))
            return
        (svg,) = svgs
        metadata = {"Software": None} if form == "png" else {"Creator": "stepgrad"}
        figure = make_figure(read_svg(svg), form, dpi)
        with quick_bounds() if form == "eps" else nullcontext():
            figure.savefig(path, format=form, dpi=dpi, metadata=metadata)


def import_matplotlib(suffix: str) -> Any:
    """Return matplotlib. Raises ImportError with the remedy if it is not installed."""
    try:
        return import_module("matplotlib")
    except ModuleNotFoundError:
        raise ImportError(
            f"saving a {suffix} file requires matplotlib, which is not installed: "
            "pip install matplotlib; .svg, .html and .dot files do not need it",
            name="matplotlib",
        ) from None


@contextmanager
def quiet_fonts() -> Iterator[None]:
    """Keep matplotlib from logging the subsetting of fonts."""
    logger = logging.getLogger("fontTools.subset")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def quick_bounds() -> Iterator[None]:
    """Keep matplotlib from measuring all glyphs of a font for an EPS file, which takes seconds.

    It draws each of them, 6,000 of DejaVu Sans, for a box that the font's header states.
    """
    backend = import_module("matplotlib.backends.backend_ps")
    slow = getattr(backend, "_bounds", None)  # since matplotlib 3.7; a function of its own

    def read_bounds(font: Any) -> tuple[int, ...]:
        return tuple(getattr(font["head"], name) for name in ("xMin", "yMin", "xMax", "yMax"))

    if slow is not None:
        setattr(backend, "_bounds", read_bounds)  # noqa: B010  # mypy knows no such name
    try:
        yield
    finally:
        if slow is not None:
            setattr(backend, "_bounds", slow)  # noqa: B010


def make_figure(picture: Picture, form: str, dpi: float = 72.0) -> Any:
    """Return a picture as a matplotlib figure, one point of the picture a point of the page."""
    from matplotlib.figure import Figure

    pixels = 1e-6 / dpi  # a width of 599.9999 pixels would be rounded down
    figure = Figure(
        (picture.width / 72.0 + pixels, picture.height / 72.0 + pixels), facecolor="none"
    )
    figure.set_facecolor("#ffffff00" if form == "png" else "none")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    axes.set_xlim(0.0, picture.width)
    axes.set_ylim(picture.height, 0.0)
    painter = Painter(axes, opaque=form == "eps")
    for i, shape in enumerate(picture.shapes):
        painter.draw(shape, i)
    return figure


class Painter:
    """Draws shapes into axes. `opaque` mixes colours with white, since EPS has no opacity."""

    def __init__(self, axes: Any, opaque: bool):
        self.axes, self.opaque = axes, opaque

    def draw(self, shape: Any, order: int) -> None:
        """Draw a shape above those before."""
        draw: Any = {Outline: self.draw_outline, Line: self.draw_line, Image: self.draw_image}
        draw[type(shape)](shape, order)

    def draw_outline(self, shape: Outline, order: int) -> None:
        """Draw a path."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Vertices

        vertices, codes = [], []
        for name, points in shape.steps:
            vertices += points or [(0.0, 0.0)]
            codes += CODES[name]
        dashes = (0.0, shape.dashes) if shape.dashes else "solid"
        patch = PathPatch(
            Vertices(vertices, codes), facecolor=self.mix(shape.fill, shape.fill_opacity),
            edgecolor=self.mix(shape.stroke, shape.stroke_opacity), linewidth=shape.width,
            linestyle=dashes, joinstyle="miter", capstyle="butt", clip_on=False, zorder=order,
        )  # fmt: skip
        self.axes.add_artist(patch)
        patch.set_clip_on(False)

    def mix(self, colour: str, opacity: float) -> Any:
        """Return a colour with an opacity, or "none"."""
        from matplotlib.colors import to_rgb

        if colour in ("none", "transparent", ""):
            return "none"
        red, green, blue = to_rgb(colour)
        if self.opaque:
            return tuple(1.0 - opacity * (1.0 - x) for x in (red, green, blue))
        return red, green, blue, opacity

    def draw_line(self, line: Line, order: int) -> None:
        """Draw a line of text, part after part."""
        families = choose_families(line.family)
        widths = [measure_fragment(fragment, families) for fragment in line.fragments]
        full = sum(widths) + sum(fragment.dx for fragment in line.fragments)
        cos, sin = math.cos(math.radians(line.angle)), math.sin(math.radians(line.angle))
        offset, below = {"middle": -full / 2, "end": -full}.get(line.anchor, 0.0), 0.0
        for fragment, width in zip(line.fragments, widths, strict=True):
            offset, below = offset + fragment.dx, below + fragment.dy
            place = (line.x + offset * cos - below * sin, line.y + offset * sin + below * cos)
            if fragment.text.strip():
                self.draw_fragment(fragment, place, line, families, order)
            offset += width

    def draw_fragment(
        self,
        fragment: Fragment,
        place: tuple[float, float],
        line: Line,
        families: Sequence[str],
        order: int,
    ) -> None:
        """Draw a part of a line of text at a place, above its halo if it has one."""
        from matplotlib.patheffects import withStroke

        look: dict[str, Any] = {
            "fontsize": fragment.size, "family": list(families),
            "weight": "bold" if fragment.bold else "normal",
            "style": "italic" if fragment.italic else "normal",
            "rotation": -line.angle, "rotation_mode": "anchor", "ha": "left", "va": "baseline",
            "parse_math": False, "clip_on": False,
        }  # fmt: skip
        if line.halo_width:  # the outline of a copy below, so that the text remains a text
            copy = self.axes.text(
                *place, fragment.text, color=line.halo, zorder=order - 0.5, **look
            )
            copy.set_path_effects([withStroke(linewidth=line.halo_width, foreground=line.halo)])
        colour = self.mix(fragment.fill, line.opacity)
        self.axes.text(*place, fragment.text, color=colour, zorder=order, **look)

    def draw_image(self, image: Image, order: int) -> None:
        """Draw an image of pixels."""
        from PIL import Image as Pixels

        data = base64.b64decode(image.data.partition(",")[2])
        extent = (image.x, image.x + image.width, image.y + image.height, image.y)
        self.axes.imshow(
            Pixels.open(io.BytesIO(data)), extent=extent, aspect="auto", interpolation="none",
            zorder=order,
        )  # fmt: skip
        self.axes.set_axis_off()


@lru_cache(20)
def choose_families(family: str) -> tuple[str, ...]:
    """Return the fonts of a list that are installed, and DejaVu Sans. Warn if none is."""
    from matplotlib import font_manager

    wanted = [name.strip(" '\"") for name in family.removesuffix(FONTS).split(",")]
    wanted = [name for name in wanted if name]
    known = {font.name for font in font_manager.fontManager.ttflist}
    installed = [name for name in wanted if name in known]
    if wanted and not installed:
        warnings.warn(
            f"the font {wanted[0]!r} is not installed; the file has {FALLBACK} instead",
            stacklevel=2,
        )
    return (*dict.fromkeys([*installed, FALLBACK]),)


def measure_fragment(fragment: Fragment, families: Sequence[str]) -> float:
    """Return the width of a part of a text in points."""
    return (
        sum(measure_glyph(c, families, fragment.bold, fragment.italic) for c in fragment.text)
        * fragment.size
    )


@lru_cache(5000)
def measure_glyph(c: str, families: tuple[str, ...], bold: bool, italic: bool) -> float:
    """Return the advance width of a character, relative to the size of the text."""
    from matplotlib import font_manager, ft2font

    style: dict[str, Any] = {
        "weight": "bold" if bold else "normal",
        "style": "italic" if italic else "normal",
    }
    fonts = [
        font_manager.get_font(
            font_manager.findfont(font_manager.FontProperties(family=name, **style))
        )
        for name in families
    ]
    font = next((font for font in fonts if font.get_char_index(ord(c))), fonts[-1])
    font.set_size(100.0, 72.0)
    flags: Any = getattr(ft2font, "LoadFlags", None)  # since matplotlib 3.10
    plain = flags.NO_HINTING if flags else getattr(ft2font, "LOAD_NO_HINTING")  # noqa: B009
    return font.load_char(ord(c), flags=plain).linearHoriAdvance / 65536.0 / 100.0
