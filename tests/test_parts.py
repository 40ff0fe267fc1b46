"""The modules of nodes, and drawings of a model's parts, whose boxes open one inside another."""

import copy
import gc
import html
import pickle
import re
import weakref
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

from engine import Value, record_origins, topological, total
from engine.draw import draw
from engine.draw.graph.clusters import Modules
from engine.draw.graph.inside import HIDDEN, open_parts
from engine.draw.graph.view import Box, build_view
from engine.draw.look.theme import format_number
from engine.draw.steps.box_facts import collect_box_facts
from engine.draw.steps.box_numbers import BoxTexts
from engine.draw.steps.boxes import trace_boxes
from engine.draw.steps.inside_steps import InsideTracer
from engine.watch.scopes import Scope
from engine.watch.wrong_passes import RIGHT, contributions
from nn import Module, scalar, vector

SPEC = ".12g"
GPT_PARTS = [
    "token_embedding", "position_embedding", "sum", "norm", "blocks[0].attention_norm",
    "blocks[0].attention.heads[0]", "blocks[0].attention.heads[1]", "blocks[0].attention.output",
    "blocks[0] residual", "blocks[0].mlp_norm", "blocks[0].mlp", "blocks[0] residual of mlp", "head",
    "logsumexp", "difference",
]  # fmt: skip


class Scale(Module):
    """A module without parameters."""

    def __call__(self, xs):
        return {"scaled": [2.0 * x for x in xs]}


class Block(Module):
    """A module that computes before and after its parts, and stores what it returns."""

    def __init__(self):
        self.scale, self.layer = Scale(), scalar.Layer(2, 2, "linear", rng=0)

    def __call__(self, xs, shift=0.0):
        inner = self.scale([x + shift for x in xs])["scaled"]
        self.last = [(x + y).exp() for x, y in zip(xs, self.layer(inner), strict=True)]
        return self.last


class Model(Module):
    def __init__(self):
        self.blocks = [Block(), Block()]

    def __call__(self, xs):
        for block in self.blocks:
            xs = block(xs, shift=xs[0] * 0.5)
        return xs


def gpt(layers=1, vocabulary=3, **how):
    model = scalar.GPT(vocabulary, 4, 2, layers, positions=2, rng=0, **how)
    loss = model.loss([0, 1, 2])
    loss.label = "loss"
    return loss, model


def count_paths(root, model):
    """Return the operations of each module."""
    order = topological(root)
    paths = Modules(order, model).path_by_node
    counts = {}
    for node in order:
        if node.op is not None:
            counts.setdefault(re.sub(r"\.neurons\.\d+$", "", paths[node]), Counter())[
                node.op.name
            ] += 1
    return counts


# --------------------------------------------------------------------------- the modules of nodes


@pytest.mark.parametrize("hook", [False, True])
def test_nodes_belong_to_the_module_whose_call_made_them(hook):
    """Also those without parameters, and with the lines of code that made them."""
    model, xs = Model(), [Value(0.5, "a").sin(), Value(-1.0, "b").sin()]
    if hook:
        with record_origins():
            out = model(xs)
            loss = out[0] * out[1]
    else:
        out = model(xs)
        loss = out[0] * out[1]
    own = {"+": 4, "exp": 2}
    assert count_paths(loss, model) == {
        "": {"sin": 2, "*": 3},
        "blocks.0": own, "blocks.0.scale": {"*": 2}, "blocks.0.layer": {"dot": 2},
        "blocks.1": own, "blocks.1.scale": {"*": 2}, "blocks.1.layer": {"dot": 2},
    }  # fmt: skip
    assert (out[0].origin is not None) == hook
    if hook:
        assert out[0].origin.text.startswith("self.last")
        assert out[0].origin._fields == ("file", "line", "function", "text")


def test_the_parts_of_a_transformer_have_all_its_nodes():
    loss, model = gpt(layers=2)
    counts = count_paths(loss, model)
    assert counts[""] == {"+": 8, "logsumexp": 2, "-": 2, "total": 1, "/": 1}
    for i in range(2):
        assert counts[f"blocks.{i}"] == {"+": 16}
        assert counts[f"blocks.{i}.attention_norm"] == counts["norm"]
        assert counts["norm"]["rms_norm"] == 2
        for k in range(2):
            head = counts[f"blocks.{i}.attention.heads.{k}"]
            assert (head["softmax"], head["/"], head["dot"]) == (2, 4, 7)


class Residual(Module):
    def __init__(self):
        self.layer = scalar.Layer(2, 2, "relu", rng=0)

    def __call__(self, xs):
        return [x + 0.5 * z + 7.0 for x, z in zip(xs, self.layer(xs), strict=True)]


class ResidualModel(Module):
    def __init__(self):
        self.blocks, self.head = [Residual(), Residual()], scalar.Layer(2, 1, "linear", rng=0)

    def __call__(self, xs):
        for block in self.blocks:
            xs = block(xs)
        return self.head(xs)


@pytest.mark.parametrize("xs", [[1.0, 2.0], [1.0, 1.0], [Value(1.0), Value(2.0)]])
def test_floats_that_a_residual_connection_adds_are_inputs(xs):
    """Each use of a float has a node of its own; constants of the module are no inputs."""
    model = ResidualModel()
    view = build_view(model(xs) ** 2, model, "blocks")
    boxes = {box.id: box for box in view.drawn if isinstance(box, Box)}
    inputs = [id for id, box in boxes.items() if box.title.startswith("inputs")]
    assert [boxes[id].title for id in inputs] == ["inputs   2 values"]
    heads = {boxes[x.head].title.split()[0] for x in view.arrows if x.tail in inputs}
    assert heads == {"layer", "+"}


@pytest.mark.parametrize("norm", ["rms_norm", "layer_norm"])
def test_a_block_of_floats_has_both_residuals(norm):
    """A sum that the model itself computes does not belong to the layer whose result it takes."""
    block = scalar.Transformer(4, 2, norm=norm, rng=0)
    rows = block([[1.0, 2.0, 3.0, 4.0], [0.5, 1.5, 2.5, -1.0]])
    parts = build_view(total([x for row in rows for x in row]), block, "blocks").parts
    lines = Counter(part.lines[0].split("   ")[0] for part in parts)
    assert (lines["+ residual"], lines["inputs"]) == (2, 1)


class Pairs(Module):
    """A module whose call is a generator."""

    def __init__(self):
        self.scale = Scale()

    def __call__(self, xs):
        for x in xs:
            shift = yield self.scale([x])["scaled"][0].exp()
            yield x.sin() + (shift or 0.0)


class Sum(Module):
    def __init__(self):
        self.pairs = Pairs()

    def __call__(self, xs):
        return total([*self.pairs(xs)])


def test_nodes_of_a_generator_belong_to_its_module():
    model = Sum()
    loss = model([Value(1.0).tanh(), Value(2.0).tanh()])
    assert count_paths(loss, model) == {
        "": {"total": 1, "tanh": 2},
        "pairs": {"exp": 2, "sin": 2, "+": 2},
        "pairs.scale": {"*": 2},
    }
    values = model.pairs([Value(0.0)])
    next(values)
    assert values.send(5.0).data == 5.0  # it is a generator as before
    with pytest.raises(KeyError):
        values.throw(KeyError("from the caller"))


def test_a_copy_of_a_model_with_its_loss_keeps_the_modules():
    loss, model = gpt()
    model_copy, loss_copy = copy.deepcopy((model, loss))
    assert count_paths(loss_copy, model_copy) == count_paths(loss, model)
    assert draw(loss_copy, model_copy).dot == draw(loss, model).dot
    alone = copy.deepcopy(loss)  # without the model, its nodes belong to no call
    assert all(type(node.origin) is not Scope for node in topological(alone))
    del model_copy, loss_copy
    assert draw(loss, model).dot


def test_groups_with_the_same_operation_are_named_by_their_inputs():
    loss, model = gpt()
    titles = [inside.title for inside in open_parts(build_view(loss, model, "blocks"), model)[1]]
    head = "blocks[0].attention.heads[0] "
    assert [x for x in titles if x.startswith(head)] == [
        f"{head}scaled query", f"{head}dot", f"{head}softmax", f"{head}dot of value, softmax",
    ]  # fmt: skip


def test_the_norms_of_arrays_belong_to_their_modules():
    model = vector.Transformer(4, 2, rng=0)
    counts = count_paths(model([[0.0, 1.0, 2.0, 3.0]]).sum(), model)
    assert counts[""]["+"] == 2
    assert counts["attention_norm"] == counts["mlp_norm"] != {}
    assert counts["attention"]["softmax"] == 1


def test_a_call_leaves_nothing_behind():
    """A graph is freed without the collector, and a call that raises ends its scope."""
    gc.collect()
    gc.disable()
    try:
        model = Model()
        with pytest.raises(TypeError):
            model([Value(1.0), "x"])
        after = Value(1.0) * 2.0
        model([after, after])
        assert Modules(topological(after.exp() * model.blocks[0].layer.neurons[0].bias), model)
        assert count_paths(after + model.blocks[0].layer.neurons[0].bias, model)[""]["*"] == 1
        dead = weakref.ref(model)
        del model
        assert dead() is None
    finally:
        gc.enable()


class Wrapper(Module):
    """A module that returns what a function returns."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(*args)


def test_a_node_belongs_to_the_call_that_made_it_not_to_one_that_returns_it():
    double, identity = Wrapper(lambda x: x * 2.0), Wrapper(lambda x: x)
    with record_origins():
        x = Value(3.0).sin()
    stored = Wrapper(lambda: x)()
    assert stored is x
    assert x.origin.text == "x = Value(3.0).sin()"
    outer = Wrapper(lambda x: identity(double.function(x)))
    y = outer(Value(3.0))
    assert y._origin.module() is outer
    assert Wrapper(lambda: y)()._origin.module() is outer


@dataclass
class Power(Module):
    """A module without a hash, since it has `==`."""

    exponent: float

    def __call__(self, x):
        return x**self.exponent


def test_modules_without_a_hash_and_deleted_ones():
    model, deleted = Power(2.0), Wrapper(lambda x: x.sin())
    x = deleted(Value(3.0))
    del deleted
    container = Wrapper(lambda x: model(x).exp())
    container.inner = model
    assert count_paths(container(x), container) == {"": {"sin": 1, "exp": 1}, "inner": {"**": 1}}


def test_results_of_modules_are_copied_and_pickled():
    double = Wrapper(lambda x, unused: x * 2.0)
    y = x = Value(3.0)
    unused = x.exp()
    for _ in range(2000):
        y = double(y, unused)
    with record_origins():
        z = double(y, unused)
    for other in (pickle.loads(pickle.dumps(z)), copy.deepcopy(z)):
        assert len(topological(other)) == len(topological(z))
        assert other.origin == z.origin
        assert z.origin is not None


class Pair(NamedTuple):
    number: float
    nodes: list[Value]


def test_calls_accept_any_arguments_and_any_callable():
    cycle, deep = [1.0], [2.0]
    cycle += [{"self": cycle}, cycle]
    for _ in range(3000):
        deep = [deep]
    for argument in (cycle, deep):
        assert Wrapper(lambda x: x)(argument) is argument
    row = [Value(1.0), Value(2.0)]
    for box in (Counter(a=row), Pair(1.0, row), [np.array(row)], ({"a": [*row]}, 2.0)):
        made = Wrapper(lambda box: [x.exp() for x in row])(box)
        assert made[0]._origin.arguments == tuple(row)
    static = type("Static", (Module,), {"__call__": staticmethod(lambda x: x * 2.0)})
    assert static()(3.0) == 6.0


# --------------------------------------------------------------------------------------- the parts


def test_a_gpt_is_drawn_as_its_parts():
    loss, model = gpt()
    view = build_view(loss, model, "blocks")
    names = [part.name for part in view.parts if len(part.nodes) > 1]
    assert sorted(names) == sorted(GPT_PARTS)
    assert sorted(len(part.nodes) for part in view.parts) == sorted(
        Counter(view.ids.values()).values()
    )
    svg = draw(loss, model, limit=100).svg
    assert svg == draw(loss, model, level="blocks").svg
    found = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    texts = [" ".join(html.unescape(text).split()) for text in found]
    assert texts.count("+ residual 8 values") == 2
    assert {"heads[1] Head(4, 2)", "blocks[0].attention Attention(4, 2)"} < {*texts}


def test_fewer_boxes_than_blocks_are_drawn_coarsely():
    """As at other levels."""
    loss, model = gpt()
    view = build_view(loss, model, "blocks", 3)
    assert len(view.drawn) <= 3
    count = len(build_view(loss, model, "blocks").drawn)
    assert view.note == f"Coarser than level='blocks', which has {count} parts; limit=3"


def test_more_layers_are_drawn_with_closed_boxes():
    loss, model = gpt(layers=4)
    names = [part.name for part in build_view(loss, model, "blocks").parts]
    assert {f"blocks[{i}]" for i in range(4)} < {*names}
    _, insides = open_parts(build_view(loss, model, "blocks"), model)
    titles = [inside.title for inside in insides]
    assert len({*titles}) == len(titles)
    assert {"blocks[3]", "blocks[3].attention", "blocks[3].mlp"} <= {*titles}


@pytest.mark.parametrize("vocabulary", [3, 40])
def test_each_picture_shows_the_numbers_of_the_engine(vocabulary):
    """When the passes end, values inside have the engine's numbers, and arrows their places.

    A layer of 40 neurons opens groups of them.
    """
    loss, model = gpt(vocabulary=vocabulary)
    view, insides = open_parts(build_view(loss, model, "blocks"), model)
    outer, order = trace_boxes(view, SPEC), [*view.ids]
    texts = BoxTexts(order, list(contributions(order, RIGHT)), outer.grads, SPEC)
    loss.backward()
    titles = {inside.title for inside in insides}
    opened, seen = set(), {}
    for inside in insides:
        traced = InsideTracer(inside, outer, texts, SPEC).trace()
        frames, facts = traced.frames, collect_box_facts(inside.view, traced, SPEC)
        assert {fact.id for fact in facts if fact.lines} <= inside.own
        data, grad = ({}, {})
        for frame in frames:
            data |= frame.data
            grad |= frame.grad
            ids = {item.id for item in inside.view.drawn}
            ids |= {id.replace("v", "o") for id in ids} | {arrow.id for arrow in inside.view.arrows}
            assert ids.issuperset(frame.marked), frame
        for node, id in inside.view.ids.items():
            seen.setdefault(inside.title, set()).update([node] if id in inside.own else [])
            if id[0] == "v" and isinstance(node.data, float):
                assert data[id] == format_number(node.data, SPEC)
                if id in inside.own and not node.constant:
                    assert grad[id] == format_number(node.grad, SPEC), (inside.title, node)
        opened |= {x.opens for x in inside.view.drawn if isinstance(x, Box)}
    opened |= {x.opens for x in view.drawn if isinstance(x, Box)}
    assert opened - {""} == titles
    groups = range(0, vocabulary, 20) if vocabulary == 40 else ()
    assert {x for x in titles if ":" in x} == {f"head.neurons[{i}:{i + 20}]" for i in groups}
    for i in groups:
        weights = {w for neuron in model.head.neurons[i : i + 20] for w in neuron.parameters()}
        assert weights < seen[f"head.neurons[{i}:{i + 20}]"]
    head = "blocks[0].attention.heads[1]"
    assert {f"{head}.query", f"{head} scaled query", f"{head} softmax"} < titles
    owned = {x for x in model.parameters() if x in view.ids}
    embeddings = {*model.token_embedding.parameters(), *model.position_embedding.parameters()}
    # Every other parameter is in some picture.
    assert owned.difference(*seen.values()) <= embeddings
    assert all(HIDDEN in inside.view.ids.values() for inside in insides)
