"""What all tests share."""

import os
import signal

import pytest
from hypothesis import settings

# No deadline for one example: on a shared machine it measures the neighbours.
settings.register_profile("bootwright", deadline=None)
settings.load_profile("bootwright")

# A shell starts jobs in the background with SIGINT ignored, and what the tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Reports are cut to the terminal, whose size readline, which pytest loads, tells to processes it starts.
for _size in ("LINES", "COLUMNS"):
    os.environ.pop(_size, None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whole kernels are built where somebody asks for it."""
    if "slow" in str(config.getoption("markexpr")):
        return
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.skip(reason="make test-slow builds whole kernels"))
