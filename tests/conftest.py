"""What all tests share."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from longest_first import LongestFirst
    from xdist.remote import Producer

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


def pytest_configure(config: pytest.Config) -> None:
    from memory_kit import Memory

    config.pluginmanager.register(Memory())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    from longest_first import workers

    return workers()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LongestFirst | None:
    """Where tests are shared out by files, which `make test` asks for."""
    from longest_first import LongestFirst

    return LongestFirst(config, log) if config.getoption("dist") == "loadfile" else None
