"""`bootwright kernels …` as a user runs it, against the tiny archive and with files of one's own."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from archive_kit import CONFIG, NEWER, RELEASE, Archive, Opener, make_deb, make_image

from bootwright.cli.main import invoke
from bootwright.kernels.catalogue import open_library

FRONT = "debian-6.12.1-4k"
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schemas/kernels.schema.json").read_text(encoding="utf-8")
)
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kernels(
    library: Opener, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs the command over the fixtures' cache and archive; gives status, stdout, stderr."""
    monkeypatch.setenv("BOOTWRIGHT_ARCHIVE", address)

    def called(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bootwright", "kernels", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            invoke()
        out, err = capsys.readouterr()
        status = done.value.code
        assert isinstance(status, int)
        if status == 2:
            assert out == ""
            assert sum(line.startswith("bootwright: ") for line in err.splitlines()) == 1
            assert "Traceback" not in err
        return status, out, err

    return called


def valid(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text)
    jsonschema.validate(value, SCHEMA)
    return value


def test_list_fetch_show_remove(kernels: Command) -> None:
    status, out, _ = kernels("list")
    assert status == 0
    assert out.splitlines()[0].split() == ["NAME", "VERSION", "PAGES", "SUITE", "FETCH", "MODULES", "HERE"]
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["debian-6.19.2-16k", FRONT]
    status, out, err = kernels("fetch", FRONT, "debian-6.19-16k")
    assert (status, out) == (0, "")
    assert f"{FRONT}: Linux {RELEASE}, 4K pages" in err
    assert "MB received" in err
    status, out, err = kernels("fetch", FRONT)
    assert "it was here already" in err
    status, out, _ = kernels("show", FRONT)
    assert status == 0
    assert "4K (4096 by the image's header)" in out
    assert "CONFIG_MACB" not in out, "no highlights in the tiny data folder"
    assert "NOT verified" in " ".join(out.split())
    status, out, _ = kernels("remove", FRONT)
    assert status == 0
    status, _, err = kernels("show", FRONT, "--offline")
    assert status == 2
    assert "kernels fetch" in err


def test_json_fits_the_schema(kernels: Command) -> None:
    listed = valid(kernels("list", "--all", "--json", "--quiet")[1])["kernels"]
    assert {kernel["page_size"] for kernel in listed} == {4096, 16384}
    fetched = valid(kernels("fetch", "debian-6.19-16k", "--modules", "--json")[1])["kernels"][0]
    assert fetched["release"] == NEWER
    assert Path(fetched["modules"], "kernel").is_dir()
    shown = valid(kernels("show", "debian-6.19-16k", "--option", "MACB", "--option", "CONFIG_X", "--json")[1])
    assert shown["kernels"][0]["options"] == {"CONFIG_MACB": "m", "CONFIG_X": None}
    assert shown["kernels"][0]["header_page_size"] == 16384
    valid(kernels("remove", "debian-6.19.2-16k", "--json")[1])


def test_wrong_names_and_no_network(kernels: Command) -> None:
    status, _, err = kernels("fetch", "debain-6.12.1-4k")
    assert status == 2
    assert FRONT in err
    status, _, err = kernels("list", "--series", "5.4")
    assert status == 2
    status, _, err = kernels("list", "--archive", "http://127.0.0.1:9/x")
    assert "127.0.0.1:9" in err


def test_empty_cache_without_network(kernels: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_ARCHIVE", "http://127.0.0.1:9")
    status, _, err = kernels("fetch", FRONT)
    assert status == 2
    assert "hint: " in err
    status, _, err = kernels("fetch", FRONT, "--offline")
    assert status == 2


def test_nothing_is_asked_of_the_network_for_help(kernels: Command, archive: Archive) -> None:
    for command in ("list", "fetch", "show", "add", "remove"):
        status, out, _ = kernels(command, "--help")
        assert status == 0
        assert "Example" in out
    assert archive.requests == []


def test_add_an_image(kernels: Command, tmp_path: Path) -> None:
    own = tmp_path / "Image.gz"
    own.write_bytes(gzip.compress(make_image("6.18.6-talos", 16384)))
    config = tmp_path / "config"
    config.write_text(CONFIG.format(shift=14))
    modules = tmp_path / "lib/modules/6.18.6-talos"
    (modules / "kernel/net").mkdir(parents=True)
    (modules / "kernel/net/macb.ko").write_bytes(b"\x7fELF")
    (modules / "build").symlink_to("/")
    (modules / "kernel/evil.ko").symlink_to("/etc/passwd")
    status, out, _ = kernels("add", own, "--config", config, "--modules", modules)
    assert (status, out) == (0, "added-6.18.6-talos-16k: Linux 6.18.6-talos, 16K pages\n")
    own.unlink()
    kernel = open_library(offline=True).get("added-6.18.6-talos-16k", modules=True)
    assert kernel.image.read_bytes() == make_image("6.18.6-talos", 16384)
    assert kernel.modules is not None
    assert [path.name for path in sorted(kernel.modules.rglob("*"))] == ["kernel", "net", "macb.ko"]
    assert kernel.provenance["verified"].startswith("nothing")
    assert "added-6.18.6-talos-16k" in kernels("list")[1]
    valid(kernels("show", "added-6.18.6-talos-16k", "--json")[1])


def test_add_a_package(kernels: Command, archive: Archive, tmp_path: Path) -> None:
    own = tmp_path / "linux-image.deb"
    own.write_bytes(archive.files[archive.packages["stable"][0]["Filename"]])
    status, out, _ = kernels("add", own, "--name", "mine", "--json")
    kernel = valid(out)["kernels"][0]
    assert (status, kernel["name"]) == (0, "added-mine")
    assert Path(kernel["modules"], "kernel/drivers/net/macb.ko").is_file()
    assert Path(kernel["dtbs"], "broadcom/bcm2712-rpi-5-b.dtb").is_file()


def test_add_refuses_what_does_not_fit(kernels: Command, tmp_path: Path) -> None:
    own = tmp_path / "Image"
    own.write_bytes(make_image("6.18.6", 4096))
    config = tmp_path / "config"
    config.write_text(CONFIG.format(shift=14))
    assert "4096 byte pages" in kernels("add", own, "--config", config)[2]
    assert "modules folder" in kernels("add", own, "--modules", tmp_path)[2]
    assert "cannot be a name" in kernels("add", own, "--name", "../x")[2]
    assert kernels("add", own, "--name", "mine")[0] == 0
    own.write_bytes(make_image("6.18.7", 4096))
    assert "another kernel already" in kernels("add", own, "--name", "mine")[2]
    for junk in (b"", b"junk" * 100, make_image("6.18.6", 4096)[:60], b"!<arch>\nnothing"):
        own.write_bytes(junk)
        assert kernels("add", own)[0] == 2
    assert kernels("add", tmp_path / "none")[0] == 2
    own.write_bytes(make_deb("bash", "5.2", {"bin/bash": b"x"}))
    assert "one kernel in the package bash, found none" in kernels("add", own)[2]
    own.write_bytes(
        make_deb(f"linux-base-{NEWER}", "1", {f"usr/lib/modules/{NEWER}/config": b"CONFIG_A=y\n"})
    )
    assert "holds no kernel image" in kernels("add", own)[2]
    own.write_bytes(make_image("6.18.6", 0))
    assert "--config" in kernels("add", own)[2]
    own.write_bytes(archive_bomb())
    assert kernels("add", own)[0] == 2


def archive_bomb() -> bytes:
    """An Image of 600 MiB of zeros, in 600 kB."""
    return gzip.compress(bytes(600 << 20), compresslevel=1)


def test_names_of_added_kernels_stay_below_the_cache(kernels: Command, tmp_path: Path) -> None:
    own = tmp_path / "Image"
    own.write_bytes(make_image("6.18.6-..%2f..", 4096))
    status, out, _ = kernels("add", own)
    assert status == 0
    assert out.startswith("added-6.18.6-..-2f..-4k")
    own.write_bytes(make_image("6.18.6/../../../../../../escaped", 4096))
    (tmp_path / "modules/kernel").mkdir(parents=True)
    (tmp_path / "modules/kernel/x.ko").write_bytes(b"x")
    status, _, err = kernels("add", own, "--modules", tmp_path / "modules")
    assert status == 2
    assert "without '/'" in err
    assert not list(tmp_path.rglob("escaped"))
