"""`bootwright kernels messages` as a user runs it, with the table that ships."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from bootwright.cli.main import invoke

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command; gives status, stdout, stderr."""

    def called(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bootwright", "kernels", "messages", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            invoke()
        out, err = capsys.readouterr()
        assert isinstance(done.value.code, int)
        assert "Traceback" not in err
        return done.value.code, out, err

    return called


def test_who_prints_a_line(messages: Command) -> None:
    line = "[    5.1] macb 1f00100000.ethernet eth0: Link is Up - 1Gbps/Full - flow control tx"
    status, out, _ = messages("--line", line, "--json")
    assert status == 0
    form = json.loads(out)
    schema = Path(__file__).parents[2] / "docs/schemas/messages.schema.json"
    jsonschema.validate(form, json.loads(schema.read_text(encoding="utf-8")))
    assert "libphy" in {owner["module"] for entry in form["formats"] for owner in entry["owners"]}
    status, out, _ = messages("--line", line)
    assert (status, out.splitlines()[0]) == (0, "device: macb 1f00100000.ethernet eth0")
    assert messages("--line", "U-Boot SPL 2024.01")[0] == 3


def test_messages_of_no_kernel(messages: Command, tmp_path: Path) -> None:
    status, _, err = messages()
    assert status == 2
    assert "--line" in err
    status, _, err = messages("--line", "x", "--table", tmp_path / "t")
    assert status == 2
    assert "a table needs kernels" in err
    assert not (tmp_path / "t").exists()


@pytest.mark.download
def test_the_messages_of_a_real_kernel(messages: Command) -> None:
    """The image alone is read here, as of a file of one's own; the modules of all would take 20 s."""
    from bootwright.api import get_kernel

    image = get_kernel("debian-6.18.15-4k").image
    status, out, _ = messages(image, "--quiet")
    assert status == 0
    levelled, calls = (
        int(word) for word in (out.split(" are told")[0].split()[-1], out.split("of ")[1].split()[0])
    )
    assert calls > 10_000
    assert levelled / calls > 0.95
    status, out, _ = messages(image, "--quiet", "--of", "kernel/sched/core.c", "--level", "error")
    assert status == 0
    assert "BUG: scheduling while atomic: %s/%d/0x%08x" in out
    assert messages(image, "--quiet", "--of", "no/such.c")[0] == 3
