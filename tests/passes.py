"""Helpers of tests of Arrays: both backward passes, both dtypes, equality to the bit."""

import numpy as np
import pytest

from engine import Array, walk
from strategies import DTYPES

every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def walked(root):
    return list(walk(root))


both_passes = pytest.mark.parametrize("backward", [Array.backward, walked])


def same(got, want):
    np.testing.assert_array_equal(got, want, strict=True)
