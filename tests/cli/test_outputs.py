"""What an output option may name: files are replaced, streams are written to, everything else is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_kit import in_process

from bootwright.cli.image import compose, swap
from bootwright.foundation import atomic
from bootwright.foundation.errors import BootwrightError, Refused

GOLDEN = Path(__file__).parents[2] / "src/bootwright/data/gallery/golden"
LOG = next(iter(sorted(GOLDEN.glob("*/console.log"))))


def diagnose(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bootwright", "diagnose", str(LOG), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, cwd=cwd)


def test_a_page_into_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    done = diagnose("--html", pipe, cwd=tmp_path)
    reader.join(30)
    assert done.returncode in {0, 1}, done.stderr
    assert got[0].startswith(b"<!DOCTYPE html>")
    assert pipe.is_fifo()


def test_standard_output_keeps_what_is_in_it(tmp_path: Path) -> None:
    """Opened anew, a file behind the descriptor would start over."""
    out = tmp_path / "all.txt"
    with out.open("wb") as file:
        file.write(b"before\n")
        file.flush()
        command = [sys.executable, "-m", "bootwright", "diagnose", str(LOG), "--html", "/dev/stdout"]
        subprocess.run(command, stdout=file, check=False)
    text = out.read_text()
    assert text.startswith("before\n<!DOCTYPE html>")
    assert text.rstrip().splitlines()[-1].strip()  # the diagnosis itself comes behind the page
    assert not text.rstrip().endswith("</html>")


def test_a_character_device_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    for path in (Path("/dev/null"), link):
        atomic.write_bytes(path, b"gone")
    assert Path("/dev/null").is_char_device()
    assert link.is_symlink()


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder/real", tmp_path / "link"
    target.write_bytes(b"old")
    before = target.stat().st_ino
    link.symlink_to("folder/real")
    atomic.write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_ino != before  # whole or not at all
    missing = tmp_path / "dangling"
    missing.symlink_to("folder/later")
    atomic.write_bytes(missing, b"made")
    assert (tmp_path / "folder/later").read_bytes() == b"made"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("folder", "loop"):
        done = diagnose("--html", name, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.decode().startswith(f"bootwright: {name} is a ")
        assert len(done.stderr.splitlines()) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "loop"]


def test_a_block_device_is_refused(tmp_path: Path) -> None:
    node = tmp_path / "disk"
    try:
        os.mknod(node, 0o600 | 0o060000, os.makedev(7, 250))
    except PermissionError:
        pytest.skip("only root makes device nodes")
    with pytest.raises(Refused, match="block device"):
        atomic.write_bytes(node, b"x")
    assert node.is_block_device()


def test_a_failure_writes_nothing_to_a_stream(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(ValueError, match="half"):
            _write_half(pipe)
        assert os.read(reading, 100) == b""
    finally:
        os.close(reading)


def _write_half(path: Path) -> None:
    with atomic.new_file(path) as file:
        file.write(b"half")
        raise ValueError("half")


def test_a_full_device_is_said() -> None:
    with pytest.raises(BootwrightError, match="no space left"):
        atomic.write_bytes(Path("/dev/full"), b"x" * 100)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [(compose.command, ["talos-standin-grub"]), (swap.command, ["old.raw", "--remove", "EFI:/x"])],
)
def test_an_image_that_exists_is_not_replaced_unasked(
    command: object, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    image, link = tmp_path / "image.raw", tmp_path / "link.raw"
    image.write_bytes(b"precious")
    link.symlink_to(image)
    (tmp_path / "old.raw").write_bytes(bytes(1024))
    for output in (image, link, Path("/dev/null")):
        done = CliRunner().invoke(command, [*arguments, "-o", str(output)])  # type: ignore[arg-type]
        assert isinstance(done.exception, Refused)
        assert ("--force" in (done.exception.hint or "")) is (output != Path("/dev/null"))
    assert image.read_bytes() == b"precious"
    atomic.check_new(image, force=True)
    with pytest.raises(Refused):
        atomic.check_new(Path("/dev/null"), force=True)


@pytest.mark.parametrize("arguments", [("boards", "list"), ("--help",), ("boards", "list", "no-such-option")])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_has_gone_is_no_verdict(arguments: tuple[str, ...], stream: str) -> None:
    """Exit status 1, which click makes of it, would say that something fails; 2 that the input is bad."""
    reading, writing = os.pipe()
    os.close(reading)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writing}
    done = subprocess.run([sys.executable, "-m", "bootwright", *arguments], check=False, **streams)  # type: ignore[call-overload]
    os.close(writing)
    prints_there = (stream == "stderr") == (len(arguments) == 3)
    assert done.returncode == (141 if prints_there else 2 if len(arguments) == 3 else 0)
    assert not (done.stderr if stream == "stdout" and prints_there else b"")


def test_a_pipe_of_another_program_is_not_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("bootwright.api.list_boards", broken)
    done = in_process("boards", "list")
    assert (done.returncode, done.stderr) == (
        2,
        "bootwright: a program that was run failed: it ended before it had read everything\n",
    )
