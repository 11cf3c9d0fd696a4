"""An initramfs taken apart: members, files of a squashfs root in it, modules with what they need."""

from __future__ import annotations

import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_targets import target

from bootwright.formats.archives import cpio
from bootwright.formats.archives.initramfs import read_segments
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation import tools
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.images.opened import all_files
from bootwright.images.parts.initramfs_part import compressed
from bootwright.isolate.files import InitramfsFile, Piece, WholeFile, initramfs_file
from bootwright.isolate.initramfs import InitramfsMix
from bootwright.isolate.tree import Item, TreePair

RELEASE = "6.18.5"


def module(name: str, *depends: str, build: str = "") -> bytes:
    """A real ELF object with the fields of a module, as modpost writes them."""
    text = f"\\0name={name}\\0depends={','.join(depends)}\\0vermagic={RELEASE} SMP\\0build={build}\\0"
    source = f'const char info[] __attribute__((section(".modinfo"), used)) = "{text[2:]}";'
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "x.ko"
        subprocess.run(
            ["aarch64-linux-gnu-gcc", "-c", "-x", "c", "-o", made, "-"], input=source.encode(), check=True
        )
        return made.read_bytes()


@pytest.fixture(scope="session")
def modules() -> dict[str, bytes]:
    """`macb` needs `phylink`; `loop` needs nothing; each in two builds."""
    return {
        f"{name}{build}": module(name, *needs, build=build)
        for name, needs in (("macb", ("phylink",)), ("phylink", ()), ("loop", ()))
        for build in ("", "2")
    }


def squashfs(files: dict[str, bytes], *, links: dict[str, str] | None = None) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        root, image = Path(folder) / "root", Path(folder) / "image"
        for name, data in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        for name, to in (links or {}).items():
            (root / name).symlink_to(to)
        modules = root / "usr/lib/modules"
        if modules.is_dir():
            base = Path(folder) / "base/lib"
            base.mkdir(parents=True)
            (base / "modules").symlink_to(modules)
            tools.run(["depmod", "-b", base.parent, RELEASE])
        subprocess.run(["mksquashfs", root, image, "-quiet", "-no-progress", "-all-root"], check=True)
        return image.read_bytes()


def packed(files: dict[str, bytes], kind: str | None = "xz") -> bytes:
    members = [cpio.Member(name, data, stat.S_IFREG | 0o755) for name, data in files.items()]
    archive = cpio.write([cpio.folder("dev"), cpio.character_device("dev/console", 5, 1), *members])
    if kind is None:
        return archive
    with tempfile.TemporaryDirectory() as folder:
        return compressed(archive, kind, Path(folder) / "x").read_bytes()


def contents(data: bytes) -> dict[str, bytes]:
    """Every file, those of a squashfs root below its name."""
    contents: dict[str, bytes] = {}
    for segment in read_segments(Bytes(data, "x")):
        for entry in cpio.read(segment.archive):
            if not entry.is_file:
                continue
            raw = segment.archive.read(entry.offset, entry.size)
            if entry.name.endswith(".sqsh"):
                files = SquashFs(Bytes(raw, entry.name))
                for inner in all_files(files):
                    if inner.kind == "file":
                        contents[f"{entry.name}{inner.path}"] = files.open(inner).read(0, inner.size)
            else:
                contents[entry.name] = raw
    return contents


def tree(names: list[str], modules: dict[str, bytes], build: str = "") -> dict[str, bytes]:
    return {f"usr/lib/modules/{RELEASE}/kernel/{name}.ko": modules[f"{name}{build}"] for name in names}


@pytest.fixture(scope="session")
def pair(modules: dict[str, bytes]) -> tuple[bytes, bytes]:
    """As Talos has it: an xz cpio with init and a squashfs root; the bad one lacks macb, among others."""
    good = {
        "etc/os-release": b"ID=one",
        "usr/bin/same": b"same",
        **tree(["macb", "phylink", "loop"], modules),
    }
    bad = {"etc/os-release": b"ID=two", "usr/bin/same": b"same", "usr/bin/new": b"new"}
    bad |= tree(["phylink"], modules) | tree(["loop"], modules, "2")
    links = {"lib": "usr/lib"}
    return (
        packed({"init": b"init", "rootfs.sqsh": squashfs(good, links=links)}),
        packed({"init": b"init 2", "rootfs.sqsh": squashfs(bad, links=links)}),
    )


def test_every_difference_is_named(pair: tuple[bytes, bytes]) -> None:
    mix = InitramfsMix(*pair, "BOOT:/A/initramfs.xz")
    assert sorted(mix.names) == [
        "/init",
        "/rootfs.sqsh: /etc/os-release",
        "/rootfs.sqsh: /usr/bin/new",
        "/rootfs.sqsh: module loop",
        "/rootfs.sqsh: module macb",
    ]
    assert not mix.with_kernel
    assert mix.content(frozenset()) == pair[0]
    assert mix.content(frozenset(mix.names)) == pair[1]


def test_a_mixture_has_what_was_chosen_and_tables_that_fit(pair: tuple[bytes, bytes]) -> None:
    mix = InitramfsMix(*pair, "x")
    good, bad = contents(pair[0]), contents(pair[1])
    mixed_bytes = mix.content(frozenset({"/init", "/rootfs.sqsh: module macb", "/rootfs.sqsh: /usr/bin/new"}))
    mixed = contents(mixed_bytes)
    folder = f"rootfs.sqsh/usr/lib/modules/{RELEASE}"
    assert mixed["init"] == b"init 2"
    assert mixed["rootfs.sqsh/usr/bin/new"] == b"new"
    assert mixed["rootfs.sqsh/etc/os-release"] == b"ID=one"
    assert f"{folder}/kernel/macb.ko" not in mixed
    assert (
        mixed[f"{folder}/kernel/loop.ko"]
        == good[f"{folder}/kernel/loop.ko"]
        != bad[f"{folder}/kernel/loop.ko"]
    )
    assert b"macb" in good[f"{folder}/modules.dep"]
    assert b"macb" not in mixed[f"{folder}/modules.dep"]
    assert b"loop" in mixed[f"{folder}/modules.dep"]
    # Links and device nodes stay, and the form is the good one's.
    (segment,) = read_segments(Bytes(mixed_bytes, "x"))
    assert segment.compression == "xz"
    entries = {entry.name: entry for entry in cpio.read(segment.archive)}
    assert entries["dev/console"].device == (5, 1)
    root = SquashFs(cpio.content(segment.archive, entries["rootfs.sqsh"]))
    assert {entry.path: entry.target for entry in all_files(root)}["/lib"] == "usr/lib"


def test_a_module_brings_what_it_needs_and_takes_along_what_needs_it(modules: dict[str, bytes]) -> None:
    both, none = tree(["macb", "phylink"], modules), tree(["loop"], modules)
    added = InitramfsMix(packed(none), packed(none | both), "x")
    assert added.needs == {"module macb": frozenset({"module phylink"})}
    taken = InitramfsMix(packed(none | both), packed(none), "x")
    assert taken.needs == {"module phylink": frozenset({"module macb"})}
    assert sorted(taken.names) == ["module macb", "module phylink"]


def test_modules_of_another_release_go_with_their_kernel(modules: dict[str, bytes]) -> None:
    ours = tree(["macb", "phylink"], modules)
    theirs = {name.replace(RELEASE, "6.12.1"): data for name, data in ours.items()}
    lists = [{"etc/modules": "".join(f"/{name}\n" for name in side).encode()} for side in (ours, theirs)]
    mix = InitramfsMix(
        packed(ours | lists[0] | {"init": b"1"}), packed(theirs | lists[1] | {"init": b"2"}), "x"
    )
    together = f"modules of {RELEASE} → 6.12.1"
    assert sorted(mix.names) == ["/init", together]
    assert mix.with_kernel == {together}
    mixed = contents(mix.content(frozenset({together})))
    assert mixed == theirs | lists[1] | {"init": b"1"}


def test_several_archives_are_told_apart() -> None:
    early, main = packed({"early": b"1"}, None), packed({"init": b"1"}, "gzip")
    mix = InitramfsMix(early + main, packed({"early": b"2"}, None) + packed({"init": b"2"}, "gzip"), "x")
    assert mix.names == ["archive 1: /early", "archive 2: /init"]
    mixed = mix.content(frozenset({"archive 2: /init"}))
    assert mixed.startswith(early)
    assert contents(mixed) == {"early": b"1", "init": b"2"}
    with pytest.raises(Refused, match="2 archives in one image"):
        InitramfsMix(early + main, main, "x")


def test_what_cannot_be_read_is_taken_whole_and_said(pair: tuple[bytes, bytes]) -> None:
    for bad in (pair[1][:-200], b"nothing", b""):
        mixed, reason = initramfs_file(pair[0], bad, "BOOT:/initramfs")
        assert isinstance(mixed, WholeFile)
        assert reason is not None
        assert "BOOT:/initramfs of the bad image" in reason
        assert mixed.content(frozenset(mixed.pieces())) == bad
    # Packed otherwise, and the same inside.
    same, reason = initramfs_file(packed({"init": b"1"}), packed({"init": b"1"}, "gzip"), "x")
    assert isinstance(same, InitramfsFile)
    assert same.pieces() == [Piece("initramfs", "")]
    assert reason is None


def item(data: bytes, mode: int = stat.S_IFREG | 0o644) -> Item:
    return Item(mode, len(data), lambda: data)


FOLDER = item(b"", stat.S_IFDIR | 0o755)


def test_folders_come_with_what_is_in_them() -> None:
    good = {"a": FOLDER, "a/x": item(b"1")}
    bad = {"a": FOLDER, "b": FOLDER, "b/c": FOLDER, "b/c/y": item(b"2"), "empty": FOLDER}
    mix = TreePair(good, bad)
    assert mix.names == ["/a/x", "/b/c/y", "/empty"]
    assert list(mix.choose(frozenset({"/b/c/y"}))) == ["a", "a/x", "b", "b/c", "b/c/y"]
    clash = TreePair({"a": item(b"1")}, {"a": FOLDER, "a/x": item(b"1")})
    assert clash.choose(frozenset(clash.names)).keys() == {"a", "a/x"}
    with pytest.raises(Refused):
        clash.choose(frozenset({"/a/x"}))


NAMES = st.sampled_from(["a", "b", "d/x", "d/y", "d/e/z"])


@given(good=st.dictionaries(NAMES, st.binary(max_size=2)), bad=st.dictionaries(NAMES, st.binary(max_size=2)))
def test_trees_give_both_ends_and_anything_between(good: dict[str, bytes], bad: dict[str, bytes]) -> None:
    sides = [{name: item(data) for name, data in side.items()} for side in (good, bad)]
    mix = TreePair(sides[0], sides[1])
    assert {path: part.read() for path, part in mix.choose(frozenset()).items()} == good
    assert {path: part.read() for path, part in mix.choose(frozenset(mix.names)).items()} == bad
    for name in mix.names:
        chosen = {path: part.read() for path, part in mix.choose(frozenset({name})).items()}
        path = name.lstrip("/")
        assert chosen.get(path) == bad.get(path)
        assert {name_there: data for name_there, data in chosen.items() if name_there != path} == {
            name_there: data for name_there, data in good.items() if name_there != path
        }


SEED = packed({"init": b"1", "d/x": b"2"}, None)


@settings(max_examples=80)
@given(data=st.data())
def test_any_bytes_are_mixed_or_refused(data: st.DataObject) -> None:
    parts = [bytearray(SEED), bytearray(SEED)]
    for part in parts:
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(part)))
            part[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    target("isolate_initramfs")(b"\0CUT\0".join(parts))


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_mixed_or_refused(data: bytes) -> None:
    target("isolate_initramfs")(data)


def test_a_name_that_leads_elsewhere_is_refused() -> None:
    with pytest.raises(Malformed):
        InitramfsMix(SEED, packed({"../etc/passwd": b""}, None), "x")
    assert issubclass(Malformed, BootwrightError)
