"""A kernel's facts as one file: the same predictions as the kernel itself, in half a megabyte."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from disk_kit import fuzz_target
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright import api
from bootwright.cli.main import main
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.predict.kernel.facts_file import is_facts_file, kernel_of_facts, read_facts

BOARDS = (
    "bcm2712-rpi-5-b.dtb",
    "bcm2712-d-rpi-5-b.dtb",
    "bcm2711-rpi-4-b.dtb",
    "imx8mp-evk.dtb",
    "rk3588s-nanopi-r6s.dtb",  # of no board's file: goals by what its nodes are for
    "qrb5165-rb5.dtb",
)


@cache
def kernel(name: str) -> Kernel:
    try:
        return open_library().get(name, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a kernel whose RP1 driver carries an overlay; each devicetree was judged with the kernel before."""
    folder = tmp_path_factory.mktemp("facts")
    for name in BOARDS:
        whole(kernel("debian-6.18-4k").name, name)
    words = ["kernels", "facts", "debian-6.18-4k", "-o", str(folder / "k.facts"), "--offline", "-q"]
    written = CliRunner().invoke(main, words)
    assert written.exit_code == 0, written.output
    assert f"{kernel('debian-6.18-4k').name}, 0." in written.output
    return folder / "k.facts"


@cache
def whole(name: str, dtb: str) -> dict[str, Any]:
    dtbs = kernel(name).dtbs
    assert dtbs is not None
    (path,) = list(dtbs.rglob(dtb))[:1]
    return api.check([name, path]).as_json()


@pytest.mark.download
@pytest.mark.parametrize("dtb", BOARDS)
def test_a_devicetree_is_judged_as_with_the_kernel(facts: Path, dtb: str) -> None:
    own = kernel("debian-6.18-4k")
    assert own.dtbs is not None
    path = next(own.dtbs.rglob(dtb))
    assert api.check([facts, path]).as_json() == whole(own.name, dtb)


@pytest.mark.download
def test_it_is_small_and_the_command_takes_it(facts: Path, tmp_path: Path) -> None:
    assert facts.stat().st_size < 600_000
    own, runner = kernel("debian-6.18-4k"), CliRunner()
    assert own.dtbs is not None
    dtb = next(own.dtbs.rglob("bcm2712-rpi-5-b.dtb"))
    checked = runner.invoke(main, ["check", str(facts), str(dtb), "--goal", "ethernet", "-q"])
    assert checked.exit_code == 0, checked.output
    assert own.name in checked.output
    refused = runner.invoke(main, ["check", str(facts), str(dtb), "--modules", str(tmp_path)])
    assert isinstance(refused.exception, Refused)
    assert "has its modules" in str(refused.exception)


@pytest.mark.download
def test_code_that_was_not_followed_is_not_guessed_at(facts: Path, tmp_path: Path) -> None:
    """Without the walks, what would need one is what it is for code that cannot be followed."""
    bare = changed(facts, {"walks.shelf": _without_rows(part(facts, "walks.shelf"))})
    (tmp_path / "bare.facts").write_bytes(bare)
    own = kernel("debian-6.18-4k")
    assert own.dtbs is not None
    dtb = next(own.dtbs.rglob("bcm2712-rpi-5-b.dtb"))
    goals = api.check([tmp_path / "bare.facts", dtb]).as_json()
    text = json.dumps(goals)
    assert "Traceback" not in text
    assert read_facts(tmp_path / "bare.facts", config=None).probes is not None


def _without_rows(content: bytes) -> bytes:
    from bootwright.foundation.kept.shelf import Shelf

    form = json.loads(content.partition(b"\n")[0])["form"]
    return Shelf.of({"walks": {}}).packed(form=form)


def part(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as file:
        return file.read(name)


def changed(path: Path, parts: dict[str, bytes | None]) -> bytes:
    """The file with some parts replaced, or left out."""
    written = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(written, "w", zipfile.ZIP_LZMA) as new:
        new.comment = old.comment
        for entry in old.infolist():
            content = parts.get(entry.filename, old.read(entry.filename))
            if content is not None:
                new.writestr(entry.filename, content)
    return written.getvalue()


def small(tmp_path: Path, **parts: bytes) -> Path:
    path = tmp_path / "small.facts"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        file.comment = b"bootwright kernel facts 1"
        for name, content in parts.items():
            file.writestr(name.replace("_json", ".json").replace("_shelf", ".shelf"), content)
    return path


HEAD = json.dumps(
    {
        "name": "k",
        "version": "6.18",
        "release": "6.18",
        "page_size": 4096,
        "image_sha256": "00",
        "modules": "m",
    }
).encode()


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({}, "kernel.json"),
        ({"kernel_json": b"[]"}, "kernel.json"),
        ({"kernel_json": HEAD.replace(b"4096", b'"4K"')}, "page_size"),
    ],
)
def test_a_damaged_one_is_named(tmp_path: Path, parts: dict[str, bytes], says: str) -> None:
    path = small(tmp_path, **parts)
    assert is_facts_file(path)
    with pytest.raises(Malformed, match=says):
        kernel_of_facts(path)


def test_one_of_another_version_says_to_write_it_again(tmp_path: Path) -> None:
    path = small(tmp_path, kernel_json=HEAD, built_in_json=b'{"format":1}')
    with pytest.raises(Malformed) as raised:
        read_facts(path, config=None)
    assert "kernels facts" in str(raised.value.hint)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    fuzz_target("fuzz_kernel_facts")(data)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_changed_bytes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole_file = bytearray(
        small(tmp_path_factory.mktemp("s"), kernel_json=HEAD, built_in_json=b"{}").read_bytes()
    )
    for _ in range(data.draw(st.integers(1, 6))):
        whole_file[data.draw(st.integers(0, len(whole_file) - 30))] = data.draw(st.integers(0, 255))
    fuzz_target("fuzz_kernel_facts")(bytes(whole_file))
