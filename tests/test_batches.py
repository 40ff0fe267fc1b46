"""What does not matter: how samples are split into batches, their order, a neuron of weight zero.

Exactly, where the same operations are done on the same numbers; else as near as roundings leave it.
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
    """The network with some of its samples, in that order."""
    X, y = ([numbers[i] for i in chosen] for numbers in (network.X, network.y))
    return network._replace(X=tuple(X), y=tuple(y))


def mean(xs: list[Any], shares: list[float]) -> Any:
    """Σ share x, for numbers and for Balls; of numbers that overflow, nan."""
    first, *others = [x * share for x, share in zip(xs, shares, strict=True)]
    with np.errstate(invalid="ignore"):
        return sum(others, first)


# A softmax of e^-904: too small to be a float, and not zero.
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
    """Loss and gradients: of two parts, weighted by their sizes, or of the samples one by one."""
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
        found = [path(part) for part in parts]
        got = {name: mean([np.array(each[name]) for each in found], shares) for name in names}
        check(got, means, network)


@FEW
@given(networks(), st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(network, random):
    """Values find each sample's outputs again, exactly; sums over the samples are as near as before."""
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
    """A hidden neuron's double whose outputs weigh nothing: for Values not a bit changes."""
    network = data.draw(networks().filter(lambda network: len(network.layers) > 1), label="network")
    i = data.draw(st.integers(0, len(network.layers) - 2), label="layer")
    layer, after = network.layers[i : i + 2]
    j = data.draw(st.integers(0, len(layer) - 1), label="neuron")
    wider = [*network.layers]
    wider[i] = (*layer, layer[j])
    wider[i + 1] = tuple((*weights, 0.0, bias) for *weights, bias in after)
    grown = network._replace(layers=tuple(wider))

    def without(found: dict[str, Any]) -> dict[str, Any]:
        """Without the gradients of the double's weights and of those that its outputs have."""
        kept = {k: x if isinstance(x, Ball) else np.array(x) for k, x in found.items()}
        above = f"gradient of layer {i + 1}"
        kept[f"gradient of layer {i}"] = kept[f"gradient of layer {i}"][: len(layer)]
        kept[above] = kept[above][:, [*range(len(layer)), len(layer) + 1]]
        return kept

    want = without(exact.results(grown))
    for path in PATHS:
        check(without(path(grown)), want, grown)
    after, before = without(scalar_path(grown)), scalar_path(network)
    if not all(np.isfinite(each).all() for each in before.values()):
        return  # 0 * inf is nan
    for name in before:
        np.testing.assert_array_equal(after[name], np.array(before[name]))
