"""Numbers that the chapters compute by hand; notebooks/README.md names the chapters and sections."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Value, check_gradients, dot, logsumexp, softmax, topological, total, walk

moderate = st.floats(-100.0, 100.0)


def gradients(root, *leaves):
    root.backward()
    return [leaf.grad for leaf in leaves]


def slope(f, at):
    """Return f'(at), computed by the engine."""
    x = Value(at)
    return gradients(Value.lift(f(x)), x)[0]


def close(want, digits):
    """Return an approximation of `want` to that number of decimals."""
    return pytest.approx(want, abs=0.5 * 10**-digits)


# ------------------------------------------------------------------------ 1 the learning problem


@pytest.mark.parametrize(("gradient", "new"), [(2.0, 0.3), (-3.0, 0.8), (0.0, 0.5)])
def test_gradient_descent_step(gradient, new):
    """1.3: from w = 0.5 with α = 0.1, a gradient of 2 gives 0.3, of -3 gives 0.8, of 0 gives 0.5."""
    w = Value(0.5)
    loss = gradient * w
    loss.backward()
    w.data -= 0.1 * w.grad
    assert w.data == pytest.approx(new, rel=1e-15, abs=0)


# --------------------------------------------------------------------------------- 2 derivatives


@pytest.mark.parametrize(("h", "quotient"), [(0.1, 6.1), (0.01, 6.01), (0.001, 6.001)])
def test_difference_quotients_approach_the_derivative(h, quotient):
    """2.1: (f(3 + h) - f(3)) / h for f = x² is 6.1, 6.01, 6.001; the derivative is 6."""
    f = lambda x: (x**2).data
    assert (f(Value(3.0) + h) - f(Value(3.0))) / h == pytest.approx(quotient, rel=1e-11)
    assert slope(lambda x: x**2, 3.0) == 6.0


@pytest.mark.parametrize(
    ("f", "at", "want"),
    [
        (lambda x: 3 * x + 2, 7.0, 3.0),
        (lambda x: x**2, 2.0, 4.0),
        (lambda x: x**2, 5.0, 10.0),
    ],
)
def test_linear_and_quadratic(f, at, want):
    """2.1, examples 1 and 2."""
    assert slope(f, at) == want


@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (lambda x: Value(5.0), lambda x: 0.0),
        (lambda x: x, lambda x: 1.0),
        (lambda x: x**3, lambda x: 3 * x**2),
        (lambda x: x**-2, lambda x: -2 * x**-3),
        (lambda x: x**0.5, lambda x: 0.5 * x**-0.5),
        (lambda x: x.exp(), math.exp),
        (lambda x: x.log(), lambda x: 1 / x),
        (lambda x: x.sin(), math.cos),
    ],
    ids=["c", "x", "x^3", "x^-2", "x^0.5", "exp", "log", "sin"],
)
@given(x=st.floats(0.01, 100.0))
def test_common_derivatives(f, derivative, x):
    """2.2: the table."""
    assert slope(f, x) == pytest.approx(derivative(x), rel=1e-15, abs=0)


@given(st.floats(0.1, 10.0))
def test_derivative_rules(x):
    """2.3: sum, product, quotient and chain rule, for f = sin and g = exp, to eight roundings."""
    f, g, df, dg = math.sin(x), math.exp(x), math.cos(x), math.exp(x)
    exactly = lambda want, *terms: pytest.approx(want, rel=0, abs=9e-16 * sum(map(abs, terms)))
    assert slope(lambda x: x.sin() + x.exp(), x) == exactly(df + dg, df, dg)
    assert slope(lambda x: x.sin() * x.exp(), x) == exactly(df * g + f * dg, df * g, f * dg)
    assert slope(lambda x: x.sin() / x.exp(), x) == exactly((df * g - f * dg) / g**2, df / g, f / g)
    assert slope(lambda x: x.sin().exp(), x) == exactly(math.exp(f) * df, math.exp(f) * df)


@given(moderate)
def test_chain_rule_of_a_square(x):
    """2.3, example 1: f = u² of g = 3x is 9x², and its derivative 18x."""
    assert slope(lambda x: (3 * x) ** 2, x) == pytest.approx(18 * x, rel=1e-15, abs=1e-320)
    assert slope(lambda x: 9 * x**2, x) == pytest.approx(18 * x, rel=1e-15, abs=1e-320)


def test_chain_rule_at_a_point():
    """2.3, example 2: e^(x²) at 2 is e⁴ ≈ 54.6, times 4 makes 218.4."""
    x = Value(2.0)
    y = (x**2).exp()
    assert y.data == close(54.6, 1)
    assert gradients(y, x)[0] == close(218.4, 1)
    assert x.grad == pytest.approx(4 * math.exp(4), rel=1e-15, abs=0)


def test_the_product_of_the_chain():
    """2.3: the backward pass of f4(f3(f2(f1(x)))) multiplies the local derivatives one by one."""
    x = Value(0.3)
    y = x.exp().sin().tanh().sqrt()
    product = 1.0
    for step in walk(y):
        assert step.upstream == product
        for sent in step.sent:
            product *= sent.local
    assert x.grad == product


@given(moderate, moderate)
def test_partial_derivatives(x, y):
    """2.4: f = x² + 3xy + y² has ∂f/∂x = 2x + 3y and ∂f/∂y = 3x + 2y."""
    a, b = Value(x), Value(y)
    got = gradients(a**2 + 3 * a * b + b**2, a, b)
    assert got == pytest.approx([2 * x + 3 * y, 3 * x + 2 * y], abs=2e-15 * (abs(x) + abs(y)))


# --------------------------------------------------------------------------------- 3 chain rule


@given(st.floats(-10.0, 10.0))
def test_chain_rule_of_a_cube(x):
    """3.2: (x² + 1)³ has derivative 6x(x² + 1)²."""
    want = 6 * x * (x * x + 1) ** 2
    assert slope(lambda x: (x**2 + 1) ** 3, x) == pytest.approx(want, rel=2e-15, abs=1e-320)


@given(st.floats(-5.0, 5.0))
def test_multivariable_chain_rule(t):
    """3.3: z = f(x, y) with x = t², y = sin t sums the paths through x and through y."""
    v = Value(t)
    x, y = v**2, v.sin()
    z = x * y
    z.backward()
    assert v.grad == x.grad * (2 * t) + y.grad * math.cos(t)
    assert (x.grad, y.grad) == (y.data, x.data)


def test_a_neuron_from_the_loss_back_to_its_input():
    """3.3: x → linear → z → relu → a → loss: ∂L/∂x = ∂L/∂a · ∂a/∂z · ∂z/∂x."""
    x = Value(2.0)
    z = 3 * x - 1
    a = z.relu()
    loss = (a - 1) ** 2
    assert gradients(loss, a, z, x) == [8.0, 8.0, 24.0]


def test_matrix_vector_product():
    """3.4: ∂z_i/∂W_jk is x_k where i = j and 0 elsewhere; ∂z_i/∂x_k is W_ik."""
    w = [[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]]
    x = [Value(5.0), Value(6.0)]
    z = [dot(row, x) for row in w]
    assert [output.data for output in z] == [17.0, 39.0]
    z[1].backward()
    assert [[weight.grad for weight in row] for row in w] == [[0.0, 0.0], [5.0, 6.0]]
    assert [leaf.grad for leaf in x] == [3.0, 4.0]


# ------------------------------------------------------------------------ 4 computational graphs


def test_sum_times_difference():
    """4.2: f = (x + y)(x - y) at (3, 2): a = 5, b = 1, f = 5; gradients 1, 5 and 6, -4."""
    x, y = Value(3.0), Value(2.0)
    a, b = x + y, x - y
    f = a * b
    assert (a.data, b.data, f.data) == (5.0, 1.0, 5.0)
    assert topological(f) == [x, y, a, b, f]
    assert gradients(f, f, a, b, x, y) == [1.0, 1.0, 5.0, 6.0, -4.0]


# ----------------------------------------------------------------------------- 5 backpropagation
# Matrices have one sample per column. Here layers are lists of Values, and the loss Σ dz · z / m has
# ∂L/∂z = dz for each of m samples.


def layer(weights, biases, sample):
    return [dot(row, sample, b) for row, b in zip(weights, biases, strict=True)]


def values(matrix):
    return [[Value(x) for x in row] for row in matrix]


def grads(matrix):
    return [[x.grad for x in row] for row in matrix]


def columns(matrix):
    return list(zip(*matrix, strict=True))


def test_relu_gates_the_gradient():
    """5.4, 1: ReLU'(z) is 0 where z ≤ 0 and 1 elsewhere."""
    z = values([[-2.0, 0.5], [3.0, -1.0]])
    upstream = [[0.3, 0.5], [0.2, 0.8]]
    loss = total(
        g * value.relu() for gs, row in zip(upstream, z, strict=True)
        for g, value in zip(gs, row, strict=True)
    )  # fmt: skip
    loss.backward()
    assert grads(z) == [[0.0, 0.5], [0.2, 0.0]]


def backward_through_a_layer(dz, a, w):
    """Return the gradients of w, b and a for ∂L/∂z = dz, with m samples in the columns of dz and a."""
    weights, biases, inputs = values(w), [Value(0.0) for _ in w], values(a)
    m = len(dz[0])
    loss = total(
        g * z
        for gs, sample in zip(columns(dz), columns(inputs), strict=True)
        for g, z in zip(gs, layer(weights, biases, sample), strict=True)
    )
    (loss / m).backward()
    return grads(weights), [b.grad for b in biases], [[m * x.grad for x in row] for row in inputs]


def test_gradient_of_weights():
    """5.4, 2: dW = dz aᵀ / m."""
    a = [[1.0, 2.0], [0.5, 1.5], [0.0, 1.0]]
    dw, _, _ = backward_through_a_layer([[0.2, 0.3], [0.1, 0.4]], a, [[0.0] * 3] * 2)
    assert dw[0] == pytest.approx([0.4, 0.275, 0.15], rel=1e-15, abs=0)
    assert dw[1] == pytest.approx([0.45, 0.325, 0.2], rel=1e-15, abs=0)


def test_gradient_of_biases():
    """5.4, 3: db is the mean of dz over the samples: 0.2 and 0.233."""
    dz = [[0.2, 0.3, 0.1], [0.1, 0.4, 0.2]]
    _, db, _ = backward_through_a_layer(dz, [[1.0] * 3], [[1.0]] * 2)
    assert db == [close(0.2, 3), close(0.233, 3)]


def test_gradient_of_the_layer_before():
    """5.4, 4: da = Wᵀ dz."""
    w = [[0.5, 0.2, 0.1], [0.3, 0.4, 0.6]]
    _, _, da = backward_through_a_layer([[0.2, 0.3], [0.1, 0.4]], [[1.0, 1.0]] * 3, w)
    assert [x for row in da for x in row] == [
        close(x, 2) for x in [0.13, 0.27, 0.08, 0.22, 0.08, 0.27]
    ]


@pytest.mark.parametrize(
    ("predicted", "gradient"),
    [
        ([0.2, 0.7, 0.1], [0.2, -0.3, 0.1]),
        ([0.05, 0.90, 0.05], [0.05, -0.10, 0.05]),
        ([0.1, 0.1, 0.8], [0.1, -0.9, 0.8]),
    ],
    ids=["unsure", "confident", "wrong"],
)
def test_softmax_and_cross_entropy(predicted, gradient):
    """5.5: ∂L/∂z is ŷ - y for true class 1, by -Σ y log ŷ as by logsumexp(z) - z_1."""
    for loss in [lambda z: -softmax(z)[1].log(), lambda z: logsumexp(z) - z[1]]:
        z = [Value(math.log(p)) for p in predicted]
        assert [p.data for p in softmax(z)] == pytest.approx(predicted, rel=1e-15, abs=0)
        assert gradients(loss(z), *z) == pytest.approx(gradient, rel=1e-14, abs=0)


def test_a_perfect_prediction_has_gradient_0():
    """5.5: ŷ = y gives gradient 0."""
    z = [Value(0.0), Value(1000.0), Value(0.0)]
    loss = logsumexp(z) - z[1]
    assert (loss.data, gradients(loss, *z)) == (0.0, [0.0, 0.0, 0.0])


@given(st.lists(st.floats(-30.0, 30.0), min_size=2, max_size=5), st.data())
def test_cross_entropy_gradient_is_prediction_minus_truth(logits, data):
    """5.5 and 7.3: for any logits and any class."""
    answer = data.draw(st.integers(0, len(logits) - 1), label="class")
    z = [Value(x) for x in logits]
    want = [p.data - (i == answer) for i, p in enumerate(softmax(logits))]
    assert gradients(logsumexp(z) - z[answer], *z) == pytest.approx(want, abs=1e-15)


# ------------------------------------------------------------------------------- 7 through layers


@given(st.floats(-30.0, 30.0), moderate)
def test_activation_functions(z, upstream):
    """7.2: relu, sigmoid and tanh, and dZ = dA times (Z > 0), A (1 - A) and 1 - A²."""
    sigmoid, tanh = 1 / (1 + math.exp(-z)), math.tanh(z)
    for f, a, local in [
        (Value.relu, max(0.0, z), float(z > 0)),
        (Value.sigmoid, sigmoid, sigmoid * (1 - sigmoid)),
        (Value.tanh, tanh, 1 - tanh**2),
    ]:
        x = Value(z)
        y = f(x)
        assert y.data == pytest.approx(a, rel=1e-15, abs=0)
        (upstream * y).backward()
        assert x.grad == pytest.approx(upstream * local, abs=2e-15 * abs(upstream))


# --------------------------------------------------------------------------- 8 vanishing gradients


def test_vanishing_gradient():
    """8.2: the derivative of sigmoid is at most 0.25; ten of them multiply to 0.25^10 = 0.0000009."""
    x = Value(0.0)
    assert gradients(x.sigmoid(), x) == [0.25]
    x = node = Value(0.0)
    for _ in range(10):
        node = node.sigmoid() - 0.5
    assert gradients(node, x) == [0.25**10]
    assert f"{x.grad:.8f}".startswith("0.0000009")  # truncated, not rounded


@given(st.floats())
def test_no_slope_of_a_sigmoid_exceeds_a_quarter(z):
    """8.2."""
    assert not slope(Value.sigmoid, z) > 0.25


def test_relu_does_not_vanish():
    """8.3: its derivative is 1 for positive values at any depth."""
    x = node = Value(2.0)
    for _ in range(1000):
        node = node.relu()
    assert gradients(node, x) == [1.0]


# ----------------------------------------------------------------------------------- 9, 10 autograd


def test_product():
    """9.3: c = a · b at 2 and 3 is 6, ∂c/∂a = 3, ∂c/∂b = 2."""
    a, b = Value(2.0), Value(3.0)
    c = a * b
    assert c.data == 6.0
    assert gradients(c, a, b) == [3.0, 2.0]


def test_gradient_check():
    """10.2: relative error below 1e-7, and central differences with ε = 1e-7 near the gradient."""
    w, x, epsilon = [0.5, -0.2], [1.0, 2.0], 1e-7
    loss = lambda w0, w1: (dot([w0, w1], x).tanh() - 0.3) ** 2
    assert check_gradients(loss, w) < 1e-7
    ws = [Value(weight) for weight in w]
    got = gradients(loss(*ws), *ws)
    above, below = (loss(w[0] + sign * epsilon, w[1]).data for sign in (1, -1))
    numerical = (above - below) / (2 * epsilon)
    assert abs(got[0] - numerical) / (abs(got[0]) + abs(numerical)) < 1e-7


# ------------------------------------------------------------------------------------- vectorizing


@given(st.lists(st.tuples(moderate, moderate, st.sampled_from([0.0, 1.0])), min_size=1, max_size=5))
def test_logistic_regression_over_m_samples(samples):
    """Vectorizing, 2: dz = a - y for each sample, db = Σ dz / m, dw = Σ x dz / m."""
    m, w, b = len(samples), [Value(0.01), Value(-0.02)], Value(0.1)
    logits = [dot(w, x, b) for *x, _ in samples]
    losses = [
        z.softplus() - y * z for z, (*_, y) in zip(logits, samples, strict=True)
    ]  # -y log a - (1 - y) log(1 - a)
    (total(losses) / m).backward()
    dz = [z.sigmoid().data - y for z, (*_, y) in zip(logits, samples, strict=True)]
    assert [z.grad * m for z in logits] == pytest.approx(dz, abs=1e-15)
    assert b.grad == pytest.approx(sum(dz) / m, abs=1e-15 * m)
    for i in range(2):
        want = sum(x[i] * d for x, d in zip(samples, dz, strict=True)) / m
        assert w[i].grad == pytest.approx(want, abs=1e-15 * sum(1 + abs(x[i]) for x in samples))
