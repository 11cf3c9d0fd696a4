"""Writing an image: right, or an error that says so; whatever the medium does."""

import errno
import gzip
import hashlib
import json
import lzma
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import zstandard
from attrs import define, field
from disk_kit import make_disk
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.foundation.errors import CUT_SHORT, BootwrightError, Malformed, Refused
from bootwright.images.flash.flash import FlashFailed, Written, flash
from bootwright.images.flash.journal import Journal
from bootwright.images.flash.source import HEAD, PIECE, Piece, check_disk_image, open_image
from bootwright.images.flash.target import FileTarget

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/flash.schema.json").read_text())
MIB = 1 << 20


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))


def disk(size: int, seed: int = 1) -> bytes:
    """Bytes like a disk image's: an empty partition table, data, and long runs of zeros."""
    chance = random.Random(seed)
    data = bytearray(size)
    for start in range(0, size, MIB):
        if chance.random() < 0.5:
            data[start : start + MIB] = chance.randbytes(min(MIB, size - start))
    data[:4096] = chance.randbytes(4096)
    data[446:512] = bytes(64) + b"\x55\xaa"
    return bytes(data)


IMAGE = disk(13 * MIB + 512)


@define
class Card:
    """A card in memory that fails as it is told to."""

    capacity: int | None
    data: bytearray = field(init=False)
    name: str = "/dev/card"
    identity: str = "card"
    most_at_once: int = 1 << 30
    """Bytes that one write takes."""
    bad_writes: range = range(0)
    bad_reads: range = range(0)
    bad_sync: bool = False
    lies: int | None = None
    """A place where what is read is not what was written."""
    wraps: int | None = None
    """A card that says it is larger than it is, and starts over."""
    die_at: int | None = None
    written: list[tuple[int, int]] = field(factory=list)
    zeroed: list[tuple[int, int]] = field(factory=list)
    syncs: int = 0

    def __attrs_post_init__(self) -> None:
        self.data = bytearray(b"\xaa" * (self.capacity or 0))

    def write(self, offset: int, data: memoryview) -> int:
        if self.die_at is not None and offset >= self.die_at:
            raise KeyboardInterrupt
        count = min(len(data), self.most_at_once)
        if any(place in self.bad_writes for place in (offset, offset + count - 1)):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        start = offset if self.wraps is None else offset % self.wraps
        self.data[start : start + count] = data[:count]
        self.written.append((offset, count))
        return count

    def zero(self, offset: int, length: int) -> None:
        start = offset if self.wraps is None else offset % self.wraps
        self.data[start : start + length] = bytes(length)
        self.zeroed.append((offset, length))

    def read(self, offset: int, length: int) -> bytes:
        if offset in self.bad_reads:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        start = offset if self.wraps is None else offset % self.wraps
        piece = bytearray(self.data[start : start + min(length, self.most_at_once)])
        if self.lies is not None and offset <= self.lies < offset + len(piece):
            piece[self.lies - offset] ^= 1
        return bytes(piece)

    def sync(self) -> None:
        self.syncs += 1
        if self.bad_sync:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def forget_cache(self) -> None:
        pass

    def finish(self, size: int) -> None:
        pass

    def close(self, *, keep: bool) -> None:
        pass


@define
class Memory:
    """An image in memory, with pieces of a given size."""

    data: bytes
    piece: int = PIECE
    name: str = "image.raw"
    identity: str = "image"
    breaks_at: int | None = None
    cheap: bool = False
    size: int | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.size = len(self.data)

    def pieces(self) -> Iterator[Piece]:
        for start in range(0, len(self.data), self.piece):
            if self.breaks_at is not None and start >= self.breaks_at:
                raise Malformed(self.name, start, "sound xz data", "damage")
            data = self.data[start : start + self.piece]
            yield Piece(start, len(data), data if data.strip(b"\0") else None)


def write_file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


PACKING: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "xz": lambda data: lzma.compress(data, preset=0),
    "gz": lambda data: gzip.compress(data, 1),
    "zst": lambda data: zstandard.compress(data, 1),
}


@cache
def packed_image(kind: str) -> bytes:
    return PACKING[kind](IMAGE)


@pytest.mark.parametrize("kind", PACKING)
def test_every_form_of_an_image_arrives_as_it_is(kind: str, tmp_path: Path) -> None:
    image = open_image(str(write_file(tmp_path / f"disk.{kind}", packed_image(kind))))
    card = Card(16 * MIB)
    done = flash(image, card)
    assert done.sha256 == hashlib.sha256(IMAGE).hexdigest()
    assert card.data[: len(IMAGE)] == IMAGE
    assert done.size == len(IMAGE)
    assert image.size == (None if kind == "gz" else len(IMAGE))


def test_a_sparse_file_keeps_its_holes(tmp_path: Path) -> None:
    source = tmp_path / "sparse.raw"
    with source.open("wb") as file:
        file.write(disk(MIB))
        file.truncate(64 * MIB)
        file.seek(40 * MIB + 777)
        file.write(b"here")
    out = tmp_path / "card.img"
    target = FileTarget(out, resume=False)
    done = flash(open_image(str(source)), target)
    target.finish(done.size)
    target.close(keep=True)
    assert out.read_bytes() == source.read_bytes()
    assert out.stat().st_blocks * 512 < 12 * MIB
    assert done.data <= 2 * PIECE


def test_the_partition_table_comes_last_and_old_ones_go_first() -> None:
    card = Card(64 * MIB)
    flash(Memory(IMAGE), card)
    assert card.written[-1] == (0, HEAD)
    assert [offset for offset, _ in card.written].count(0) == 1
    assert card.zeroed[:2] == [(0, HEAD), (63 * MIB, MIB)]


def test_short_writes_are_gone_on_with() -> None:
    card = Card(16 * MIB, most_at_once=1_000_003)
    assert flash(Memory(IMAGE), card).sha256 == hashlib.sha256(IMAGE).hexdigest()
    assert card.data[: len(IMAGE)] == IMAGE


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"bad_writes": range(9 * MIB, 12 * MIB)}, "Input/output error"),
        ({"most_at_once": 0}, "took no data"),
        ({"bad_sync": True}, "Input/output error"),
        ({"bad_reads": range(8 * MIB, 8 * MIB + 1)}, "reading back /dev/card failed at byte 0x800000"),
        ({"lies": 10 * MIB}, "does not give back what was written"),
        ({"wraps": 8 * MIB}, "does not give back what was written"),
    ],
)
@pytest.mark.parametrize("cheap", [False, True])
def test_a_bad_card_is_one_clear_error(fault: dict[str, Any], said: str, cheap: bool) -> None:
    card = Card(16 * MIB, **fault)
    # The same whether what is read back is compared by hash or with the image itself.
    with pytest.raises(FlashFailed) as caught:
        flash(Memory(IMAGE, cheap=cheap), card)
    assert said in caught.value.message
    assert "not usable as it is" in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_a_failed_write_leaves_no_partition_table() -> None:
    card = Card(16 * MIB, bad_writes=range(9 * MIB, 12 * MIB))
    with pytest.raises(FlashFailed):
        flash(Memory(IMAGE), card)
    assert not any(card.data[:HEAD])


def test_too_small_is_said_before_anything_is_written() -> None:
    card = Card(8 * MIB)
    with pytest.raises(FlashFailed, match="too small"):
        flash(Memory(IMAGE), card)
    assert not card.written
    assert not card.zeroed


def test_too_small_is_said_on_the_way_where_the_size_is_not_known(tmp_path: Path) -> None:
    image = open_image(str(write_file(tmp_path / "disk.gz", packed_image("gz"))))
    card = Card(8 * MIB)
    with pytest.raises(FlashFailed, match=r"too small.*not usable"):
        flash(image, card)


def test_a_damaged_image_leaves_the_card_unusable_and_says_so(tmp_path: Path) -> None:
    packed = bytearray(packed_image("xz"))
    packed[len(packed) // 2] ^= 0xFF
    image = open_image(str(write_file(tmp_path / "disk.xz", bytes(packed))))
    card = Card(16 * MIB)
    with pytest.raises(FlashFailed, match=r"damage.*not usable"):
        flash(image, card)
    assert not any(card.data[:HEAD])


@pytest.mark.parametrize("at", [0, 3 * MIB, 9 * MIB, 12 * MIB])
def test_an_interrupted_write_is_resumed(at: int) -> None:
    source, card = Memory(IMAGE, piece=MIB), Card(16 * MIB, die_at=at)
    state = Written()
    with pytest.raises(KeyboardInterrupt):
        flash(source, card, state=state)
    assert not any(card.data[:HEAD])
    # What is durable is at most what was written; here, what was written is what a sync would have kept.
    start = state.position - state.position % MIB
    before = len(card.written)
    card.die_at = None
    done = flash(source, card, start=start)
    assert card.data[: len(IMAGE)] == IMAGE
    assert done.resumed_at == start
    assert all(offset >= start or offset == 0 for offset, _ in card.written[before:])


def test_a_file_is_resumed_from_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootwright.images.flash.flash._SYNC_FILE_EVERY", 2 * MIB)
    out = tmp_path / "card.img"
    target = FileTarget(out, resume=False)
    journal = Journal(target.identity, "image")
    with pytest.raises(FlashFailed, match="damage"):
        flash(Memory(IMAGE, piece=MIB, breaks_at=11 * MIB), target, journal=journal)
    target.close(keep=True)
    assert not out.exists()
    again = FileTarget(out, resume=True)
    start = Journal(again.identity, "image").position()
    assert 2 * MIB <= start <= 11 * MIB
    done = flash(Memory(IMAGE, piece=MIB, cheap=True), again, journal=journal, start=start)
    again.finish(done.size)
    again.close(keep=True)
    assert done.resumed_at == start
    assert out.read_bytes() == IMAGE
    assert not journal.path.exists()


def test_another_card_is_noticed_when_resuming() -> None:
    card = Card(80 * MIB)
    with pytest.raises(FlashFailed, match="does not hold what was written before"):
        flash(Memory(disk(72 * MIB)), card, start=72 * MIB)


def test_a_card_changed_in_between_does_not_pass() -> None:
    """Not in a piece that is sampled: reading back finds it."""
    card = Card(16 * MIB)
    flash(Memory(IMAGE), card)
    card.data[5 * MIB] ^= 1
    with pytest.raises(FlashFailed, match="within the 64 MiB from byte 0x0"):
        flash(Memory(IMAGE), card, start=12 * MIB)


def test_the_journal_knows_another_image(tmp_path: Path) -> None:
    Journal("card", "image one").keep(123)
    assert Journal("card", "image one").position() == 123
    with pytest.raises(Refused, match="another image"):
        Journal("card", "image two").position()
    with pytest.raises(Refused, match="no unfinished"):
        Journal("another card", "image one").position()
    Journal("card", "image one").path.write_text("{")
    with pytest.raises(Refused):
        Journal("card", "image one").position()


def test_what_is_no_disk_image_is_refused(tmp_path: Path) -> None:
    for data in (b"hello" * 1000, bytes(8192), b"\x7fELF" + bytes(5000)):
        with pytest.raises(Refused, match="does not start like a disk image"):
            check_disk_image(open_image(str(write_file(tmp_path / "file", data))))
    check_disk_image(open_image(str(write_file(tmp_path / "disk", IMAGE))))


def test_a_download_that_broke_off_is_refused(tmp_path: Path) -> None:
    """Plain, and compressed again by somebody: with its length in the header."""
    whole = make_disk(tmp_path / "disk.img", ((None, "L", "BOOT", 3), (None, "L", "STATE", 5)))
    check_disk_image(open_image(str(whole)))
    half = write_file(tmp_path / "half.img", whole.read_bytes()[: 5 * MIB])
    write_file(tmp_path / "half.img.zst", zstandard.compress(half.read_bytes()))
    for name in ("half.img", "half.img.zst"):
        with pytest.raises(Malformed, match=r"partition 2 \(STATE\), which ends at") as caught:
            check_disk_image(open_image(str(tmp_path / name)))
        assert caught.value.hint == CUT_SHORT


@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=4000), kind=st.sampled_from(["", "xz", "gz", "zst"]), cut=st.integers(0, 4000))
def test_any_bytes_are_an_image_or_an_error(
    data: bytes, kind: str, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    head = {"": b"", "xz": b"\xfd7zXZ\0", "gz": b"\x1f\x8b\x08", "zst": b"\x28\xb5\x2f\xfd"}[kind]
    whole = {"": data, "xz": lzma.compress(data), "gz": gzip.compress(data), "zst": zstandard.compress(data)}
    path = tmp_path_factory.mktemp("any") / "image"
    for content in (head + data, whole[kind][:cut]):
        path.write_bytes(content)
        try:
            image = open_image(str(path))
            card = Card(8 * MIB)
            done = flash(image, card)
        except BootwrightError:
            continue
        assert hashlib.sha256(card.data[: done.size]).hexdigest() == done.sha256


# The command itself.


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bootwright", "flash", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_writes_a_file_and_says_so_in_json(tmp_path: Path) -> None:
    image = write_file(tmp_path / "disk.raw", IMAGE)
    out = tmp_path / "card.img"
    ran = run(image, out, "--json")
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["sha256"] == hashlib.sha256(IMAGE).hexdigest()
    assert out.read_bytes() == IMAGE
    again = run(image, out)
    assert again.returncode == 2
    assert f"--yes-really {out}" in again.stderr
    assert run(image, out, "--yes-really", out).returncode == 0


def test_the_list_of_devices_is_json_too() -> None:
    ran = run("--list", "--json")
    assert ran.returncode == 0
    jsonschema.validate(json.loads(ran.stdout), SCHEMA)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/no-such-card", "/", "{image}"])
def test_what_is_no_card_is_refused(device: str, tmp_path: Path) -> None:
    image = write_file(tmp_path / "disk.raw", IMAGE)
    ran = run(image, device.format(image=image))
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert "hint:" in ran.stderr
    assert image.read_bytes() == IMAGE


def test_a_full_disk_is_one_line() -> None:
    """`/dev/full` stands for the disk: a file target cannot be put there, so a small tmpfs would need root;
    RLIMIT_FSIZE makes the same call fail (EFBIG)."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({8 * MIB}, {8 * MIB}));"
        "from bootwright.cli.main import run; sys.argv[0] = 'bootwright'; run()"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        image = write_file(Path(folder) / "disk.raw", IMAGE)
        out = Path(folder) / "card.img"
        ran = subprocess.run(
            [sys.executable, "-c", code, "flash", str(image), str(out)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 2
        assert "File too large" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert sorted(os.listdir(folder)) == ["disk.raw"]  # noqa: PTH208 - names, hidden ones too


def test_killed_at_any_point_nothing_has_the_final_name(tmp_path: Path) -> None:
    """And the same command with --resume, or without, ends with the image in place."""
    data = disk(96 * MIB, seed=7)
    image = write_file(tmp_path / "disk.raw", data)
    chance = random.Random(11)
    out = tmp_path / "card.img"
    resumed = 0
    for attempt in range(8):
        out.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "bootwright", "flash", str(image), str(out), "--quiet"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.1, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists() or out.read_bytes() == data
        assert image.read_bytes() == data
        if out.exists() or attempt % 3:
            continue
        ran = run(image, out, "--resume", "--json")
        if ran.returncode == 2:
            assert "no unfinished write" in ran.stderr
        else:
            resumed += json.loads(ran.stdout)["resumed_at"] > 0
            assert out.read_bytes() == data
    out.unlink(missing_ok=True)
    assert run(image, out).returncode == 0
    assert out.read_bytes() == data
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"card.img", "disk.raw"}


def test_an_interrupt_says_what_to_do(tmp_path: Path) -> None:
    """Ctrl-C while a pipe-fed compressed image is being written."""
    data = disk(200 * MIB, seed=3)
    image = write_file(tmp_path / "disk.raw", data)
    out = tmp_path / "card.img"
    process = subprocess.Popen(
        [sys.executable, "-m", "bootwright", "flash", str(image), str(out)],
        stderr=subprocess.PIPE,
        text=True,
    )
    part = tmp_path / ".card.img.flash-part"
    while not (part.exists() and part.stat().st_size > 24 * MIB):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate()
    assert process.returncode == 130
    assert "is not usable as it is" in messages
    assert "--resume" in messages
    assert "Traceback" not in messages
    ran = run(image, out, "--resume")
    assert ran.returncode in {0, 2}, ran.stderr
    if ran.returncode == 0:
        assert out.read_bytes() == data


def _loop(path: Path) -> str | None:
    done = subprocess.run(["losetup", "--find", "--show", path], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    """A block device over a file, as a card would be; only root has these."""
    backing = tmp_path / "backing.img"
    with backing.open("wb") as file:
        file.write(b"\xaa" * (64 * MIB))
    device = _loop(backing) if os.geteuid() == 0 else None
    if device is None:
        pytest.skip("needs root and loop devices; the same is tested on a file and on a card in memory")
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


def test_a_block_device_is_written_only_when_named_twice(loop: str, tmp_path: Path) -> None:
    image = write_file(tmp_path / "disk.raw", IMAGE)
    ran = run(image, loop)
    assert ran.returncode == 2
    assert f"--yes-really {loop}" in ran.stderr
    assert (tmp_path / "backing.img").read_bytes() == b"\xaa" * (64 * MIB)
    ran = run(image, loop, "--yes-really", loop, "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["sha256"] == hashlib.sha256(IMAGE).hexdigest()
    written = (tmp_path / "backing.img").read_bytes()
    assert written[: len(IMAGE)] == IMAGE
    assert not any(written[-MIB:]), "an old backup partition table is gone"
    large = tmp_path / "large.raw"
    with large.open("wb") as file:
        file.write(IMAGE)
        file.truncate(65 * MIB)
    ran = run(large, loop, "--yes-really", loop)
    assert ran.returncode == 2
    assert "too small" in ran.stderr
    assert (tmp_path / "backing.img").read_bytes() == written


def test_a_block_device_in_use_is_refused(loop: str, tmp_path: Path) -> None:
    image = write_file(tmp_path / "disk.raw", IMAGE)
    handle = os.open(loop, os.O_RDWR | os.O_EXCL)
    try:
        ran = run(image, loop, "--yes-really", loop)
    finally:
        os.close(handle)
    assert ran.returncode == 2
    assert "in use" in ran.stderr
    assert (tmp_path / "backing.img").read_bytes() == b"\xaa" * (64 * MIB)
