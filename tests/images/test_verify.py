"""What `verify` and `manifest` find in sound images, and in images broken in one place each."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import image_kit
import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.cli.image.manifest import command as manifest_command
from bootwright.cli.image.swap import command as swap_command
from bootwright.cli.image.verify import command as verify_command
from bootwright.formats.archives import cpio
from bootwright.formats.filesystems.filesystem import lookup
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.images.change.changes import Changes
from bootwright.images.change.edits import ConfigEdit
from bootwright.images.change.swap import swap
from bootwright.images.compose.compose import compose
from bootwright.images.manifest_model import beside
from bootwright.images.opened import open_image
from bootwright.images.recipes.reader import find_recipe
from bootwright.images.verify.manifest import read_manifest
from bootwright.images.verify.verify import verify
from bootwright.images.verify.verify_expect import Expectation

SCHEMAS = Path(__file__).parents[2] / "docs/schemas"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    return compose(find_recipe(str(image_kit.recipe(folder))), folder / "kit.raw").image


@pytest.fixture
def copy(image: Path, tmp_path: Path) -> Path:
    path = tmp_path / "copy.raw"
    subprocess.run(["cp", "--sparse=always", image, path], check=True)
    return path


def failures(path: Path, *expected: str) -> list[str]:
    result = verify(path, expected=[Expectation.parse(text) for text in expected])
    assert (result.verdict is Verdict.FAILS) == any(check.verdict is Verdict.FAILS for check in result.checks)
    return [f"{check.name}: {check.detail}" for check in result.checks if check.verdict is Verdict.FAILS]


def test_a_composed_image_is_sound(image: Path) -> None:
    result = verify(image)
    assert result.verdict is Verdict.WORKS, [check for check in result.checks if check.verdict != "works"]
    names = {check.name for check in result.checks}
    assert {"partition table", "file system EFI", "file system BOOT", "kernel", "initramfs"} <= names
    assert {"config.txt", "devicetrees", "boot entry"} <= names


def poke(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
        file.write(data)


def at(path: Path, place: str) -> tuple[int, int]:
    """Where on the disk a file's first byte lies, and its size."""
    volume, name = open_image(path).place(place)
    entry = lookup(volume.files, name)
    assert entry is not None
    data = volume.files.open(entry).read(0, entry.size)
    whole = path.read_bytes()
    start = volume.partition.offset
    return whole.index(data[:4096], start), entry.size


@pytest.mark.parametrize(
    ("breaking", "wanted"),
    [
        (lambda path: poke(path, 512 + 40, b"\xff"), "partition table: primary: bad"),
        (lambda path: poke(path, -512 + 40, b"\xff"), "partition table: backup: bad"),
        (lambda path: poke(path, 2 * 512 + 60, b"\xff"), "partition table: primary: bad"),
        (lambda path: poke(path, -33 * 512 + 60, b"\xff"), "partition table: backup: bad"),
        (lambda path: poke(path, 510, b"\0\0"), "partition table: the protective MBR"),
        # The first FAT's entries of the root directory and the first files: chains that lead nowhere.
        (lambda path: poke(path, (1 << 20) + 32 * 512 + 12, b"\xf7\xff\xff\x0f" * 4), "file system EFI"),
        # Allocation group 0, free space: only xfs_repair knows.
        (
            lambda path: poke(path, (65 << 20) + 512 + 40, b"\x77\x77\x77\x77"),
            "file system BOOT: xfs_repair -n",
        ),
        (lambda path: poke(path, at(path, "BOOT:/A/vmlinuz")[0] + 56, b"XXXX"), "kernel: "),
        (lambda path: poke(path, at(path, "BOOT:/A/initramfs.xz")[0] + 60, b"\xff" * 8), "initramfs: "),
        (lambda path: poke(path, at(path, "EFI:/bcm2712-rpi-5-b.dtb")[0] + 8, b"\xff" * 4), "devicetree: "),
    ],
)
def test_each_broken_place_is_found(copy: Path, breaking: Callable[[Path], None], wanted: str) -> None:
    breaking(copy)
    assert any(text.startswith(wanted) for text in failures(copy)), failures(copy)


def test_what_the_chain_names_must_be_there(image: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.raw"
    swap(image, out, Changes(removed=("BOOT:/A/vmlinuz",)))
    assert any("starts /A/vmlinuz, which is not there" in text for text in failures(out))
    swap(image, out, Changes(removed=("BOOT:/A/initramfs.xz",)))
    assert any("loads /A/initramfs.xz, which is not there" in text for text in failures(out))
    swap(image, out, Changes(removed=("BOOT:/grub/grub.cfg",)))
    assert any("nothing here boots" in text for text in failures(out))
    edits = (ConfigEdit.parse("kernel=u-boot.bin"), ConfigEdit.parse("[pi5] dtoverlay=nothing,x=1"))
    swap(image, out, Changes(config=edits))
    problems = failures(out)
    assert any("names /u-boot.bin, which is not there" in text for text in problems)
    assert any("names /overlays/nothing.dtbo, which is not there" in text for text in problems)


def test_modules_of_another_kernel_are_found(tmp_path: Path) -> None:
    image_kit.recipe(tmp_path)
    archive = cpio.write(
        [
            cpio.Member("init", b"#!", stat.S_IFREG | 0o755),
            cpio.Member("lib/modules/6.1.0-other/kernel/x.ko", b"module"),
        ]
    )
    (tmp_path / "initramfs").write_bytes(archive)
    made = compose(find_recipe(str(tmp_path / "kit.toml")), tmp_path / "kit.raw").image
    assert failures(made) == [
        f"modules: modules of 6.1.0-other, which the kernel {image_kit.RELEASE} does not load"
    ]


def test_every_entry_of_a_menu_is_looked_at(image: Path, tmp_path: Path) -> None:
    """Talos's menu has A and B: the one that is not started by itself counts too."""
    menu = tmp_path / "grub.cfg"
    entry = 'menuentry "{0}" {{\n  linux /{1}/vmlinuz console=ttyAMA0\n  initrd /{1}/initramfs.xz\n}}\n'
    menu.write_text(f'set default="A"\n{entry.format("A", "A")}{entry.format("B", "B")}')
    folder = image.parent
    files = [("BOOT:/grub/grub.cfg", menu)]
    out = tmp_path / "o.raw"
    swap(image, out, Changes(files=tuple(files)))
    problems = failures(out)
    assert any("starts /B/vmlinuz, which is not there" in text for text in problems)
    files += [("BOOT:/B/vmlinuz", folder / "vmlinuz"), ("BOOT:/B/initramfs.xz", folder / "initramfs")]
    swap(image, out, Changes(files=tuple(files)))
    assert failures(out) == []
    archive = cpio.write([cpio.Member("init", b"#!"), cpio.Member("lib/modules/6.1.0-old/kernel/x.ko", b"m")])
    (tmp_path / "stale").write_bytes(archive)
    files[-1] = ("BOOT:/B/initramfs.xz", tmp_path / "stale")
    swap(image, out, Changes(files=tuple(files)))
    assert any("modules of 6.1.0-old" in text for text in failures(out))


def test_u_boots_files_must_be_where_u_boot_reads_them(tmp_path: Path) -> None:
    text = image_kit.EXTLINUX.replace('title = "Kit"\n', 'title = "Kit"\noverlays = ["/dtbs/o.dtbo"]\n')
    path = image_kit.recipe(tmp_path, text)
    made = compose(find_recipe(str(path)), tmp_path / "kit.raw").image
    assert any("names /dtbs/o.dtbo, which is not there" in problem for problem in failures(made))
    with_overlay = Changes(files=(("BOOT:/dtbs/o.dtbo", tmp_path / "dtbs/broadcom/bcm2712-rpi-5-b.dtb"),))
    out = swap(made, tmp_path / "o.raw", with_overlay).image
    assert failures(out) == []
    path.write_text(image_kit.EXTLINUX.replace('"ext4"', '"xfs"').replace('"32 MiB"', '"300 MiB"'))
    made = compose(find_recipe(str(path)), tmp_path / "xfs.raw").image
    assert any("xfs, which U-Boot does not read" in problem for problem in failures(made))


def test_modules_that_the_kernel_will_not_take_and_a_root_it_cannot_mount(tmp_path: Path) -> None:
    release = image_kit.RELEASE
    image_kit.recipe(tmp_path, image_kit.KIT.replace('"quiet"', '"module.sig_enforce=1"'))
    root = tmp_path / "root/lib/modules" / release
    root.mkdir(parents=True)
    (root / "modules.builtin").write_text("kernel/fs/squashfs/squashfs.ko\n")
    subprocess.run(
        ["mksquashfs", tmp_path / "root", tmp_path / "r.sqsh", "-quiet", "-no-progress"], check=True
    )
    members = [
        cpio.Member("init", b"#!", stat.S_IFREG | 0o755),
        cpio.Member("rootfs.sqsh", (tmp_path / "r.sqsh").read_bytes()),
        cpio.Member(f"lib/modules/{release}/kernel/x.ko", b"\x7fELF not signed"),
    ]
    (tmp_path / "initramfs").write_bytes(cpio.write(members))
    made = compose(find_recipe(str(tmp_path / "kit.toml")), tmp_path / "kit.raw").image
    problems = failures(made)
    assert any(f"the kernel {release} refuses x.ko: it is not signed" in text for text in problems)
    assert any("nothing can mount it: loop neither built in" in text for text in problems)


def test_expectations_prove_the_build(image: Path, tmp_path: Path) -> None:
    folder = image.parent
    good = (
        f"kernel={folder}/vmlinuz",
        f"dtb={folder}/dtbs",
        f"dtb={folder}/dtbs/broadcom/bcm2712-rpi-5-b.dtb",
        f"initramfs={folder}/initramfs",
        f"BOOT:/A/vmlinuz={folder}/vmlinuz",
        "cmdline=console=ttyAMA0",
    )
    assert failures(image, *good) == []
    stale = tmp_path / "stale"
    stale.write_bytes(image_kit.kernel_image(filler=b"an hour older"))
    (text,) = failures(image, f"kernel={stale}")
    assert "another build" in text
    assert "same release" in text
    other = tmp_path / "other"
    other.write_bytes(image_kit.kernel_image("6.19.0-other", page=2))
    (text,) = failures(image, f"kernel={other}")
    assert "release 6.18.5-kit, not 6.19.0-other" in text
    assert "page size 4096, not 16384" in text
    image_kit.devicetree(tmp_path / "trees", "bcm2712-rpi-5-b.dtb", "other")
    assert len(failures(image, f"dtb={tmp_path}/trees")) == 2  # one differs, the other is not there
    assert failures(image, "cmdline=nothing") != []
    assert failures(image, f"uki={stale}") != []
    with pytest.raises(Missing):
        verify(image, expected=[Expectation("kernel", str(tmp_path / "none"))])
    for text in ("kernel", "kernel=", "no=x"):
        with pytest.raises(Refused):
            Expectation.parse(text)


def test_gzip_is_taken_off_before_kernels_are_compared(image: Path, tmp_path: Path) -> None:
    import gzip

    (tmp_path / "vmlinuz.gz").write_bytes(gzip.compress((image.parent / "vmlinuz").read_bytes()))
    assert failures(image, f"kernel={tmp_path}/vmlinuz.gz") == []


def test_without_a_checker_the_answer_is_not_known(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bootwright.foundation import tools

    real = tools.find
    monkeypatch.setattr(tools, "find", lambda name: None if name == "xfs_repair" else real(name))
    result = verify(image)
    assert result.verdict is Verdict.UNKNOWN
    (check,) = [candidate for candidate in result.checks if candidate.verdict is Verdict.UNKNOWN]
    assert "xfs_repair is not installed" in check.detail


def test_the_documents_are_as_documented(image: Path, tmp_path: Path) -> None:
    def run(command: object, *arguments: str) -> tuple[int, dict[str, object]]:
        done = CliRunner().invoke(command, [*arguments, "--json"], standalone_mode=False)  # type: ignore[arg-type]
        assert done.exception is None, done.exception
        return done.return_value, json.loads(done.stdout)

    def schema(name: str) -> dict[str, object]:
        loaded: dict[str, object] = json.loads((SCHEMAS / name).read_text())
        return loaded

    status, document = run(verify_command, str(image), "-q")
    assert status == 0
    jsonschema.validate(document, schema("image-verify.schema.json"))
    status, document = run(manifest_command, str(image))
    jsonschema.validate(document, schema("manifest.schema.json"))
    jsonschema.validate(json.loads(beside(image).read_text()), schema("manifest.schema.json"))
    status, document = run(swap_command, str(image), "-o", str(tmp_path / "o.raw"), "--cmdline", "+a", "-q")
    jsonschema.validate(document, schema("image-swap.schema.json"))
    jsonschema.validate(document["manifest"], schema("manifest.schema.json"))
    status, document = run(verify_command, str(image), "-q", "--expect", "cmdline=nothing")
    assert (status, document["verdict"]) == (1, "fails")


def test_a_manifest_is_read_from_the_image_with_the_origins_beside_it(image: Path, tmp_path: Path) -> None:
    manifest = read_manifest(image)
    by_path = {part.path: part for part in manifest.parts}
    assert by_path["BOOT:/A/vmlinuz"].origin == str(image.parent / "vmlinuz")
    assert by_path["BOOT:/grub/grub.cfg:arguments"].name == "cmdline"
    assert by_path["EFI:/bcm2712-rpi-5-b.dtb"].version == "bcm2712-rpi-5-b.dtb"
    alone = tmp_path / "alone.raw"
    shutil.copyfile(image, alone)
    assert {part.sha256 for part in read_manifest(alone).parts} == {part.sha256 for part in manifest.parts}
    assert all(part.origin is None for part in read_manifest(alone).parts)
    # What a swap changed is known, though the rest is not.
    new = image_kit.devicetree(tmp_path, "bcm2712-rpi-5-b.dtb", "new")
    made = swap(alone, tmp_path / "o.raw", Changes(trees=(new,)))
    assert not made.manifest.complete
    origins = {part.path: part.origin for part in read_manifest(made.image).parts}
    assert origins["EFI:/bcm2712-rpi-5-b.dtb"] == str(new)
    assert origins["BOOT:/A/vmlinuz"] is None
    beside(made.image).write_text('{"format": "else"}')
    with pytest.raises(Malformed, match="a manifest"):
        read_manifest(made.image)


@pytest.mark.parametrize("data", [b"", b"x" * 4096, b"\xfd7zXZ\0" + bytes(4096)])
def test_what_is_no_image_is_an_error_with_a_hint(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(BootwrightError):
        verify(path)
    with pytest.raises(BootwrightError):
        read_manifest(path)
    with pytest.raises(BootwrightError):
        swap(path, tmp_path / "o", Changes(config=(ConfigEdit.parse("a=1"),)))
    assert not (tmp_path / "o").exists()


def test_a_disk_that_fails_and_a_file_cut_short_are_errors(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_image(copy)
    os.truncate(copy, 70 << 20)
    with pytest.raises(Malformed, match="the end of the file"):
        opened.source.read(80 << 20, 4096)
    real = os.pread

    def failing(handle: int, size: int, offset: int) -> bytes:
        if offset + size > 66 << 20:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(handle, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(Malformed, match=r"a read error \(Input/output error\)"):
        opened.source.read(66 << 20, 4096)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=64)), min_size=1, max_size=6)
)
def test_a_mutated_image_is_judged_or_refused(copy: Path, pokes: list[tuple[int, bytes]]) -> None:
    """Metadata of GPT, FAT and XFS is hit; the image is mended afterwards."""
    old: list[tuple[int, bytes]] = []
    with copy.open("r+b") as file:
        for where, data in pokes:
            # Near the starts of the table, the FAT volume and the XFS volume, where their structures lie.
            offset = (0, 1 << 20, 65 << 20)[where % 3] + where // 3 % 70_000
            file.seek(offset)
            old.append((offset, file.read(len(data))))
            file.seek(offset)
            file.write(data)
    try:
        with contextlib.suppress(BootwrightError):
            verify(copy)
        with contextlib.suppress(BootwrightError):
            read_manifest(copy)
    finally:
        for offset, data in reversed(old):
            poke(copy, offset, data)
