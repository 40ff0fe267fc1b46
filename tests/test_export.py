"""Files of drawings and of steps: size, fonts, vectors, and what a step shows."""

import re
import sys
import xml.etree.ElementTree as ET
import zlib

import matplotlib
import pytest
from hypothesis import given

from engine import Array, Value, softmax, total
from engine.draw import Drawing, draw, step
from engine.draw.arrays.writing import write_matrix
from engine.draw.files.figures import (
    choose_families,
    measure_fragment,
    quick_bounds,
    write_pictures,
)
from engine.draw.files.shapes import Fragment, Line, Outline, read_svg
from engine.draw.files.step_pictures import StepPictures, list_lines
from engine.draw.files.typeset import set_formula
from engine.draw.look.scene import Circle, Curve, Group, Rect, Scene, Span, Text, measure
from engine.draw.look.theme import THEMES
from engine.draw.options import Options
from engine.draw.steps.frames import Frame, Run
from strategies import examples
from test_labels import typed

SVG = "{http://www.w3.org/2000/svg}"
GREY = re.compile(r"#([0-9a-f]{2})\1\1")
SCENE = Scene(
    200, 100,
    [
        Rect(10, 10, 50, 30, "#e3f1fa", "#0072b2", 2, 8), Circle(100, 50, 20, "#ffffff", "#000000"),
        Group("v0", [Text(20, 30, [Span("‖w‖"), Span("ij", "sub"), Span("2", "sup")], "#1f2328")]),
        Curve([(60, 25), (70, 25), (75, 50), (80, 50)], "#d55e00", 2, opacity=0.4, arrow=True),
        Curve([(120, 50), (190, 50)], "#6b7280", cubic=False, dashed=True),
        Text(100, 90, [Span("∂ α ≤ ·")], "#1f2328", anchor="middle", bold=True),
    ],
)  # fmt: skip


def graph():
    x, w, b = Value(2.0, "x_1"), Value(-3.0, "w_ij"), Value(6.88, "beta")
    n = x * w + b
    n.label = "n"
    out = n.tanh() * n
    out.label = "o"
    return out


def read_pdf(path):
    """Return the text of a PDF, with its streams decompressed."""
    data = path.read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, flags=re.S)
    opened = []
    for stream in streams:
        try:
            opened.append(zlib.decompress(stream).decode("latin-1"))
        except zlib.error:
            continue
    return data.decode("latin-1") + "".join(opened)


def sizes(svg):
    root = ET.fromstring(svg)
    return [float(root.get(name).removesuffix("pt")) for name in ("width", "height")]


# -------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "svg", [SCENE.to_svg("g1", "scene"), draw(graph()).svg], ids=["scene", "dot"]
)
def test_pdf_and_eps_are_vectors_with_embedded_truetype_fonts(svg, tmp_path):
    pytest.importorskip("matplotlib")
    width, height = sizes(svg)
    pdf, eps = tmp_path / "graph.pdf", tmp_path / "graph.eps"
    write_pictures([svg], pdf)
    text = read_pdf(pdf)
    box = [float(x) for x in re.search(r"/MediaBox \[ ([^\]]*)\]", text)[1].split()]
    assert box == pytest.approx([0, 0, width, height], abs=0.1)
    assert "/FontFile2" in text  # TrueType; type 3 has no file
    assert "/Type3" not in text
    assert "/Subtype /Image" not in text
    assert len(re.findall(r"\bBT\b", text)) >= svg.count("<text")  # texts are texts
    write_pictures([svg], eps)
    text = eps.read_text("latin-1")
    box = [float(x) for x in re.search(r"%%HiResBoundingBox: (.*)", text)[1].split()]
    assert box == pytest.approx([0, 0, width, height], abs=0.1)
    assert "/FontType 42 def" in text
    assert not re.search(r"\b(color)?image\b", text)
    if matplotlib.__version_info__ >= (3, 10):  # older versions use type 3 beside type 42
        assert "/FontType 3" not in text


def test_the_bounds_of_a_font_are_those_of_its_glyphs():
    """An EPS file states them, which matplotlib finds by drawing thousands of glyphs."""
    backend = pytest.importorskip("matplotlib.backends.backend_ps")
    ttlib = pytest.importorskip("fontTools.ttLib")
    slow = getattr(backend, "_bounds", None)
    if slow is None:
        pytest.skip("this version of matplotlib has no such function")
    path = matplotlib.font_manager.findfont("DejaVu Sans Display")  # has 50 glyphs
    with quick_bounds(), ttlib.TTFont(path) as font:
        assert backend._bounds is not slow
        assert backend._bounds(font) == slow(font)
    assert backend._bounds is slow


def test_a_scene_is_a_drawing_with_the_same_options(tmp_path):
    natural = Drawing("", "scene", Options(), SCENE)
    assert sizes(natural.svg) == [200, 100]
    assert sizes(Drawing("", "scene", Options(font_size=22), SCENE).svg) == [400, 200]
    assert sizes(Drawing("", "scene", Options(width="4in"), SCENE).svg) == [288, 144]
    grey = Drawing("", "scene", Options(monochrome=True), SCENE).svg
    assert all(GREY.fullmatch(colour) for colour in re.findall(r"#[0-9a-f]{6}", grey))
    with pytest.raises(ValueError, match=r"saved as .svg, .pdf, .eps, .png, .html, got"):
        natural.save(tmp_path / "scene.dot")


def test_the_same_drawing_is_the_same_pdf(tmp_path):
    pytest.importorskip("matplotlib")
    first, second = (draw(graph()).save(tmp_path / f"{i}.pdf").read_bytes() for i in range(2))
    assert first == second


@pytest.mark.parametrize(("width", "pixels"), [("600px", 600), ("5cm", round(5 / 2.54 * 192))])
@pytest.mark.filterwarnings("ignore:width=:UserWarning")  # the texts are small
def test_a_png_has_the_width_that_is_asked_for(width, pixels, tmp_path):
    pytest.importorskip("matplotlib")
    data = draw(graph(), width=width).save(tmp_path / "graph.png").read_bytes()
    assert abs(int.from_bytes(data[16:20], "big") - pixels) <= (0 if "px" in width else 1)


def test_a_width_that_makes_texts_too_small_is_warned_about():
    """At the user's line, with the size of the texts and a width at which they are legible."""
    x = Value(0.5, "x")
    for _ in range(12):
        x = x.tanh() * 2.0
    message = (
        r"texts of this picture in (\d\.\d) points, too small .*; choose (.*) or width='(\d+)cm'"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        draw(x, width="8cm")
    assert caught[0].filename == __file__
    size, others, width = re.search(message, str(caught[0].message)).groups()
    assert others == "direction='down' or a coarser level"
    assert float(size) == pytest.approx(11.0 * 8.0 * 72.0 / 2.54 / sizes(draw(x).svg)[0], abs=0.06)
    draw(x, width=f"{width}cm")  # without a warning, which would be an error here
    with pytest.warns(UserWarning, match="choose a coarser level or width="):
        step(x, width="1cm", direction="down")


def test_without_matplotlib_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    picture = draw(graph())
    with pytest.raises(
        ImportError, match=r"saving a \.pdf file requires .*: pip install matplotlib"
    ):
        picture.save(tmp_path / "graph.pdf")
    with pytest.raises(ImportError, match="pip install matplotlib"):
        step(graph()).save(tmp_path / "step.svg", step=3)
    assert picture.save(tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")  # by Graphviz
    assert picture.save(tmp_path / "graph.svg").exists()


def test_a_missing_font_is_replaced_with_a_warning():
    pytest.importorskip("matplotlib")
    with pytest.warns(
        UserWarning, match="the font 'No Such Font' is not installed; .* DejaVu Sans"
    ):
        assert choose_families("No Such Font,Verdana,DejaVu Sans,Helvetica,Arial,sans-serif") == (
            "DejaVu Sans",
        )


def test_measured_widths_are_those_of_the_font():
    pytest.importorskip("matplotlib")
    text = "".join(map(chr, range(32, 127)))
    fragment = Fragment(text, 10.0, 0.0, 0.0, "#000000", False, False)
    assert measure_fragment(fragment, ("DejaVu Sans",)) == pytest.approx(
        measure(text, 10.0), rel=1e-3
    )


# -------------------------------------------------------------------------------------- shapes


def shapes(body, size='width="10pt" height="10pt" viewBox="0 0 10 10"'):
    return read_svg(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{body}</svg>').shapes


def test_transformations_and_scales():
    (line,) = shapes('<g transform="translate(1 2) scale(2)"><path d="M1,1 h2 v1 z"/></g>')
    assert line.steps == [("M", [(3, 4)]), ("L", [(7, 4)]), ("L", [(7, 6)]), ("Z", [])]
    (turned,) = shapes('<line transform="rotate(90)" x2="3"/>')
    assert turned.steps[1][1][0] == pytest.approx((0, 3))
    half = shapes(
        '<rect width="4" height="2" stroke="red"/>', 'width="5pt" height="5pt" viewBox="0 0 10 10"'
    )
    assert half[0].steps[2] == ("L", [(2, 1)])
    assert half[0].width == 0.5


def test_styles_are_inherited_and_hidden_parts_left_out():
    found = shapes(
        "<style>.a{fill:red}</style><title>t</title>"
        '<g fill="#ff0000" opacity="0.5"><circle r="1" style="stroke:#00ff00;stroke-width:2"/>'
        '<rect width="1" height="1" fill-opacity="0.5" display="none"/><path d=""/></g>'
    )
    assert [(x.fill, x.stroke, x.width, x.fill_opacity) for x in found] == [
        ("#ff0000", "#00ff00", 2, 0.5)
    ]


def test_texts_have_fragments():
    (line,) = shapes(
        '<text x="5" y="5" font-size="10" text-anchor="middle" fill="#123456">x'
        '<tspan dy="2" font-size="7">1</tspan><tspan dy="-5" dx="-4" font-size="7">2</tspan></text>'
    )
    assert isinstance(line, Line)
    assert [(run.text, run.size, run.dx, run.dy) for run in line.fragments] == [
        ("x", 10, 0, 0), ("1", 7, 0, 2), ("2", 7, -4, -5),
    ]  # fmt: skip
    assert (line.anchor, line.fragments[0].fill) == ("middle", "#123456")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<use/>", "the element <use>"), ('<path d="M0,0 A1,1 0 0 0 2,2"/>', "the command 'A'"),
        ('<image href="http://a.b/c.png"/>', "the image"), ('<g transform="skewX(3)"/>', "'skewX'"),
    ],
)  # fmt: skip
def test_unknown_parts_are_errors(body, problem):
    """Nothing is left out of a file without a word."""
    with pytest.raises(ValueError, match=problem):
        shapes(body)


def test_images_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    pixel = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAA"
        "AElFTkSuQmCC"
    )
    svg = f'<svg width="20pt" height="10pt"><image width="10" height="10" href="{pixel}"/></svg>'
    write_pictures([svg], tmp_path / "image.pdf")
    assert read_pdf(tmp_path / "image.pdf").count("/Subtype /Image") == 1


# --------------------------------------------------------------------------------------- steps


def texts(svg):
    """Return the lines of text of each value, by its id."""
    groups = [g for g in ET.fromstring(svg).iter(f"{SVG}g") if "-" in g.get("id", "")]
    return {
        g.get("id").partition("-")[2]: [
            "".join(t.itertext()).strip("\u00a0") for t in g.iter(f"{SVG}text")
        ]
        for g in groups
    }


def test_a_step_of_arrays_follows_an_element(tmp_path):
    """Its lines are below the formula, in the middle, and the cells it uses are outlined."""
    pytest.importorskip("matplotlib")
    X, W = Array([[1.0, 2.0], [3.0, -4.0]], "X"), Array([[0.5], [1.0]], "W")
    stepper = step((X @ W).sum())
    n = next(i for i, frame in enumerate(stepper.frames) if frame.elements)
    frame = stepper.frames[n]
    largest = next(iter(frame.elements.values()))
    assert list_lines(frame) == [*frame.lines, *largest.lines]
    root = ET.parse(stepper.save(tmp_path / "step.svg", step=n + 1)).getroot()
    outlines = [x for x in root.iter(f"{SVG}rect") if x.get("stroke-width") in ("1.2", "2.2")]
    assert len(outlines) == len(largest.marks) == 5
    glyphs = root.find(f"{SVG}g[@class='formula']")
    (rule,) = [x for x in glyphs if x.get("stroke-dasharray")]
    left, right = map(float, re.findall(r"[MH](\d+\.?\d*)", rule.get("d")))
    assert left + right == pytest.approx(float(root.get("width").removesuffix("pt")), abs=0.2)


def test_the_numbers_of_a_matrix_are_aligned_at_their_last_digits():
    pytest.importorskip("matplotlib")
    matrix = set_formula(write_matrix(("−1.25", "0.50"), 1), 10.0)
    ends = [part.x + measure_path(part.d) for part in matrix.parts if part.stretch == 1.0]
    assert ends[0] == pytest.approx(ends[1], abs=1.0)


def measure_path(d):
    """Return the largest x of a path."""
    return max(float(x) for x, _ in re.findall(r"(-?[\d.]+) (-?[\d.]+)", d))


def test_a_step_shows_the_numbers_so_far_and_marks_its_parts(tmp_path):
    pytest.importorskip("matplotlib")
    stepper = step(graph())
    frames = stepper.frames
    n = next(i for i, frame in enumerate(frames) if frame.title == "n = v₂ + β")
    path = stepper.save(tmp_path / "step.svg", step=n + 1)
    svg = path.read_text()
    shown = texts(svg)
    assert shown["v2"][1:] == ["data −6", "grad"]
    assert shown["v4"] == ["n", "data 0.88", "grad"]
    assert shown["v6"] == ["o", "data", "grad"]
    root = ET.fromstring(svg)
    hot = {
        g.get("id").partition("-")[2]
        for g in root.iter(f"{SVG}g")
        if any(shape.get("stroke") == "#c2410c" for shape in g) and g.get("id")
    }
    assert hot == set(frames[n].marked)
    assert len(root.find(f"{SVG}g[@class='formula']")) == 2  # with names, with numbers
    last = stepper.save(tmp_path / "last.svg", step=-1).read_text()
    assert [lines[-1] for id, lines in texts(last).items() if id[0] == "v"] == [
        lines[-1] for id, lines in texts(stepper.drawing.svg).items() if id[0] == "v"
    ]


def test_all_steps_are_numbered_pictures_of_one_size_or_pages(tmp_path):
    pytest.importorskip("matplotlib")
    x = Value(2.0, "x")
    stepper = step((x * x).tanh())
    count = len(stepper.frames)
    paths = stepper.save(tmp_path / "steps-{:03}.svg")
    assert [path.name for path in paths] == [f"steps-{i:03}.svg" for i in range(1, count + 1)]
    assert len({tuple(sizes(path.read_text())) for path in paths}) == 1
    text = read_pdf(stepper.save(tmp_path / "slides.pdf"))
    assert len(re.findall(r"/Type /Page\b", text)) == count
    single = sizes(stepper.save(tmp_path / "one.svg", step=1).read_text())
    assert single == sizes(stepper.drawing.svg)  # no room for a formula where there is none


def test_steps_of_wrong_passes_can_be_saved(tmp_path):
    pytest.importorskip("matplotlib")
    stepper = step(graph())
    svg = stepper.save(tmp_path / "wrong.svg", step=-1, run=2).read_text()
    assert "stroke-dasharray" in svg


@pytest.mark.filterwarnings("ignore:width=:UserWarning")  # the texts are small
def test_the_width_of_steps_is_that_of_the_option(tmp_path):
    pytest.importorskip("matplotlib")
    stepper = step(graph(), width="10cm")
    n = max(range(len(stepper.frames)), key=lambda n: len(stepper.frames[n].lines))
    width, _ = sizes(stepper.save(tmp_path / "step.svg", step=n + 1).read_text())
    assert width == pytest.approx(10 / 2.54 * 72, abs=0.01)


@pytest.mark.parametrize(
    ("name", "n", "message"),
    [
        ("step.svg", None, "'step.svg' holds one step; pass its number, as in step=12, or write "
                           "'step-{:03}.svg' for all"),
        ("step.svg", 0, "step must be a number from 1 to 14, or -1 for the last, got 0"),
        ("step.svg", 15, "step must be a number from 1 to 14"),
        ("step.svg", True, "step must be a number from 1 to 14"),
        ("step-{:q}.svg", None, "expected a name such as 'steps-{:03}.svg', got 'step-{:q}.svg'"),
        ("step-{{}}.svg", None, "expected a name such as 'steps-{:03}.svg'"),
        ("step.gif", 1, "a stepper can be saved as .html, .htm, .svg, .pdf, .eps, .png, got"),
        ("page.html", 3, "a page has all steps of all runs; step=3 is for .svg, .pdf, .eps and .png files"),
    ],
)  # fmt: skip
def test_what_cannot_be_saved_says_what_can(name, n, message, tmp_path):
    with pytest.raises(ValueError, match=re.escape(message)):
        step(graph()).save(tmp_path / name, step=n)


def test_formulas_of_steps_are_set_by_mathtext(monkeypatch):
    """All that a page shows can be set: no formula falls back on plain text."""
    pytest.importorskip("matplotlib")
    from engine.draw.files import typeset

    def fail(*args):
        raise AssertionError(f"mathtext cannot read {args}")

    x, y = Value(1.5, "x_1"), Value(0.5, "alpha")
    root = total([*softmax([x, y, x * y]), x.relu() ** 2 / y, (x - y).abs().sqrt(), -(x**y)])
    stepper = step(root)
    monkeypatch.setattr(typeset, "write_upright", fail)
    for line in {line for frame in stepper.frames for line in frame.lines[:1]}:
        box = typeset.set_formula("".join(line).replace("mtext", "mi"), 14.0)
        assert box.width > 0.0
        assert box.ascent > 0.0


@examples(15)
@given(label=typed)
def test_any_label_is_set_in_formulas(label):
    pytest.importorskip("matplotlib")
    from engine.draw.files.typeset import set_formula
    from engine.draw.formulas.labels import set_mathml

    set_formula(set_mathml(re.sub(r"[^\x20-\x7e\xa0-\ud7ff]", "?", label)), 14.0)


# ------------------------------------------------------------------------------------- options


def test_monochrome_has_no_colour_and_tells_kinds_by_shape_and_line(tmp_path):
    picture = draw(graph() * 2.0, monochrome=True)
    colours = set(re.findall(r'"(#[0-9a-f]{6})"', picture.svg))
    assert colours <= {"#000000", "#ffffff"}
    assert all(GREY.fullmatch(colour) for colour in re.findall(r"#[0-9a-f]{6}", picture.dot))
    assert 'stroke-dasharray="5,2"' in picture.svg  # the constant
    assert "<path" in picture.svg  # leaves are rounded
    assert "<polygon" in picture.svg


def test_outlines_of_arrows_are_filled():
    arrow = [
        shape for shape in read_svg(SCENE.to_svg("g", "t")).shapes if isinstance(shape, Outline)
    ]
    assert arrow[4].fill == "#d55e00"


def test_steps_of_a_scene_replace_its_fields():
    """Fields of a Scene have a class; in Graphviz's pictures they begin with their names."""
    pytest.importorskip("matplotlib")
    field = lambda name, y: Text(5, y, [Span("1.5")], "#1f2328", field=name)
    parts = [Rect(0, 0, 40, 30, "#ffffff", "#000000"), field("data", 10), field("grad", 20)]
    scene = Scene(60, 40, [Group("v0", parts), Text(50, 10, [Span("data of x")], "#1f2328")])
    frames = [
        Frame("start", "Start", data={"v0": "3"}),
        Frame("backward", "From y to x", grad={"v0": "−5"}, marked=["v0"]),
    ]
    drawing = Drawing("", "scene", Options(), scene)
    pictures = StepPictures(drawing.svg, Run("", frames), THEMES["light"], Options())
    first, second = pictures.draw([0, 1])
    assert texts(first)["v0"] == ["3", ""]
    assert texts(second)["v0"] == ["3", "−5"]
    assert THEMES["light"].mark not in first
    assert f'stroke="{THEMES["light"].mark}"' in second
    assert "data of x" in second
