"""The gallery: live pages, each in a file of its own."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from demos import graphs
from docs.animation import DEMOS, make_page
from docs.site.layout import write_card, write_page
from engine import Value, softmax
from engine.draw import Stepper, step
from engine.support.embed import measure_svg
from nn.scalar import GPT

# The ratios of width to height beyond which a card shows the beginning of a picture.
LONG, TALL = 4, 0.6


class LivePage(NamedTuple):
    """A page of the gallery: its title, a description, and a function that makes it."""

    title: str
    text: str
    make: Callable[[], Any]


def softmax_loss() -> Value:
    """Return the cross-entropy of three logits, whose second class is correct."""
    logits = [Value(2.0, "z1"), Value(1.0, "z2"), Value(-1.0, "z3")]
    probabilities = softmax(logits)
    for i, probability in enumerate(probabilities):
        probability.label = f"p{i + 1}"
    loss = -probabilities[1].log()
    loss.label = "loss"
    return loss


def gpt_step() -> Stepper:
    """Return the page of a GPT's loss for two predictions, with a box for each part."""
    model = GPT(3, width=4, heads=2, positions=2, rng=0)
    loss = model.loss([0, 1, 2])
    loss.label = "loss"
    return step(loss, model, level="blocks")


def network_values() -> Stepper:
    loss, model = graphs.network()
    return step(loss, model, level="values")


PAGES = {
    "neuron": LivePage(
        "A neuron", "The forward and the backward pass of tanh(x₁w₁ + x₂w₂ + b), operation by "
        "operation. Drag a number.",
        lambda: step(graphs.neuron()),
    ),
    "moons": LivePage(
        "Moons that learn", "A network learns to separate two moons. Each neuron shows its output "
        "over the plane; a sample or a neuron opens as a stepper.", make_page,
    ),
    "network": LivePage(
        "A network, neuron by neuron", "Weights, z, activations and gradients of four neurons. A "
        "neuron opens into its scalars.", lambda: step(*graphs.network()),
    ),
    "values": LivePage(
        "A network, value by value", "The same network with a card for each neuron, and a step for "
        "each contribution to a gradient.", network_values,
    ),
    "softmax": LivePage(
        "Softmax and cross-entropy", "Three logits, one correct class: the gradient is p − y.",
        lambda: step(softmax_loss()),
    ),
    "order": LivePage(
        "Why the order matters", "A value that is used twice, and two wrong backward passes: one "
        "in the wrong order, one that overwrites gradients.", lambda: step(graphs.used_twice()),
    ),
    "quiz": LivePage(
        "A quiz", "Predict the next number of the chain rule before it is shown.",
        lambda: step(graphs.neuron(), quiz=True),
    ),
    "arrays": LivePage(
        "Arrays", "A network of arrays on the four samples of xor: pullbacks as formulas of "
        "matrices, and one element followed through sums.", lambda: step(*graphs.arrays()),
    ),
    "layers": LivePage(
        "A batch, layer by layer", "The loss of 20 samples, 1,740 values in boxes.",
        lambda: step(*graphs.training(), level="layers"),
    ),
    "gpt": LivePage(
        "A GPT's step", "The loss of a small GPT. Each part can be opened, down to its values.",
        gpt_step,
    ),
}  # fmt: skip


def build_gallery(out: Path) -> None:
    """Write the pages, their pictures and the page that lists them into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    cards = []
    for name, (title, text, make) in PAGES.items():
        page = make()
        page.save(out / f"{name}-page.html")
        (out / f"{name}.html").write_text(write_frame(name, title, text), "utf-8")
        picture = write_picture(page, name, out)
        cards.append(write_card(f"{name}.html", title, text, picture))
    body = (
        '<main id="main"><h1>Live pages</h1>\n<p class="lead">Change a number, and the page '
        "computes the forward and the backward pass again. Each page is one HTML file that works "
        "offline.</p>\n"
        f'<ul class="cards">\n{"".join(cards)}</ul></main>\n'
    )
    page_text = write_page(
        "gallery/index.html", "Gallery – stepgrad", body,
        description="Live pages: step through neurons, networks and a GPT, forwards and backwards.",
    )  # fmt: skip
    (out / "index.html").write_text(page_text, "utf-8")


def write_picture(page: Any, name: str, out: Path) -> str:
    """Write the picture of a page, and return the HTML that shows it."""
    if not isinstance(page, Stepper):  # of a training, made by docs.animation
        for suffix in ("", "-dark"):
            (out / f"{name}{suffix}.png").write_bytes(
                (DEMOS / f"training{suffix}.png").read_bytes()
            )
        dark = f'<source media="(prefers-color-scheme: dark)" srcset="{name}-dark.png">'
        image = f'<picture>{dark}<img src="{name}.png" alt=""></picture>'
        return f'<div class="picture">{image}</div>'
    page.drawing.save(out / f"{name}.svg")
    width, height = measure_svg(page.drawing.svg)
    ratio = width / height
    kind = "picture" + (" long" if ratio > LONG else " tall" if ratio < TALL else "")
    return f'<div class="{kind}"><img src="{name}.svg" alt=""></div>'


def write_frame(name: str, title: str, text: str) -> str:
    """Return the page of the site around a live page."""
    heading = html.escape(title)
    body = (
        f'<main class="full" id="main"><div class="line"><h1>{heading}</h1>'
        f"<p>{html.escape(text)}</p>"
        f'<a href="{name}-page.html" download="{name}.html">Save this page</a></div>\n'
        f'<iframe src="{name}-page.html" title="{heading}" allow="fullscreen"></iframe></main>\n'
    )
    return write_page(f"gallery/{name}.html", f"{title} – stepgrad", body, description=text)
