from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up import made_up

from bootwright.foundation.errors import Missing
from bootwright.report import files, markdown
from bootwright.report.result import result


def test_markdown_answers_first_and_keeps_its_tables_whole() -> None:
    text = markdown.page(*made_up())
    lines = text.splitlines()
    assert lines[0].startswith("# Talos Linux 1.12 on a Raspberry Pi 5")
    assert lines[2] == "**Not known for rpi5-rev-1.0 and rpi5-rev-1.1.**"
    tables = [block for block in text.split("\n\n") if block.startswith("| ")]
    assert len(tables) == 2
    for table in tables:
        assert len({row.count(" | ") for row in table.splitlines() if "---" not in row}) == 1
    assert text.count("<details>") == text.count("</details>") == len(made_up()[0].steps)
    assert "`[    1." in text


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("<b>", r"\<b\>"),
        ("*x*", r"\*x\*"),
        ("open_tree", "open_tree"),
        ("_x_", r"\_x\_"),
        ("1. item", r"1\. item"),
        ("6.12.107", "6.12.107"),
        ("[a](b)", r"\[a\](b)"),
    ],
)
def test_plain_text_means_nothing_to_markdown(raw: str, escaped: str) -> None:
    assert markdown.plain(raw) == escaped


@pytest.mark.parametrize(("raw", "span"), [("a", "`a`"), ("a`b", "``a`b``"), ("`a", "`` `a ``"), ("", "")])
def test_code_spans_hold_backticks(raw: str, span: str) -> None:
    assert markdown.code(raw) == span


def test_all_three_are_written(tmp_path: Path) -> None:
    studied, decision = made_up()
    paths = files.write(studied, decision, tmp_path / "out", generated_at="2026-01-02 03:04 UTC")
    assert [path.name for path in paths] == ["report.html", "report.md", "result.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in paths)
    written = json.loads(paths[2].read_bytes())
    assert written == json.loads(json.dumps(result(studied, decision)))
    assert "2026-01-02 03:04 UTC" in paths[0].read_text(encoding="utf-8")
    again = files.write(studied, decision, tmp_path / "out", generated_at="2026-01-02 03:04 UTC")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Missing, match="cannot write") as caught:
        files.write(*made_up(), tmp_path / "file" / "out")
    assert caught.value.hint
