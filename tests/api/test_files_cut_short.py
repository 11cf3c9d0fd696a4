"""A download that broke off: whoever reads it says so, in the same words, and what to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from disk_kit import make_disk, tool

from bootwright import api
from bootwright.foundation.errors import CUT_SHORT, DAMAGED, Malformed

ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
PROGRAMS = {
    "xz": ("xz", "-0", "-T1"),
    "xz-blocks": ("xz", "-0", "-T2", "--block-size=100000"),
    "zstd": ("zstd", "-q", "-1"),
    "gzip": ("gzip", "-1"),
    "bzip2": ("bzip2", "-1"),
    "lz4": ("lz4", "-q", "-1"),
}


def numbers(lines: int) -> bytes:
    """Text that does not compress away."""
    return b"".join(b"%d\n" % (number * number) for number in range(lines))


def packed(name: str, content: bytes) -> bytes:
    """As the program of that name in `PROGRAMS` does it."""
    program, *arguments = PROGRAMS[name]
    command = [tool(program), *arguments, "-c"]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_disk(
        tmp_path_factory.mktemp("disk") / "disk.img", ((None, ESP, "EFI", 3), (None, LINUX, "STATE", 5))
    )


@pytest.mark.parametrize("size", [2 << 20, 5 << 20])
def test_an_image_that_ends_before_a_partition_does(disk: Path, tmp_path: Path, size: int) -> None:
    """Also where the boot partition is whole: what boots would be judged by half an image."""
    half = tmp_path / "half.img"
    half.write_bytes(disk.read_bytes()[:size])
    with pytest.raises(Malformed, match=r"partition \d \((EFI|STATE)\), which ends at") as caught:
        api.check(half, boards="raspberrypi-5")
    assert caught.value.hint == CUT_SHORT
    problems = api.inspect(half).problems
    assert any(problem.hint == CUT_SHORT and "(STATE)" in problem.message for problem in problems)
    checks = api.verify_image(half).checks
    assert any(CUT_SHORT in f"{check.detail} {check.hint}" for check in checks)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("lines", [40_000, 600_000])
def test_compressed_data_that_ends_too_soon(disk: Path, tmp_path: Path, name: str, lines: int) -> None:
    """Large ones are expanded by a program while they are read, small ones in this process."""
    kind = name.partition("-")[0]
    text = numbers(lines)
    on_disk = disk.read_bytes()[: 1 << 20] + text.ljust(9 << 20)
    for content, readers in ((text, (api.diagnose,)), (on_disk, (api.check, api.inspect))):
        data = packed(name, content)
        half = tmp_path / f"half.raw.{kind}"
        half.write_bytes(data[: len(data) * 2 // 3])
        for read in readers:
            with pytest.raises(Malformed, match=f"the rest of the {kind} data, found the end") as caught:
                read(half)
            assert caught.value.hint == CUT_SHORT


@pytest.mark.parametrize("name", PROGRAMS)
def test_damaged_compressed_data_is_another_matter(tmp_path: Path, name: str) -> None:
    kind = name.partition("-")[0]
    data = bytearray(packed(name, numbers(400_000)))
    middle = len(data) // 3
    data[middle : middle + 400] = bytes(400)
    broken = tmp_path / f"broken.raw.{kind}"
    broken.write_bytes(data)
    with pytest.raises(Malformed, match=f"sound {kind} data") as caught:
        api.diagnose(broken)
    assert caught.value.hint == DAMAGED
