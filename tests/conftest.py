"""Hypothesis profiles; choose one with `pytest --hypothesis-profile=soak`."""

import os

from hypothesis import HealthCheck, settings

DEFAULT = settings(  # no test fails because the machine is slow
    settings.get_profile("default"), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("default", DEFAULT)
settings.register_profile("ci", DEFAULT, derandomize=True, print_blob=True)
settings.register_profile("soak", DEFAULT, max_examples=10_000)

settings.load_profile("ci" if os.environ.get("CI") else "default")
