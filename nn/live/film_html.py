"""The page of a film: one HTML file, in which a stepper opens over the pictures."""

import html
import json

from engine.draw.graph.dot import replace_invalid
from engine.draw.page.html import (
    compress,
    hash_source,
    read_text,
    remove_blank_lines,
    replace_invalid_in,
    write_colours,
)
from nn.live.film_data import FilmData
from nn.live.html import read_asset, write_core, write_signs

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
        packed: What `nn.live.film_data.FilmRecorder.pack` returned.
        theme: "auto", "light" or "dark".
    """
    title, about = (html.escape(replace_invalid(x)) for x in (title, about))
    body = read_asset("film.html").replace("TITLE", title).replace("ABOUT", about)
    overlay = packed.overlay
    sheets = f"{read_asset('train.css')}{overlay.style}{read_asset('film.css')}"
    style = remove_blank_lines(f"\n{write_colours(theme)}\n{write_signs(theme)}\n{sheets}")
    scripts = [write_core(packed.code), overlay.script, *map(read_asset, VIEW)]
    script = remove_blank_lines(f"\n{''.join(scripts)}{read_text('host.js')}{START}\n")
    policy = (
        f"default-src 'none'; script-src {' '.join([hash_source(script), *overlay.scripts])}; "
        f"style-src {' '.join([hash_source(style), *overlay.styles])}; "
        "base-uri 'none'; form-action 'none'"
    )
    data = json.dumps(
        replace_invalid_in(packed.data), ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title} – film of its training</title>\n<style>{style}</style></head>\n<body>\n"
        '<main class="train film" tabindex="-1" data-lm-suppress-shortcuts="true">'
        f"{remove_blank_lines(body)}</main>\n{remove_blank_lines(overlay.body)}"
        f'<script type="text/plain" id="film">{compress(data)}</script>\n'
        f'<script type="text/plain" id="bytes">{packed.weights}</script>\n'
        f"<script>{script}</script></body></html>\n"
    )
