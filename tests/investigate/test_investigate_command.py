"""`bootwright investigate` as a user runs it: a process of its own, its files, its exit status."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from command_kit import in_process

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/schemas/result.schema.json").read_text(encoding="utf-8"))

TABLE = """factor:kernel,factor:pages,factor:tree,outcome:mounts
6.12.25,16K,vendor,fails
6.18.6,4K,mainline,works
6.12.107,4K,mainline,fails
6.16.3,16K,mainline,works
"""


def investigate(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bootwright", "investigate", *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env=env,
    )


def test_a_table_alone(tmp_path: Path) -> None:
    table = tmp_path / "seen.csv"
    table.write_text(TABLE)
    done = investigate("--observations", str(table), "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["outcomes"]["mounts"]["causes"] == [{"factors": {"kernel": "<6.16.3"}}]
    assert document["outcomes"]["mounts"]["settled"]
    assert {refuted["factor"] for refuted in document["outcomes"]["mounts"]["refuted"]} == {"pages", "tree"}
    assert document["plan"] is None


def test_a_single_bad_version_claims_no_version_between(tmp_path: Path) -> None:
    table = tmp_path / "seen.csv"
    table.write_text("factor:kernel,outcome:net\n6.12.1,works\n6.18.15,fails\n7.3.4,works\n")
    done = in_process("investigate", "--observations", str(table))
    assert "Works with kernel 6.12.1 or earlier, or 7.3.4 or later." in done.stdout
    assert "It fails where kernel is 6.18.15 (works with 6.12.1, works with 7.3.4)." in done.stdout
    table.write_text("factor:tree,outcome:net\na,works\nb,fails\nc,works\n")
    assert "It fails where tree is b." in in_process("investigate", "--observations", str(table)).stdout


def test_two_confounded_rows_are_unknown_and_aliased(tmp_path: Path) -> None:
    table = tmp_path / "seen.csv"
    table.write_text("\n".join(TABLE.splitlines()[:3]) + "\n")
    done = investigate("--observations", str(table), "--json")
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert document["aliases"] == [["kernel", "pages", "tree"]]
    assert not document["outcomes"]["mounts"]["settled"]


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "expected a header"), ("factor:a,outcome:b\nx,perhaps\n", "row 2"), ("\x00\x01", "a known column")],
)
def test_a_bad_table_is_one_line_and_a_hint(tmp_path: Path, content: str, says: str) -> None:
    table = tmp_path / "bad.csv"
    table.write_text(content)
    out = tmp_path / "out"
    done = investigate("--observations", str(table), "--out", str(out))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if "hint" not in line]) == 1
    assert not out.exists()


def test_without_anything_to_look_at() -> None:
    done = investigate()
    assert done.returncode == 2
    assert "--observations" in done.stderr


def test_no_network_and_an_empty_cache(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = investigate(
        *("talos-rpi5", "--out", str(out), "--archive", "http://127.0.0.1:9/debian"),
        env={**os.environ, "BOOTWRIGHT_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "hint:" in done.stderr
    assert not (out / "result.json").exists()


def test_no_emulator(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    done = investigate("talos-rpi5", "--out", str(tmp_path / "out"), env={**os.environ, "PATH": str(empty)})
    assert done.returncode == 2
    assert "qemu-system-aarch64" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    done = investigate("talos-rpi5", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((out / "result.json").read_text(encoding="utf-8"))
    return out


def timeless(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    for cell in document["cells"]:
        cell["evidence"].pop("recorded_at", None)
        cell["evidence"].pop("snapshot", None)  # a run that was killed may have left one to go on from
    return document


@pytest.mark.boot
@pytest.mark.download
def test_the_first_case_comes_out_of_the_boots(whole: Path) -> None:
    document = json.loads((whole / "result.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, SCHEMA)
    mounts = document["outcomes"]["talos-mounts"]
    assert mounts["settled"]
    (cause,) = mounts["causes"]
    assert set(cause["factors"]) == {"kernel", "talos"}
    (kernel,) = (bracket for bracket in mounts["brackets"] if bracket["factor"] == "kernel")
    assert kernel["fails"].startswith("6.12.")
    assert kernel["works"].startswith("6.16.")
    refuted = {row["factor"]: row["by"] for row in mounts["refuted"]}
    cells = {cell["id"]: cell for cell in document["cells"]}
    bad, good = (cells[name] for name in refuted["page_size"])
    assert bad["factors"]["page_size"] == good["factors"]["page_size"]
    assert (bad["outcomes"]["talos-mounts"], good["outcomes"]["talos-mounts"]) == ("fails", "works")
    assert bad["source"] == good["source"] == "emulated"
    assert bad["outcomes"]["bind-fallback"] == "works"
    beliefs = {belief["id"]: belief for belief in document["decision"]["beliefs"]}
    assert beliefs["B2"]["status"] == "refuted"
    assert beliefs["B1"]["narrower"][0]["status"] == "refuted"
    assert beliefs["B1"]["status"] == "refuted"
    ethernet = document["outcomes"]["ethernet"]
    assert "page_size" in {row["factor"] for row in ethernet["refuted"]}
    parts = [part["causes"][0]["factors"] for part in ethernet["either"]]
    assert {"dtb": "firmware"} in parts
    assert ["board" in part for part in parts].count(True) == 1
    changes = {
        (single_change["outcome"], single_change["factor"]): single_change
        for single_change in document["decision"]["single_changes"]
    }
    assert changes["ethernet", "dtb"]["to_level"] == "kernel"
    assert changes["talos-mounts", "kernel"]["from_level"].startswith("6.12.")
    answers = {answer["given"]["board"]: answer for answer in document["decision"]["answers"]}
    assert {name: answer["verdict"] for name, answer in answers.items()} == {
        "rpi5-rev-1.0": "works",
        "rpi5-rev-1.1": "works",
    }
    for name, answer in answers.items():
        best = answer["works"][0]
        assert best["source"] == "predicted"
        assert best["factors"].items() >= {"board": name, "dtb": "kernel", "page_size": "4K"}.items()
        assert best["factors"] == answer["next"]["factors"]
    assert answers["rpi5-rev-1.0"]["works"][0]["factors"]["kernel"].startswith("6.18.")
    newer = answers["rpi5-rev-1.1"]
    assert int(newer["works"][0]["factors"]["kernel"].split(".")[0]) >= 7
    assert "kernel" in {change["factor"] for change in newer["changes"]}
    assert [known["change"]["also_in"] for known in newer["history"]] == [["6.18.32"]]
    # The mend is in the kernel's devicetree, and no release with it has the kernel's devicetrees.
    assert [(known["release"], known["level"]) for known in newer["history"]] == [("", "")]
    for name, answer in answers.items():
        ready = answer["ways"][0]
        assert (ready["release"], ready["source"]) == ("Talos 1.12.8", "untried")
        assert (ready["factors"]["dtb"], ready["factors"]["kernel"]) == ("overlay", "6.18.32")
        assert ready["which"] == "1.12.8 or newer, but not 1.13.0, 1.13.1, 1.13.2"
        assert any("e04171" in text for text in ready["known"]) is (name == "rpi5-rev-1.1")
        assert answer["ways"][1]["factors"] == answer["works"][0]["factors"]
    assert not any("board" in change["factor"] for answer in answers.values() for change in answer["changes"])
    assert "board" not in document["decision"]["configuration"]
    assert {cell["source"] for cell in cells.values() if cell["outcomes"].get("ethernet") == "works"} == {
        "reported",
        "predicted",
    }
    (goal,) = (goal for goal in document["decision"]["goals"] if goal["outcome"] == "talos-mounts")
    assert [change["first_in"] for change in goal["corroboration"]] == ["6.15"]


@pytest.mark.boot
@pytest.mark.download
def test_a_second_run_repeats_no_boot(whole: Path) -> None:
    before = timeless(whole)
    done = investigate("talos-rpi5", "--out", str(whole))
    assert done.returncode == 0
    assert "boot debian" not in done.stderr
    assert timeless(whole) == before


@pytest.mark.boot
@pytest.mark.download
def test_killed_five_times_it_ends_with_the_same_answer(whole: Path, tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rng = random.Random(seed)
    command = [sys.executable, "-m", "bootwright", "investigate", "talos-rpi5", "--out", str(tmp_path)]
    for _ in range(5):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.3, 7.0))
        running.send_signal(signal.SIGKILL)
        running.wait()
    done = investigate("talos-rpi5", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert timeless(tmp_path) == timeless(whole)


@pytest.mark.boot
@pytest.mark.download
def test_a_folder_holds_one_plan(whole: Path, tmp_path: Path) -> None:
    text = (ROOT / "src/bootwright/data/plans/talos-rpi5.toml").read_text(encoding="utf-8")
    other = tmp_path / "other.toml"
    other.write_text(text.replace('title = "Talos', 'title = "Another Talos', 1))
    done = investigate(str(other), "--out", str(whole))
    assert done.returncode == 2
    assert "another text of the plan" in done.stderr
