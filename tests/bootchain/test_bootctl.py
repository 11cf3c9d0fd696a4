"""The order of loader entries is that of systemd's own `bootctl list`, where it is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from chain_kit import folder, kernel, os_release, uki

from bootwright.bootchain.efi.loader_entries import loader_entry_chains
from bootwright.bootchain.volumes import PlainVolume
from bootwright.formats.filesystems.directory import Directory

BOOTCTL = os.environ.get("BOOTCTL") or shutil.which("bootctl")


def entry(name: str, more: str = "") -> str:
    return f"title {name}\nlinux /vmlinuz\noptions entry={name}\n{more}"


ENTRIES = {
    "/vmlinuz": kernel("x"),
    "/loader/entries/plain-9.conf": entry("plain-9", "version 99\n"),
    "/loader/entries/plain-10.conf": entry("plain-10", "version 1\n"),
    "/loader/entries/plain-10-1.conf": entry("plain-10-1"),
    "/loader/entries/a.conf": entry("a", "sort-key zzz\nversion 2\n"),
    "/loader/entries/b.conf": entry("b", "sort-key zzz\nversion 10\n"),
    "/loader/entries/c.conf": entry("c", "sort-key aaa\nversion 1\n"),
    "/loader/entries/d.conf": entry(
        "d", "sort-key zzz\nversion 10\nmachine-id 0123456789abcdef0123456789abcdef\n"
    ),
    "/EFI/Linux/kit-9.efi": uki("nine", "entry=uki-9", os_release("9")),
    "/EFI/Linux/kit-10.efi": uki("ten", "entry=uki-10", os_release("10")),
    "/EFI/Linux/other.efi": uki("other", "entry=uki-other", os_release("3", id_="other", image_version="7")),
}


@pytest.mark.skipif(BOOTCTL is None, reason="systemd's bootctl is the oracle")
def test_bootctl_lists_them_in_the_same_order(tmp_path: Path) -> None:
    esp = folder(tmp_path / "esp", ENTRIES)
    # It lists only what is the root of a file system: one in memory, in a namespace of its own.
    script = f'mkdir -p "$1/esp" && mount -t tmpfs none "$1/esp" && cp -r "$0/." "$1/esp" && "{BOOTCTL}" '
    script += '--esp-path="$1/esp" list --json=short --no-pager'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, esp, tmp_path / "mounted"],
        capture_output=True,
        check=False,
        env={**os.environ, "SYSTEMD_RELAX_ESP_CHECKS": "1"},
    )
    if done.returncode:
        pytest.skip(f"bootctl: {done.stderr.decode().strip()}")
    text = done.stdout.decode()
    # An array since systemd 253, before that an object on each line.
    rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    # Entries that it adds itself have other arguments.
    listed = [row["options"] for row in rows if "entry=" in (row.get("options") or "")]
    chains = loader_entry_chains((PlainVolume(Directory(esp)),), ())
    assert [chain.arguments for chain in chains] == [re.sub(r"\s+", " ", chain).strip() for chain in listed]
