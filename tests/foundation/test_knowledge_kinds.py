"""Every kind of knowledge: all files are right, a misspelt key is one line, and a user's own files count."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.cli.knowledge._kinds import KINDS, kind_of, read
from bootwright.cli.main import main
from bootwright.foundation.errors import Malformed
from bootwright.foundation.knowledge import read_table
from bootwright.foundation.places import DATA
from bootwright.foundation.structure import structure
from bootwright.kernels.catalogue import open_library

SOURCE = DATA.parent
KERNEL = "debian-6.18.15-4k"
SHIPPED = [(name, path) for name in KINDS for path in kind_of(name).files_below(DATA).values()]
NONE_SHIPPED = {"kernels/addresses"}
"""Kinds that are for the user's own files only (their keys: tests/kernels/test_sources.py)."""
NO_KIND = {"devicetrees", "truth"}
"""Folders of data that are no knowledge of a user's: devicetree sources, machines that truth is kept of."""


def test_every_kind_can_be_listed_and_checked() -> None:
    made = [re.findall(r'= Kind\(\s*"([^"]+)"', path.read_text()) for path in SOURCE.rglob("*.py")]
    assert sorted(name for names in made for name in names) == sorted(KINDS)
    folders = {path.relative_to(DATA).parts[0] for path in DATA.rglob("*.toml")}
    assert set(KINDS) - {kind for kind, _ in SHIPPED} == NONE_SHIPPED
    assert folders - {name.partition("/")[0] for name in KINDS} == NO_KIND - {"devicetrees"}


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=lambda value: str(value).removeprefix(f"{DATA}/"))
def test_every_shipped_file_is_right(kind: str, path: Path) -> None:
    read(kind, path)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - NONE_SHIPPED))
def test_a_misspelt_key_is_one_line_with_the_key_that_was_meant(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = next(path for name, path in SHIPPED if name == kind)
    key = max(read_table(original), key=len)
    misspelt = key[:-2] + key[-1]
    text = re.sub(rf"^(\[*){key}\b", rf"\g<1>{misspelt}", original.read_text(), flags=re.MULTILINE)
    path = tmp_path / "bootwright" / original.relative_to(DATA)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(Malformed) as caught:
        read(kind, path)
    assert caught.value.message.startswith(f"{path}: ")
    assert "\n" not in caught.value.message
    assert caught.value.hint == f"did you mean {key}?"

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    result = CliRunner().invoke(main, ["knowledge", "check", kind], standalone_mode=False)
    assert result.return_value == 2
    assert caught.value.message in result.output
    assert "1 not right" in result.output


def test_check_finds_all_that_is_right(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    result = CliRunner().invoke(main, ["knowledge", "check"], standalone_mode=False)
    assert result.return_value == 0
    assert f"{len(SHIPPED)} files of {len(KINDS)} kinds: all right" in result.output


def bootwright(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a user calls it, in a folder of the user's."""
    return subprocess.run(
        [sys.executable, "-m", "bootwright", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("by_path", [True, False], ids=["path", "folder"])
def test_a_board_of_the_user_s_own_is_predicted_for(tmp_path: Path, by_path: bool) -> None:
    open_library().get(KERNEL, modules=True)
    folder = tmp_path if by_path else tmp_path / ".bootwright" / "boards"
    folder.mkdir(parents=True, exist_ok=True)
    text = (DATA / "boards" / "raspberrypi-5.toml").read_text()
    (folder / "my.toml").write_text(text.replace("Raspberry Pi 5", "My board"))
    name = "./my.toml" if by_path else "my"
    check = ("check", KERNEL, "--stepping", "d0", "--goal", "ethernet", "--board")
    done = bootwright(tmp_path, *check, name)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(f"My board d0 with {KERNEL}")
    assert "pinctrl@7d504100" in done.stdout
    (folder / "my.toml").write_text(text.replace("boots_from", "boot_from"))
    done = bootwright(tmp_path, *check, name)
    assert done.returncode == 2
    assert "my.toml: goal." in done.stderr
    assert "did you mean boots_from?" in done.stderr


def test_a_hazard_of_the_user_s_own_counts(tmp_path: Path) -> None:
    open_library().get(KERNEL, modules=True)
    folder = tmp_path / ".bootwright" / "hazards"
    folder.mkdir(parents=True)
    shutil.copy(DATA / "hazards" / "granule-16k-cortex-a53.toml", folder / "mine.toml")
    text = (folder / "mine.toml").read_text()
    text = text.replace("page_size = 16384", "page_size = 4096").replace("cortex-a53", "cortex-a76")
    (folder / "mine.toml").write_text(text)
    done = bootwright(
        tmp_path, "check", KERNEL, "--stepping", "c0", "--goal", "usb", "--board", "raspberrypi-5"
    )
    assert "hazard mine" in done.stdout


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - TOML
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from _places(inner, (*path, key))


@pytest.mark.parametrize("kind", ["boards", "drivers", "hazards", "signatures", "stages"])
@settings(max_examples=150)
@given(data=st.data())
def test_any_table_is_read_or_refused_in_one_line(kind: str, data: st.DataObject) -> None:
    paths = [path for name, path in SHIPPED if name == kind]
    table: dict[str, Any] = copy.deepcopy(read_table(data.draw(st.sampled_from(paths))))
    place = data.draw(st.sampled_from(list(_places(table))))
    holder: Any = table
    for key in place[:-1]:
        holder = holder[key]
    action = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if action == "replace":
        holder[place[-1]] = data.draw(VALUES)
    elif action == "remove":
        del holder[place[-1]]
    elif isinstance(holder, dict):
        holder[data.draw(st.text(max_size=12))] = data.draw(VALUES)
    try:
        made = structure(table, kind_of(kind).model, "mine.toml", stem="mine")
    except Malformed as refused:
        message = refused.message
    else:
        assert isinstance(made, kind_of(kind).model)
        return
    assert message.startswith("mine.toml")
    assert "\n" not in message
