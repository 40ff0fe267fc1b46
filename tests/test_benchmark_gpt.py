"""The engines that `benchmarks.gpt` compares: they train the same GPT."""

import numpy as np
import pytest

from benchmarks.gpt_engines import ENGINES, NAMES, documents, weights


def train(engine):
    """Return the first losses, and the gradients before and after these steps."""
    trainer, some = ENGINES[engine][1](8), documents(3)
    losses = [trainer.step(tokens) for tokens in some[:2]]
    return losses, trainer.gradients(some[2])


@pytest.fixture(scope="module")
def by_hand():
    return train("numpy")


@pytest.mark.parametrize("engine", ["jit", "eager", "plain"])
def test_engines_agree(engine, by_hand):
    """Each step of Adam divides rounding errors by the root of the gradient's square."""
    losses, gradients = train(engine)
    assert losses == pytest.approx(by_hand[0], rel=1e-12)
    for name, ours, theirs in zip(NAMES, gradients, by_hand[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-11, err_msg=name)


def test_the_derivatives_by_hand_are_those_of_numerical_differences():
    """A direction in the space of all parameters checks all derivatives at once."""
    trainer, tokens, h = ENGINES["numpy"][1](8), documents(5)[0], 1e-5
    assert sum(x.size for x in trainer.matrices) == sum(np.size(x) for x in weights(8))
    start, direction = trainer.flat.copy(), np.random.default_rng(0).normal(size=len(trainer.flat))
    trainer.backward(tokens)
    slope = trainer.gradient @ direction
    sides = []
    for sign in (1.0, -1.0):
        trainer.flat[:] = start + sign * h * direction
        sides.append(trainer.backward(tokens))
    assert (sides[0] - sides[1]) / (2 * h) == pytest.approx(slope, rel=1e-6)
