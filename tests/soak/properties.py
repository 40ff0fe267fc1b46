"""A pytest plugin for long runs: `pytest -p soak.properties tests --hypothesis-profile=soak`.

The cases of a parametrized property share the examples of the profile. A property of all rows of
the table then takes as long as a property with one case.

A run that is interrupted or fails can be continued: the next one leaves out the tests that passed,
until all have passed or `pytest --cache-clear` is called.
"""

from collections import Counter

import pytest
from hypothesis import settings

MIN_EXAMPLES = 200  # of each case
KEY = "soak/passed"


def pytest_configure(config):
    config.pluginmanager.register(Soak(config))


class Soak:
    """Hooks that share the examples, and that remember which tests passed."""

    def __init__(self, config):
        self.config = config
        self.is_worker = hasattr(config, "workerinput")
        self.at_start = config.workerinput[KEY] if self.is_worker else config.cache.get(KEY, [])
        self.passed = list(self.at_start)

    @pytest.hookimpl(optionalhook=True)  # of pytest-xdist
    def pytest_configure_node(self, node):
        """Send the list to a worker. All workers, also those started later, collect the same tests."""
        node.workerinput[KEY] = self.at_start

    def pytest_collection_modifyitems(self, items):
        properties = [f for item in items if (f := property_of(item))]
        for function, cases in Counter(properties).items():
            own_settings = function._hypothesis_internal_use_settings
            n = max(MIN_EXAMPLES, -(-settings.default.max_examples // cases))
            function._hypothesis_internal_use_settings = settings(own_settings, max_examples=n)
        at_start = set(self.at_start)
        passed = [item for item in items if item.nodeid in at_start]
        items[:] = [item for item in items if item.nodeid not in at_start]
        self.config.hook.pytest_deselected(items=passed)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed and not self.is_worker:
            self.passed.append(report.nodeid)
            self.config.cache.set(KEY, self.passed)

    def pytest_sessionfinish(self, exitstatus):
        if exitstatus == pytest.ExitCode.OK and not self.is_worker:
            self.config.cache.set(KEY, [])


def property_of(item):
    """Return the function of a property test, None for another test."""
    function = getattr(item, "function", None)
    return function if getattr(function, "is_hypothesis_test", False) else None
