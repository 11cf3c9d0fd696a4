"""What may be handed over as a log: text in any wrapping; anything else is refused with what it is."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import random
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.diagnose import incoming
from bootwright.diagnose.engine import diagnose_bytes, diagnose_stream
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.foundation.places import DATA

LOGS = sorted((DATA / "signatures").glob("*/golden/*/console.log"))
GOLDEN = DATA / "signatures" / "no-root" / "golden" / "gallery-no-root" / "console.log"
TEXT = GOLDEN.read_bytes()


def opened(data: bytes) -> bytes:
    read = incoming.log_text(io.BytesIO(data).read, "log")
    pieces = []
    while piece := read(5000):
        pieces.append(piece)
    return b"".join(pieces)


def _lz4(data: bytes) -> bytes:
    if shutil.which("lz4") is None:
        pytest.skip("lz4 is not installed")
    return subprocess.run(["lz4", "-c"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    "pack", [gzip.compress, lzma.compress, bz2.compress, zstandard.ZstdCompressor().compress, _lz4]
)
def test_compressed_logs_of_several_members(pack: Callable[[bytes], bytes]) -> None:
    half = TEXT.index(b"\n", len(TEXT) // 2) + 1
    assert opened(pack(TEXT[:half]) + pack(TEXT[half:])) == TEXT
    assert opened(gzip.compress(pack(TEXT))) == TEXT


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    """Notepad and PowerShell put it before UTF-8."""
    line = b"Reboot failed -- System halted\n"
    assert opened(codecs.BOM_UTF8 + line) == line
    assert incoming.Arriving("x").text(codecs.BOM_UTF8 + line) == line


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_logs_of_windows_terminals(encoding: str) -> None:
    text = TEXT.decode("utf-8", "replace")
    assert opened(text.encode(encoding)).decode() == text
    assert opened(b"\xff\xfe" + text.encode("utf-16-le")).decode() == text
    diagnosis = diagnose_stream(
        incoming.log_text(io.BytesIO(text.replace("\n", "\r\n").encode(encoding)).read, "x"), "x"
    )
    right = diagnose_bytes(TEXT)
    assert diagnosis.boots[-1].findings[0].signature == right.boots[-1].findings[0].signature


def test_every_recorded_log_is_text() -> None:
    assert len(LOGS) > 50
    for path in LOGS:
        assert opened(path.read_bytes()).endswith(path.read_bytes()[-100:]), path


def test_noise_before_a_log_does_no_harm() -> None:
    noise = random.Random(1).randbytes(len(TEXT))
    assert opened(noise + TEXT) == noise + TEXT
    assert opened(bytes(5000) + TEXT) == bytes(5000) + TEXT


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("console.log")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    return buffer.getvalue()


def _disk() -> bytes:
    return (bytes(510) + b"\x55\xaa" + b"EFI PART").ljust(1 << 20, b"\0")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (_disk(), "disk image"),
        (lzma.compress(_disk()), "disk image"),
        (_tar(), "tar archive"),
        (gzip.compress(_tar()), "tar archive"),
        (Path(sys.executable).resolve().read_bytes()[:100_000], "ELF program"),
        (b"\x89PNG\r\n\x1a\n" + bytes(5000), "PNG picture"),
        (b"\0\0\0\x18ftypheic" + bytes(5000), "a HEIC picture"),
        (b"\0\0\0\x18ftypmif1" + bytes(5000), "a HEIC picture"),
        (b"\0\0\0\x14ftypqt  " + bytes(5000), "a video"),
        (b"RIFF\0\1\0\0WEBPVP8 " + bytes(5000), "a WebP picture"),
        (b"LPKSHHRH" + bytes(5000), "binary journal"),
        (random.Random(2).randbytes(200_000), "not text"),
        (b"\xd0\x0d\xfe\xed" + bytes(400), "devicetree"),
    ],
)
def test_what_is_no_log_is_named(data: bytes, what: str) -> None:
    with pytest.raises(Refused, match=what) as raised:
        opened(data)
    assert raised.value.hint


def test_check_is_named_only_for_what_it_reads() -> None:
    hints = []
    for data in (_disk(), b"%PDF-1.7 " + bytes(5000), b"7z\xbc\xaf\x27\x1c" + bytes(5000)):
        with pytest.raises(Refused) as raised:
            opened(data)
        hints.append("bootwright check" in (raised.value.hint or ""))
    assert hints == [True, False, False]


def test_a_log_that_is_cut_or_grows_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Malformed):
        opened(gzip.compress(TEXT)[:-20])
    monkeypatch.setattr(incoming, "_MOST_EXPANDED", 4 << 20)
    line = b"[    1.0] x\n" * 100_000
    for pack in (gzip.compress, _lz4):
        with pytest.raises(Malformed, match="at most"):
            opened(pack(line * 5))
    data = TEXT
    for _ in range(6):
        data = gzip.compress(data)
    with pytest.raises(Refused, match="more than 3 times over"):
        opened(data)


def test_a_pipe_is_read_in_pieces() -> None:
    """The head is looked at, and nothing held beyond it."""
    most = 0
    total = 0

    def read(size: int) -> bytes:
        nonlocal total, most
        most = max(most, size)
        total += 1
        return b"[    1.0] line\n" * 1000 if total < 2000 else b""

    stream = incoming.log_text(read, "pipe")
    assert total < 100
    length = 0
    while piece := stream(1 << 16):
        length += len(piece)
    assert length == 15_000 * 1999
    assert most <= 1 << 20


def test_the_command_refuses_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(_disk())
    for words in ([str(path)], ["--follow", str(path)]):
        command = [sys.executable, "-m", "bootwright", "diagnose", *words]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60, text=True)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.splitlines()[0] == f"bootwright: {path} is a disk image, not a log"
    (tmp_path / "log.xz").write_bytes(lzma.compress(TEXT))
    command = [sys.executable, "-m", "bootwright", "diagnose", "log.xz"]
    done = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, text=True)
    assert done.returncode == 1
    assert "log.xz: lines 1–" in done.stdout


@given(st.binary(max_size=3000), st.sampled_from(["", "gzip", "utf"]))
@settings(max_examples=150, deadline=None)
def test_any_bytes(data: bytes, wrap: str) -> None:
    given_data = gzip.compress(data) if wrap == "gzip" else b"\xff\xfe" + data if wrap else data
    try:
        text = opened(given_data)
    except BootwrightError:
        return
    # An LZ4 frame of the old kind may end after its magic: an empty log.
    if not wrap and incoming.encoding_of(data) is None and not data.startswith(b"\x02!L\x18"):
        assert text == data
    live = incoming.Arriving("x")
    try:
        for start in range(0, len(given_data), 7):
            live.text(given_data[start : start + 7])
    except BootwrightError:
        return
