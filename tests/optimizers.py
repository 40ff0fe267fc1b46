"""A row for each optimizer: its options, and its update rule derived in two other ways.

An optimizer without a row fails `test_optim.py::test_every_optimizer_has_a_row`. With a row, all
tests of optimizers apply to it. (Judges from other libraries: `tests/peers/test_optim.py`.)
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st


class Row(NamedTuple):
    """An optimizer.

    options    a strategy for its options except `lr`, `eps` and `weight_decay`
    variants   options for each of its rules
    costs      of each rule, the numbers of operations and of scratch arrays without weight decay
    direction  (gradients, **options) -> the direction from all gradients so far, the oldest first
    formula    (optimizer, gradient, memory) -> the direction and the optimizer's `scale`, written
               out for NumPy; it updates the memory
    lr         a rate with which it finds the minimum of a quadratic
    """

    options: st.SearchStrategy[dict[str, Any]]
    variants: list[dict[str, Any]]
    costs: dict[str, tuple[int, int]]
    direction: Callable[..., Any]
    formula: Callable[..., tuple[Any, float]]
    lr: float = 0.05


def decayed(gradients, beta):
    """Return the sum of the gradients, each times beta to the power of its age."""
    age = np.arange(len(gradients))[::-1]
    return gradients @ np.power(beta, age)  # 0.0 ** 0 is 1


def mean(gradients, beta):
    return decayed(gradients, beta) / decayed(np.ones(len(gradients)), beta)


# The formulas round at each operation as the optimizers do: a change of the last bit would change
# training runs that are repeated or resumed.


def accumulate(memory, name, beta, x):
    total = memory[name]
    total = total * beta
    total = total + x
    memory[name] = total
    return total


# --------------------------------------------------------------------------------------------- SGD


def sgd_options(momentum, nesterov):
    return {"momentum": momentum, "nesterov": nesterov and momentum > 0}


def sgd(gradients, momentum, nesterov):
    velocity = decayed(gradients, momentum)
    return gradients[-1] + momentum * velocity if nesterov else velocity


def sgd_formula(o, grad, memory):
    if not o.momentum:
        return grad, 1.0
    velocity = accumulate(memory, "velocity", o.momentum, grad)
    return (grad + o.momentum * velocity if o.nesterov else velocity), 1.0


# ---------------------------------------------------------------------------------------- RMSprop


def rmsprop(gradients, alpha):
    return gradients[-1] / (((1 - alpha) * decayed(gradients**2, alpha)) ** 0.5 + 1e-8)


def rmsprop_formula(o, grad, memory):
    root = np.sqrt(accumulate(memory, "squares", o.alpha, grad * grad))
    return grad / (root * math.sqrt(1.0 - o.alpha) + o.eps), 1.0


# ---------------------------------------------------------------------------------------- Adagrad


def adagrad(gradients):
    return gradients[-1] / (np.linalg.norm(gradients) + 1e-10)


def adagrad_formula(o, grad, memory):
    return grad / (np.sqrt(accumulate(memory, "squares", 1.0, grad * grad)) + o.eps), 1.0


# ------------------------------------------------------------------------------------ Adam, AdamW


def adam(gradients, betas):
    return mean(gradients, betas[0]) / (np.sqrt(mean(gradients**2, betas[1])) + 1e-8)


def adam_formula(o, grad, memory):
    first, second = ((1.0 - beta**o.steps) / (1.0 - beta) for beta in o.betas)  # sums of weights
    root = np.sqrt(accumulate(memory, "squares", o.betas[1], grad * grad))
    root = root + o.eps * math.sqrt(second)
    return accumulate(memory, "sum", o.betas[0], grad) / root, math.sqrt(second) / first


ADAM = Row(
    st.fixed_dictionaries({"betas": st.tuples(st.floats(0, 0.99), st.floats(0.5, 0.9999))}),
    [{}],
    {"adam": (8, 0)},
    adam,
    adam_formula,
)
ROWS = {
    "sgd": Row(
        st.builds(sgd_options, st.floats(0, 0.99), st.booleans()),
        [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
        {"steepest": (0, 0), "polyak": (2, 0), "nesterov": (4, 0)},
        sgd,
        sgd_formula,
    ),
    "rmsprop": Row(
        st.fixed_dictionaries({"alpha": st.floats(0.5, 0.999)}),
        [{}],
        {"rmsprop": (7, 0)},
        rmsprop,
        rmsprop_formula,
    ),
    "adagrad": Row(st.just({}), [{}], {"adagrad": (5, 0)}, adagrad, adagrad_formula, lr=1.0),
    "adam": ADAM,
    "adamw": ADAM,
}


@st.composite
def settings_of(draw, name):
    """Draw options of an optimizer, including a weight decay."""
    decay = draw(st.sampled_from([0.0, 0.01, 0.5]))
    return {**draw(ROWS[name].options), "weight_decay": decay}


def with_memory(name):
    """Return options with which the optimizer has a memory."""
    return ROWS[name].variants[-1]
