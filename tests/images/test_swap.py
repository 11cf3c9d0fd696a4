"""One part changed in a copy: the original untouched, file systems clean, everything else as it was."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import attrs
import image_kit
import pytest
from click.testing import CliRunner
from disk_kit import disk_digest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.cli.image.swap import command
from bootwright.formats.archives import cpio
from bootwright.formats.archives.initramfs import InitramfsTree, read_segments
from bootwright.formats.filesystems.filesystem import Entry, lookup, walk
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Silent
from bootwright.images.change import edits, initramfs_edit, squashfs_edit
from bootwright.images.change.changes import Changes
from bootwright.images.change.edits import ArgumentEdit, ConfigEdit
from bootwright.images.change.swap import swap
from bootwright.images.compose.compose import compose
from bootwright.images.manifest_model import beside, load
from bootwright.images.opened import all_files, open_image
from bootwright.images.parts.module_gate import Enforcement, ModuleGate
from bootwright.images.recipes.reader import find_recipe

GATE = ModuleGate(Bytes(image_kit.kernel_image("6.1"), "kernel"), "6.1", Enforcement(False, "test"))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def contents(image: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for volume in open_image(image).volumes:
        for entry in walk(volume.files):
            assert isinstance(entry, Entry)
            if entry.kind == "file":
                files[volume.path(entry.path)] = volume.files.open(entry).read(0, entry.size)
    return files


def clean(image: Path, work: Path) -> None:
    for volume in open_image(image).volumes:
        partition = volume.partition
        image_kit.clean(image, work, partition.offset, partition.size, volume.files.type)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    made = compose(find_recipe(str(image_kit.recipe(folder))), folder / "kit.raw").image
    made.chmod(0o444)
    return made


def changed(image: Path, output: Path, changes: Changes) -> dict[str, bytes]:
    """Swap, and return what differs; the original must not."""
    before = disk_digest(image)
    swap(image, output, changes)
    assert disk_digest(image) == before
    old, new = contents(image), contents(output)
    return {path: new.get(path, b"") for path in {*old, *new} if old.get(path) != new.get(path)}


def test_a_devicetree_is_swapped_by_its_name(image: Path, tmp_path: Path) -> None:
    new = image_kit.devicetree(tmp_path, "bcm2712-rpi-5-b.dtb", "another build")
    assert changed(image, tmp_path / "o.raw", Changes(trees=(new,))) == {
        "EFI:/bcm2712-rpi-5-b.dtb": new.read_bytes()
    }
    clean(tmp_path / "o.raw", tmp_path)
    manifest = load(beside(tmp_path / "o.raw"))
    assert manifest is not None
    part = next(candidate for candidate in manifest.parts if candidate.path == "EFI:/bcm2712-rpi-5-b.dtb")
    assert (part.sha256, part.origin) == (sha256(new), str(new))
    assert manifest.complete


def test_a_folder_of_devicetrees_replaces_those_there_are(image: Path, tmp_path: Path) -> None:
    for name in ("bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb", "other.dtb"):
        image_kit.devicetree(tmp_path / "new/broadcom", name, "new")
    assert set(changed(image, tmp_path / "o.raw", Changes(trees=(tmp_path / "new",)))) == {
        "EFI:/bcm2712-rpi-5-b.dtb",
        "EFI:/bcm2712-d-rpi-5-b.dtb",
    }
    with pytest.raises(Refused, match="none of the image's devicetrees"):
        swap(
            image,
            tmp_path / "x.raw",
            Changes(trees=(image_kit.devicetree(tmp_path / "n", "n.dtb", "n").parent,)),
        )


def test_config_txt_and_command_line_change_by_meaning(image: Path, tmp_path: Path) -> None:
    result = changed(
        image,
        tmp_path / "o.raw",
        Changes(
            config=(ConfigEdit.parse("[pi5] enable_uart=1"), ConfigEdit.parse("arm_boost=1")),
            arguments=(ArgumentEdit.parse("+loglevel=7"), ArgumentEdit.parse("-quiet")),
        ),
    )
    assert result["EFI:/config.txt"] == b"arm_64bit=1\n[pi5]\nenable_uart=1\n[all]\narm_boost=1\n"
    assert b"linux /A/vmlinuz console=ttyAMA0 loglevel=7\n" in result["BOOT:/grub/grub.cfg"]
    assert len(result) == 2
    clean(tmp_path / "o.raw", tmp_path)


def test_files_are_put_and_taken_away(image: Path, tmp_path: Path) -> None:
    (tmp_path / "u").write_bytes(b"U" * 5000)
    result = changed(
        image,
        tmp_path / "o.raw",
        Changes(
            files=(("EFI:/new/dir/u-boot.bin", tmp_path / "u"), ("BOOT:/A/extra", tmp_path / "u")),
            removed=("EFI:/bcm2712-d-rpi-5-b.dtb",),
        ),
    )
    assert result == {
        "EFI:/new/dir/u-boot.bin": b"U" * 5000,
        "BOOT:/A/extra": b"U" * 5000,
        "EFI:/bcm2712-d-rpi-5-b.dtb": b"",
    }
    clean(tmp_path / "o.raw", tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        Changes(),
        Changes(files=(("EFI:/../x", Path(__file__)),)),
        Changes(files=(("NONE:/x", Path(__file__)),)),
        Changes(files=(("EFI", Path(__file__)),)),
        Changes(removed=("EFI:/not-there",)),
        Changes(trees=(Path("/no/such.dtb"),)),
        Changes(arguments=(ArgumentEdit.parse("-not-there"),)),
        Changes(config=(ConfigEdit.parse("-not_there"),)),
        Changes(kernel="no-such-kernel/vmlinuz"),
        Changes(initramfs=Path("/no/such/initramfs")),
    ],
)
def test_what_cannot_be_done_leaves_no_output(image: Path, tmp_path: Path, changes: Changes) -> None:
    with pytest.raises(BootwrightError) as error:
        swap(image, tmp_path / "o.raw", changes)
    assert error.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = Changes(config=(ConfigEdit.parse("a=1"),))
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(Missing, match="no space left"):
            swap(image, tmp_path / "o.raw", changes)
    assert list(tmp_path.iterdir()) == []
    written = 0
    real = os.pwrite

    def full(handle: int, data: bytes, at: int) -> int:
        nonlocal written
        written += len(data)
        if written > 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data, at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(Missing, match="no space left"):
        swap(image, tmp_path / "o.raw", changes)
    assert list(tmp_path.iterdir()) == []


def test_the_image_itself_is_never_the_output(image: Path) -> None:
    with pytest.raises(Refused, match="the image itself"):
        swap(image, image.parent / "." / image.name, Changes(config=(ConfigEdit.parse("a=1"),)))


def with_modules(folder: Path, release: str) -> Path:
    """A kit image whose initramfs holds modules of `release` by their names."""
    image_kit.recipe(folder)
    archive = cpio.write(
        [
            cpio.Member("init", b"#!", stat.S_IFREG | 0o755),
            cpio.Member(f"lib/modules/{release}/kernel/x.ko", b"module"),
        ]
    )
    (folder / "initramfs").write_bytes(
        subprocess.run(["xz", "-c", "--check=crc32"], input=archive, capture_output=True, check=True).stdout
    )
    return compose(find_recipe(str(folder / "kit.toml")), folder / "kit.raw").image


def test_kernel_and_modules_travel_together(tmp_path: Path) -> None:
    image = with_modules(tmp_path / "kit", image_kit.RELEASE)
    other = tmp_path / "other"
    other.write_bytes(image_kit.kernel_image("6.12.1-other"))
    with pytest.raises(Refused, match=r"modules of 6\.18\.5-kit, which 6\.12\.1-other does not load"):
        swap(image, tmp_path / "o.raw", Changes(kernel=str(other)))
    assert not (tmp_path / "o.raw").exists()
    # A rebuilt kernel of the same release keeps them.
    again = tmp_path / "again"
    again.write_bytes(image_kit.kernel_image(filler=b"rebuilt"))
    made = swap(image, tmp_path / "o.raw", Changes(kernel=str(again)))
    assert made.changed == ("BOOT:/A/vmlinuz",)
    assert any("are kept" in note for note in made.notes)
    with pytest.raises(Malformed, match="arm64 kernel image"):
        swap(image, tmp_path / "p.raw", Changes(kernel=__file__))


def test_a_release_cannot_lead_out_of_the_modules_folder(image: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    evil.write_bytes(image_kit.kernel_image("6.1/../../../x"))
    with pytest.raises(Malformed, match="a release of letters"):
        swap(image, tmp_path / "o.raw", Changes(kernel=str(evil)))


@pytest.mark.parametrize("name", ["../escape", "a/../../escape", "/../escape", "usr/lib/modules/../../../x"])
def test_an_initramfs_that_writes_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    archive = cpio.write([cpio.Member(name, b"x")])
    with pytest.raises(Malformed, match="below the archive's root"):
        initramfs_edit.has_modules(Bytes(archive, "hostile"))
    kernel = initramfs_edit.KernelFiles(
        Path("k"), "6.1", 4096, "", modules=tmp_path, dtbs=None, config=None, origin=""
    )
    with pytest.raises(Malformed, match="below the archive's root"):
        initramfs_edit.replace_modules(Bytes(archive, "hostile"), kernel, GATE, tmp_path, Silent())


def hostile_root(folder: Path, name: bytes) -> bytes:
    """A squashfs with modules, and a file renamed to `name` (two bytes) in its directory table."""
    root = folder / "hostile"
    (root / "lib/modules/6.1/kernel").mkdir(parents=True)
    (root / "lib/modules/6.1/kernel/x.ko").write_bytes(b"m")
    (root / "zq").write_bytes(b"overwritten")
    plain = ("-noI", "-noD", "-noF", "-noappend", "-quiet", "-no-progress")
    subprocess.run(["mksquashfs", root, folder / "hostile.sqsh", *plain], check=True, capture_output=True)
    data = (folder / "hostile.sqsh").read_bytes()
    assert data.count(b"zq") == 1
    return data.replace(b"zq", name)


@pytest.mark.parametrize("name", [b"..", b"z/", b"/z", b"z\0"])
def test_a_squashfs_root_that_writes_elsewhere_is_refused(tmp_path: Path, name: bytes) -> None:
    archive = cpio.write([cpio.Member("rootfs.sqsh", hostile_root(tmp_path, name))])
    kernel = initramfs_edit.KernelFiles(
        Path("k"), "6.1", 4096, "", modules=tmp_path / "m", dtbs=None, config=None, origin=""
    )
    (tmp_path / "m/kernel").mkdir(parents=True)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(Malformed):
        initramfs_edit.replace_modules(Bytes(archive, "hostile"), kernel, GATE, tmp_path / "work", Silent())
    after = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path / "work") for path in after)


def test_a_root_that_expands_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "bomb"
    (root / "lib/modules/6.1/kernel").mkdir(parents=True)
    (root / "lib/modules/6.1/kernel/x.ko").write_bytes(b"m")
    with (root / "big").open("wb") as file:
        file.truncate(65 << 20)
    plain = ("-b", "1M", "-quiet", "-no-progress", "-noappend")
    subprocess.run(["mksquashfs", root, tmp_path / "bomb.sqsh", *plain], check=True, capture_output=True)
    archive = cpio.write([cpio.Member("rootfs.sqsh", (tmp_path / "bomb.sqsh").read_bytes())])
    assert len(archive) < 1 << 16
    kernel = initramfs_edit.KernelFiles(
        Path("k"), "6.1", 4096, "", modules=root, dtbs=None, config=None, origin=""
    )
    monkeypatch.setattr(squashfs_edit, "_MOST", 64 << 20)  # 4 GiB take the test's own tool too long
    with pytest.raises(Refused, match="hold more than"):
        initramfs_edit.replace_modules(Bytes(archive, "bomb"), kernel, GATE, tmp_path / "work", Silent())
    assert sum(path.stat().st_size for path in (tmp_path / "work").rglob("*") if path.is_file()) == 0


@pytest.mark.parametrize(
    ("text", "edit", "wanted"),
    [
        ("linux /v a b", "-a", "linux /v b"),
        ("  linux ($root)/v 'a b=c' x=\"y z\"", "+new", "  linux ($root)/v 'a b=c' x=\"y z\" new"),
        ("linux /v x=1 x=2", "-x=1", "linux /v x=2"),
        ('linux /v "dyndbg=file x +p" q', "-dyndbg", "linux /v q"),
        ("\tlinuxefi /v", "+a", "\tlinuxefi /v a"),
        # Talos's installer escapes with backslashes (siderolabs/talos grub/quote.go).
        ("  linux /A/vmlinuz x=\\$y a\\;b c", "-a;b", "  linux /A/vmlinuz x=\\$y c"),
    ],
)
def test_a_grub_line_changes_where_it_must(text: str, edit: str, wanted: str) -> None:
    config = f"set x=1\nmenuentry 'T' {{\n{text}\n  initrd /i\n}}\n# end\n"
    changed_text = edits.edit_grub(config.encode(), [ArgumentEdit.parse(edit)], "grub.cfg").decode()
    assert changed_text == config.replace(text, wanted)


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        ("a=1\n", "a=2", "a=2\n"),
        ("a=1\n[pi4]\na=2\n", "a=3", "a=3\n[pi4]\na=2\n"),
        ("[pi4]\nb=1\n", "a=1", "a=1\n[pi4]\nb=1\n"),
        ("[pi5]\na=1\n[all]\nb=1\n", "[pi5] c=1", "[pi5]\na=1\nc=1\n[all]\nb=1\n"),
        ("b=1\n", "[pi5] c=1", "b=1\n[pi5]\nc=1\n[all]\n"),
        ("dtoverlay=x\n", "dtoverlay=y", "dtoverlay=x\ndtoverlay=y\n"),
        ("a=1\r\nb=2\r\n", "a=5", "a=5\r\nb=2\r\n"),
        ("# c\na = 1\na=2\n", "a=9", "# c\na=9\n"),
        ("a=1\nb=2\n", "-a", "b=2\n"),
    ],
)
def test_config_txt_changes_by_key_and_filter(before: str, edit: str, after: str) -> None:
    assert edits.edit_config_txt(before.encode(), [ConfigEdit.parse(edit)], "c").decode() == after


@given(st.binary(max_size=300), st.sampled_from(["[pi5] a=1", "-a", "dtparam=x", "[none] -b"]))
def test_any_config_txt_is_edited_or_refused(data: bytes, edit: str) -> None:
    parsed = ConfigEdit.parse(edit)
    try:
        result = edits.edit_config_txt(data, [parsed], "config.txt")
    except BootwrightError:
        return
    if parsed.value is not None:
        assert edits.edit_config_txt(result, [parsed], "config.txt") == result


@given(st.binary(max_size=300), st.sampled_from(["+a=1", "-a", '+x="y z"']))
def test_any_boot_configuration_is_edited_or_refused(data: bytes, edit: str) -> None:
    for kind in edits.EDITORS.values():
        for text in (data, b"linux /v " + data, b"append " + data):
            with contextlib.suppress(BootwrightError):
                kind(text, [ArgumentEdit.parse(edit)], "x")


@settings(max_examples=200)
@given(
    st.one_of(
        st.binary(max_size=400), st.text("linux append/v quiet=\"'\\\n#;{}[]pi5", max_size=80).map(str.encode)
    )
)
def test_the_fuzz_targets_hold(data: bytes) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))
    try:
        import fuzz_image_edits
        import fuzz_module_signature
    finally:
        sys.path.pop(0)
    fuzz_image_edits.one_input(data)
    fuzz_module_signature.one_input(data)


@pytest.mark.parametrize("text", ["a", "+", "+a b", "+a\nb", ""])
def test_a_change_of_arguments_has_one_form(text: str) -> None:
    with pytest.raises(Refused):
        ArgumentEdit.parse(text)


def test_the_command_says_what_changed(image: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        command,
        [
            *(str(image), "-o", str(tmp_path / "o.raw"), "--cmdline", '+dyndbg="module macb +p" -quiet'),
            *("--config-txt", "[pi5] -enable_uart", "--json", "--quiet"),
        ],
        standalone_mode=False,
    )
    assert done.return_value == 0, done.output
    document = json.loads(done.stdout)
    assert document["changed"] == ["BOOT:/grub/grub.cfg", "EFI:/config.txt"]
    text = contents(tmp_path / "o.raw")["BOOT:/grub/grub.cfg"].decode()
    assert "linux /A/vmlinuz console=ttyAMA0 'dyndbg=\"module macb +p\"'\n" in text


def test_killed_at_any_point_the_original_stands_and_no_part_has_the_name(
    image: Path, tmp_path: Path
) -> None:
    before = disk_digest(image)
    output = tmp_path / "o.raw"
    script = (
        "import sys;from pathlib import Path;from bootwright.images.change.swap import swap;"
        "from bootwright.images.change.changes import Changes;"
        "from bootwright.images.change.edits import ArgumentEdit;"
        "print('ready',flush=True);"
        "swap(Path(sys.argv[1]),Path(sys.argv[2]),Changes(arguments=(ArgumentEdit.parse('+a'),)))"
    )
    started = time.monotonic()
    swap(image, output, Changes(arguments=(ArgumentEdit.parse("+a"),)))
    whole = time.monotonic() - started
    expected = contents(output)
    output.unlink()
    chance = random.Random(5)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", script, image, output], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, whole))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if output.exists():
            assert contents(output) == expected
            output.unlink()
            beside(output).unlink(missing_ok=True)
    assert disk_digest(image) == before
    # What the killed ones left goes with the next that ends.
    swap(image, output, Changes(arguments=(ArgumentEdit.parse("+a"),)))
    assert {path.name for path in tmp_path.iterdir()} == {output.name, beside(output).name}


@pytest.mark.download
def test_another_kernel_brings_its_modules_into_the_squashfs_root(tmp_path: Path) -> None:
    recipe = image_kit.on_small_disk(find_recipe("talos-standin-grub"))
    assert recipe.initramfs is not None
    # A few dozen modules are enough here: all 250 of them are loaded and swapped in test_round_trip.
    few = tuple(name for name in recipe.initramfs.modules if "/" not in name)
    recipe = attrs.evolve(recipe, initramfs=attrs.evolve(recipe.initramfs, modules=few))
    image = compose(recipe, tmp_path / "new.raw").image
    before = disk_digest(image)
    made = swap(image, tmp_path / "old.raw", Changes(kernel="debian-6.12.107-4k"))
    assert disk_digest(image) == before
    assert made.changed == ("BOOT:/A/initramfs.xz", "BOOT:/A/vmlinuz")
    assert any("clk_rp1" in note for note in made.notes)  # not in 6.12: said, not silently dropped
    clean(made.image, tmp_path)
    opened = open_image(made.image)
    entry = lookup(opened.volume("BOOT").files, "/A/initramfs.xz")
    assert entry is not None
    source = opened.volume("BOOT").files.open(entry)
    assert initramfs_edit.has_modules(source) == ("6.12.107+deb13-arm64",)
    tree = InitramfsTree("initramfs", read_segments(source))
    root = lookup(tree, "/rootfs.sqsh")
    assert root is not None
    files = SquashFs(tree.open(root))
    assert files.superblock.compression == "zstd"
    folder = "/usr/lib/modules/6.12.107+deb13-arm64"
    file = lookup(files, f"{folder}/modules.dep")
    assert file is not None
    assert b"virtio_net.ko" in files.open(file).read(0, file.size)
    listed = lookup(files, "/usr/lib/stand-in/modules")
    assert listed is not None
    for line in files.open(listed).read(0, listed.size).decode().split():
        module = lookup(files, line)
        assert module is not None, line
        assert files.open(module).read(0, 4) == b"\x7fELF"
    modules = [entry for entry in all_files(files) if ".ko" in entry.name]
    assert len(modules) >= 5
    for module in modules:  # uncompressed as the old ones, signed as the new kernel asks
        assert module.name.endswith(".ko")
        assert files.open(module).read(module.size - 28, 28) == b"~Module signature appended~\n"
    init, poweroff = lookup(files, "/sbin/init"), lookup(files, "/usr/bin/poweroff")
    assert init is not None
    assert poweroff is not None
    assert init.mode == 0o755
    assert init.handle == poweroff.handle  # still two names of one file
    # There and back again: the first kernel's modules are those of the first image.
    back = swap(made.image, tmp_path / "back.raw", Changes(kernel="debian-6.18-4k"))
    assert image.stat().st_size == back.image.stat().st_size
    first, second = (
        unwrapped(Bytes(contents(path)["BOOT:/A/vmlinuz"], "vmlinuz"))[0] for path in (image, back.image)
    )  # the stand-in's is in an EFI zboot program, Debian's is not
    assert first.read(0, first.size) == second.read(0, second.size)
