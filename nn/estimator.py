"""The base class of the estimators in `nn.sklearn`. This file imports scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from engine.support.lazy import import_extra
from nn import archive
from nn.arguments import check_sequence, check_whole
from nn.keywords import answer_keywords
from nn.train import fit
from nn.vector import MLP

import_extra("sklearn", "nn.sklearn", "sklearn")
from sklearn.base import BaseEstimator  # noqa: E402
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data  # noqa: E402

DTYPES = [np.float64, np.float32]  # data of other dtypes becomes float64


class Estimator(BaseEstimator):
    """The parameters, training and pickling that both estimators share."""

    @answer_keywords
    def __init__(
        self,
        hidden: Sequence[int] = (32,),
        activation: str = "relu",
        *,
        optimizer: str = "adam",
        lr: float | None = 0.01,
        epochs: int = 100,
        batch_size: int | None = 32,
        dropout: float = 0.0,
        validation: float | None = None,
        patience: int | None = None,
        random_state: Any = None,
    ):
        self.hidden, self.activation, self.dropout = hidden, activation, dropout
        self.optimizer, self.lr = optimizer, lr
        self.epochs, self.batch_size = epochs, batch_size
        self.validation, self.patience = validation, patience
        self.random_state = random_state

    def _train(self, X: np.ndarray, y: np.ndarray, nout: int, loss: str) -> Self:
        """Make a network in the dtype of X and train it.

        Raises TypeError or ValueError for a parameter that does not fit.
        """
        hidden = check_sequence(self.hidden, "hidden must be a list of sizes such as (32,)")
        size = self.batch_size
        if size is not None:
            size = min(check_whole("batch_size", size), len(X))
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        rng = np.random.default_rng(seed)
        self.model_ = MLP(
            X.shape[1], [*hidden, nout], self.activation,
            dropout=self.dropout, rng=rng, dtype=X.dtype,
        )  # fmt: skip
        training = fit(
            self.model_, X, y, loss=loss, optimizer=self.optimizer, lr=self.lr, epochs=self.epochs,
            batch_size=size, validation=self.validation, patience=self.patience, rng=rng,
        )  # fmt: skip
        self.records_ = list(training)
        self.n_iter_ = len(self.records_)
        return self

    def _predict(self, X: ArrayLike, kind: str) -> np.ndarray:
        """Return the predictions of the network, of a kind of `Module.predict`."""
        check_is_fitted(self)
        samples = validate_data(self, X, reset=False, dtype=DTYPES)
        return self.model_.predict(samples, kind)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a pickle, with the network in the file format of `nn.save`."""
        state = dict(super().__getstate__())
        if "model_" in state:
            model: MLP = state["model_"]
            weights: dict[str, Any] = model.state_dict()
            state["model_"] = archive.pack(
                {
                    "sizes": [model.nin, *[layer.nout for layer in model.layers]],
                    "activation": model.activation,
                    "dropout": model.dropout.rate,
                    "dtype": str(model.layers[0].weight.dtype),
                    "model": weights,
                }
            )
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "model_" in state:
            saved: Any = archive.unpack(state["model_"])
            nin, *nouts = saved["sizes"]
            model = MLP(
                nin, nouts, saved["activation"], dropout=saved["dropout"], init="zeros",
                dtype=saved["dtype"],
            )  # fmt: skip
            model.load_state_dict(saved["model"])
            state = {**state, "model_": model.eval()}
        super().__setstate__(state)
