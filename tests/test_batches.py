"""Invariances: the split into batches, the order of samples, and a neuron of weight zero.

They are exact where the operations and numbers are the same, and hold up to roundings elsewhere.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

import exact
from balls import Ball, exactly
from networks import Network, networks
from paths import PATHS, check, scalar_path
from strategies import examples

FEW = examples(25)


def of_samples(network: Network, chosen: Any) -> Network:
    """Return the network with some of its samples, in the given order."""
    X, y = ([numbers[i] for i in chosen] for numbers in (network.X, network.y))
    return network._replace(X=tuple(X), y=tuple(y))


def mean(xs: list[Any], shares: list[float]) -> Any:
    """Return Σ share x for numbers or Balls; nan if the numbers overflow."""
    first, *others = [x * share for x, share in zip(xs, shares, strict=True)]
    with np.errstate(invalid="ignore"):
        return sum(others, first)


# Its softmax has an e^-904, which is not zero but too small for a float.
TINY = Network(
    layers=(
        ((0.0,) * 4,), ((0.0,) * 2,) * 3, ((0.0, 0.0, 0.0, 7.5),),
        (*((0.0, 0.0),) * 3, (0.5, 0.0), *((0.0, 0.0),) * 2),
    ),
    activation="exp", loss="cross_entropy", X=((0.0,) * 3,) * 3, y=(0, 0, 0), training=None,
)  # fmt: skip


@FEW
@given(networks(), st.booleans())
@example(TINY, False)
def test_a_batch_is_the_mean_of_its_parts(network, in_two):
    """Loss and gradients are means over two parts, weighted by size, or over single samples."""
    m = len(network.X)
    cuts = [0, m // 2, m] if in_two and m > 1 else range(m + 1)
    parts = [of_samples(network, range(*cut)) for cut in pairwise(cuts)]
    shares = [len(part.X) / m for part in parts]
    names = ["loss", *[f"gradient of layer {i}" for i in range(len(network.layers))]]
    with exactly():
        whole, balls = exact.results(network), [exact.results(part) for part in parts]
        means = {name: mean([ball[name] for ball in balls], shares) for name in names}
        for name in names:
            off = abs(means[name].exact - whole[name].exact)
            assert np.all(off <= means[name].radius + whole[name].radius)
    for path in PATHS:
        results = [path(part) for part in parts]
        got = {name: mean([np.array(result[name]) for result in results], shares) for name in names}
        check(got, means, network)


@FEW
@given(networks(), st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(network, random):
    """The outputs of Values are equal; sums over samples are equal up to roundings."""
    order = random.sample(range(len(network.X)), len(network.X))
    permuted, want = of_samples(network, order), exact.results(network)
    for path in PATHS:
        got = path(permuted)
        for name in ("outputs", "gradient of X"):
            got[name] = np.array(got[name])[np.argsort(order)]
        check(got, want, permuted)
        if path is scalar_path:
            np.testing.assert_array_equal(got["outputs"], path(network)["outputs"])


@FEW
@given(st.data())
def test_a_neuron_of_weight_zero_changes_nothing(data):
    """A copy of a hidden neuron with output weights of 0 does not change a bit for Values."""
    network = data.draw(networks().filter(lambda network: len(network.layers) > 1), label="network")
    i = data.draw(st.integers(0, len(network.layers) - 2), label="layer")
    layer, after = network.layers[i : i + 2]
    j = data.draw(st.integers(0, len(layer) - 1), label="neuron")
    wider = [*network.layers]
    wider[i] = (*layer, layer[j])
    wider[i + 1] = tuple((*weights, 0.0, bias) for *weights, bias in after)
    grown = network._replace(layers=tuple(wider))

    def without(results: dict[str, Any]) -> dict[str, Any]:
        """Remove the gradients of the copy's weights and of its output weights."""
        kept = {k: x if isinstance(x, Ball) else np.array(x) for k, x in results.items()}
        above = f"gradient of layer {i + 1}"
        kept[f"gradient of layer {i}"] = kept[f"gradient of layer {i}"][: len(layer)]
        kept[above] = kept[above][:, [*range(len(layer)), len(layer) + 1]]
        return kept

    want = without(exact.results(grown))
    for path in PATHS:
        check(without(path(grown)), want, grown)
    after, before = without(scalar_path(grown)), scalar_path(network)
    if not all(np.isfinite(x).all() for x in before.values()):
        return  # 0 * inf is nan
    for name in before:
        np.testing.assert_array_equal(after[name], np.array(before[name]))
