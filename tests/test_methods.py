"""The fast methods of Value, printed from the rows, compared with the general ones."""

import doctest
import inspect
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.stubs import PATH, stub
from engine import Array, Constant, Op, Value, grad, no_grad, record_origins, topological
from engine.methods import FAST, Methods, source
from engine.rules import ELEMENTWISE, ROUND, SECH_SQUARED, SLOPES_OF_OTHERS
from engine.watch import hooks
from strategies import any_float, batches, examples

fast = pytest.mark.parametrize("name", FAST)


def fields(node):
    """Return everything that a node contains, with numbers to the bit."""
    bits = [None if x is None else x.hex() for x in (node._data, node._grad, node._dx, node._dy)]
    return type(node), node.op, node.label, node.constant, *bits


@fast
@examples(10)  # a wrong formula differs in almost every bit pattern
@given(data=st.data())
def test_a_fast_method_has_the_bits_of_its_definition(name, data):
    """Result, slopes and inputs are equal; the other operand is a Value, constant, float or int."""
    plain = any_float | st.integers(-9, 9)
    node = st.builds(Value, any_float) | st.builds(Constant, any_float) | st.none()  # x itself
    other = plain if name.startswith("__r") else plain | node
    arguments = [other] * (len(FAST[name].partials) - 1)
    for number, *others in data.draw(batches(any_float, *arguments), label="x, y"):
        x = Value(number)
        others = [x if y is None else y for y in others]
        got, want = getattr(Value, name)(x, *others), getattr(Methods, name)(x, *others)
        assert fields(got) == fields(want)
        assert list(map(fields, got.inputs)) == list(map(fields, want.inputs))
        for a, b in zip(got.inputs, want.inputs, strict=True):
            assert a is b or (type(a) is Constant and not isinstance(others[0], Value))


def test_every_row_of_one_or_two_inputs_has_a_fast_method():
    small = {op for op in ELEMENTWISE.values() if len(op.partials) <= 2} - SLOPES_OF_OTHERS
    with_settings = {ELEMENTWISE["leaky_relu"], ELEMENTWISE["elu"], ROUND}
    assert small - set(FAST.values()) == with_settings
    assert all(vars(Value)[name] is not vars(Methods)[name] for name in FAST)


@fast
def test_the_source_of_a_fast_method_can_be_read(name):
    """`inspect` and `source` show it; it contains the formula and no call of the row."""
    method = getattr(Value, name)
    assert inspect.getsource(method) == source(name)
    assert method.__doc__
    assert "forward" not in source(name)
    assert "partials" not in source(name)


@pytest.mark.parametrize(
    "name", [name for name in dir(Value) if name in {*ELEMENTWISE} - {"round", "where"}]
)
def test_the_docstring_is_made_from_the_row(name):
    """A docstring states formula, derivative, domain and kinks, and its example runs."""
    text = getattr(Value, name).__doc__
    assert text.startswith("Return ")
    assert "Derivative" in text
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(verbose=False)
    (test,) = finder.find(getattr(Value, name), name, globs={"Value": Value})
    assert len(test.examples) == 1
    assert runner.run(test).failed == 0


def test_docstrings_say_where_a_function_is_defined_and_its_slope_at_kinks():
    assert "Derivative: divide(1.0, x)\nDefined for x >= 0; -inf at x = 0." in Value.log.__doc__
    assert "Defined for -1 <= x <= 1." in Value.asin.__doc__
    assert "Slope at the kink x = 0: 0." in Value.relu.__doc__
    assert "Slopes at the kink x = y: 0.5 and 0.5." in Value.maximum.__doc__
    assert "Slope at the kink x = 0: 0.01." in Value.leaky_relu.__doc__
    assert "kink" not in Value.tanh.__doc__


def test_formula_and_slopes_are_inline():
    assert "out = x * y\n" in source("__mul__")
    assert "node._dx = y\n" in source("__mul__")
    assert "node._dx = 0.0 if _0 else 1.0\n" in source("relu")  # where _0 is x <= 0.0


def test_a_traceback_shows_the_lines_of_a_fast_method(monkeypatch):
    space = Value.exp.__globals__
    monkeypatch.setitem(space, "exp", lambda x: 1 / 0)
    with pytest.raises(ZeroDivisionError) as raised:
        Value(1.0).exp()
    lines = [frame.line for frame in traceback.extract_tb(raised.tb)]
    assert "out = exp(x)" in lines


@fast
def test_constants_have_no_local_derivatives(name):
    others = [2.0] * (len(FAST[name].partials) - 1)
    made = getattr(Constant(0.5), name)(*others)
    assert type(made) is Constant
    assert all(local is None for local in made.locals)


ROW_METHODS = [
    name for name in vars(Methods) if callable(getattr(Methods, name)) and name != "__doc__"
]


@pytest.mark.parametrize("name", ROW_METHODS)
def test_a_subclass_stays_itself_if_it_calls_the_method_that_it_overrides(name):
    """The fast methods require operands that are exactly Values."""

    class Plain(Value): ...

    class Weight(Value): ...

    class Old(Value): ...

    setattr(Weight, name, lambda self, *args: getattr(super(Weight, self), name)(*args))
    setattr(Old, name, lambda self, *args: getattr(Value, name)(self, *args))
    count = len(inspect.signature(getattr(Methods, name)).parameters) - 1
    for other in (2.0, Value(2.0)):
        outs = [getattr(kind(0.5), name)(*[other] * count) for kind in (Plain, Weight, Old)]
        assert [type(out) for out in outs] == [Plain, Weight, Old]
        assert len({repr(out.data) for out in outs}) == 1


def test_a_subclass_keeps_its_own_operators():
    class Loud(Value):
        def __add__(self, other):
            return "added"

    assert Loud(1.0) + 2.0 == "added"
    assert (Loud(1.0) * 2.0).data == 2.0


def test_what_a_subclass_inherits_goes_before_the_fast_methods():
    class Mine(Value):
        def tanh(self):
            return "mine"

    class Mixin:
        def __mul__(self, other):
            return "mixin"

    class Child(Mine): ...

    class Mixed(Mixin, Value): ...

    assert Child(1.0).tanh() == "mine"
    assert Mixed(1.0) * 2.0 == "mixin"
    assert (Mixed(1.0) + 2.0).data == 3.0


def test_methods_are_pickled_by_name():
    assert pickle.loads(pickle.dumps(Value.tanh)) is Value.tanh


@fast
def test_a_hook_sees_every_node_of_a_fast_method(name):
    x, others = Value(0.5), [0.25] * (len(FAST[name].partials) - 1)
    with record_origins():
        y = getattr(x, name)(*others)
    assert all(node.origin is not None for node in topological(y) if node is not x)
    with no_grad():
        assert getattr(x, name)(*others).constant
    assert not getattr(x, name)(*others).constant
    assert not hooks.observed


def test_an_array_beside_a_value_is_refused_as_before():
    with pytest.raises(TypeError, match="a Value holds one real number, got Array"):
        Value(1.0) * Array([1.0])


def test_a_row_of_a_user_needs_no_method():
    cube = Op("cube", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    x = Value(2.0)
    y = cube(x)
    y.backward()
    assert (y.data, x.grad) == (8.0, 12.0)


def test_the_stub_for_editors_is_current():
    assert PATH.read_text("utf-8") == stub(), "run python -m docs.stubs"


def test_rows_that_are_slopes_of_others_are_not_methods():
    """They are rows, so that derivatives run on nodes."""
    names = {op.name for op in SLOPES_OF_OTHERS}
    assert not names & {*dir(Value), *dir(Array), *dir(Value(1.0))}
    x = Value(0.5)
    assert SECH_SQUARED in {node.op for node in topological(grad(x.tanh(), x, create_graph=True))}
