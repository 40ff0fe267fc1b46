"""Ten exercises, in which the learner builds the engine; see `notebooks/10_exercises.ipynb`.

`exercises.slope.check(f)` compares a function with the engine on small inputs. It answers with the
smallest input for which the function is wrong, and explains typical mistakes.
`exercises.slope.hint()` returns a hint, and `hint(2)` a more precise one.

slope           slope(x): the slope of x² at x
row             the row of x / y: an `Op` with its formula and its slopes
order           order(root): the nodes in topological order
backward        backward(order): sets the gradient of each node; no value is used twice
second_use      backward(root): sets the gradient of each node of any graph
neuron          neuron(w, x, b): relu of the weighted sum and the bias, a Value
loss            loss(predictions, targets): the mean squared error, a Value
training_step   training_step(parameters, loss, lr): a step of gradient descent
gradient_check  numerical_gradient(f, x): the slopes of f by finite differences
layer           layer_backward(X, W, dZ): the gradients dX, dW and db of Z = X Wᵀ + b

>>> from nn import exercises
>>> exercises.slope.check(lambda x: -2 * x)
slope(1.0) should be 2.0, not -2.0: the sign is wrong.
>>> exercises.slope.hint(3)
Hint 3 of 3: The slope of xⁿ is n · xⁿ⁻¹.
"""

from nn.exercises.table import (  # isort: skip
    backward, gradient_check, layer, loss, neuron, order, row, second_use, slope, training_step,
)  # fmt: skip

__all__ = [
    "backward", "gradient_check", "layer", "loss", "neuron",
    "order", "row", "second_use", "slope", "training_step",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
