"""`Film`: a training run that is recorded, and saved as a page with a slider over its epochs."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from engine.draw import draw
from engine.support.arguments import check_writable
from engine.support.embed import embed_page
from nn.arguments import check_sequence, check_whole, format_count, look_up
from nn.live.film_data import FilmFrame, FilmRecorder, compute_norms
from nn.live.film_html import write_film_page
from nn.live.task import describe_loss
from nn.records import Record, Records
from nn.taped import Taped
from nn.training import Training, run_with_bar

HEIGHT = 780  # pixels, in a notebook
MOST_SAMPLES = 10


class Film(Iterator[Record]):
    """A training run that is recorded epoch by epoch, and saved as a page with a slider over them.

    A film takes the place of the `Training` that `fit` returns: iterate over it, or call `run()`.
    It keeps the weights before the first epoch and after each one. `save` writes the page at any
    time, so the film of an interrupted training has the epochs that were completed.

    The page shows the losses, the metric, the norms of weights and gradients by layer, and the
    predictions. It computes a model with few parameters itself. If such a model has two inputs, the
    page shows the regions of the classes and the output of each neuron. If the samples of a model
    of Arrays are images, it shows the weights of the first layer's units as images. Blue is
    negative and orange is positive.

    A button steps through the backward pass from the loss of a sample at the shown epoch, as
    `engine.draw.step` does. The page computes the passes of a small model of Values, of each
    sample. For other models, `save` traces the passes of the chosen samples at each epoch, which
    takes longer. Dropout is off in these passes, and a penalty is not part of the loss.
    The script of the page offers `window.stepgrad`:

    - `goto(epoch)`, `play()` and `pause()`.
    - `open(sample, neuron)` opens a pass and returns the interface of its stepper, and `close()`
      returns to the film. `neuron` is null, or a name such as "layers[0], neuron 1" in a film that
      computes its passes.
    - `get()` returns the epoch, its record, the loss of the sample, and `arrays`: for a model of
      Arrays, the data and the gradients of this pass as they were computed, by name, except those
      of weight matrices.
    - `weights(path)` returns the weights of an array in 8 bits: its largest error is half a step of
      the scale of its row, which is the same for all epochs.

    Args:
        training: The training of a model of Values or Arrays, as `fit` returns it.
        samples: The places of up to 10 training samples whose passes can be opened. In a film that
            computes its passes, the first one is shown first. A validation fraction is taken from
            the samples before they are counted.
        every: The number of epochs from one in the film to the next. The film always has the first
            and the last one. An epoch takes one byte for each weight in the page, before
            compression, and a copy of the weights in memory.
        theme: "auto", which follows the page around it or the system, "light", or "dark".

    Raises:
        TypeError: `training` is not a Training, or its model is a Tape.
        ValueError: A sample does not exist, or the other arguments are invalid.

    >>> from nn import MLP, data, fit
    >>> X, y = data.moons(50, rng=0)
    >>> film = Film(fit(MLP(2, [4, 1], rng=0), X, y, loss="binary_cross_entropy", epochs=3))
    >>> for record in film:
    ...     pass
    >>> film
    <film of 3 epochs of MLP(2, [4, 1], 'relu'); save it with .save('film.html')>
    >>> film.save("moons.html")  # doctest: +SKIP
    """

    def __init__(
        self,
        training: Training,
        *,
        samples: Sequence[int] = (0,),
        every: int = 1,
        theme: str = "auto",
    ):
        if not isinstance(training, Training):
            raise TypeError(
                f"Film expects a training such as fit(model, X, y, ...), got {training!r}"
            )
        if isinstance(training.model, Taped):
            raise TypeError("Film expects the training of a Module, got that of a Tape")
        self.every = check_whole("every", every)
        look_up("theme", {"auto": 0, "light": 0, "dark": 0}, theme)
        self.training, self.theme, self.model = training, theme, training.model
        self.samples = check_samples(samples, len(training.samples[0]))
        self.frames = [self._capture(None)]
        self._recorder = FilmRecorder(training, self.samples, theme)

    @property
    def records(self) -> Records:
        """The records of the epochs that the film has."""
        return Records([frame.record for frame in self.frames if frame.record is not None])

    def __next__(self) -> Record:
        """Train for one epoch, keep its weights, and return its record."""
        record = next(self.training)
        frame = self.frames[-1]
        if frame is not self.frames[0] and (frame.epoch - self.frames[0].epoch) % self.every:
            self.frames.pop()
        self.frames.append(self._capture(record))
        self.__dict__.pop("html", None)
        return record

    def run(self) -> Records:
        """Train to the end and return the records, with a progress bar, as `Training.run` does.

        >>> from nn import MLP, data, fit
        >>> X, y = data.moons(50, rng=0)
        >>> film = Film(fit(MLP(2, [4, 1], rng=0), X, y, loss="binary_cross_entropy", epochs=3))
        >>> len(film.run())
        3
        """
        return run_with_bar(self, self.training.epochs, self.training.epoch)

    def _capture(self, record: Record | None) -> FilmFrame:
        """Return the model as it is."""
        gradients = {}
        if record is not None:
            parameters = self.model.named_parameters().items()
            gradients = compute_norms({path: p.grad for path, p in parameters})
        epoch = self.training.epoch if record is None else record.epoch
        return FilmFrame(epoch, record, self.model.state_dict(), gradients)

    @cached_property
    def html(self) -> str:
        """The complete page of the epochs so far."""
        packed = self._recorder.pack(self.frames)
        X, loss = self.training.samples[0], describe_loss(self.training.objective.loss)
        counts = [(sum(np.size(p.data) for p in self.model.parameters()), "parameter")]
        counts.append((len(X), "sample"))
        sizes = ", ".join([format_count(n, noun) for n, noun in counts])
        about = f"{sizes} · {loss} · {self.training.optimizer.name}"
        return write_film_page(repr(self.model), about, packed, self.theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page of the epochs so far, an .html file, and return its path.

        Later calls only compute the passes of the epochs that have been added since.
        """
        path = check_writable("a film", path, (".html", ".htm"))
        path.write_text(self.html, "utf-8")
        return path

    def _repr_html_(self) -> str:
        picture = draw(self.model, theme=self.theme)
        return embed_page(self.html, picture.svg, f"{self.model!r} – film", HEIGHT)

    def __repr__(self) -> str:
        epochs = format_count(self.frames[-1].epoch - self.frames[0].epoch, "epoch")
        return f"<film of {epochs} of {self.model!r}; save it with .save('film.html')>"


def check_samples(samples: object, count: int) -> list[int]:
    """Return the places of samples as a list.

    Raises TypeError unless they are a sequence, and ValueError for other than 1 to 10 different
    whole numbers below `count`.
    """
    places = check_sequence(samples, "samples expects a list of places, such as [0, 1]")
    chosen = [check_whole("a place in samples", i, 0) for i in places]
    if not 0 < len(chosen) <= MOST_SAMPLES or len({*chosen}) < len(chosen):
        raise ValueError(
            f"samples expects 1 to {MOST_SAMPLES} different places, got {format_places(chosen)}"
        )
    if max(chosen) >= count:
        raise ValueError(
            f"samples expects places below {count:,}, the number of training samples, got "
            f"{max(chosen):,}"
        )
    return chosen


def format_places(places: Sequence[int]) -> str:
    """Return places as text, or only their number if there are many."""
    return str([*places]) if len(places) <= 2 * MOST_SAMPLES else f"{len(places):,} of them"
