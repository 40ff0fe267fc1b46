"""The picture of the MNIST demo."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from demos._look import BLUE, INK, LEFT, ORANGE, PALE, SIGNS, STYLE, tile
from demos._mnist_inside import Inside


def save(path: Path, X: np.ndarray, counts: np.ndarray, wrong: list[Any], inside: Inside) -> None:
    """Confusion matrix, the surest mistakes, and what in the surest spoke for the wrong answer."""
    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure = plt.figure(figsize=(12, 7.2), layout="constrained")
        top, bottom = figure.subfigures(2, 1, height_ratios=[1.75, 1], hspace=0.06)
        left, right = top.subfigures(1, 2, width_ratios=[1, 1.12])
        confusion(left.subplots(), counts)
        right.suptitle("The surest mistakes: what it is, and what it was taken for", **LEFT)
        for axes, each in zip(right.subplots(3, 5).flat, wrong, strict=False):
            tile(axes, X[each.place])
            axes.set_title(f"{each.label} → {each.taken_for}", loc="center", fontsize=11, pad=3)
            sure = "over 99.9%" if each.share > 0.999 else f"{each.share:.1%}"
            axes.set_xlabel(f"{sure} sure", color=PALE, fontsize=8.5)
        look(bottom, inside)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def confusion(axes: Any, counts: np.ndarray) -> None:
    """Which class, a row, was taken for which, a column; darker for more."""
    classes = len(counts)
    shown = np.ma.masked_where(np.eye(classes, dtype=bool) | (counts == 0), counts)
    axes.imshow(shown, cmap="Oranges", norm=LogNorm(0.7, 3 * max(shown.max(), 2)))
    for i in range(classes):
        for k in range(classes):
            if counts[i, k]:
                right = i == k
                axes.text(
                    k, i, counts[i, k], ha="center", va="center", fontsize=9 if right else 11,
                    color=PALE if right else INK,
                )  # fmt: skip
    axes.set(xticks=range(classes), yticks=range(classes), xlabel="taken for", ylabel="is")
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{counts.trace():,} of {counts.sum():,} are right")


def look(part: Any, inside: Inside) -> None:
    """The surest mistake, its logits, and where its ink spoke for the wrong answer."""
    part.suptitle(
        f"Inside the surest mistake: why this {inside.label} was taken for a {inside.taken_for}",
        **LEFT,
    )
    axes = part.subplots(1, 7, width_ratios=[1, 1.5, 1, 1, 1, 1, 1])
    tile(axes[0], inside.digit)
    axes[0].set_xlabel(f"a {inside.label}")
    classes = np.arange(len(inside.logits))
    named = {inside.taken_for: ORANGE, inside.label: BLUE}
    axes[1].bar(classes, inside.logits, color=[named.get(k, "#c9c9c9") for k in classes.tolist()])
    axes[1].set(xticks=classes, xlabel="class; height: its logit")
    axes[1].tick_params(length=0, labelcolor=INK)
    axes[1].axhline(0, color=PALE, linewidth=0.8)
    inked = lambda pixels: np.ma.masked_where(inside.digit == 0, pixels)
    tile(axes[2], inked(inside.ink), SIGNS)
    axes[2].set_xlabel(f"ink for {inside.taken_for} (light)\nor for {inside.label} (dark)")
    for each, (k, vote, seen) in zip(axes[3:], inside.neurons, strict=True):
        tile(each, inked(seen), SIGNS)
        each.set_xlabel(f"neuron {k}: {vote:+.2f}\nand its inputs")
