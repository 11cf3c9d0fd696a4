import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.run_folder import Store


def test_what_is_kept_is_there_after_closing(tmp_path: Path) -> None:
    with Store(tmp_path / "run") as store:
        store.keep("a#0", {"kernel": "6.12"}, b"console\x00bytes", "2026-01-01T00:00:00+00:00")
        store.put("plan", "abc")
    with Store(tmp_path / "run") as store:
        kept = store.find("a#0")
        assert kept is not None
        assert kept.facts == {"kernel": "6.12"}
        assert store.console(kept) == b"console\x00bytes"
        assert store.get("plan") == "abc"
        assert [boot.key for boot in store.boots()] == ["a#0"]


def test_the_first_recording_of_a_boot_stays(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.keep("a", {}, b"first", "t1")
        store.keep("a", {}, b"second", "t2")
        kept = store.find("a")
        assert kept is not None
        assert store.console(kept) == b"first"


def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from bootwright.foundation.run_folder import Store\n"
    code += "Store(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(Refused, match=f"process {holder.pid}") as caught:
            Store(tmp_path)
        assert "--out" in (caught.value.hint or "")
    finally:
        holder.kill()
        holder.communicate()
    with Store(tmp_path):
        pass


def test_a_writer_killed_at_any_moment_leaves_whole_boots(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bootwright.foundation.run_folder import Store\n"
        "with Store(Path(sys.argv[1])) as store:\n"
        "  for n in range(10**6):\n"
        "    store.keep(f'{sys.argv[2]}-{n}', {'n': n}, b'x' * (n % 5000), 't')\n"
    )
    for turn in range(4):
        writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(turn)])
        time.sleep(0.3 + 0.13 * turn)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        with Store(tmp_path) as store:
            for kept in store.boots():
                assert store.console(kept) == b"x" * (kept.facts["n"] % 5000)


def test_a_changed_blob_is_noticed(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.keep("a", {}, b"console", "t")
        kept = store.find("a")
        assert kept is not None
        next((tmp_path / "blobs").glob("*/*")).write_bytes(b"other")
        with pytest.raises(Malformed, match="other bytes"):
            store.console(kept)


def test_fresh_forgets_everything_even_what_cannot_be_read(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.keep("a", {}, b"console", "t")
        store.put("plan", "x")
    (tmp_path / "run.sqlite").write_bytes(b"damaged beyond reading, longer than a header" * 40)
    with Store(tmp_path, fresh=True) as store:
        assert store.find("a") is None
        assert store.get("plan") is None
        assert not list((tmp_path / "blobs").glob("*/*"))


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "run.sqlite").write_bytes(b"not a database, but long enough to look at" * 40)
    with pytest.raises(Malformed, match=r"run\.sqlite"):
        Store(tmp_path)
    (tmp_path / "run.sqlite").unlink()
    with Store(tmp_path):
        pass


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    with Store(folder) as store:
        store.put("plan", "x")
        for number in range(3):
            store.keep(f"boot{number}", {"kernel": "6.12"}, b"console", "2026-01-01T00:00:00+00:00")
    return folder


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_run_is_one_error(whole_run: Path, data: st.DataObject) -> None:
    folder = whole_run.parent / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole_run, folder)
    path = folder / "run.sqlite"
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(BootwrightError), Store(folder) as store:
        store.get("plan")
        store.find("boot1")
        for kept in store.boots():
            store.console(kept)


def test_a_column_that_is_gone_is_one_error(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.keep("a", {}, b"console", "t")
    with contextlib.closing(sqlite3.connect(tmp_path / "run.sqlite")) as database:
        database.execute("UPDATE boot SET facts = 'no JSON'")
        database.commit()
    with Store(tmp_path) as store, pytest.raises(Malformed, match=r"run\.sqlite.*boot a"):
        list(store.boots())


def test_a_run_of_another_format(tmp_path: Path) -> None:
    with Store(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "run.sqlite") as database:
        database.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    with pytest.raises(Refused, match="another version"):
        Store(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Missing, match="cannot write"):
        Store(tmp_path / "file" / "run")
