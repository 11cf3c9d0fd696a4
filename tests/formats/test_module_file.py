"""Modules compiled here by the cross compiler, so that layout and relocations are real."""

from __future__ import annotations

import fnmatch
import gzip
import importlib.util
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.modules.module_file import read_module, unpack_module
from bootwright.formats.modules.module_index import fits, read_module_tree
from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, Missing
from bootwright.foundation.kept import shelf

SOURCE = r"""
#define INFO(tag, text) static const char info_##tag[] __attribute__((section(".modinfo"), used)) = text
INFO(a, "name=demo_mod"); INFO(b, "depends=other-mod,third"); INFO(c, "softdep=pre: early-mod post: late");
INFO(d, "alias=of:N*T*Cacme,eth"); INFO(e, "alias=of:N*T*Cacme,ethC*"); INFO(f, "firmware=acme/fw.bin");
INFO(g, "vermagic=6.12.0 SMP"); INFO(h, "alias=pci:v00001DE4d00000001sv*sd*bc*sc*i*");
struct of_device_id { char name[32], type[32], compatible[128]; const void *data; };
struct device_driver { const char *name; void *bus, *owner, *mod_name; int a, b;
                       const struct of_device_id *of;
                       void *rest[12]; };
struct platform_driver { void *probe, *remove, *shutdown, *suspend, *resume; struct device_driver driver; };
extern int __platform_driver_register(void *, void *);
static int probe(void) { return 0; }
static const struct of_device_id first[] = { { .compatible = "acme,eth", .data = probe }, { } };
static const struct of_device_id second[] = { { .compatible = "acme,phy" },
                                             { .compatible = "acme,phy2" }, { } };
static struct platform_driver eth_driver = {
    .probe = probe, .driver = { .name = "acme-eth", .of = first } };
static struct platform_driver phy_driver = {
    .probe = probe, .driver = { .name = "acme-phy", .of = second } };
int init_module(void) { return __platform_driver_register(&eth_driver, 0)
                             + __platform_driver_register(&phy_driver, 0); }
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("ko")
    (folder / "demo.c").write_text(SOURCE)
    compiler = tools.need("aarch64-linux-gnu-gcc", purpose="compile a test module")
    tools.run([compiler, "-c", "-O1", "-o", folder / "demo-mod.ko", folder / "demo.c"])
    return (folder / "demo-mod.ko").read_bytes()


def test_what_modinfo_says(module: bytes) -> None:
    facts = read_module(module, "demo-mod.ko")
    assert facts.name == "demo_mod"
    assert facts.depends == ("other_mod", "third")
    assert facts.softdeps == ("early_mod",)
    assert facts.firmware == ("acme/fw.bin",)
    assert facts.vermagic == "6.12.0 SMP"


def test_drivers_beside_the_exported_table_are_found(module: bytes) -> None:
    drivers = {driver.name: driver for driver in read_module(module, "demo-mod.ko").drivers}
    assert drivers["acme-eth"].compatibles == ("acme,eth",)
    assert drivers["acme-phy"].compatibles == ("acme,phy", "acme,phy2")
    assert drivers["acme-phy"].buses == ("platform",)


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress, zstandard.ZstdCompressor().compress, bytes])
def test_compression_is_told_by_magic(module: bytes, pack: Callable[[bytes], bytes]) -> None:
    assert unpack_module(pack(module), "demo.ko") == module


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_cut_stream_is_refused(module: bytes, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(module)
    with pytest.raises(Malformed):
        read_module(unpack_module(packed[: len(packed) // 2], "demo.ko"), "demo.ko")


def test_a_tree_is_indexed_and_kept(module: bytes, tmp_path: Path) -> None:
    tree = tmp_path / "6.12.0"
    (tree / "kernel").mkdir(parents=True)
    (tree / "kernel" / "demo-mod.ko.xz").write_bytes(lzma.compress(module))
    (tree / "kernel" / "broken.ko.xz").write_bytes(b"\xfd7zXZ\0nonsense")
    (tree / "modules.builtin").write_text("kernel/drivers/of/foo-bar.ko\n")
    (tree / "modules.builtin.modinfo").write_bytes(b"foo_bar.alias=of:N*T*Cacme,cpu\0foo_bar.license=GPL\0")
    index = read_module_tree(tree, cache=tmp_path / "cache")
    assert index.by_compatible("acme,eth") == ("demo_mod",)
    assert index.by_compatible("acme,phy") == ()
    assert [name for name, _ in index.drivers("acme,phy")] == ["demo_mod"]
    assert index.by_alias("pci:v00001DE4d00000001sv00000000sd00000000bc02sc00i00") == ("demo_mod",)
    assert index.built_in == {"foo_bar"}
    assert index.built_in_by_compatible("acme,cpu") == ("foo_bar",)
    assert [file.path for file in index.unreadable] == ["kernel/broken.ko.xz"]
    (kept,) = (tmp_path / "cache").glob("*.shelf")
    before = kept.stat().st_ino
    again = read_module_tree(tree, cache=tmp_path / "cache")
    assert kept.stat().st_ino == before  # not written again
    assert again.modules == index.modules
    (tree / "kernel" / "broken.ko.xz").unlink()
    assert not read_module_tree(tree, cache=tmp_path / "cache").unreadable


def test_a_damaged_cache_is_made_again(module: bytes, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "demo-mod.ko").write_bytes(module)
    read_module_tree(tree, cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").glob("*.shelf")
    kept.write_bytes(b'{"format": 1')
    assert "demo_mod" in read_module_tree(tree, cache=tmp_path / "cache").modules


def test_what_a_module_loads_first(tmp_path: Path, module: bytes) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "demo-mod.ko").write_bytes(module)
    index = read_module_tree(tree, cache=tmp_path / "cache")
    assert index.closure("demo_mod") == ("early_mod", "other_mod", "third")
    assert index.closure("demo_mod", soft=False) == ("other_mod", "third")
    assert index.soft_needs("demo_mod") == (("early_mod",), ("late",))
    assert index.firmware("demo_mod") == ("acme/fw.bin",)
    assert index.needs("no_such_module") == ()


def test_no_tree_is_said(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="not a folder"):
        read_module_tree(tmp_path / "none")


def one_input(data: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz" / "fuzz_module_file.py"
    spec = importlib.util.spec_from_file_location("fuzz_module_file", path)
    target = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(target)
    target.one_input(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300).map(lambda tail: b"\x7fELF\x02\x01" + tail))
def test_any_bytes(data: bytes) -> None:
    one_input(data)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_modules(module: bytes, data: st.DataObject) -> None:
    changed = bytearray(module)
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    one_input(bytes(changed))


@given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="ab", max_size=8))
def test_aliases_match_as_fnmatch_says(pattern: str, text: str) -> None:
    assert fits(text, pattern) == fnmatch.fnmatchcase(text, pattern)


@given(st.dictionaries(st.text(max_size=5), st.lists(st.integers()), max_size=60))
def test_a_shelf_gives_what_was_put_in_and_refuses_what_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, list[int]]
) -> None:
    path = tmp_path_factory.mktemp("shelf") / "it"
    whole = shelf.pack({"one": rows, "two": {}}, form=3)
    path.write_bytes(whole)
    kept_shelf = shelf.load(path, form=3)
    assert kept_shelf is not None
    assert dict(kept_shelf.rows("one")) == rows
    assert all(kept_shelf.get("one", key) == value for key, value in rows.items())
    assert kept_shelf.get("one", "no such key") is None
    assert kept_shelf.get("two", "") is None
    assert kept_shelf.get("three", "") is None
    assert shelf.load(path, form=4) is None
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert shelf.load(path, form=3) is None
