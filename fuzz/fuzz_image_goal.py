"""Fuzz what watches a console for its goal, in pieces cut at places the input itself says."""

from __future__ import annotations

import sys

from bootwright.image_boot.goal import Goal, GoalWatch


def one_input(data: bytes) -> None:
    size = 1 + (data[0] if data else 0)
    for goal in (Goal("login"), Goal("ktap"), Goal("ready"), None):
        watch = GoalWatch(goal)
        for start in range(1, len(data), size):
            if watch.feed(data[start : start + size]):
                break


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
