"""Each row's call raises its error, whose message names the thing, the value and the remedy.

There is one test for each public name: it runs all rows, and lists those that fail.
"""

from collections import defaultdict
from contextlib import chdir
from pathlib import Path

import pytest

from arguments import data_rows, engine_rows, nn_rows, tape_rows, training_rows  # noqa: F401
from arguments.kinds import ROWS, Row, shows_the_value

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


BY_NAME: dict[str, list[Row]] = defaultdict(list)
for row in ROWS:
    BY_NAME[row.of].append(row)


def problem(row):
    """Return what is wrong with the error that a row raises, or None."""
    try:
        row.call()
    except row.error as error:
        message = str(error)
        bare = any(words in message for words in BARE)
        incomplete = not all(words in message for words in row.words)
        hidden = row.value is not ... and not shows_the_value(message, row.value)
        return f"unclear message: {message}" if bare or incomplete or hidden else None
    except Exception as error:
        return f"another error: {error!r}"
    return "no error"


@pytest.mark.parametrize("name", BY_NAME)
def test_bad_arguments_are_refused(name):
    problems = {str(row): problem(row) for row in BY_NAME[name]}
    assert {row: text for row, text in problems.items() if text} == {}
