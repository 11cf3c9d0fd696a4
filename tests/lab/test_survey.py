"""Surveys: what is kept and when it is not used; real boots of two kernels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import attrs
import jsonschema
import pytest

from bootwright.foundation.cache import ANSWERS, Part
from bootwright.kernels.catalogue import open_library
from bootwright.lab.probes.boot import plan_boot
from bootwright.lab.probes.ktap import ProbeResult, ProbeTest
from bootwright.lab.snapshots import running
from bootwright.lab.survey import answers
from bootwright.lab.survey.differences import columns

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/survey.schema.json").read_text())


def _result(**answers: str) -> ProbeResult:
    """`ok`, `skipped` or an errno by step."""
    tests = [
        ProbeTest(
            "mounts",
            name,
            ok={"ok": True, "skipped": None}.get(answer, False),
            call=None if answer in {"ok", "skipped"} else "mount",
            errno=None if answer in {"ok", "skipped"} else answer,
            detail="",
        )
        for name, answer in answers.items()
    ]
    return ProbeResult("6.12", 4096, tuple(tests), complete=True, diagnostics=())


def test_steps_with_the_same_answers_are_one_column() -> None:
    survey_columns = columns(
        {
            "old": _result(a="EINVAL", b="ok", c="EINVAL", d="EPERM", e="skipped"),
            "new": _result(a="ok", b="ok", c="ok", d="EPERM"),
        }
    )
    assert [(column.steps, dict(column.answers), column.differs) for column in survey_columns] == [
        (("a", "c"), {"old": "mount: EINVAL", "new": "ok"}, True),
        (("b",), {"old": "ok", "new": "ok"}, False),
        (("d",), {"old": "mount: EPERM", "new": "mount: EPERM"}, False),
        (("e",), {"old": "skipped", "new": "-"}, True),
    ]
    assert columns({}) == ()


@pytest.mark.boot
@pytest.mark.download
def test_an_answer_is_kept_until_what_it_depends_on_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "ANSWERS", Part(str(tmp_path), "answers", ANSWERS.limit))
    kernel = open_library().get("debian-6.12-4k")
    first = answers.answer(kernel, probe=["mounts"], machine="virt")
    second = answers.answer(kernel, probe=["mounts"], machine="virt")
    assert (first.kept, second.kept) == (False, True)
    assert second.recording == first.recording

    planned = plan_boot(kernel, probe=["mounts"])
    assert [path.name for path in tmp_path.iterdir()] == [planned.identity]
    others = {
        plan_boot(attrs.evolve(kernel, image_sha256="0" * 64), probe=["mounts"]).identity,
        plan_boot(kernel, probe=["mounts"], arguments=["debug"]).identity,
        plan_boot(kernel, probe=["mounts"], machine="xlnx-versal-virt").identity,
        attrs.evolve(planned, archive_sha256="0" * 64).identity,
        attrs.evolve(planned, emulator=attrs.evolve(planned.emulator, path=Path(sys.executable))).identity,
    }
    assert len(others | {planned.identity}) == 6

    (tmp_path / planned.identity / "console.bin").write_bytes(b"damaged")
    assert not answers.answer(kernel, probe=["mounts"], machine="virt").kept
    (tmp_path / planned.identity / "recording.json").unlink()
    cut_short = answers.answer(kernel, probe=["mounts"], machine="virt", timeout=0.05)
    assert not cut_short.result.complete
    assert "hung" in (cut_short.trouble or "") or "no console output" in (cut_short.trouble or "")
    assert not (tmp_path / planned.identity / "recording.json").exists()


@pytest.mark.boot
@pytest.mark.download
def test_the_command_tells_where_kernels_differ() -> None:
    command = [sys.executable, "-m", "bootwright", "survey", "--kernels", "debian-6.12-16k,debian-6.18-4k"]
    ran = subprocess.run([*command, "--again", "--json"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stderr
    document = json.loads(ran.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["booted"] == 2
    old, new = (kernel["name"] for kernel in document["kernels"])
    column = next(column for column in document["columns"] if "talos-1.12-etc-hosts" in column["steps"])
    assert column["answers"] == {old: "open_tree: EINVAL", new: "ok"}

    table = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "0 booted in 0.0 s of CPU time, 2 kept" in table.stdout
    assert table.stdout.count("open_tree: EINVAL") == 1
    assert f"{old}  16K    open_tree: EINVAL" in table.stdout


@pytest.mark.boot
@pytest.mark.download
def test_a_kernel_that_the_machine_cannot_boot_is_a_row_with_the_reason() -> None:
    command = [sys.executable, "-m", "bootwright", "survey", "--machine", "xlnx-versal-virt"]
    ran = subprocess.run(
        [*command, "--kernels", "debian-6.12-16k"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 3
    assert "its CPU does not support that page size" in ran.stdout


def test_bad_input_and_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path))
    command = [sys.executable, "-m", "bootwright", "survey"]
    for given, expected in (
        ((), "no kernel is on this machine"),
        (("--probe", "mount"), "did you mean mounts?"),
        (("--machine", "virtt"), "did you mean virt?"),
    ):
        ran = subprocess.run([*command, *given], capture_output=True, text=True, check=False)
        assert ran.returncode == 2
        assert expected in ran.stderr
