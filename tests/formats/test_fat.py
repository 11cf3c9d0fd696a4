from __future__ import annotations

from pathlib import Path

import pytest
from disk_kit import Patched, contents, fuzz_target, make_fat, of_directory, opened, plant, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.formats.filesystems.fat import Fat, is_fat
from bootwright.formats.filesystems.filesystem import Unreadable, lookup, walk
from bootwright.foundation.errors import Malformed


@pytest.mark.parametrize(
    ("bits", "size", "options"),
    [(12, 4 << 20, ()), (16, 20 << 20, ()), (32, 40 << 20, ()), (32, 300 << 20, ("-S", "4096"))],
)
def test_reads_what_mtools_wrote(tmp_path: Path, bits: int, size: int, options: tuple[str, ...]) -> None:
    tree = plant(tmp_path / "tree", many=150, links=False)
    volume = Fat(opened(make_fat(tmp_path / "fat.img", tree, bits, size, "-n", "BOOTFS", *options)))
    assert volume.geometry.bits == bits
    assert volume.label == "BOOTFS"
    assert contents(volume) == of_directory(tree)
    assert f"Volume Serial Number is {volume.uuid}" in run("mdir", "-i", tmp_path / "fat.img", "::/")


def test_names_ignore_case_and_come_in_short_and_long_form(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for name in ("CONFIG.TXT", "config2.txt", "Mixed.Case", "überlang und mit Leerzeichen.conf", "a" * 200):
        (tmp_path / "tree" / name).write_text(name)
    volume = Fat(opened(make_fat(tmp_path / "fat.img", tmp_path / "tree", 16, 20 << 20)))
    assert {entry.path for entry in volume.children(volume.root())} == {
        f"/{path.name}" for path in (tmp_path / "tree").iterdir()
    }
    file = lookup(volume, "/config.TXT")
    assert file is not None
    assert volume.open(file).read(0, 10) == b"CONFIG.TXT"
    assert lookup(volume, "/config.tx") is None


def test_deleted_files_are_not_there(tmp_path: Path) -> None:
    image = make_fat(tmp_path / "fat.img", plant(tmp_path / "tree", many=3, links=False), 16, 20 << 20)
    run("mdel", "-i", image, "::/a name with spaces and Ümlaut.txt")
    assert not any("spaces" in name for name in contents(Fat(opened(image))))


def test_a_cycle_in_a_chain_ends(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", many=3, links=False)
    image = make_fat(tmp_path / "fat.img", tree, 16, 20 << 20)
    volume = Fat(opened(image))
    kernel = lookup(volume, "/A/vmlinuz")
    folder = lookup(volume, "/many")
    assert kernel is not None
    assert folder is not None
    # The file's second cluster points back to its first: it has too few clusters of its own.
    fat = volume.geometry.fat_offset
    second = kernel.handle + 1
    loop = Patched(opened(image), {fat + 2 * second: kernel.handle.to_bytes(2, "little")})
    reread = Fat(loop).open(kernel)
    assert reread.size == kernel.size  # its size bounds it: the bytes are wrong, the read ends
    loop = Patched(opened(image), {fat + 2 * folder.handle: folder.handle.to_bytes(2, "little")})
    with pytest.raises(Malformed, match="twice"):
        Fat(loop).children(folder)
    assert any(isinstance(entry, Unreadable) for entry in walk(Fat(loop)))


def test_a_chain_into_nowhere_names_the_cluster(tmp_path: Path) -> None:
    image = make_fat(tmp_path / "fat.img", plant(tmp_path / "tree", many=3, links=False), 16, 20 << 20)
    volume = Fat(opened(image))
    kernel = lookup(volume, "/A/vmlinuz")
    assert kernel is not None
    patched = Patched(opened(image), {volume.geometry.fat_offset + 2 * kernel.handle: b"\xf0\xff"})
    with pytest.raises(Malformed, match="found 65520"):
        Fat(patched).open(kernel)


@pytest.fixture(scope="module")
def floppy(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("fat")
    tree = plant(folder / "tree", many=20, links=False)
    (tree / "holes").unlink()
    return make_fat(folder / "fat.img", tree, 12, 1474560).read_bytes()


@settings(suppress_health_check=[HealthCheck.large_base_example], max_examples=150)
@given(data=st.data())
def test_any_change_yields_files_or_our_error(data: st.DataObject, floppy: bytes) -> None:
    changed = bytearray(floppy)
    for _ in range(data.draw(st.integers(1, 8))):
        area = data.draw(st.sampled_from([(11, 62), (512, 1024), (9728, 10752), (16384, 20000)]))
        changed[data.draw(st.integers(*area))] = data.draw(st.integers(0, 255))
    fuzz_target("fuzz_fat")(bytes(changed))


@given(st.binary(max_size=1024))
def test_arbitrary_bytes_are_no_volume(data: bytes) -> None:
    fuzz_target("fuzz_fat")(b"\xeb\x3c\x90mkfs.fat" + data)


def test_an_mbr_is_not_taken_for_fat(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    run("sfdisk", "-q", "--no-tell-kernel", image, text="label: dos\nstart=64,size=100\n")
    assert not is_fat(opened(image))
