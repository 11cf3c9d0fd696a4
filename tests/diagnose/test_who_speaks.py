"""Lines of real boots held against the formats of the kernels that ship."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootwright.diagnose.judging.gravity import is_kernels
from bootwright.diagnose.messages.speaker import shipped, speaker
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.text import clean
from bootwright.diagnose.reading.voice import KERNEL, PROGRAM, voice_of
from bootwright.foundation.places import DATA

RECORDED = sorted(DATA.glob("**/golden/gallery-*/console.log"))
WRITTEN = sorted((DATA / "signatures").glob("*/golden/*/console.log"))


def messages(paths: list[Path]) -> Iterator[prefix.Message]:
    for path in paths:
        for line in clean(path.read_bytes()).split(b"\n"):
            message = prefix.split(line)
            if message.text:
                yield message


def test_most_of_what_a_kernel_says_is_known_by_its_format() -> None:
    """Without stamps too: what is looked up is the message. Values alone (`DMA32 empty`) tell nothing."""
    known = Counter(is_kernels(message.text) for message in messages(RECORDED) if voice_of(message) == KERNEL)
    assert known.total() > 3000
    assert known[True] / known.total() > 0.8


def test_what_programs_say_is_not_taken_for_the_kernels() -> None:
    said = [message.text for message in messages(WRITTEN) if voice_of(message) == PROGRAM]
    assert len(said) > 100
    taken = [text for text in said if is_kernels(text)]
    assert len(taken) / len(said) < 0.02, taken


@pytest.mark.parametrize(
    "component", ["uboot", "tfa", "uefi", "grub", "eeprom", "coreboot"], ids=lambda component: component
)
def test_what_firmware_says_is_not_taken_for_the_kernels(component: str) -> None:
    """The lines before the kernel's first one in logs that a signature of firmware or loaders keeps."""
    said: list[bytes] = []
    for path in WRITTEN:
        if not path.parents[2].name.startswith(component):
            continue
        for message in messages([path]):
            if message.kernel:
                break
            said.append(message.text)
    taken = [text for text in said if is_kernels(text)]
    assert len(taken) <= len(said) / 50, taken


def test_the_table_is_made_of_different_series() -> None:
    series = [".".join(name.split("-")[1].split(".")[:2]) for name in shipped().kernels]
    assert len(shipped()) > 150_000
    assert len(set(series)) == len(series) == 5


def test_a_format_that_begins_with_any_text_names_no_driver_behind_another_ones_name() -> None:
    """The driver prints its interface's name first; behind a bus and its device they are others' words."""
    words = b"timed out waiting for the frob"
    alone = speaker(b"eth0: " + words)
    assert alone is not None
    assert speaker(b"i2c i2c-7: " + words) is None


@pytest.mark.parametrize("name", [b"vold", b"eth0"])
def test_who_speaks_with_one_name_is_no_driver_of_hardware(name: bytes) -> None:
    """Before the name of an interface with a parent its driver and device stand."""
    words = b": Failed to read the frob"
    assert speaker(name + words) is None
    with_parent = speaker(b"sfc_falcon 0000:01:00.0 eth0" + words)
    assert with_parent is not None
    assert with_parent.interface == "eth0"
