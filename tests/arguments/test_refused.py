"""Each row's call raises its error, whose message names the thing, the value and the remedy."""

from contextlib import chdir
from importlib import import_module
from pathlib import Path

import pytest

from arguments.kinds import names_the_value

TABLES = ("engine_rows", "tape_rows", "nn_rows", "training_rows", "data_rows")
ROWS = [each for name in TABLES for each in import_module(f"arguments.{name}").ROWS]
BARE = (  # what Python, or NumPy, says where nobody looked
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


def case(row):
    return pytest.param(row, id=str(row))


@pytest.mark.parametrize("row", [case(each) for each in ROWS])
def test_what_is_wrong_is_refused(row):
    with pytest.raises(row.error) as raised:
        row.call()
    message = str(raised.value)
    assert not [each for each in BARE if each in message], message
    for word in row.words:
        assert word in message
    assert row.value is ... or names_the_value(message, row.value), message
