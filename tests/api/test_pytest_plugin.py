"""pytest-bootwright in projects of its users: a pytest of its own in a folder of its own, one real boot."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest


def run(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(test, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    # An environment that was installed before there was the entry point has to be told.
    if "bootwright" not in {point.name for point in entry_points(group="pytest11")}:
        words += ["-p", "bootwright.pytest_plugin"]
    words += options
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=280, check=False)


BOOTS = """
from bootwright.api import Verdict

def test_mounts(boot, console, kernel):
    booted = boot(probes="mounts", kernel=kernel.name)
    assert booted.verdict is Verdict.WORKS
    assert "bw" in console.text
    assert console.lines

def test_shows_the_console(boot):
    boot()
    assert False, "to see what is shown"
"""


@pytest.mark.boot
@pytest.mark.download
def test_a_boot_its_verdict_in_junit_and_its_console(tmp_path: Path) -> None:
    done = run(tmp_path, BOOTS, "--bootwright-kernel", "debian-6.18-4k", "--junitxml", "junit.xml")
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "Captured console call" in done.stdout
    tree = ElementTree.parse(tmp_path / "junit.xml")  # noqa: S314 - written just now
    properties = {
        row.get("name"): row.get("value") for case in tree.iter("testcase") for row in case.iter("property")
    }
    assert properties["bootwright.verdict"] == "works"
    assert "debian-6.18" in str(properties["bootwright.booted"])
    assert "record_property" not in done.stdout, "a warning on every run"


@pytest.mark.boot
@pytest.mark.download
def test_a_test_that_reads_the_console_gets_the_kernels_messages(tmp_path: Path) -> None:
    test = """
def test_console(boot, console):
    for _ in range(2):  # the second may go on from a snapshot where nobody reads
        boot(probes="mounts")
        assert "Linux version" in console.text
        assert "Kernel command line" in console.text
        assert "KTAP version 1" in console.text
def test_own(boot, console):
    boot(probes="mounts", arguments=["loglevel=0"])
    assert "Linux version" not in console.text
"""
    done = run(tmp_path, test, "--bootwright-kernel", "debian-6.18-4k")
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_what_is_not_given_is_said(tmp_path: Path) -> None:
    test = """
def test_boot(boot): boot()
def test_board(board): pass
def test_image(image): pass
def test_console(console): console.text
def test_no_kernel(boot): boot(kernel="nowhere/Image")
"""
    done = run(tmp_path, test)
    assert "nothing to boot: --bootwright-image or --bootwright-kernel" in done.stdout
    assert "no board is given: --bootwright-board, or bootwright_board = …" in done.stdout
    assert "no image is given" in done.stdout
    assert "nothing was booted in this test" in done.stdout
    assert "bootwright: nowhere/Image" in done.stdout.replace("there is no file ", "")
    assert "Traceback" not in done.stdout


def test_a_board_and_an_image_from_settings(tmp_path: Path) -> None:
    (tmp_path / "card.img").write_bytes(b"\0")
    test = """
def test_both(board, image):
    assert board.board.id == "raspberrypi-5"
    assert image.name == "card.img"
"""
    (tmp_path / "test_it.py").write_text(test)
    settings = ["-o", "bootwright_board=raspberrypi-5", "-o", "bootwright_image=card.img"]
    done = run(tmp_path, test, *settings)
    assert "1 passed" in done.stdout, done.stdout


def test_other_projects_are_not_disturbed(tmp_path: Path) -> None:
    test = """
import sys
import pytest

@pytest.fixture
def boot(): return "mine"

def test_own_fixture(boot): assert boot == "mine"
def test_nothing_is_imported():
    ours = {name for name in sys.modules if name.startswith("bootwright.")}
    assert ours == {"bootwright.pytest_plugin"}
"""
    done = run(tmp_path, test, "--strict-config", "--strict-markers")
    assert "2 passed" in done.stdout, done.stdout
