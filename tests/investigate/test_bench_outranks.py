"""What a board did counts before what was predicted: in headline, table and every report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation, Source, weigh

TABLE = """id,source,factor:kernel,factor:pages,factor:dtb,outcome:ethernet
p1,predicted,6.18.15,4K,kernel,works
p2,predicted,6.18.15,16K,kernel,works
p3,predicted,7.3.4,4K,kernel,works
p4,predicted,6.12.117,4K,kernel,fails
b1,bench,6.18.15,4K,kernel,fails
b2,bench,7.3.4,,kernel,fails
b3,bench,6.12.117,4K,kernel,works
"""
COUNTS = {
    "p1": "fails",
    "p2": "works",
    "p3": "fails",
    "p4": "works",
    "b1": "fails",
    "b2": "fails",
    "b3": "works",
}
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/result.schema.json").read_text())


def run(tmp_path: Path, table: str, *plan: str) -> str:
    (tmp_path / "t.csv").write_text(table)
    command = [
        sys.executable,
        "-m",
        "bootwright",
        "investigate",
        *plan,
        "--observations",
        str(tmp_path / "t.csv"),
    ]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out"), "--quiet", *(["--offline"] if plan else [])],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": "/usr/bin:/bin",
            "COLUMNS": "160",
            "HOME": str(tmp_path),
            "PYTHONPATH": ":".join(sys.path),
        },
    )
    assert done.returncode in {0, 1, 3}, done.stderr
    return done.stdout


def test_in_every_form(tmp_path: Path) -> None:
    text = run(tmp_path, TABLE)
    for cell, verdict in COUNTS.items():
        line = next(line for line in text.splitlines() if line.split()[:1] == [cell])
        assert line.split()[-1] == verdict
    assert "Works with kernel 6.12.117 or earlier" in text
    assert "redicted to work" not in text
    assert "p3: “ethernet” predicted: works; but b2 (bench) says fails, which counts." in text
    assert re.search(r"Predictions, without a boot\n  works: ethernet, in p2\n", text)
    markdown = (tmp_path / "out/report.md").read_text()
    page = (tmp_path / "out/report.html").read_text()
    for cell, verdict in COUNTS.items():
        row = next(line for line in markdown.splitlines() if line.startswith(f"| {cell} |"))
        assert row.endswith(f" {verdict} |")
        cells = re.search(rf'<th scope="row" class="stick">{cell}</th>(.*?)</tr>', page, re.DOTALL)
        assert cells is not None
        assert verdict in re.sub(r"<[^>]*>", " ", cells[1]).split()
    for form in (markdown, page):
        assert "but b1 (bench) says fails, which counts." in form
        assert "fails with 6.18.15, works with 6.12.117" in form
    result = json.loads((tmp_path / "out/result.json").read_text())
    jsonschema.validate(result, SCHEMA)
    assert {cell["id"]: cell.get("outweighed") for cell in result["cells"]} == {
        "p1": {"ethernet": "b1"}, "p2": None, "p3": {"ethernet": "b2"}, "p4": {"ethernet": "b3"},
        "b1": None, "b2": None, "b3": None,
    }  # fmt: skip
    (bracket,) = result["outcomes"]["ethernet"]["brackets"]
    assert bracket == {
        "factor": "kernel", "fails": "6.18.15", "works": "6.12.117", "fails_by": "bench", "works_by": "bench"
    }  # fmt: skip


def test_nothing_predicted_to_work_is_left_where_the_bench_failed_it(tmp_path: Path) -> None:
    table = """source,factor:kernel,factor:dtb,outcome:ethernet
predicted,6.18.15,kernel,works
predicted,6.18.15,firmware,fails
bench,6.18.15,kernel,fails
"""
    text = run(tmp_path, table)
    assert "redicted to work" not in text
    assert not re.search(r"works +ethernet", text)
    result = json.loads((tmp_path / "out/result.json").read_text())
    assert result["decision"]["verdict"] != "works"


def seen(name: str, verdict: Verdict, source: Source, **levels: str) -> Observation:
    return Observation(name, {factor: (level,) for factor, level in levels.items()}, {"x": verdict}, source)


@pytest.mark.parametrize("other", ["fails", "works"])
def test_a_row_that_leaves_factors_open(other: str) -> None:
    """It was in one of the cells it may be of: one is wrong for sure where all were predicted otherwise."""
    rows = [
        seen("a", Verdict.WORKS, Source.PREDICTED, kernel="6.18", dtb="kernel"),
        seen("b", Verdict(other), Source.PREDICTED, kernel="6.18", dtb="firmware"),
        seen("c", Verdict.WORKS, Source.PREDICTED, kernel="7.3", dtb="firmware"),
        seen("r", Verdict.WORKS, Source.REPORTED, kernel="6.18", dtb="kernel"),
        seen("bench", Verdict.FAILS, Source.BENCH, kernel="6.18"),
    ]
    weighed = weigh(rows, "x")
    assert weighed.outweighed == ({"a": "bench", "b": "bench"} if other == "works" else {})
    assert "c" in {observation.id for observation in weighed.counted}


def test_the_same_cell_decides_before_one_that_may_be_it() -> None:
    rows = [
        seen("p", Verdict.WORKS, Source.PREDICTED, kernel="6.18", dtb="kernel"),
        seen("q", Verdict.WORKS, Source.PREDICTED, kernel="6.18", dtb="kernel", board="d0"),
        seen("b", Verdict.FAILS, Source.BENCH, kernel="6.18", dtb="kernel"),
    ]
    assert weigh(rows, "x").outweighed == {"p": "b"}
