"""The public interface: light to import, typed, and the same answers as the commands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import bootwright.api as api
from bootwright.cli.check import command as check_command

KERNEL = "debian-6.18.15-4k"


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import sys, bootwright.api; print([m for m in sys.modules if m.startswith('bootwright.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['bootwright.api']"


@pytest.mark.parametrize("name", api.__all__)
def test_every_exported_name_is_there_and_documented(name: str) -> None:
    value = getattr(api, name)
    assert value.__doc__
    if name.islower():
        assert "Raises" in value.__doc__ or name in {"follow", "list_disks"}


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = api.chekc


def test_a_client_passes_the_strict_type_checker(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    client = Path(__file__).with_name("client.py")
    options = ["--strict", "--cache-dir", str(tmp_path), "--no-error-summary", str(client)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.download
def test_check_answers_as_the_command_does() -> None:
    checked = api.check(KERNEL, boards="raspberrypi-5", goals="ethernet")
    arguments = [KERNEL, "--board", "raspberrypi-5", "--goal", "ethernet", "--json", "--quiet"]
    result = CliRunner().invoke(check_command, arguments, standalone_mode=False)
    assert json.loads(result.stdout) == checked.as_json()
    assert result.return_value == checked.verdict.exit_status
    assert checked.verdict is api.Verdict.UNKNOWN  # d0 fails, c0 works
    assert {
        board_verdicts.stepping: board_verdicts.goals["ethernet"].verdict.value
        for board_verdicts in checked.judged
    } == {
        "c0": "works",
        "d0": "fails",
    }


def test_nothing_to_check_is_refused() -> None:
    with pytest.raises(api.Refused, match="nothing to check"):
        api.check([])


def test_one_name_and_a_list_of_names_are_the_same(tmp_path: Path) -> None:
    for boards in ("raspberypi-5", ["raspberypi-5"]):
        with pytest.raises(api.Refused, match="raspberypi-5") as caught:
            api.check(tmp_path, boards=boards)
        assert "raspberrypi-5" in (caught.value.hint or "")


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(api.Missing, match="cannot read"):
        api.diagnose(tmp_path / "none.log")


def test_a_log_is_a_file_or_its_bytes(tmp_path: Path) -> None:
    text = b"[    0.000000] Linux version 6.18.15\n[    1.600000] Kernel panic - not syncing: VFS: no root\n"
    (tmp_path / "log").write_bytes(text)
    of_bytes, of_file = api.diagnose(text), api.diagnose(tmp_path / "log")
    assert of_bytes.outcome is of_file.outcome
    assert of_bytes.outcome.value == "failed"


def test_flash_to_a_file_reads_it_back(tmp_path: Path) -> None:
    image = tmp_path / "image.raw"
    image.write_bytes(bytes(range(256)) * 4096)
    report = api.flash(image, tmp_path / "card.img", any_content=True)
    assert (tmp_path / "card.img").read_bytes() == image.read_bytes()
    assert report.as_json()["bytes"] == 1 << 20
    with pytest.raises(api.Refused, match="exists"):
        api.flash(image, tmp_path / "card.img", any_content=True)
