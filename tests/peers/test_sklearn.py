"""scikit-learn's own checks of the estimators; pipelines, searches, clones and pickles."""

import ast
import doctest
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_digits, load_iris  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

import nn.sklearn  # noqa: E402
from nn import archive  # noqa: E402
from nn.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

X, Y = load_iris(return_X_y=True)


@pytest.fixture
def fitted():
    return MLPClassifier((8, 4), "tanh", dropout=0.1, epochs=5, random_state=0).fit(X, Y)


CHECK = """
import warnings
from sklearn.utils.estimator_checks import check_estimator
from nn.sklearn import MLPClassifier, MLPRegressor
warnings.simplefilter("ignore")
results = check_estimator({}(random_state=0), on_fail=None)
print([[x["check_name"], x["status"], str(x["exception"])] for x in results])
"""


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_checks_of_scikit_learn(kind):
    """All of them pass, except a check that needs a library that is not installed.

    The variable adds the check of other array libraries.
    """
    printed = subprocess.check_output(
        [sys.executable, "-c", CHECK.format(kind.__name__)],
        env={**os.environ, "SCIPY_ARRAY_API": "1"}, cwd=Path(__file__).parents[2], text=True,
    )  # fmt: skip
    results = ast.literal_eval(printed)
    assert len(results) > 50
    others = [x for x in results if x[1] != "passed"]
    assert not [x for x in others if (x[1], "not installed" in x[2]) != ("skipped", True)]


def test_a_pipeline_and_a_search():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(epochs=60, random_state=0))
    assert cross_val_score(pipeline, X, Y, cv=3).mean() > 0.9
    grid = {"mlpclassifier__lr": [1e-5, 0.01], "mlpclassifier__hidden": [(4,), (16,)]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, Y)
    assert search.best_params_["mlpclassifier__lr"] == 0.01
    assert search.best_estimator_[-1].model_.layers[0].nout in (4, 16)


def test_digits_are_learned():
    digits, labels = load_digits(return_X_y=True)
    classifier = MLPClassifier(epochs=15, random_state=0).fit(digits[:1000] / 16, labels[:1000])
    assert classifier.score(digits[1000:] / 16, labels[1000:]) > 0.9


def test_a_clone_is_not_fitted_and_learns_the_same(fitted):
    twin = clone(fitted)
    assert twin.get_params() == fitted.get_params()
    assert not hasattr(twin, "model_")
    assert (twin.fit(X, Y).predict_proba(X) == fitted.predict_proba(X)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_pickle_contains_a_checkpoint(dtype):
    """The weights are in the file format of `nn.save`, and predictions are the same to the bit."""
    regressor = MLPRegressor((8,), "tanh", dropout=0.2, epochs=3, random_state=0)
    regressor.fit(X.astype(dtype), Y)
    regressor.set_params(hidden=(3,))  # parameters of the next network
    content = regressor.__getstate__()["model_"]
    assert archive.unpack(content)["model"].keys() == regressor.model_.state_dict().keys()
    again = pickle.loads(pickle.dumps(regressor))
    assert repr(again.model_) == repr(regressor.model_)
    assert again.hidden == (3,)
    assert again.predict(X).tobytes() == regressor.predict(X).tobytes()
    assert again.predict(X).dtype == dtype
    with pytest.raises(nn.CheckpointError):
        again.__setstate__({**regressor.__getstate__(), "model_": content[:-9]})


def test_the_shape_of_targets_is_that_of_predictions():
    for y, shape in ((Y, (150,)), (Y[:, None], (150, 1)), (np.stack([Y, -Y], 1), (150, 2))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert MLPRegressor(epochs=1).fit(X, y).predict(X).shape == shape


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="labels of 2 classes or more, got 1 class"):
        MLPClassifier().fit(X, np.zeros(150, int))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden": 32}, r"hidden must be a list of sizes such as \(32,\), got 32; write \[32\]"),
        ({"batch_size": "auto"}, "batch_size must be a whole number, 1 or more, got 'auto'"),
    ],
)
def test_parameters_that_do_not_fit(settings, words):
    with pytest.raises((TypeError, ValueError), match=words):
        MLPClassifier(**settings).fit(X, Y)


def test_early_stopping():
    settings = {"validation": 0.2, "patience": 3, "epochs": 200, "random_state": 0}
    assert MLPClassifier(lr=0.1, **settings).fit(X, Y).n_iter_ < 200


def test_examples():
    result = doctest.testmod(nn.sklearn)
    assert result.attempted
    assert not result.failed
