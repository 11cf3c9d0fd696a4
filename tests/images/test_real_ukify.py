"""Unified kernel images by the real `ukify`: read as it reads them, changed in nothing else than asked."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import frozen

from bootwright.formats.programs.pe import open_section, read_pe
from bootwright.formats.programs.uki import labeled_sections, read_profiles, read_text
from bootwright.formats.sources.bytesource import Bytes
from bootwright.images.change.edits import ArgumentEdit, edit_texts
from bootwright.images.write.uki import replace_sections
from bootwright.kernels.boot_parts import boot_part

pytestmark = pytest.mark.download

_UKIFY = """\
name = "ukify"
title = "systemd's ukify"
source = "https://packages.debian.org/trixie/systemd-ukify"
archive = "debian"
suite = "trixie"
package = "systemd-ukify"
folder = "usr/bin/"
"""
_RELEASE = "NAME=Kit\nID=kit\nVERSION_ID=1\n"
_SHOWN = re.compile(r"^(\.\w+):\n  size: (\d+) bytes", re.MULTILINE)
_MAIN = "quiet console=ttyAMA0"
_WIPE = "quiet console=ttyAMA0 kit.wipe=system"


@frozen
class Workshop:
    """ukify with what it puts together."""

    folder: Path
    ukify: Path
    stubs: Path

    def build(self, name: str, *arguments: str | Path, stub: str = "linuxaa64.efi.stub") -> Path:
        """Make one; returns its path."""
        output = self.folder / name
        given = ("--efi-arch=aa64", f"--stub={self.stubs / stub}", *arguments, f"--output={output}")
        done = subprocess.run(
            [sys.executable, self.ukify, "build", *given], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return output

    def inspected(self, image: Path) -> list[tuple[str, int]]:
        """(section, bytes) in the order ukify prints them."""
        command = [sys.executable, self.ukify, "inspect", image]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return [(name, int(size)) for name, size in _SHOWN.findall(done.stdout)]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("ukify")
    knowledge = folder / "config/bootwright/parts"
    knowledge.mkdir(parents=True)
    (knowledge / "ukify.toml").write_text(_UKIFY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        ukify = boot_part("ukify").folder / "ukify"
        stubs = boot_part("systemd-boot-arm64").folder
    (folder / "linux").write_bytes((stubs / "linuxaa64.efi.stub").read_bytes())
    (folder / "initrd").write_bytes(bytes(range(256)) * 30)
    for number in (1, 2):
        source = f'/dts-v1/; / {{ compatible = "kit,{number}"; model = "Kit {number}"; }};'
        blob = subprocess.run(
            ["dtc", "-q", "-O", "dtb"], input=source.encode(), capture_output=True, check=True
        )
        (folder / f"{number}.dtb").write_bytes(blob.stdout)
    (folder / "splash.bmp").write_bytes(b"BM" + bytes(500))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=kit",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return Workshop(folder, ukify, stubs)


def _made(shop: Workshop, *, profiles: int, trees: bool, signed: bool) -> Path:
    folder = shop.folder
    base: list[str | Path] = [
        f"--linux={folder / 'linux'}", "--uname=6.18.5-kit", f"--initrd={folder / 'initrd'}",
        f"--cmdline={_MAIN}", f"--os-release={_RELEASE}",
    ]  # fmt: skip
    if trees:
        base += [f"--devicetree-auto={folder / f'{n}.dtb'}" for n in (1, 2)] + [
            f"--splash={folder}/splash.bmp"
        ]
    if signed:
        base += [f"--secureboot-private-key={folder}/key.pem", f"--secureboot-certificate={folder}/cert.pem"]
        base += ["--signtool=sbsign"]
    if profiles:
        base.append("--profile=ID=main\nTITLE=Kit\n")
    for number in range(1, profiles):
        text, title = f"{_WIPE}{number}", f"--profile=ID=reset{number}\nTITLE=Reset {number}\n"
        joined = shop.build(f"p{number}.efi", title, f"--cmdline={text}", stub="addonaa64.efi.stub")
        base.append(f"--join-profile={joined}")
    return shop.build(f"uki-{profiles}-{trees}-{signed}.efi", *base)


def _contents(image: bytes) -> dict[str, bytes]:
    source = Bytes(image, "uki")
    return {
        labeled.label: open_section(source, labeled.section).read(0, labeled.section.size)
        for labeled in labeled_sections(read_pe(source))
    }


@pytest.mark.parametrize(
    ("profiles", "trees", "signed"), [*itertools.product((0, 2, 3), (False, True), (False, True))]
)
def test_read_as_ukify_reads_and_changed_only_where_asked(
    workshop: Workshop, profiles: int, trees: bool, signed: bool
) -> None:
    path = _made(workshop, profiles=profiles, trees=trees, signed=signed)
    image = path.read_bytes()
    source = Bytes(image, "uki")
    headers = read_pe(source)
    assert headers.signed is signed
    read = read_profiles(source, headers)
    assert len(read) == max(profiles, 1)
    assert [read_text(source, profile.section(".cmdline")) for profile in read] == [
        _MAIN, *(f"{_WIPE}{n}" for n in range(1, profiles)),
    ]  # fmt: skip
    ours = [(section.name, section.size) for section in headers.sections]
    theirs = workshop.inspected(path)
    assert len(theirs) > 4
    assert [pair for pair in ours if pair[0] in dict(theirs)] == theirs

    texts = {
        labeled.label: read_text(source, labeled.section).encode()
        for labeled in labeled_sections(headers)
        if labeled.section.name == ".cmdline"
    }
    edits = [ArgumentEdit.parse("+loglevel=7"), ArgumentEdit.parse("-quiet")]
    changes = {**edit_texts(texts, edits), ".linux": b"another kernel" * 9000}
    changed = replace_sections(image, changes, "uki")
    (workshop.folder / "changed.efi").write_bytes(changed)
    assert _contents(changed) == _contents(image) | changes
    after = workshop.inspected(workshop.folder / "changed.efi")
    assert [name for name, _ in after] == [name for name, _ in workshop.inspected(path)]
    wiped = [text for text in edit_texts(texts, edits).values() if b"kit.wipe" in text]
    assert len(wiped) == max(profiles - 1, 0)
    listed = ["sbverify", "--list", workshop.folder / "changed.efi"]
    signatures = subprocess.run(listed, check=False, capture_output=True)
    assert b"No signature table present" in signatures.stdout + signatures.stderr
    assert not read_pe(Bytes(changed, "uki")).signed
