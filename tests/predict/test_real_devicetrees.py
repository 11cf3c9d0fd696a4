"""The table of kernels and devicetrees as they were shipped, each case seen through `bootwright check`."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from real_devicetrees import FOLDER, MISSING

from bootwright.cli.main import main
from bootwright.foundation.errors import Missing, Refused
from bootwright.kernels.catalogue import open_library

OWN = "own"
CASES = tomllib.loads(Path(__file__).with_suffix(".toml").with_name("real_devicetrees.toml").read_text())[
    "case"
]


def rows() -> list[Any]:
    return [
        pytest.param(
            case,
            kernel,
            folder,
            id="-".join([kernel, folder, *case["steppings"], case.get("goal", "ethernet"), case["verdict"]]),
        )
        for case in CASES
        for kernel in case["kernels"]
        for folder in case["devicetrees"]
    ]


@cache
def kernel_here(name: str) -> str:
    """The kernel's whole name; a test of many kernels fetches none."""
    library = open_library(offline=True)
    try:
        listed = library.resolve(name)
        return library.get(listed.name, modules=True).name
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")


@cache
def checked(kernel: str, folder: str) -> dict[str, Any]:
    """Stepping → what `check` says of the goals."""
    trees = [] if folder == OWN else [str(FOLDER / folder)]
    goals = ("--goal", "ethernet", "--goal", "usb")
    done = CliRunner().invoke(
        main,
        ["check", kernel, *trees, "--board", "raspberrypi-5", *goals, "--json", "-q"],
        standalone_mode=False,
    )
    assert done.exception is None, done.output
    return {part["stepping"]: part["goals"] for part in json.loads(done.stdout)["boards"]}


@pytest.mark.download
@pytest.mark.parametrize(("case", "kernel", "folder"), rows())
def test_devicetrees_as_they_were_shipped(case: dict[str, Any], kernel: str, folder: str) -> None:
    name = kernel_here(kernel)
    if folder != OWN and not (FOLDER / folder).is_dir():
        pytest.skip(MISSING)
    for stepping in case["steppings"]:
        goal = checked(name, folder)[stepping][case.get("goal", "ethernet")]
        assert goal["verdict"] == case["verdict"], goal["first_broken"]
        if case["verdict"] == "fails":
            assert case["node"] in goal["first_broken"]["node"]
            assert case["why"] in goal["first_broken"]["reason"]
            assert goal["first_broken"]["remedy"]
