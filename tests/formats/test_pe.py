from __future__ import annotations

import struct
from pathlib import Path

import pefile
import pytest
from disk_kit import fuzz_target, opened, run, stub
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.programs.pe import is_pe, open_section, read_pe
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed

SECTIONS = {
    ".linux": bytes(56) + b"ARM\x64" + bytes(70000),
    ".initrd": b"070701" + bytes(5000),
    ".cmdline": b"console=ttyAMA10,115200 quiet\0",
    ".osrel": b"ID=talos\nVERSION_ID=v1.12.1\n",
    ".uname": b"6.18.5\0",
    ".dtb": b"\xd0\x0d\xfe\xed" + bytes(333),
}


@pytest.fixture(scope="module")
def uki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sections added by objcopy, as ukify's predecessors did."""
    folder = tmp_path_factory.mktemp("uki")
    (folder / "stub.efi").write_bytes(stub())
    options: list[str] = []
    address = 0x10000
    for name, data in SECTIONS.items():
        (folder / name[1:]).write_bytes(data)
        options += [
            "--add-section",
            f"{name}={folder / name[1:]}",
            "--change-section-vma",
            f"{name}={address:#x}",
        ]
        address += (len(data) + 0xFFFF) & ~0xFFFF
    run("aarch64-linux-gnu-objcopy", *options, folder / "stub.efi", folder / "uki.efi")
    return folder / "uki.efi"


def test_sections_are_what_objcopy_put_in(uki: Path) -> None:
    source = opened(uki)
    headers = read_pe(source)
    assert headers.machine == "arm64"
    assert headers.is_efi_application
    assert headers.is_uki
    for name, data in SECTIONS.items():
        section = headers.section(name)
        assert section is not None
        inside = open_section(source, section)
        assert inside.read(0, inside.size) == data
        assert inside.name.endswith(f":{name}")


def test_the_section_table_reads_as_pefile_reads_it(uki: Path) -> None:
    oracle = pefile.PE(str(uki), fast_load=True)
    mine = [(section.name, section.address, section.offset) for section in read_pe(opened(uki)).sections]
    theirs = [
        (section.Name.rstrip(b"\0").decode(), section.VirtualAddress, section.PointerToRawData)
        for section in oracle.sections
    ]
    assert mine == theirs


def test_a_section_outside_the_file_is_named(uki: Path) -> None:
    data = uki.read_bytes()
    with pytest.raises(Malformed, match=r"section \.\w+ inside the file"):
        read_pe(Bytes(data[:60000], "cut.efi"))


def test_dos_programs_and_arm64_images_without_efi_are_no_pe() -> None:
    assert not is_pe(Bytes(b"MZ" + bytes(200), "dos"))
    assert not is_pe(Bytes(b"", "empty"))
    with pytest.raises(Malformed, match="PE"):
        read_pe(Bytes(b"MZ" + bytes(200), "dos"))


@settings(deadline=None)
@given(data=st.data())
def test_any_change_yields_sections_or_our_error(data: st.DataObject, uki: Path) -> None:
    changed = bytearray(uki.read_bytes()[: data.draw(st.sampled_from([300, 600, 5000, 100000]))])
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, min(len(changed), 700) - 1))] = data.draw(st.integers(0, 255))
    fuzz_target("fuzz_pe")(bytes(changed))


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_no_pe(data: bytes) -> None:
    fuzz_target("fuzz_pe")(b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + data)
