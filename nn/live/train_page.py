"""`train_page`: a page in which a network learns."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from engine.draw.drawing import Drawing, draw
from engine.support.arguments import check_positive, check_writable
from engine.support.embed import embed_page
from nn import losses, optim, schedules
from nn.arguments import check_function, check_whole, format_count, look_up
from nn.batches import to_finite_samples
from nn.init import Rng
from nn.keywords import answer_keywords
from nn.live.data import RecordedTraining, convert_model, record_training
from nn.live.graphs import draw_graphs
from nn.live.html import write_training_page
from nn.live.overlay import OpenView
from nn.module import Module, check_module
from nn.objective import Loss, Penalty
from nn.predictions import takes_batches
from nn.schedules import Schedule
from nn.train import _find_optimizer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

HEIGHT = 760  # pixels, in a notebook
MOST_NUMBERS = 1_000_000
MOST_PARAMETERS = 50_000


@answer_keywords
def train_page(
    model: Module,
    X: "ArrayLike",
    y: "ArrayLike",
    *,
    loss: str | Loss,
    optimizer: str | optim.Optimizer = "adam",
    lr: float | None = None,
    batch_size: int | None = None,
    schedule: Schedule | None = None,
    clip: float | None = None,
    penalty: Penalty | None = None,
    rng: Rng = None,
    theme: str = "auto",
) -> "TrainPage":
    """Make a page in which a model learns: one HTML file, which needs no Python and no network.

    The page plays, pauses, takes one step or one epoch, and starts again, from the same weights or
    from new ones. The learning rate, the batch size and `zero_grad` can be changed while it trains.
    It shows the samples with the regions of a classifier with two inputs, the curve of a function
    of one input or the probabilities of a classifier with one, or a confusion matrix; the loss; and
    the network, whose lines show weights or gradients. Each neuron of a network with one or two
    inputs has a picture of its output over them. Click a neuron or a sample to see its numbers at
    this step. A button steps through its graph, as `engine.draw.step` does: the loss of this
    sample, or the neuron with the gradient that it receives. The graph of a loss opens if it has up
    to 250 values, or up to 15,000 and the model consists of layers with up to 250 neurons in all;
    otherwise the page says that it is too large.

    The page runs the recorded program of the model, of its loss and of the optimizer's rule, as
    JavaScript. A step changes the weights as a step of `nn.fit` with the same arguments does, in
    the same order of samples for the first 200 epochs, or 20,000 samples if these are fewer.

    Args:
        model: A Module of Values, or one with a method `to_scalar`, such as `nn.vector.MLP`.
        X: The samples, of shape (samples, features).
        y: The targets, one for each sample.
        loss: A function (predictions, targets) -> node, or the name of one in `nn.losses`. It is
            the mean or the sum of the losses of the samples, or a `functools.partial` of
            `nn.losses.cross_entropy` with weights of classes or an ignored label.
        optimizer: An optimizer of the model's parameters, or the name of one in `nn.optim`.
        lr: The learning rate of an optimizer given by name; None uses its default.
        batch_size: The number of samples in a mini-batch; None puts all samples in one.
        schedule: A function from the number of a step to its learning rate, such as
            `nn.schedules.cosine(0.1, steps=500)`. The page has the rates of the first 10,000 steps,
            and keeps the last one. Choosing a learning rate there switches the schedule off.
        clip: The largest norm of the gradient.
        penalty: A function () -> node whose result is added to the loss of each step, such as
            `lambda: 1e-4 * l2_penalty(model.parameters())`.
        rng: A seed or a NumPy Generator for the order of samples, as in `nn.fit`.
        theme: "auto", which follows the page around it or the system, "light", or "dark".

    Returns:
        A `TrainPage`, which Jupyter displays.

    Raises:
        TypeError: The model is not a Module of Values, or a row, the loss or the optimizer's rule
            cannot be recorded.
        ValueError: The control flow of the model or of the loss depends on the data of a Value, or
            they are too large for a page; the schedule depends on losses; or the arguments do not
            match, as in `nn.fit`.

    >>> from nn import MLP, data
    >>> X, y = data.moons(100, rng=0)
    >>> model = MLP(2, [16, 16, 1], "tanh", rng=0)
    >>> page = train_page(model, X, y, loss="binary_cross_entropy", lr=0.01)
    >>> page
    <training page of MLP(2, [16, 16, 1], 'tanh'); save it with .save('training.html')>
    >>> page.save("moons.html")  # doctest: +SKIP
    """
    check_module("train_page", model)
    look_up("theme", {"auto": 0, "light": 0, "dark": 0}, theme)
    is_array_model = takes_batches(model)
    if is_array_model and not (hasattr(model, "to_scalar") and isinstance(optimizer, str)):
        raise TypeError(
            f"train_page expects a model of Values, got {model!r}; pass its to_scalar(), and an "
            "optimizer of that or by name"
        )
    samples = to_finite_samples(X, y)
    if samples[0].ndim > 2 or samples[1].ndim > 2:
        raise ValueError(
            "train_page expects samples of shape (samples, features) and targets of shape "
            f"(samples,) or (samples, outputs), got {samples[0].shape} and {samples[1].shape}"
        )
    scalar = convert_model(model, samples[0]) if is_array_model else model
    batch_size = batch_size if batch_size is None else check_whole("batch_size", batch_size)
    numbers, parameters = samples[0].size + samples[1].size, len(scalar.parameters())
    if numbers > MOST_NUMBERS or parameters > MOST_PARAMETERS:
        raise ValueError(
            f"a page trains up to {MOST_PARAMETERS:,} parameters on {MOST_NUMBERS:,} numbers, got "
            f"{parameters:,} and {numbers:,}; pass a smaller model, or fewer samples"
        )
    schedule = schedule if schedule is None else schedules.check_schedule(schedule)
    if schedules.find_plateau(schedule) is not None:
        raise ValueError(
            f"train_page expects a schedule of the step alone, got {schedule!r}; pass lr, and "
            "change it in the page"
        )
    chosen = _find_optimizer(scalar, optimizer, lr, schedule)
    function = losses.get(loss)
    clip = clip if clip is None else check_positive("clip", clip)
    check_function("penalty", penalty, "lambda: 1e-4 * ...", 0)
    recorded = record_training(
        scalar, function, chosen, samples, batch_size, rng, clip, penalty, schedule
    )
    graphs = lambda: draw_graphs(scalar, samples, recorded.losses, theme)
    return TrainPage(model, recorded, theme, chosen.name, graphs)


class TrainPage:
    """A page in which a network learns, which Jupyter displays.

    `.html` is the page, and `.save(path)` writes it. It works offline and without a kernel. Its
    script offers `window.stepgrad` to pages and programs that embed it:

    - `play()`, `pause()`, `step()`, `epoch()`, `reset()` and `renew()` are the buttons.
    - `train(n)` takes n steps and returns their losses.
    - `get()` returns the step, the epoch, the loss and the accuracy over all samples, the learning
      rate, the batch size, the weights and their gradients.
    - `open({sample, neuron})` steps through the graph of a neuron for a sample, or of the loss of
      that sample, with the numbers of this step. Samples are counted from 0; `neuron` is a name
      such as "layers[0], neuron 1". It returns the interface of that stepper, whose `names()`,
      `get(name)` and `set(name, number)` `engine.draw.step` describes. `close()` returns to the
      training.

    >>> from nn import MLP, data
    >>> train_page(MLP(2, [4, 1], rng=0), *data.moons(50, rng=0), loss="mse")
    <training page of MLP(2, [4, 1], 'relu'); save it with .save('training.html')>
    """

    def __init__(
        self, model: Module, recorded: RecordedTraining, theme: str, optimizer: str,
        draw_graphs: Callable[[], dict[str, OpenView]],
    ):  # fmt: skip
        self._model, self._output, self.theme = model, recorded.output, theme
        self._code, self._data, self._draw_graphs = recorded.code, recorded.data, draw_graphs
        self.title = repr(model)
        counts = [(len(self._data["weights"]), "parameter"), (len(self._data["X"]), "sample")]
        sizes = ", ".join([format_count(n, noun) for n, noun in counts])
        self.about = f"{sizes} · {self._data['loss']} · {optimizer}"

    @cached_property
    def html(self) -> str:
        """The complete page."""
        return write_training_page(
            self.title, self.about, self._code, self._data, self.theme, self._draw_graphs()
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, an .html file, and return its path.

        Raises ValueError for another suffix and FileNotFoundError if the folder does not exist.

        >>> from nn import MLP, data
        >>> page = train_page(MLP(2, [4, 1], rng=0), *data.moons(50, rng=0), loss="mse")
        >>> page.save("moons.html")  # doctest: +SKIP
        """
        path = check_writable("a training page", path, (".html", ".htm"))
        path.write_text(self.html, "utf-8")
        return path

    def _repr_html_(self) -> str:
        return embed_page(self.html, self._picture.svg, f"{self.title} – training", HEIGHT)

    @cached_property
    def _picture(self) -> Drawing:
        """The network as it is drawn where scripts are blocked, or else its first output."""
        try:
            return draw(self._model, theme=self.theme)
        except (TypeError, ValueError):  # it is not made of fully connected layers
            return draw(self._output, theme=self.theme)

    def __repr__(self) -> str:
        return f"<training page of {self.title}; save it with .save('training.html')>"
