"""Estimators of scikit-learn: `MLPClassifier` and `MLPRegressor`, trained by `fit` on Arrays.

They work in pipelines and parameter searches, and with `clone` and `pickle`. This module
requires scikit-learn 1.6 or newer, the extra `sklearn`; `import nn` does not load it.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from nn.estimator import DTYPES, Estimator

# nn.estimator has imported scikit-learn, or has raised an error with the extra to install.
from sklearn.base import ClassifierMixin, RegressorMixin  # isort: skip
from sklearn.utils.multiclass import check_classification_targets  # isort: skip
from sklearn.utils.validation import validate_data  # isort: skip

__all__ = ["MLPClassifier", "MLPRegressor"]


class MLPClassifier(ClassifierMixin, Estimator):
    """A classifier: an MLP trained with the cross entropy of its softmax.

    hidden        the numbers of neurons of the hidden layers
    activation    of the hidden layers, as for `nn.MLP`
    dropout       the rate of dropout after each hidden layer
    random_state  a seed, or a RandomState of NumPy

    The other parameters are those of `nn.fit`. A batch is at most as large as the data. Attributes
    after `fit`:

    model_    the network, an `nn.vector.MLP` in the dtype of X: float32, or else float64
    classes_  the labels of its outputs
    records_  a `Record` for each epoch; `n_iter_` is their number

    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(200, noise=0.1, random_state=0)
    >>> classifier = MLPClassifier(random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.95
    True
    >>> classifier.predict_proba(X[:2]).shape
    (2, 2)
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train a new network on samples X of shape `(samples, features)` and labels y."""
        samples, labels = validate_data(self, X, y, dtype=DTYPES)
        check_classification_targets(labels)
        self.classes_, indices = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"MLPClassifier expects labels of 2 classes or more, got 1 class: {self.classes_}"
            )
        return self._train(samples, indices, len(self.classes_), "cross_entropy")

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the most probable label of each sample.

        >>> classifier = MLPClassifier(epochs=1, random_state=0)
        >>> classifier.fit([[0.0], [1.0]], ["low", "high"]).predict([[0.5], [2.0]]).shape
        (2,)
        """
        indices = self._predict(X, "classes")  # checks whether it is fitted
        return self.classes_[indices]

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the probabilities of the classes, of shape `(samples, classes)`."""
        return self._predict(X, "probabilities")


class MLPRegressor(RegressorMixin, Estimator):
    """A regressor: an MLP trained with the mean squared error.

    The parameters and attributes are those of `MLPClassifier`, without `classes_`. Targets have the
    shape `(samples,)` or `(samples, outputs)`. Scale features and targets to about 1.

    >>> X = np.linspace(-1.0, 1.0, 100)[:, None]
    >>> regressor = MLPRegressor(activation="tanh", random_state=0).fit(X, np.sin(3 * X[:, 0]))
    >>> regressor.score(X, np.sin(3 * X[:, 0])) > 0.95
    True
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train a new network on samples X of shape `(samples, features)` and targets y."""
        samples, targets = validate_data(
            self, X, y, dtype=DTYPES, multi_output=True, y_numeric=True
        )
        self.target_ndim_ = targets.ndim
        columns = targets.reshape(len(targets), -1).astype(samples.dtype)
        return self._train(samples, columns, columns.shape[1], "mse")

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the outputs, in the shape of the targets.

        >>> regressor = MLPRegressor(epochs=1, random_state=0)
        >>> regressor.fit([[0.0], [1.0]], [1.0, 2.0]).predict([[0.5]]).shape
        (1,)
        """
        outputs = self._predict(X, "outputs")
        return outputs if self.target_ndim_ == 1 else outputs.reshape(len(outputs), -1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def __dir__() -> list[str]:
    return __all__
