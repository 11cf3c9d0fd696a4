"""The fuzz targets of this area, on arbitrary and on mutated input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_targets import target

from bootwright.foundation.places import data_files

TABLE = b"factor:kernel,factor:pages,outcome:mounts,repeat\n6.12,16K,fails,1\n6.18,4K|16K,works,\n"
SEEDS = {"table": [TABLE], "plan": [path.read_bytes() for path in data_files("plans")]}


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
