"""The page of a film: one HTML file, in which a stepper opens over the pictures."""

import html

from engine.draw.graph.dot import replace_invalid
from engine.draw.page.html import read_text
from nn.live.film_data import FilmData
from nn.live.html import compress_json, write_core, write_document
from nn.live.overlay import read_asset

VIEW = (
    "palette.js", "field.js", "samples.js", "result.js", "network.js", "curves.js", "tiles.js",
    "graphs.js", "reel.js", "film.js",
)  # fmt: skip
START = """window.stepgrad = mountFilm(document.querySelector(".train"));
followTheme();"""


def write_film_page(title: str, about: str, packed: FilmData, theme: str) -> str:
    """Return the complete page.

    Args:
        title, about: The model, and what it is trained with.
        packed: The result of `nn.live.film_data.FilmRecorder.pack`.
        theme: "auto", "light" or "dark".
    """
    title, about = (html.escape(replace_invalid(x)) for x in (title, about))
    body = read_asset("film.html").replace("TITLE", title).replace("ABOUT", about)
    overlay = packed.overlay
    style = f"{read_asset('train.css')}{overlay.style}{read_asset('film.css')}"
    scripts = [write_core(packed.code), overlay.script, *map(read_asset, VIEW)]
    texts = {"film": compress_json(packed.data), "bytes": packed.weights}
    return write_document(
        f"{title} – film of its training", "train film", body, style,
        [*scripts, read_text("host.js"), START], overlay, texts, theme,
    )  # fmt: skip
