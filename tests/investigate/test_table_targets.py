"""The fuzz targets of this area, on arbitrary and on mutated input."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.foundation.places import data_files

ROOT = Path(__file__).resolve().parents[2]
TABLE = b"factor:kernel,factor:pages,outcome:mounts,repeat\n6.12,16K,fails,1\n6.18,4K|16K,works,\n"
SEEDS = {"table": [TABLE], "plan": [path.read_bytes() for path in data_files("plans")]}


def target(name: str) -> Callable[[bytes], None]:
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", ROOT / "fuzz" / f"fuzz_{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[bytes], None] = module.one_input
    return found


@pytest.mark.parametrize("name", SEEDS)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(name: str, data: st.DataObject) -> None:
    seed = bytearray(data.draw(st.sampled_from(SEEDS[name])))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(seed)))
        cut = data.draw(st.integers(0, 8))
        seed[at : at + cut] = data.draw(st.binary(max_size=8))
    target(name)(bytes(seed))


@pytest.mark.parametrize("name", SEEDS)
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes(name: str, data: bytes) -> None:
    target(name)(data)
