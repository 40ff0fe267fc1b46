"""Benchmarks that need other libraries: they compute the same, whatever they measure."""

import numpy as np
import pytest

from benchmarks import interop
from benchmarks.gpt_engines import ENGINES, NAMES, documents


@pytest.mark.parametrize("engine", ["torch", "jax"])
def test_engines_agree(engine):
    ours, theirs = (ENGINES[name][1](8) for name in ("numpy", engine))
    some = documents(3)
    losses = [[trainer.step(tokens) for tokens in some[:2]] for trainer in (ours, theirs)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    for name, x, y in zip(NAMES, ours.gradients(some[2]), theirs.gradients(some[2]), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("way", interop.WAYS)
def test_ways_to_other_libraries(way, monkeypatch):
    """Float32 sums of 784 terms are in another order: an error of a few roundings of 6e-8."""
    monkeypatch.setattr(interop, "clock", lambda f: 0.0)
    result = interop.WAYS[way]()
    assert result["difference"] < (2e-6 if "float32" in result["what"] else 1e-14)
