"""The theme "auto": light colours, and a style sheet with the dark counterpart of each."""

import re

import numpy as np
import pytest

from browsers import chromium
from engine import Value
from engine.draw import draw, step
from engine.draw.look.dark import darken, list_colours
from engine.draw.look.theme import DARK, LIGHT, blend
from nn import MLP, vector


def example():
    x = Value(-0.5, "x")
    y = (x * 2.0 + x).tanh()
    y.backward()
    return y


def parse(colour):
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def test_each_light_colour_has_one_dark_counterpart():
    pairs = {*zip(list_colours(LIGHT), list_colours(DARK), strict=True)}
    assert len({light for light, _ in pairs}) == len(pairs)
    assert all(darken(light) == dark for light, dark in pairs)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 0.5, 0.9, 1.0])
def test_the_counterpart_of_a_blend_is_the_blend_of_the_counterparts(share):
    """A light colour is rounded, so a channel of its counterpart may differ by 1."""
    channels = zip(
        *map(parse, (darken(blend(LIGHT.heat, share)), blend(DARK.heat, share))), strict=True
    )
    assert all(abs(a - b) <= 1 for a, b in channels)


def test_any_other_colour_has_a_counterpart_of_the_same_hue():
    red, green, blue = parse(darken("#ffcccc"))
    assert red > green == blue
    assert red < 0xCC


@pytest.mark.parametrize("color", ["kind", "grad"])
def test_a_drawing_holds_the_light_colours_and_their_counterparts(color):
    svg = draw(example(), color=color).svg
    used = {
        *re.findall(
            r'\b(fill|stroke)="(#[0-9a-f]{6})"', re.sub("<style>.*</style>", "", svg, flags=re.S)
        )
    }
    ruled = {*re.findall(r'\[(fill|stroke)="(#[0-9a-f]{6})"\]', svg)}
    assert used == ruled
    light = draw(example(), color=color, theme="light").svg
    assert "<style>" not in light
    assert {*re.findall(r'\b(fill|stroke)="(#[0-9a-f]{6})"', light)} == used


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


PAPER = "getComputedStyle(document.querySelector('svg[role=img] polygon, svg[role=img] rect')).fill"
BACKGROUND = "getComputedStyle(document.querySelector('.stepper')).backgroundColor"
WHITE, BLACK = (f"rgb({', '.join(map(str, parse(theme.paper)))})" for theme in (LIGHT, DARK))


@pytest.mark.parametrize(("scheme", "paper"), [("light", WHITE), ("dark", BLACK)])
def test_a_page_and_a_file_follow_the_system_and_are_printed_light(
    browser, tmp_path, scheme, paper
):
    (tmp_path / "step.html").write_text(step(example()).html, "utf-8")
    draw(example()).save(tmp_path / "draw.html")
    with browser.new_page(color_scheme=scheme) as page:
        page.goto((tmp_path / "step.html").as_uri())
        assert page.evaluate(PAPER) == page.evaluate(BACKGROUND) == paper
        page.emulate_media(media="print")
        assert page.evaluate(PAPER) == page.evaluate(BACKGROUND) == WHITE
        assert not page.locator(".bar, .strip, .facts").filter(visible=True).count()
        assert page.locator(".graph svg, .title").filter(visible=True).count() == 2
        page.emulate_media(media="screen")
        page.goto((tmp_path / "draw.html").as_uri())
        assert page.evaluate(PAPER) == paper


def two_layers():
    """Return the loss of a network of Arrays."""
    X, y = np.array([[0.5, -1.0], [2.0, 0.25]]), np.array([1.0, 0.0])
    loss = ((vector.MLP(2, [2, 1], rng=0)(X) - y) ** 2).mean()
    loss.backward()
    return loss


def network():
    model = MLP(2, [3, 1], rng=0)
    return (model([Value(0.5, "x1"), Value(-1.0, "x2")]) - 1.0) ** 2, model


# Returns the lightness of the darkest and of the lightest text, from 0 to 255.
INKS = """() => {
    const lightness = (text) => {
        const [r, g, b] = getComputedStyle(text).fill.match(/[\\d.]+/g).map(Number);
        return 0.3 * r + 0.6 * g + 0.1 * b;
    };
    const texts = [...document.querySelectorAll("svg[role=img] text")];
    const all = texts.filter((text) => text.textContent).map(lightness);
    return [Math.min(...all), Math.max(...all)];
}"""


@pytest.mark.parametrize("level", ["arrays", "network", "values"])
def test_arrays_and_networks_are_dark_on_a_screen_and_light_on_paper(browser, tmp_path, level):
    arguments = [two_layers()] if level == "arrays" else network()
    options = {} if level == "arrays" else {"level": level}
    (tmp_path / "step.html").write_text(step(*arguments, **options).html, "utf-8")
    draw(*arguments, **options).save(tmp_path / "draw.html")
    for name in ("step", "draw"):
        with browser.new_page(color_scheme="dark") as page:
            page.goto((tmp_path / f"{name}.html").as_uri())
            assert page.evaluate(PAPER) == BLACK
            assert page.evaluate(INKS)[0] > 120
            page.emulate_media(media="print")
            assert page.evaluate(PAPER) == WHITE
            assert page.evaluate(INKS)[1] < 135


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_of_one_theme_keeps_it(browser, tmp_path, theme):
    (tmp_path / "step.html").write_text(step(example(), theme=theme).html, "utf-8")
    other = {"light": "dark", "dark": "light"}[theme]
    with browser.new_page(color_scheme=other) as page:
        page.goto((tmp_path / "step.html").as_uri())
        assert (
            page.evaluate(PAPER)
            == page.evaluate(BACKGROUND)
            == {"light": WHITE, "dark": BLACK}[theme]
        )


HOSTS = {
    "JupyterLab": 'data-jp-theme-light="{}"', "marimo": 'data-theme="{}"', "VS Code": 'class="vscode-{}"',
    "background": 'style="background: {}"',
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_a_page_follows_the_theme_of_its_host(browser, tmp_path, host):
    """The system has the other theme. A change of the host's theme is followed at once."""
    words = {"light": "light", "dark": "dark"}
    if host == "JupyterLab":
        words = {"light": "true", "dark": "false"}
    if host == "background":
        words = {"light": "#fafafa", "dark": "#111"}
    outputs = step(example())._repr_html_() + draw(example())._repr_html_()
    host_page = f"<!doctype html><body {HOSTS[host].format(words['dark'])}>{outputs}</body>"
    (tmp_path / "host.html").write_text(host_page, "utf-8")
    with browser.new_page(color_scheme="light") as page:
        page.goto((tmp_path / "host.html").as_uri())
        frame = page.locator("iframe").element_handle().content_frame()
        frame.wait_for_selector(".stepper[data-step]")
        for theme, other, paper in [("dark", "light", BLACK), ("light", "dark", WHITE)]:
            page.emulate_media(color_scheme=other)
            name, _, value = HOSTS[host].format(words[theme]).partition("=")
            page.evaluate(
                "([name, value]) => document.body.setAttribute(name, value)",
                [name, value.strip('"')],
            )
            frame.wait_for_function(f"({BACKGROUND}) === '{paper}'")
            assert frame.evaluate(PAPER) == paper
            if host in ("JupyterLab", "marimo"):  # images follow them too
                scheme = "getComputedStyle(document.querySelectorAll('img')[1]).colorScheme"
                assert page.evaluate(scheme) == theme
