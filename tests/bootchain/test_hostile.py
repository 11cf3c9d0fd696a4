"""Whatever lies on a volume, the boot chain is an answer or one of the project's own errors."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from chain_kit import script_image, uki
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS, Layout

FUZZ = Path(__file__).parents[2] / "fuzz"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FUZZ / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


TARGET = module("fuzz_bootchain")
ONE_INPUT: Callable[[bytes], None] = TARGET.one_input
MUTATED: Callable[[bytes, random.Random], bytes] = module("mutate").mutated
PLACES: tuple[str, ...] = TARGET.PLACES


packed: Callable[[list[tuple[int, bytes]], int], bytes] = TARGET.packed

WORDS = (
    b"kernel=kernel8.img", b"[pi4]", b"[all]", b"[gpio4=1]", b"os_prefix=boot/", b"initramfs a,b 0",
    b"include x", b"arm_64bit=1", b"auto_initramfs=1", b"device_tree=", b"armstub=u-boot.bin",
    b"menuentry x {", b"}",
    b"linux /vmlinuz a=b", b"initrd /initrd", b"chainloader /EFI/Linux/a.efi", b"blscfg", b"set default=1>2",
    b"if [ -e /x ]; then", b"fi", b"load_env", b"submenu y {", b"default a*", b"default @saved", b"title x",
    b"efi /EFI/Linux/a.efi", b"sort-key k", b"version 1~", b"options q", b"architecture x64", b"label l",
    b"fdtdir /", b"append r", b"setenv bootargs ${x} $y", b"load mmc 0:1 ${kernel_addr_r} vmlinuz",
    b"booti ${kernel_addr_r} - ${fdt_addr_r}", b"linux ../../../../etc/passwd", b"linux (hd0,gpt99999)/x",
    b"\xff\xfe", b"\0", b"\\", b"'", b'"',
)  # fmt: skip
LINES = st.lists(st.sampled_from(WORDS), max_size=8).map(b"\n".join)
CONTENT = st.one_of(
    LINES, LINES.map(lambda data: script_image(data.decode("latin-1"))), st.binary(max_size=200)
)
FILES = st.lists(st.tuples(st.integers(0, 255), CONTENT), max_size=8)


@settings(max_examples=200, deadline=None)
@given(FILES, st.integers(0, 255))
def test_volumes_of_known_words_and_of_any_bytes(files: list[tuple[int, bytes]], layout: int) -> None:
    ONE_INPUT(packed(files, layout))


@pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.name for layout in LAYOUTS])
def test_changed_layouts(layout: Layout) -> None:
    """The table's own files, changed at random places."""
    chance = random.Random(20260101)
    known = {f"/{name}": at for at, name in enumerate(PLACES)}
    files = [
        (known[name] | number << 7, data.encode() if isinstance(data, str) else data[:60000])
        for number, partition in enumerate(layout.partitions)
        for name, data in partition.files.items()
        if name in known
    ]
    seed = packed(files, 0x03)
    ONE_INPUT(seed)
    for _ in range(10):
        ONE_INPUT(MUTATED(seed, chance))


def test_a_changed_uki() -> None:
    chance = random.Random(20260101)
    image = uki("x", "root=x", "ID=x\nNAME=x\n")
    place = PLACES.index("EFI/Linux/a.efi")
    for _ in range(60):
        # The headers are where everything is decided.
        head, rest = MUTATED(image[:2048], chance), image[2048:]
        ONE_INPUT(packed([(place, (head + rest)[:65000])], 0x03))
