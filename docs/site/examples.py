"""The examples of the playground: a title and code, whose last line is shown."""

EXAMPLES = {
    "expression": (
        "An expression",
        """\
(x + y) * (x - y)
""",
    ),
    "neuron": (
        "A neuron",
        """\
x1, x2 = Value(2.0, "x1"), Value(0.0, "x2")
w1, w2, b = Value(-3.0, "w1"), Value(1.0, "w2"), Value(6.88, "b")

out = (x1 * w1 + x2 * w2 + b).tanh()
""",
    ),
    "twice": (
        "A value used twice",
        """\
# b sends its gradient only after it has received both of its own.
a = Value(0.5, "a")
b = a * 3.0
b.label = "b"

b + b.exp()
""",
    ),
    "softmax": (
        "Softmax and cross-entropy",
        """\
logits = [Value(2.0, "z1"), Value(1.0, "z2"), Value(-1.0, "z3")]
probabilities = softmax(logits)

loss = -probabilities[1].log()  # the second class is correct
""",
    ),
    "network": (
        "A network",
        """\
from stepgrad.nn import MLP

model = MLP(2, [3, 1], "tanh", rng=0)
prediction = model([Value(0.5, "x1"), Value(-1.0, "x2")])

loss = (prediction - 1.0) ** 2
""",
    ),
    "training": (
        "A loop that trains",
        """\
from stepgrad.nn import MLP, optim

X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
y = [-1.0, 1.0, 1.0, -1.0]
model = MLP(2, [4, 1], "tanh", rng=1)
optimizer = optim.SGD(model.parameters(), lr=0.1)

for step_number in range(100):
    loss = total([(model(x) - target) ** 2 for x, target in zip(X, y)])
    if step_number % 20 == 0:
        print(f"step {step_number:3}  loss {loss.data:.4f}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

loss
""",
    ),
    "descent": (
        "Gradient descent by hand",
        """\
x = Value(3.0, "x")
for i in range(8):
    y = x**2 - 4.0 * x
    y.backward()
    print(f"x = {x.data:.3f}, y = {y.data:.3f}, dy/dx = {x.grad:.3f}")
    x.data -= 0.3 * x.grad
    x.zero_grad()

y = x**2 - 4.0 * x
""",
    ),
    "operation": (
        "An operation of your own",
        """\
# A row: a name, the formula and its derivative.
from stepgrad import Op

cube = Op("cube", lambda x: x * x * x, lambda out, x: 3.0 * x * x)

x = Value(2.0, "x")
cube(x) - 2.0 * x
""",
    ),
}
