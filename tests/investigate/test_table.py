import contextlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Source
from bootwright.investigate.plans.table import read_table

CSV = """factor:kernel,factor:pages,outcome:mounts,outcome:net,source,note
6.12.25,16K,fails,works,https://example.org/1,first
6.18.6,4K,works,,emulated,
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "seen.csv"
    path.write_text(CSV)
    return path


def test_a_csv_table(table: Path) -> None:
    read_back = read_table(table)
    assert [factor.name for factor in read_back.factors] == ["kernel", "pages"]
    assert read_back.outcomes == ("mounts", "net")
    first, second = read_back.observations
    assert first.source is Source.REPORTED
    assert first.evidence == {"note": "first", "found-at": "https://example.org/1"}
    assert second.source is Source.EMULATED
    assert second.outcomes == {"mounts": Verdict.WORKS, "net": Verdict.UNKNOWN}


def test_a_toml_table_says_the_same(table: Path, tmp_path: Path) -> None:
    path = tmp_path / "seen.toml"
    path.write_text(
        """
        [[observation]]
        source = "https://example.org/1"
        note = "first"
        factors = { kernel = "6.12.25", pages = "16K" }
        outcomes = { mounts = "fails", net = "works" }
        [[observation]]
        source = "emulated"
        factors = { kernel = "6.18.6", pages = "4K" }
        outcomes = { mounts = "works", net = "unknown" }
        """
    )
    assert read_table(path) == read_table(table)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a header"),
        ("factor:a,outcome:b\n", "at least one observation"),
        ("factor:a,outcome:b\nx,maybe\n", "row 2: expected works, fails or unknown, found 'maybe'"),
        ("factor:a,outcome:b\nx,works,extra\n", "expected 2 columns"),
        ("factor:a,colour,outcome:b\nx,y,works\n", "a known column, found 'colour'"),
        ("kernel,outcome:b\nx,works\n", "did you mean factor:kernel"),
        ("factor:a,outcome\nx,works\n", "did you mean outcome:NAME"),
        ("factor:a,factor:a,outcome:b\nx,y,works\n", "each column once"),
        ("outcome:b\nworks\n", "a column factor:NAME"),
        ("factor:a\nx\n", "a column outcome:NAME"),
        ("factor:a,outcome:b,repeat\nx,works,no\n", "a whole number"),
        ('factor:a,outcome:b\n"x,works\n', "CSV"),
    ],
)
def test_bad_tables_name_the_row_and_what_was_expected(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(Malformed) as caught:
        read_table(path)
    assert says in f"{caught.value} {caught.value.hint}"


def test_one_cell_with_opposite_outcomes_is_a_contradiction(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("factor:a,outcome:b\nx,works\ny,works\nx,fails\n")
    with pytest.raises(Refused, match="row-1 and row-3 contradict each other on b") as caught:
        read_table(path)
    assert caught.value.hint
    path.write_text("factor:a,outcome:b,repeat\nx,works,1\ny,works,\nx,fails,2\n")
    assert len(read_table(path).observations) == 3


def test_one_level_written_in_two_ways_and_a_source_with_a_slip_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("factor:pages,outcome:b\n4k,works\n4K,fails\n")
    with pytest.raises(Refused, match="one level in two ways: 4k and 4K"):
        read_table(path)
    path.write_text("factor:pages,outcome:b,source\n4K,works,emulatd\n")
    with pytest.raises(Malformed) as caught:
        read_table(path)
    assert caught.value.hint == "did you mean emulated?"
    path.write_text("factor:pages,outcome:b,source\n4K,works,https://example.org/issues/1\n")
    assert read_table(path).observations[0].evidence["found-at"] == "https://example.org/issues/1"
    path.write_text("factr:pages,outcome:b\n4K,works\n")
    with pytest.raises(Malformed) as caught:
        read_table(path)
    assert "did you mean factor:pages?" in (caught.value.hint or "")


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="cannot read"):
        read_table(tmp_path / "none.csv")


@pytest.mark.parametrize("suffix", ["csv", "toml"])
@given(data=st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
@example(data=b"\xff\xfe")
@example(data=b"factor:a,outcome:b\n\x00,works\n")
@example(data=b"observation = 3")
@example(data=b"[[observation]]\nfactors = 3")
@example(data=b"a=" + b"[" * 300)
def test_any_bytes_are_a_table_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / f"any.{suffix}"
    path.write_bytes(data)
    with contextlib.suppress(BootwrightError):
        assert read_table(path).observations
