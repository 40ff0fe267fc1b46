"""Names in drawings and pages: hostile ones of modules, labels and rows, and those of micrograd."""

import re
import warnings
import xml.etree.ElementTree as ET

import pytest

import engine.draw
from engine import Op, Value
from engine.draw import draw, step
from engine.draw.formulas.labels import set_spans
from engine.draw.graph.dot import replace_invalid
from engine.draw.graph.view import Box, build_view
from javascript import read_views
from nn import Module, Neuron

# Names that break DOT, XML or JSON unless they are escaped, and ids that the writer itself makes.
NASTY = {
    "backslash": "a\\", "backslashes": "a\\\\", "NUL": "a\0b", "lone surrogate": "a\ud800b",
    "quote": 'a"b', "apostrophe": "a'b", "markup": "<b>&lt;</b>", "script": "</script>",
    "comment": "-->", "section": "]]>", "lines": "a\nb", "braces": "{a|b}", "escapes": "\\N\\G\\l",
    "arrow": "a -> b; c", "blanks": "  ", "bell": "\x07", "not a character": "\uffff",
    "long": "x" * 3000, "cluster": "cluster_0", "id": "v0", "format": "%s{}",
}  # fmt: skip
nasty = pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)


class Pair(Module):
    """Two neurons, of which the first has a nasty name."""

    def __init__(self, name):
        setattr(self, name, Neuron(2, "tanh", rng=0))
        self.name, self.last = name, [Neuron(1, "linear", rng=1)]

    def __call__(self, x):
        return self.last[0]([getattr(self, self.name)(x)])


def nasty_graph(name):
    """Return a root and its model, with the name for a module, a label and a row."""
    model = Pair(name)
    row = Op(name, lambda x: x * x, lambda out, x: 2.0 * x)
    return row(model([Value(1.0, name), Value(2.0, name)])), model


@nasty
@pytest.mark.parametrize("level", [None, "layers"])
def test_nasty_names_are_drawn(name, level):
    """As SVG, DOT and HTML; the name of a module, of a leaf and of a row shows as it is.

    A label that is mathematics, such as cluster_0, shows as that.
    """
    root, model = nasty_graph(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of graphviz, about quotation marks
        picture = draw(root, model, level=level)
        svg = picture.svg
    text = "".join(ET.fromstring(svg).itertext())
    shown = replace_invalid(name)[:1000].split("\n")[0].replace(" ", "\xa0")
    label = "".join(span.text for span in set_spans(shown))
    text = text.replace(" ", "\xa0")
    found = text.count(shown) + (text.count(label) if label != shown else 0)
    assert found >= (1 if level else 4)
    assert svg in picture.html
    assert picture.dot.encode().decode() == picture.dot
    assert "<script" not in picture.html
    assert not re.search(r'\bid="(?!g[0-9a-f]{8}-[voeb][-voeb0-9]*")', svg)


@nasty
def test_no_id_in_dot_is_made_of_a_name(name):
    """The DOT text of another name differs in labels only."""
    texts = [draw(*nasty_graph(each)).dot for each in (name, "plain")]
    bare = [re.sub(r'label="?(?:[^"\\]|\\.)*"?', "", text, flags=re.S) for text in texts]
    ids = [re.findall(r"^\t*(?:subgraph )?(\w+) ", text, flags=re.M) for text in bare]
    assert ids[0] == ids[1]
    assert len(set(ids[0]) & {"cluster_0", "cluster_1"}) == 2


@nasty
@pytest.mark.parametrize("level", [None, "layers"])
def test_nasty_names_are_stepped_through(name, level):
    """The page is valid, and its data holds no character that a page cannot hold."""
    root, model = nasty_graph(name)
    page = step(root, model, level=level).html
    views = read_views(page)
    texts = []
    visit = lambda x: (
        texts.append(x) if isinstance(x, str) else
        [visit(y) for y in ([*x, *x.values()] if isinstance(x, dict) else x)]
        if isinstance(x, dict | list) else None
    )  # fmt: skip
    visit(views)
    assert all(text == replace_invalid(text) for text in texts)
    assert any(replace_invalid(name) in text for text in texts)
    assert page.encode().decode() == page
    assert page.count("<script") == 5 + len(views)  # all but two of them are data


@pytest.mark.parametrize("name", ["the rest", "the inputs"])
def test_a_module_with_the_name_of_a_box_has_a_box_of_its_own(name):
    model = Pair(name)
    root = model([Value(1.0), Value(2.0)]).exp() * 2.0
    boxes = [part for part in build_view(root, model, "layers").drawn if isinstance(part, Box)]
    sizes = {box.path: box.nodes for box in boxes}
    plain = Pair("first")
    root = plain([Value(1.0), Value(2.0)]).exp() * 2.0
    boxes = [part for part in build_view(root, plain, "layers").drawn if isinstance(part, Box)]
    assert [*sizes.values()] == [box.nodes for box in boxes]
    assert sizes[name] == 5
    assert set(sizes) == {name, "last.0", "the rest′", "the inputs′"}


# --------------------------------------------------------------------- names in other programs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rankdir": "LR"}, "unknown option 'rankdir'; write direction='right'"),
        ({"rankdir": "TB"}, "unknown option 'rankdir'; write direction='down'"),
        ({"rankdir": "nowhere"}, "unknown option 'rankdir'; write direction='right'"),
        (
            {"filename": "a"},
            "unknown option 'filename'; draw(root).save('graph.svg') writes a file",
        ),
        (
            {"view": True},
            "unknown option 'view'; Jupyter displays a drawing, and "
            "draw(root).save('graph.svg') writes a file",
        ),
        (
            {"graph_attr": {"rankdir": "LR"}},
            "unknown option 'graph_attr'; draw(root).dot is the text for Graphviz, in which "
            "attributes can be changed",
        ),
        ({"params": {}}, "unknown option 'params'; pass the model as the second argument"),
        (
            {"depth": 2},
            "unknown option 'depth'; write level='layers', or level=[...], the paths of modules",
        ),
        ({"collapse": True}, "unknown option 'collapse'; write level='layers'"),
        ({"collapse": False}, "unknown option 'collapse'; write level='values'"),
        ({"collapse": ["layers.0"]}, "unknown option 'collapse'; write level=['layers.0']"),
        ({"dark": True}, "unknown option 'dark'; write theme='dark'"),
        ({"figsize": (8, 4)}, "unknown option 'figsize'; write width='8cm'; the height follows"),
        ({"grads": True}, "unknown option 'grads'; write gradients=True, or gradients=False"),
        ({"precision": 2}, "unknown option 'precision'; write format='.2f'"),
        ({"collapse": None}, "unknown option 'collapse'; its name is level, and None is the"),
        (
            {"directon": "down"},
            "unknown option 'directon' (did you mean 'direction'?); expected one of model, level, "
            "limit, ",
        ),
        ({"levl": "values"}, "unknown option 'levl' (did you mean 'level'?)"),
    ],
)
@pytest.mark.parametrize("view", [draw, step])
def test_options_of_other_programs_are_answered_with_their_names_here(view, options, message):
    with pytest.raises(TypeError) as raised:
        view(Value(1.0), **options)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"direction": "TB"}, "write direction='down'"),
        ({"direction": "horizontal"}, "write direction='right'"),
        ({"layout": "LR"}, "write direction='right'"),
        ({"theme": "Dark"}, "write theme='dark'"),
        ({"width": 8}, "write width='8cm'"),
        ({"width": "600"}, "write width='600px'"),
        ({"width": "100%"}, "leave it out: pages fit a drawing to their width"),
        ({"font": 12}, "write font_size=12"),
        ({"format": "svg"}, "draw(root).save('graph.svg') writes a file"),
        ({"format": "%.2f"}, "write format='.2f'"),
        ({"format": 3}, "write format='.3f'"),
    ],
)  # fmt: skip
def test_values_of_options_in_other_programs_are_answered(options, remedy):
    (value,) = options.values()
    with pytest.raises(ValueError, match=re.escape(f"got {value!r}; {remedy}")):
        draw(Value(1.0), **options)


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (lambda root: draw(root).show(), "Jupyter displays a drawing, and draw(root).save("),
        (lambda root: draw(root).render("graph"), "draw(root).save('graph.svg') writes a file"),
        (lambda root: draw(root).source, "the text for Graphviz is .dot"),
        (lambda root: step(root).show(), "Jupyter displays a page, and .save('steps.html')"),
        (lambda root: step(root).svg, "it is an attribute of .drawing: .drawing.svg"),
        (lambda root: root.show(), "from stepgrad.draw import draw; draw(node)"),
        (lambda root: root.step(), "from stepgrad.draw import step; step(node)"),
        (lambda root: engine.draw.make_dot(root), "it is called draw here"),
    ],
)
def test_attributes_of_drawings_in_other_programs_are_answered(call, remedy):
    with pytest.raises(AttributeError, match=rf"has no attribute '\w+'; {re.escape(remedy)}"):
        call(Value(1.0))


def test_a_drawing_has_no_other_attributes():
    with pytest.raises(AttributeError, match=r"'Drawing' object has no attribute 'colours'$"):
        _ = draw(Value(1.0)).colours


def test_the_module_is_not_the_function():
    with pytest.raises(TypeError, match=r"stepgrad\.draw is a module; write from stepgrad\.draw"):
        engine.draw(Value(1.0))


@pytest.mark.parametrize("file", ["graph.svg", "svg"])
def test_a_file_is_not_a_model(file):
    with pytest.raises(TypeError, match=r"Module such as nn\.MLP, got .*; draw\(root\)\.save\("):
        draw(Value(1.0), file)


def test_draw_dot_names_draw():
    """It can be imported, so that its error can be read, but it is not shown."""
    from engine.draw import draw_dot

    with pytest.raises(TypeError, match=r"draw_dot is called draw here: write draw\(root\), and"):
        draw_dot(Value(1.0))
    message = r"write draw\(root, direction='down'\), and .*\.save\('graph\.png'\) for a file"
    with pytest.raises(TypeError, match=message):
        draw_dot(Value(1.0), "png", rankdir="TB")
    with pytest.raises(TypeError, match="draw_dot is called draw here"):
        draw_dot(Value(1.0), format="svg", view=True)
    assert "draw_dot" not in dir(engine.draw)
    assert "draw_dot" not in engine.draw.__all__
