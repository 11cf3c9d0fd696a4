"""Load order, by modules.dep or by the modules themselves; modprobe(8) and depmod(8) are the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bootwright.formats.modules.modinfo import read_module
from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, Missing
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.modules import ModuleFiles, dependencies, no_modules_in, tree_index

Tree = Callable[[dict[str, str]], Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Makes a modules folder out of module → what it depends on."""

    def made(depends: dict[str, str]) -> Path:
        compiler = tools.need("aarch64-linux-gnu-gcc", purpose="compile test modules")
        folder = tmp_path / "lib/modules/6.12.1"
        (folder / "kernel/drivers").mkdir(parents=True)
        for name, others in depends.items():
            source = tmp_path / "m.c"
            source.write_text(
                '#define I(n, t) static const char i##n[] __attribute__((section(".modinfo"), used)) = t;\n'
                f'I(0, "name={name.replace("-", "_")}") I(1, "depends={others}")\n'
            )
            tools.run([compiler, "-c", "-o", folder / f"kernel/drivers/{name}.ko", source])
        (folder / "modules.builtin").write_text("kernel/drivers/of/of_mdio.ko\n")
        return folder

    return made


def names(paths: list[Path]) -> list[str]:
    return [path.name.split(".")[0] for path in paths]


def test_each_after_what_it_needs(tree: Tree) -> None:
    folder = tree({"macb": "phylink,of-mdio", "phylink": "libphy", "libphy": "", "rp1-pci": "", "other": ""})
    assert names(dependencies(folder, ["macb", "rp1_pci", "macb"])) == [
        "libphy",
        "phylink",
        "macb",
        "rp1-pci",
    ]
    assert dependencies(folder, ["of_mdio"]) == []


def test_modules_dep_counts_where_it_is(tree: Tree) -> None:
    folder = tree({"macb": "", "phylink": "", "libphy": ""})
    (folder / "modules.dep").write_text(
        "kernel/drivers/macb.ko: kernel/drivers/phylink.ko kernel/drivers/libphy.ko\n"
        "kernel/drivers/phylink.ko: kernel/drivers/libphy.ko\nkernel/drivers/libphy.ko:\n"
    )
    assert names(dependencies(folder, ["macb"])) == ["libphy", "phylink", "macb"]


def test_a_module_that_is_not_there(tree: Tree) -> None:
    folder = tree({"macb": "phylink"})
    with pytest.raises(Missing, match=r"phylink \(needed by macb\)"):
        dependencies(folder, ["macb"])
    with pytest.raises(Missing, match="rp1_pci"):
        dependencies(folder, ["rp1-pci"])


def test_a_circle(tree: Tree) -> None:
    with pytest.raises(Malformed, match="a → b → c → a"):
        dependencies(tree({"a": "b", "b": "c", "c": "a"}), ["a"])


@pytest.mark.download
def test_real_modules_as_modprobe_orders_them(tmp_path: Path) -> None:
    modprobe, depmod = tools.find("modprobe"), tools.find("depmod")
    if modprobe is None or depmod is None:
        pytest.skip("modprobe and depmod are the reference")
    kernel = open_library().get("debian-6.18-4k", modules=True)
    assert kernel.modules is not None
    wanted = ["macb", "rp1_pci", "ext4", "btrfs", "nvme", "vc4"]
    ours = dependencies(kernel.modules, wanted)
    # depmod writes beside the modules: it gets a folder of its own, with links to those at hand.
    release = kernel.release
    place = tmp_path / "lib/modules" / release
    place.mkdir(parents=True)
    for path in ours:
        link = place / path.relative_to(kernel.modules)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        (place / name).symlink_to(kernel.modules / name)
    tools.run([depmod, "-b", tmp_path, release])
    for module in wanted:
        shown = tools.run([modprobe, "-d", tmp_path, "-S", release, "--show-depends", module]).decode()
        theirs = [Path(line.split()[1]).name for line in shown.splitlines() if line.startswith("insmod ")]
        files = ModuleFiles(kernel.modules)
        hard = [path.name for path in files.order([module], soft=False)]
        mine = [path.name for path in files.order([module])]
        assert set(hard) <= set(theirs)
        assert hard[-1] == theirs[-1]
        # Of softdeps modprobe takes the first line of a module only; what is carried has those of every line.
        assert set(theirs) <= set(mine)
        assert set(mine) - set(hard) <= _wished(kernel.modules, hard)


def test_what_is_no_folder_of_modules_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "one.ko").write_bytes(b"")
    texts = [no_modules_in(path).message for path in (tmp_path / "none", tmp_path / "one.ko", tmp_path)]
    assert [text.replace(str(tmp_path), "") for text in texts] == [
        "there is no folder /none",
        "/one.ko is a file",
        " is not a modules folder",
    ]
    with pytest.raises(Malformed, match="found nothing: it is empty"):
        read_module(tmp_path / "one.ko")


def _wished(tree: Path, files: list[str]) -> set[str]:
    """The files that softdeps of `files` lead to."""
    words = {
        word.replace("-", "_")
        for path in tree.rglob("*.ko*")
        if path.name in files
        for line in (*read_module(path).softdeps, *read_module(path).fields.get("weakdep", ()))
        for word in line.split()
        if not word.endswith(":")
    }
    there = {path.name.split(".")[0].replace("-", "_") for path in tree.rglob("*.ko*")}
    meant = (words & there) | {name for word in words - there for name in tree_index(tree).meant(word)[0]}
    return {path.name for path in dependencies(tree, meant)}
