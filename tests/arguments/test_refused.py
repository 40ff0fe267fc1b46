"""Each row's call raises its error, whose message names the thing, the value and the remedy."""

from contextlib import chdir
from pathlib import Path

import pytest

from arguments import data_rows, engine_rows, nn_rows, tape_rows, training_rows  # noqa: F401
from arguments.kinds import ROWS, shows_the_value

BARE = (  # in messages of Python or NumPy, if stepgrad does not check the argument
    "object is not iterable", "has no attribute", "unsupported operand", "is not callable",
    "not supported between instances", "not subscriptable", "could not convert string",
    "inhomogeneous shape", "cannot unpack", "values to unpack", "Errno",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _elsewhere(tmp_path_factory):
    with chdir(tmp_path_factory.mktemp("arguments")):
        Path("folder.svg").mkdir()
        Path("folder.html").mkdir()
        yield


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_arguments_are_refused(row):
    with pytest.raises(row.error) as raised:
        row.call()
    message = str(raised.value)
    assert not [words for words in BARE if words in message], message
    for words in row.words:
        assert words in message
    assert row.value is ... or shows_the_value(message, row.value), message
