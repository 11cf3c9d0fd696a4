"""`upstream watch` over an archive of packages that gets a new kernel, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from archive_kit import SOURCE, Archive, Signer, make_deb, make_image
from click.testing import CliRunner

from bootwright.cli.main import main

PLAN = """\
schema = "bootwright/plan/1"
name = "small"
title = "Mounts"
question = "Do they work?"

[wanted]

[factor.os]
levels = ["1.0", "1.1"]
[factor.kernel]
levels = ["6.1", "6.2"]
fact = "version"

[outcome.mounts]
goal = true

[[touches]]
outcome = "mounts"
calls = ["open_tree"]

[[report]]
id = "r"
factors = { os = "1.0", kernel = "6.1" }
outcomes = { mounts = "fails" }

[[experiment]]
name = "mounts"
source = "emulated"
probe = ["mounts"]
kernels = "debian"
only = ["debian-6.12-4k"]
[[experiment.yields]]
outcome = "mounts"
set = { os = "1.0" }
tests = ["mounts/classic-bind"]
"""


def test_a_new_kernel_is_a_further_run(
    archive: Archive, address: str, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("BOOTWRIGHT_ARCHIVE", address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "config/bootwright/kernels/debian.toml"
    own.parent.mkdir(parents=True)
    own.write_text(SOURCE.format(keyring=signer.keyring))
    Path("small.toml").write_text(PLAN)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, list(arguments), standalone_mode=False)
        assert result.exception is None, result.exception
        return result.return_value, result.stdout

    def watch() -> dict[str, object]:
        # An upstream that nobody has, so that only the archive answers.
        _, text = run(*("upstream", "watch", "small.toml", "--upstream", "linux", "--json", "--quiet"))
        document: dict[str, object] = json.loads(text)
        return document

    first = watch()
    assert (first["kernels"], first["news"]) == ([], False)
    assert watch()["kernels"] == []

    for release, pages, version in (
        ("6.13.1+deb13-arm64", 4096, "6.13.1-1"),
        ("6.13.1+deb13-arm64-16k", 16384, "6.13.1-1"),
    ):
        files = {f"boot/vmlinuz-{release}": make_image(release, pages)}
        name = f"linux-image-{release}"
        archive.add("stable", name, version, make_deb(name, version, files))
    archive.publish()
    # Seven hours go by: a list is asked for again after six.
    for path in (tmp_path / "cache").rglob("debian-*.json"):
        index = json.loads(path.read_text())
        if "fetched" in index:
            path.write_text(json.dumps(index | {"fetched": index["fetched"] - 7 * 3600}))
    new = watch()
    assert new["kernels"] == [{"name": "debian-6.13.1-4k", "version": "6.13.1", "page_size": 4096}]
    assert watch()["kernels"] == []
    further = json.loads(Path("out/small/further.json").read_text())
    assert [kernel["name"] for kernel in further["kernels"]] == ["debian-6.13.1-4k"]

    def offered() -> str:
        return run("investigate", "small.toml", "--dry-run", "--json", "--quiet")[1]

    assert "mounts/debian-6.13.1-4k" in offered()
    Path("out/small/further.json").unlink()
    assert "mounts/debian-6.13.1-4k" not in offered()
