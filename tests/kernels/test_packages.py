"""The package list, and the order of Debian versions; dpkg is the reference."""

from __future__ import annotations

import importlib.util
import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.archives.deb import DebReader
from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.streams import SourceStream
from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.places import data_files
from bootwright.foundation.versions import Version
from bootwright.kernels.archive.packages import Package, read_packages, version_key
from bootwright.kernels.archive.release import read_release
from bootwright.kernels.extract import wanted_of
from bootwright.kernels.source import Source, load_source, load_sources

PARAGRAPH = (
    "Package: {name}\nVersion: 6.12.1-1\nArchitecture: arm64\nDescription: a\n Package: not-this-one\n"
    "Filename: pool/main/l/x.deb\nSize: 12\nSHA256: " + "a" * 64 + "\n"
)
ORDER = [
    "1.0~~", "1.0~~a", "1.0~rc1-1", "1.0", "1.0-0.1", "1.0-1~bpo13+1", "1.0-1", "1.0-1+b1", "1.0-1.1",
    "1.0-2",
    "1.0-10", "1.0+deb13u1-1", "1.0.1-1", "1.9-1", "1.10-1", "6.9.1-1", "6.12.107-1", "1:0.1-1",
]  # fmt: skip


def test_order_of_versions() -> None:
    mixed = ORDER[::2] + ORDER[1::2][::-1]
    assert sorted(mixed, key=version_key) == ORDER  # type: ignore[arg-type]


VERSIONS = st.from_regex(r"[0-9][a-z0-9.+~]{0,6}(-[a-z0-9.+~]{1,4})?", fullmatch=True)


@given(VERSIONS, st.sampled_from(ORDER))
@settings(max_examples=40, deadline=None)
def test_order_as_dpkg_has_it(first: str, second: str) -> None:
    dpkg = tools.find("dpkg")
    if dpkg is None:
        pytest.skip("dpkg is the reference")
    done = subprocess.run([dpkg, "--compare-versions", first, "lt", second], check=False, capture_output=True)
    assert (version_key(first) < version_key(second)) == (done.returncode == 0)  # type: ignore[operator]


def read(text: str) -> list[Package]:
    stream = SourceStream(Bytes(text.encode(), "Packages"))
    return list(read_packages(stream, "Packages", lambda name: name.startswith("linux"), "arm64"))


def test_only_wanted_packages_are_read() -> None:
    text = "\n".join(
        [PARAGRAPH.format(name=name) for name in ("bash", "linux-a", "linux-b")]
        + [PARAGRAPH.format(name="linux-c").replace("arm64", "amd64")]
    )
    assert [package.name for package in read(text)] == ["linux-a", "linux-b"]
    assert read(PARAGRAPH.format(name="linux-a"))[0].size == 12


@pytest.mark.parametrize("line", ["Size: 12\n", "Version: 6.12.1-1\n", "Filename: pool/main/l/x.deb\n"])
def test_a_field_that_is_missing(line: str) -> None:
    with pytest.raises(Malformed, match="linux-a"):
        read(PARAGRAPH.format(name="linux-a").replace(line, ""))


def test_release_dates_and_hashes() -> None:
    text = "Origin: X\nDate: Sat, 12 Sep 2026 07:55:41 UTC\nSHA256:\n " + "a" * 64 + "  12 main/x\n"
    release = read_release(text, "Release")
    assert release.date.isoformat() == "2026-09-12T07:55:41+00:00"
    assert release.files == {"main/x": ("a" * 64, 12)}
    for wrong in (text.replace("Sat, 12", "some"), text.replace("  12 ", " x "), "Origin: X\n", ""):
        with pytest.raises(Malformed):
            read_release(wrong, "Release")


def debian() -> Source:
    return next(source for source in load_sources() if source.name == "debian")


@pytest.mark.parametrize(
    ("package", "version", "flavour"),
    [
        ("linux-image-6.12.107+deb13-arm64", "6.12.107", "arm64"),
        ("linux-image-6.12.107+deb13-arm64-16k", "6.12.107", "arm64-16k"),
        ("linux-image-6.18.5+deb14-arm64", "6.18.5", "arm64"),
    ],
)
def test_names_of_debian_packages(package: str, version: str, flavour: str) -> None:
    named = debian().named("linux-image-{release}", package)
    assert named is not None
    assert (str(named.version), named.flavour) == (version, flavour)
    assert named.release == package.removeprefix("linux-image-")


@pytest.mark.parametrize(
    ("package", "package_version", "name"),
    [
        ("linux-image-6.1.0-50-arm64", "6.1.176-1", "debian-6.1.176-4k"),
        ("linux-image-6.1.0-50-cloud-arm64", "6.1.176-1", "debian-6.1.176-4k-cloud"),
        ("linux-image-6.1.0-50-rt-arm64", "6.1.176-1", "debian-6.1.176-4k-rt"),
        ("linux-image-6.1.0-0.deb11.51-arm64", "6.1.177-1~deb11u1", "debian-6.1.177-4k"),
        ("linux-image-5.10.0-30-arm64", "5.10.218-1", "debian-5.10.218-4k"),
        ("linux-image-6.12.90+deb12.1-arm64-16k", "6.12.90-2~bpo12+1", "debian-6.12.90-16k"),
        ("linux-image-6.12.117+deb13-cloud-arm64", "6.12.117-1", "debian-6.12.117-4k-cloud"),
    ],
)
def test_names_in_the_catalogue(package: str, package_version: str, name: str) -> None:
    source = debian()
    named = source.named("linux-image-{release}", package, package_version)
    assert named is not None
    assert named.version is not None
    assert source.kernel_name(named.version, named.flavour) == name


@pytest.mark.parametrize(
    "package", ["linux-image-6.1.0-57-cloud-arm64-unsigned", "linux-image-6.12.117+deb13-rt-arm64-unsigned"]
)
def test_an_unsigned_package_is_read_but_not_listed(package: str) -> None:
    source = debian()
    assert all(source.named(part, package) is None for part in source.parts)
    given = source.given(package)
    assert given is not None
    assert f"linux-image-{given.release}-unsigned" == package


@pytest.mark.parametrize(
    "package",
    [
        "linux-image-6.12.107+deb13-arm64-dbg",
        "linux-image-6.12.107+deb13-arm64-unsigned",
        "linux-image-6.12.107+deb13-riscv64",
        "linux-image-6.1-arm64",
        "linux-image-6.1.0-50-arm64-dbg",
        "linux-image-arm64",
        "linux-image-6.12.107+deb13-arm64-16k-unsigned",
    ],
)
def test_names_that_are_left_out(package: str) -> None:
    source = debian()
    assert all(source.named(part, package) is None for part in source.parts)


@pytest.mark.parametrize("version", ["6.12.107", "6.18.15", "6.19", "6.19.6", "7.3.4"])
def test_each_version_has_one_layout(version: str) -> None:
    parsed = Version.parse(version)
    assert parsed is not None
    assert sum(layout.holds(parsed) for layout in debian().layout) == 1


@pytest.mark.parametrize(
    "change", ['colour = "red"\n', "suites = []\n", "[flavours]\narm64 = 8192\n", "x = ["]
)
def test_a_source_file_that_is_not_right(tmp_path: Path, change: str) -> None:
    text = data_files("kernels")[0].read_text()
    key, _, _ = change.partition(" ")
    if key == "suites":
        text = re.sub(r"(?m)^suites = .*\n", change, text)
    elif key.startswith("[flavours]"):
        text = text.replace("arm64 = 4096", "arm64 = 8192")
    else:
        text = change + text
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(Malformed):
        load_source(tmp_path / "x.toml")


def _one_input(data: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz/fuzz_archive_index.py"
    spec = importlib.util.spec_from_file_location("fuzz_archive_index", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.one_input(data)


@given(st.binary(max_size=300), st.text(max_size=60))
@settings(max_examples=80, deadline=None)
def test_any_bytes(data: bytes, text: str) -> None:
    _one_input(data)
    _one_input(PARAGRAPH.format(name="linux-a").encode().replace(b"6.12.1-1", data))
    _one_input(f"Date: {text}\nSHA256:\n {text}\n".encode("utf-8", "surrogatepass"))


def package(name: str, architecture: str, files: str) -> DebReader:
    """A package that somebody has, as far as its control files say what is in it."""

    def tarred(members: dict[str, str]) -> bytes:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            for path, text in members.items():
                member = tarfile.TarInfo(path)
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        return file.getvalue()

    control = f"Package: {name}\nVersion: 1\nArchitecture: {architecture}\n"
    sums = "".join(f"{'0' * 32}  {path}\n" for path in files.split())
    parts = {"debian-binary": b"2.0\n", "control.tar": tarred({"./control": control, "./md5sums": sums})}
    raw = b"!<arch>\n"
    for part, data in {**parts, "data.tar": tarred({})}.items():
        raw += f"{part:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        raw += data + b"\n" * (len(data) % 2)
    return DebReader(SourceStream(Bytes(raw, name)), name)


@pytest.mark.parametrize(
    ("name", "files", "release"),
    [
        ("linux-image-6.12.1+deb13-arm64", "", "6.12.1+deb13-arm64"),
        (
            "linux-image-6.18.5-own",
            "boot/vmlinuz-6.18.5-own lib/modules/6.18.5-own/kernel/a.ko",
            "6.18.5-own",
        ),
        ("linux-image-current-x", "boot/vmlinuz-6.12.9-current boot/config-6.12.9-current", "6.12.9-current"),
        ("x", "lib/modules/6.19.1/vmlinuz lib/modules/6.19.1/modules.builtin", "6.19.1"),
    ],
)
def test_a_package_of_any_name_says_which_kernel_it_holds(name: str, files: str, release: str) -> None:
    wanted = wanted_of(package(name, "arm64", files), load_sources(), name)
    assert wanted.release == release
    assert wanted.place(f"lib/modules/{release}/kernel/a.ko") == f"tree/lib/modules/{release}/kernel/a.ko"
    assert wanted.place(f"boot/vmlinuz-{release}") == "vmlinuz"


def test_a_package_for_another_machine_or_of_no_kernel() -> None:
    with pytest.raises(Refused, match="x is a package for amd64"):
        wanted_of(package("x", "amd64", "boot/vmlinuz-1"), load_sources(), "x")
    for files in ("usr/bin/true", "boot/vmlinuz-1 boot/vmlinuz-2"):
        with pytest.raises(Malformed, match="one kernel in the package x"):
            wanted_of(package("x", "arm64", files), load_sources(), "x")
