"""Every fuzz target takes its seeds and some changes to each; the real runs are longer (fuzz/README.md)."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from disk_kit import fuzz_target
from hypothesis import given, settings
from hypothesis import strategies as st

FUZZ = Path(__file__).parents[2] / "fuzz"
sys.path.insert(0, str(FUZZ))

from mutate import mutated  # noqa: E402
from seeds_kernels import SEEDS  # noqa: E402

from bootwright.inspect.explore import Explorer  # noqa: E402
from bootwright.inspect.facts import ItemKind  # noqa: E402


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_changed_seeds(name: str, tmp_path: Path) -> None:
    target, chance = fuzz_target(f"fuzz_{name}"), random.Random(20260101)
    for seed in SEEDS[name](tmp_path):
        target(seed)
        for _ in range(25):
            target(mutated(seed, chance))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600), st.sampled_from(["match_tables", "tar", "superblocks", "url"]))
def test_arbitrary_bytes(data: bytes, name: str) -> None:
    fuzz_target(f"fuzz_{name}")(data)


@pytest.mark.parametrize(
    "answer",
    [
        b"200\nContent-Length: \xb20\n\nxx",  # digits, but not ASCII's
        b"200\nContent-Length: " + b"9" * 5000 + b"\n\nxx",
        b"206\nContent-Range: bytes 0-0/\xb9\n\nx",
        b'206\nContent-Range: bytes 0-0/50\nETag: "\xfd"\n\nb\n--\n206\nContent-Range: bytes 0-49/50\n\n'
        + b"b" * 50,
    ],
)
def test_what_a_server_should_not_say(answer: bytes) -> None:
    """Each of these once got out as ValueError or UnicodeEncodeError."""
    fuzz_target("fuzz_url")(answer)


def test_a_small_image_has_all_that_readers_look_for(tmp_path: Path) -> None:
    """The seeds are worth their place: the kernel is followed to its configuration."""
    (path := tmp_path / "vmlinuz").write_bytes(SEEDS["kernel_drivers"](tmp_path)[0])
    item = Explorer().artifact(str(path))
    assert item.fact("release") == "6.18.5"
    (config,) = item.of_kind(ItemKind.KERNEL_CONFIG)
    assert config.fact("page_size") == 4096


def test_a_section_that_is_nothing_known_is_told(tmp_path: Path) -> None:
    """As systemd-ukify 257 makes them of an Image: without its first 8 bytes."""
    (path := tmp_path / "uki.efi").write_bytes(SEEDS["pe"](tmp_path)[0].replace(b"ARM\x64", b"ARM\x65"))
    item = Explorer().artifact(str(path))
    assert item.kind == ItemKind.UKI
    assert [".linux" in problem.message for problem in item.problems] == [True]
