"""Pictures and pages inside the HTML of a notebook's output.

A notebook that is not trusted shows no SVG and no scripts, but it shows an image. The HTML is one
line: in Markdown, a blank line would end it.
"""

import base64
import html
import re

# The themes of hosts that name them. An image follows the `color-scheme` of its element.
STYLE = (
    "<style>"
    ".stepgrad:has(iframe) img{display:none}"
    ':is([data-jp-theme-light="true"],[data-theme="light"]) .stepgrad img{color-scheme:light}'
    ':is([data-jp-theme-light="false"],[data-theme="dark"]) .stepgrad img{color-scheme:dark}'
    "@media print{.stepgrad img{color-scheme:light!important}}"
    "</style>"
)


# `nbconvert --sanitize-html` turns the tags of images and iframes into text, and drops styles. The
# class hides that text: it is one of JupyterLab's, whose style sheet is in the exported page.
# nbconvert prefers HTML, which untrusted notebooks need, to the image/svg+xml beside it. An option
# reverses this; the image is then shown.
HIDDEN_WITHOUT_STYLE = 'class="jp-LastModified-hidden" style="display:block"'
REMEDY = (
    "The sanitizer removed the picture. nbconvert keeps it with the option\n"
    """--NbConvertBase.display_data_priority="['image/svg+xml','image/png','text/html','text/plain']\""""
)


def embed_image(svg: str, title: str, text: str = "") -> str:
    """Return an SVG as HTML with an image, which notebooks show that are not trusted.

    It shrinks to the width of the page while its text is legible, and scrolls below that. `text`,
    by default the title, takes its place where no image is permitted.
    """
    return write_output(write_image(svg, title), text or title)


def embed_page(page: str, svg: str, title: str, height: float) -> str:
    """Return a page as HTML with an iframe, and an image for hosts that drop the iframe."""
    source = html.escape(page).replace("\n", "&#10;")
    frame = (
        f'<iframe srcdoc="{source}" title="{html.escape(title)}" allow="fullscreen" '
        f'style="width:100%;height:{height:.0f}px;border:0"></iframe>'
    )
    return write_output(frame + write_image(svg, title), title)


def write_output(content: str, text: str) -> str:
    """Return HTML with a style sheet, and a text for hosts that permit none of it."""
    text = html.escape(f"{text}\n{REMEDY}").replace("\n", "&#10;")
    return (
        f'<div class="stepgrad"><div {HIDDEN_WITHOUT_STYLE}>{STYLE}{content}</div>'
        f'<pre style="display:none">{text}</pre></div>'
    )


def write_image(svg: str, title: str) -> str:
    """Return an SVG as an HTML image."""
    number, unit = find_attribute(svg, "width", r"([\d.]+)(\w*)")
    width, unit = float(number), unit or "px"
    picture = base64.b64encode(svg.encode()).decode()
    return (
        f'<div style="overflow-x:auto"><img alt="{html.escape(title)}" style="width:100%;'
        f'min-width:{0.72 * width:.0f}{unit};max-width:{width:.0f}{unit}" '
        f'src="data:image/svg+xml;base64,{picture}"/></div>'
    )


def measure_svg(svg: str) -> tuple[float, float]:
    """Return the width and height of an SVG element's view box, in its own units.

    >>> measure_svg('<svg width="8cm" viewBox="0 0 20 10.5">')
    (20.0, 10.5)
    """
    width, height = find_attribute(svg, "viewBox", r"\S+ \S+ (\S+) (\S+)")
    return float(width), float(height)


def find_attribute(svg: str, name: str, pattern: str) -> tuple[str, ...]:
    """Return the groups of a pattern that matches an attribute of an SVG element."""
    head = svg[svg.index("<svg") :].partition(">")[0]
    match = re.search(rf'\s{name}="{pattern}"', head)
    if match is None:
        raise ValueError(f"expected an SVG element with the attribute {name}, got {head}>")
    return match.groups()
