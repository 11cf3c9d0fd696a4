"""EFI zboot images: written here, read by the reader of kernels; the decoder in them against zstd itself.

That firmware, GRUB and systemd's stub start them is in the boots of the stand-ins, whose recipes want them.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.formats.kernel.arm64_image import read_kernel_image, unwrapped
from bootwright.formats.programs.pe import read_pe
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed
from bootwright.images.write.zboot import zboot

PROBES = Path(__file__).parents[2] / "probes" / "zboot"
HARNESS = """
#include <stdio.h>
#include <stdlib.h>
#include "zstd.h"

int main(int count, char **arguments)
{
	unsigned char *input, *output;
	long size, room = count > 2 ? atol(arguments[2]) : 0, made;
	FILE *file = fopen(arguments[1], "rb");

	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	input = malloc(size ? size : 1);
	if (fread(input, 1, size, file) != (size_t)size)
		return 3;
	output = malloc(room ? room : 1); /* exactly: the sanitizer sees a byte too many */
	made = zstd_decompress(input, size, output, room, malloc(ZSTD_SCRATCH));
	if (made > 0)
		fwrite(output, 1, made, stdout);
	fflush(stdout);
	return made < 0;
}
"""
Decode = Callable[[bytes, int], bytes | None]


def small_image() -> bytes:
    """Headers of an arm64 Image that is an EFI program, and some text behind them."""
    image = bytearray(4096)
    image[:2] = b"MZ"
    struct.pack_into("<QQQ", image, 8, 0, 1 << 16, 0b0010)
    image[56:60] = b"ARM\x64"
    struct.pack_into("<I", image, 60, 64)
    image[64:68] = b"PE\0\0"
    struct.pack_into("<2H", image, 64 + 24 + 44, 3, 1)
    banner = b"Linux version 6.18.15-test (a@b) (gcc 14) #1 SMP PREEMPT Mon Nov  3\n\0"
    return bytes(image) + banner + bytes(range(256)) * 64


def test_what_is_written_is_what_the_reader_knows() -> None:
    image = small_image()
    written = zboot(image, "Image")
    assert zboot(image, "Image") == written
    bare, wrapping = unwrapped(Bytes(written, "vmlinuz.efi"))
    assert (bare.read(0, bare.size), wrapping) == (image, ("zboot",))
    assert read_kernel_image(Bytes(written, "vmlinuz.efi")).release == "6.18.15-test"
    # As in memory, so in the file; nothing is writable and code at once.
    program = read_pe(Bytes(written, "vmlinuz.efi"))
    assert program.is_zboot
    assert program.is_efi_application
    assert [section.offset for section in program.sections] == [
        section.address for section in program.sections
    ]
    assert program.sections[0].name == ".text"
    offset, size = struct.unpack_from("<2I", written, 8)
    assert struct.unpack_from("<I", written, offset + size) == (len(image),)
    assert struct.unpack_from("<2H", written, 64 + 24 + 44) == (3, 1)  # how it takes its initramfs


def test_a_kernel_that_firmware_cannot_start_is_refused() -> None:
    image = bytearray(small_image())
    image[64:68] = bytes(4)
    with pytest.raises(Malformed, match="CONFIG_EFI_STUB"):
        zboot(bytes(image), "Image")


@pytest.fixture(scope="module")
def decode(tmp_path_factory: pytest.TempPathFactory) -> Decode:
    """The decoder, compiled for this machine, where the sanitizers watch it."""
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no compiler for this machine")
    folder = tmp_path_factory.mktemp("zstd")
    (folder / "harness.c").write_text(HARNESS)
    flags = ("-O1", "-std=gnu11", "-fsanitize=address,undefined", "-fno-sanitize-recover", f"-I{PROBES}")
    program = folder / "decode"
    subprocess.run([compiler, *flags, "-o", program, folder / "harness.c", PROBES / "zstd.c"], check=True)

    def run(frame: bytes, capacity: int) -> bytes | None:
        path = folder / "frame"
        path.write_bytes(frame)
        done = subprocess.run(
            [program, path, str(capacity)],
            capture_output=True,
            check=False,
            env={"ASAN_OPTIONS": "detect_leaks=0"},
        )
        assert done.returncode in {0, 1}, done.stderr.decode()
        return done.stdout if done.returncode == 0 else None

    return run


def compressed(data: bytes, *level: str) -> bytes:
    return subprocess.run(["zstd", "-q", "-c", *level], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("level", [("--fast=5",), ("-5",), ("-19",)])
def test_every_frame_of_zstd_is_unpacked(level: tuple[str, ...], decode: Decode) -> None:
    text = Path(__file__).read_bytes()
    program = Path("/bin/sh").read_bytes()
    noise = compressed(program)
    for data in (b"", b"a", bytes(300_000), text, program, noise + text + bytes(70_000)):
        assert decode(compressed(data, *level), len(data)) == data
    assert decode(compressed(text, *level), len(text) - 1) is None  # no room
    assert decode(compressed(text, *level)[:-9], len(text)) is None  # cut off


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1),
    cut=st.integers(0, 5000),
)
def test_a_damaged_frame_harms_nothing(changes: list[tuple[int, int]], cut: int, decode: Decode) -> None:
    text = Path(__file__).read_bytes()
    frame = bytearray(compressed(text, "-12", "--no-check"))
    for at, value in changes:
        frame[at % len(frame)] = value
    decode(bytes(frame[: len(frame) - cut % 64]), len(text))
