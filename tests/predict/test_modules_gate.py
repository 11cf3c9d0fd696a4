"""Modules of another build, damaged, or unsigned: what the rules say, and what real kernels say in QEMU."""

from __future__ import annotations

import lzma
import shutil
import stat
import struct
import subprocess
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.cli.main import main
from bootwright.formats.archives import cpio
from bootwright.formats.kernel.config import read_kernel_config
from bootwright.formats.modules.elf_object import read_object
from bootwright.formats.modules.modinfo import read_modinfo, unsigned
from bootwright.formats.modules.module_file import salvaged
from bootwright.formats.signing.module_signature import MAGIC, read_signature
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.kernels.module_rules import (
    CRC,
    FORMAT,
    SIGNATURE,
    SYMBOLS,
    VERMAGIC,
    ModuleRules,
    enforcement,
    folder_refusal,
)
from bootwright.kernels.modules import ModuleFiles
from bootwright.predict import api

NEW, OTHER, OLD = "debian-6.18.15-4k", "debian-6.18.15-16k", "debian-6.12.107-4k"
ETHERNET = ("macb", "phylink", "broadcom", "bcm-phy-lib", "bcm-phy-ptp", "irq-bcm2712-mip", "rp1-pci")
CHAIN = (*ETHERNET, "clk-rp1", "pinctrl-rp1")


@cache
def kernel(name: str) -> Kernel:
    try:
        stored_kernel = open_library(offline=True).get(name, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")
    assert stored_kernel.modules is not None
    return stored_kernel


@cache
def module(name: str, of: str) -> bytes:
    tree = kernel(of).modules
    assert tree is not None
    return lzma.decompress(next(tree.rglob(f"{name}.ko.xz")).read_bytes())


@cache
def rules(name: str, *arguments: str) -> ModuleRules:
    stored_kernel = kernel(name)
    config = read_kernel_config(FileBytes(stored_kernel.config)) if stored_kernel.config is not None else None
    image = stored_kernel.image.read_bytes()
    return ModuleRules(lambda: image, stored_kernel.release, enforcement(config, arguments))


def bare(data: bytes, tmp_path: Path) -> bytes:
    """Without its signature."""
    path = tmp_path / "signed.ko"
    path.write_bytes(data)
    return unsigned(FileBytes(path))[0]


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def other_crc(data: bytes, symbol: str) -> bytes:
    """The same module with another CRC for a symbol it imports."""
    section = read_object(data, "m").section("__versions")
    assert section is not None
    at = data.index(symbol.encode() + b"\0", section.offset) - 8
    return data[:at] + struct.pack("<Q", 0x12345678) + data[at + 8 :]


def other_release(data: bytes, of: str) -> bytes:
    """The same module with another release in its vermagic, of the same length."""
    release = kernel(of).release.encode()
    return data.replace(b"vermagic=" + release, b"vermagic=" + release[:-1] + b"x")


@cache
def cases() -> dict[str, tuple[str, tuple[str, ...], bytes, str | None]]:
    """Name → kernel, arguments, module, and the rule that refuses it (None: it is taken)."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        loose = bare(module("softdog", NEW), Path(folder))
        old = bare(module("softdog", OLD), Path(folder))
    good = module("softdog", NEW)
    insists = ("module.sig_enforce=1",)
    return {
        "own": (NEW, (), good, None),
        "unsigned": (NEW, (), loose, None),
        "other pages": (NEW, (), module("softdog", OTHER), VERMAGIC),
        "other version": (NEW, (), module("softdog", OLD), VERMAGIC),
        "damaged": (NEW, (), changed(good, len(good) // 3), SIGNATURE),
        "damaged unsigned header": (NEW, (), changed(loose, 40), FORMAT),
        "cut": (NEW, (), good[: len(good) // 2], FORMAT),
        "symbol of a module that is not there": (OLD, (), module("phylink", OLD), SYMBOLS),
        "own, insisting": (NEW, insists, good, None),
        "unsigned, insisting": (NEW, insists, loose, SIGNATURE),
        "damaged, insisting": (NEW, insists, changed(good, len(good) // 3), SIGNATURE),
        "old, own": (OLD, (), module("softdog", OLD), None),
        "old, another release and the same CRCs": (OLD, (), other_release(old, OLD), None),
        "old, another layout": (OLD, (), other_crc(old, "module_layout"), CRC),
        "old, another symbol": (OLD, (), other_crc(old, "watchdog_init_timeout"), CRC),
    }


@pytest.mark.download
@pytest.mark.parametrize("name", [
    "own", "unsigned", "other pages", "other version", "damaged", "damaged unsigned header", "cut",
    "symbol of a module that is not there", "own, insisting", "unsigned, insisting", "damaged, insisting",
    "old, own", "old, another release and the same CRCs", "old, another layout", "old, another symbol",
])  # fmt: skip
def test_which_modules_a_kernel_takes(name: str) -> None:
    which, arguments, data, rule = cases()[name]
    refusal = rules(which, *arguments).refusal("softdog.ko", data, {})
    assert (refusal.rule if refusal is not None else None) == rule
    assert refusal is None or (refusal.certain and refusal.file == "softdog.ko" and refusal.remedy)


INIT = r"""
static long call(long n, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c, x3 __asm__("x3") = d;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
void _start(void)
{
	char path[] = "/00.ko", text[] = "answer 00 000\n";
	for (int n = 0; n < COUNT; n++) {
		path[1] = text[7] = '0' + n / 10;
		path[2] = text[8] = '0' + n % 10;
		long file = call(56, -100, (long)path, 0, 0);
		long error = -call(273, file, (long)"", 0, 0);
		if (!error)
			call(106, (long)"softdog", 0, 0, 0);
		text[10] = '0' + error / 100;
		text[11] = '0' + error / 10 % 10;
		text[12] = '0' + error % 10;
		call(64, 1, (long)text, 14, 0);
		call(57, file, 0, 0, 0);
	}
	call(142, 0xfee1dead, 672274793, 0x4321fedc, 0);
	for (;;) ;
}
"""
"""Loads each module (finit_module), prints its errno, unloads it, and powers off."""


@pytest.mark.boot
@pytest.mark.download
@pytest.mark.parametrize(("which", "arguments"), [(NEW, ()), (NEW, ("module.sig_enforce=1",)), (OLD, ())])
def test_real_kernels_say_the_same(which: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    """ENOEXEC, EINVAL, ENOENT, EKEYREJECTED, EBADMSG: whichever; taken or refused must agree."""
    qemu = tools.find("qemu-system-aarch64")
    compiler = tools.find("aarch64-linux-gnu-gcc")
    if qemu is None or compiler is None:
        pytest.skip("no QEMU or no cross compiler")
    mine = {name: case for name, case in cases().items() if case[0] == which and case[1] == arguments}
    (tmp_path / "init.c").write_text(INIT)
    tools.run([compiler, "-static", "-nostdlib", "-ffreestanding", "-Os", f"-DCOUNT={len(mine)}",
               "-o", tmp_path / "init", tmp_path / "init.c"])  # fmt: skip
    members = [
        cpio.folder("dev"),
        cpio.character_device("dev/console", 5, 1),
        cpio.Member("init", (tmp_path / "init").read_bytes(), stat.S_IFREG | 0o755),
        *(cpio.Member(f"{number:02}.ko", case[2]) for number, case in enumerate(mine.values())),
    ]
    (tmp_path / "initramfs").write_bytes(cpio.write(members))
    done = subprocess.run(
        [qemu, "-machine", "virt", "-cpu", "cortex-a57", "-m", "512", "-nic", "none",
         "-display", "none", "-no-reboot",
         "-serial", "stdio", "-monitor", "none", "-kernel", kernel(which).image,
         "-initrd", tmp_path / "initramfs", "-append", " ".join(("console=ttyAMA0 panic=-1", *arguments))],
        capture_output=True, timeout=240, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
    answers = {int(words[1]): int(words[2]) for words in lines if len(words) == 3 and words[0] == "answer"}
    assert len(answers) == len(mine), done.stdout.decode(errors="replace")[-3000:]
    accepted = {name: (answers[number] == 0) for number, name in enumerate(mine)}
    assert accepted == {name: case[3] is None for name, case in mine.items()}, answers


def small_tree(folder: Path, of: str, names: tuple[str, ...] = CHAIN) -> Path:
    """The modules of the chain of the Pi 5's Ethernet alone, in a folder of the release's name."""
    stored_kernel = kernel(of)
    assert stored_kernel.modules is not None
    tree = folder / stored_kernel.release
    for path in ModuleFiles(stored_kernel.modules).order(
        [name for name in names if name in ModuleFiles(stored_kernel.modules)]
    ):
        place = tree / path.relative_to(stored_kernel.modules)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    for name in ("modules.builtin", "modules.builtin.modinfo"):
        shutil.copyfile(stored_kernel.modules / name, tree / name)
    return tree


def check(*more: str | Path) -> tuple[str, int]:
    arguments = ["check", NEW, "--board", "raspberrypi-5", "--goal", "ethernet", "-q", *map(str, more)]
    api._facts.cache_clear()  # a process keeps what it read; the trees here change
    done = CliRunner().invoke(main, arguments, standalone_mode=False)
    assert done.exception is None, done.output
    return " ".join(done.output.split()), done.return_value


@pytest.mark.download
def test_check_names_the_file_that_is_refused(tmp_path: Path) -> None:
    tree = small_tree(tmp_path, NEW)
    assert check("--modules", tree)[1] == 0
    path = next(tree.rglob("macb.ko.xz"))
    whole = path.read_bytes()
    foreign = kernel(OTHER).modules
    assert foreign is not None
    path.write_bytes(next(foreign.rglob("macb.ko.xz")).read_bytes())
    text, status = check("--modules", tree)
    assert status == 1
    assert "macb.ko.xz): it was built for '6.18.15+deb13-arm64-16k SMP preempt" in text
    # Cut short, with and without what it is for.
    path.write_bytes(whole[:20_000])
    text, status = check("--modules", tree)
    assert status == 1
    assert "the module macb is refused" in text
    assert "expected the rest of the xz data" in text
    path.write_bytes(whole[:300])
    text, status = check("--modules", tree)
    assert "macb.ko.xz" in text
    assert "cannot be" in text
    assert status == (1 if "so in debian" in text else 3)
    # Damaged in a byte, and packed again.
    data = module("macb", NEW)
    path.write_bytes(lzma.compress(changed(data, len(data) // 3), check=lzma.CHECK_CRC32))
    text, status = check("--modules", tree)
    assert status == 1
    assert "it was changed since Build time autogenerated kernel key signed it" in text
    # Without a signature it is taken, and refused where the kernel insists.
    path.write_bytes(lzma.compress(bare(data, tmp_path), check=lzma.CHECK_CRC32))
    assert check("--modules", tree)[1] == 0
    text, status = check("--modules", tree, "--cmdline", "module.sig_enforce")
    assert status == 1
    assert "it is not signed (module.sig_enforce on the command line)" in text
    assert check("--modules", tree, "--cmdline", "module.sig_enforce=0")[1] == 0


@pytest.mark.download
def test_a_tree_of_another_release_is_none_of_the_kernels(tmp_path: Path) -> None:
    tree = small_tree(tmp_path, OTHER)
    text, status = check("--modules", tree)
    assert status == 1
    assert "modprobe looks in /lib/modules/6.18.15+deb13-arm64" in text
    # Under another name it is what each module was built for.
    tree.rename(tmp_path / "modules")
    text, status = check("--modules", tmp_path / "modules")
    assert status == 1
    assert "it was built for '6.18.15+deb13-arm64-16k" in text
    # Modules of a version without the driver are another kernel's too, and said to be.
    old = small_tree(tmp_path / "old", OLD)
    text, status = check("--modules", old)
    assert status == 1
    assert "the modules are another kernel's" in text
    assert "6.12.107" in text


def test_names_of_folders() -> None:
    release = "6.18.15+deb13-arm64"
    assert folder_refusal(f"/lib/modules/{release}", release) is None
    assert folder_refusal("/srv/unpacked", release) is None
    assert folder_refusal("/srv/x/modules", release) is None
    refused = folder_refusal("/lib/modules/6.18.5+deb13-arm64", release)
    assert refused is not None
    assert "6.18.5+deb13-arm64" in refused.reason
    assert release in refused.reason


@pytest.mark.download
def test_soft_dependencies_are_carried(tmp_path: Path) -> None:
    tree = kernel(OLD).modules
    assert tree is not None
    names = [path.name.partition(".")[0].replace("-", "_") for path in ModuleFiles(tree).order(["xfs"])]
    # libcrc32c asks for crc32c, which is an alias of crc32c_generic; without it xfs cannot be loaded.
    assert names.index("crc32c_generic") < names.index("libcrc32c") < names.index("xfs")
    hard = [path.name.partition(".")[0] for path in ModuleFiles(tree).order(["xfs"], soft=False)]
    assert hard == ["libcrc32c", "xfs"]
    # ext4 asks for it by another alias, crypto-crc32c: modprobe takes - and _ for one.
    assert "crc32c_generic" in [path.name.partition(".")[0] for path in ModuleFiles(tree).order(["ext4"])]


@pytest.mark.download
def test_what_a_damaged_module_was_for_is_found() -> None:
    tree = kernel(NEW).modules
    assert tree is not None
    path = next(tree.rglob("macb.ko.xz"))
    data = path.read_bytes()
    fields = salvaged(data[: len(data) // 2], "macb.ko.xz")
    assert any("raspberrypi,rp1-gem" in alias for alias in fields["alias"])
    whole = read_modinfo(FileBytes(path))
    assert set(fields["alias"]) <= set(whole.aliases)
    assert salvaged(b"", "x.ko") == {}
    assert module("macb", NEW).endswith(MAGIC)


@pytest.mark.download
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8)), max_size=4), st.booleans()
)
def test_any_damage_is_taken_or_refused_with_a_reason(edits: list[tuple[int, bytes]], signed: bool) -> None:
    data = bytearray(module("softdog", NEW))
    for at, piece in edits:
        data[at % len(data) : at % len(data) + len(piece)] = piece
    refusal = rules(NEW).refusal("softdog.ko", bytes(data if signed else data[:-28]), {})
    if refusal is not None:
        assert refusal.reason
        assert refusal.rule in {CRC, FORMAT, SIGNATURE, SYMBOLS, VERMAGIC}
    elif signed and data.endswith(MAGIC):
        # Taken with a signature: nothing that it covers was changed, or the signer is no longer known.
        whole = module("softdog", NEW)
        signature = read_signature(bytes(data), "softdog.ko")
        assert signature is not None
        own = signature.signer(rules(NEW).keys)
        assert own is None or data[: signature.covered] == whole[: signature.covered]


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_as_a_module(data: bytes) -> None:
    image = b"\0" * 100
    module_rules = ModuleRules(lambda: image, "6.18.0", enforcement(None, ()))
    assert module_rules.refusal("x.ko", data) is not None
    assert all(isinstance(values, tuple) for values in salvaged(data, "x.ko").values())


@pytest.mark.download
def test_init_functions_of_modules_are_known_by_name(tmp_path: Path) -> None:
    tree = small_tree(tmp_path, NEW)
    text, status = check("--modules", tree, "--cmdline", "initcall_blacklist=macb_driver_init")
    assert status == 1
    assert "keep macb_driver_init of the module macb from being called" in text
    assert "what that function sets up" not in text
    text, status = check("--modules", tree, "--cmdline", "initcall_blacklist=macb_other_init")
    assert status == 0
    assert "initcall_blacklist=macb_other_init (--cmdline): what that function sets up is not known" in text


@pytest.mark.download
def test_a_driver_whose_module_has_another_name_in_a_newer_kernel_is_found() -> None:
    """clk-scmi of Linux 6.18 is scmi-clk in 7.3, built in both."""
    kernel("debian-7.3.4-4k")
    arguments = ["check", "debian-7.3.4-4k", "--board", "rock-5b", "--goal", "storage", "-q"]
    done = CliRunner().invoke(main, arguments, standalone_mode=False)
    assert (done.return_value, done.exception) == (0, None), done.output
