"""Kernels built from source, as a user builds them: a tree of the kernel's form, a real compiler."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import jsonschema
import pytest
from command_kit import in_process
from history_kit import History
from kernel_tree_kit import SMALL, kernel_tree

from bootwright import api
from bootwright.formats.kernel.arm64_image import read_kernel_image
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused, ToolFailed
from bootwright.workshop.building.model import BuiltKernel
from bootwright.workshop.building.toolchain import find_toolchain

SCHEMA = Path(__file__).parents[2] / "docs/schemas/kernel-build.schema.json"
NEEDED = ("make", "flex", "bison", "bc", "aarch64-linux-gnu-gcc")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)), reason=f"{', '.join(NEEDED)} build a kernel"
)
BOARD = "CONFIG_MODULES=y\nCONFIG_PCI=y\nCONFIG_PHY=m\nCONFIG_ARCH_BOARD=y\nCONFIG_MACB=m\n"
_ERRNO = """\
--- a/fs/namespace.c
+++ b/fs/namespace.c
@@ -1,6 +1,6 @@
 int may_clone(int attached)
 {
 \tif (!attached)
-\t\treturn -22;
+\t\treturn ERRNO;
 \treturn 0;
 }
"""
OTHER = """\
--- a/drivers/net/phy.c
+++ b/drivers/net/phy.c
@@ -1,2 +1,2 @@
 static const char license[] __attribute__((used, section(".modinfo"))) = "license=GPL";
-int phy_probe(void) { return 1; }
+int phy_probe(void) { return 2; }
"""


def errno_patch(errno: int) -> str:
    """`may_clone` returns that in place of -22."""
    return _ERRNO.replace("ERRNO", str(errno))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "cache"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return kernel_tree(tmp_path / "tree")


def fragment(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.config"
    path.write_text(text)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def compiled(built: BuiltKernel) -> list[str]:
    """The files that the last build compiled."""
    log = built.log.read_text().rpartition("Entering directory")[2]
    lines = built.log.read_text().splitlines()
    assert log
    return [line.split()[1] for line in lines if line.startswith("  CC ")]


def test_a_kernel_of_the_catalogue(tree: Path, tmp_path: Path) -> None:
    built = api.build_kernel(tree, page_size="16k", fragments=fragment(tmp_path, BOARD), devicetrees=True)
    facts = read_kernel_image(FileBytes(built.kernel.image))
    assert (facts.release, facts.page_size) == ("6.12.1", 16384)
    assert built.name.startswith("added-6.12.1-probe-16k-")
    assert built.kernel.config is not None
    assert "CONFIG_ARM64_16K_PAGES=y" in built.kernel.config.read_text()
    taken = api.get_kernel(built.name)
    assert (taken.page_size, taken.image) == (16384, built.kernel.image)
    assert taken.modules is not None
    assert taken.dtbs is not None
    assert sorted(path.name for path in taken.modules.rglob("*.ko")) == ["macb.ko", "phy.ko"]
    assert [path.name for path in taken.dtbs.rglob("*.dtb")] == ["board.dtb"]
    assert "may_clone" in built.system_map.read_text()
    assert not built.reused
    again = api.build_kernel(tree, page_size="16k", fragments=fragment(tmp_path, BOARD), devicetrees=True)
    assert (again.reused, again.key, again.kernel) == (True, built.key, taken)
    tree.joinpath("fs/namespace.c").write_text("int other;\n")
    changed = api.build_kernel(tree, page_size="16k", fragments=fragment(tmp_path, BOARD), devicetrees=True)
    assert changed.key != built.key


def test_the_same_input_gives_the_same_bytes(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = api.build_kernel(tree, fragments=fragment(tmp_path, BOARD))
    second_tree = kernel_tree(tmp_path / "elsewhere/with-a-longer-name")
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "another-cache"))
    monkeypatch.setenv("KCFLAGS", "-O3")
    monkeypatch.setenv("KBUILD_BUILD_USER", "somebody")
    second = api.build_kernel(second_tree, fragments=fragment(tmp_path, BOARD), jobs=1)
    assert first.folder != second.folder
    assert first.key == second.key
    assert sha256(first.kernel.image) == sha256(second.kernel.image)
    assert sha256(first.vmlinux) == sha256(second.vmlinux)
    modules = [
        sorted(sha256(path) for path in built.kernel.modules.rglob("*.ko"))
        for built in (first, second)
        if built.kernel.modules is not None
    ]
    assert modules[0] == modules[1]


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        ("CONFIG_MACB=y", ["became n", "CONFIG_MACB depends on PCI, which is n"], "BOARD and CONFIG_PHY"),
        (BOARD.replace("CONFIG_ARCH_BOARD=y\n", ""), ["depends on ARCH_BOARD"], "add CONFIG_ARCH_BOARD=y"),
        ("CONFIG_PHY=y\n# CONFIG_PCI is not set", ["PHY depends on PCI", "drivers/Kconfig:"], "line 2 "),
        ("CONFIG_PHY=m\nCONFIG_PCI=y", ["CONFIG_PHY=m", "became y"], "CONFIG_MODULES=y"),
        ("CONFIG_MDIO=y", ["nobody can ask for it", "CONFIG_PHY"], "CONFIG_PHY=y"),
        ("CONFIG_WINGS=y", ["LD_HAS_WINGS", "the compiler and the programs of this machine decide it"], None),
        ("CONFIG_MACBB=y", ["this kernel has no such option"], "CONFIG_MACB"),
        ("CONFIG_NR_CPUS=1000", ["its range is 2 to 512"], None),
        ("CONFIG_TTY=m", ["it is a bool"], None),
        ("CONFIG_ARM64_64K_PAGES=y", ["asks for 64K pages, and --page-size for 4K"], "--page-size 64k"),
    ],
)  # fmt: skip
def test_an_option_that_does_not_stick_names_what_took_it(
    tree: Path, tmp_path: Path, options: str, said: list[str], hint: str | None
) -> None:
    with pytest.raises(Refused) as error:
        api.configure_kernel(tree, fragments=fragment(tmp_path, options))
    for words in said:
        assert words in error.value.message
    if hint is not None:
        assert hint in (error.value.hint or "")


def test_configure_alone(tree: Path, tmp_path: Path) -> None:
    config = api.configure_kernel(tree, fragments=fragment(tmp_path, BOARD), presets="board")
    lines = config.read_text().splitlines()
    assert "CONFIG_MACB=m" in lines


def test_presets_of_the_users_own(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "config/bootwright/kernel-presets"
    folder.mkdir(parents=True)
    (folder / "wide.toml").write_text(
        'what = "wide"\nsource = "s"\nbase = "allnoconfig"\n[options]\nCONFIG_NR_CPUS = "64"\n'
        '[since."6.12"]\nCONFIG_PCI = "y"\n[since."6.13"]\nCONFIG_LATER = "y"\n'
    )
    text = api.configure_kernel(tree, presets="wide").read_text()
    assert "CONFIG_NR_CPUS=64" in text
    assert "CONFIG_PCI=y" in text
    with pytest.raises(Refused, match="cannot begin with"):
        api.configure_kernel(tree, presets=("wide", "probe"))
    with pytest.raises(BootwrightError, match="wid"):
        api.configure_kernel(tree, presets="wid")


def test_ccache_where_it_is_installed(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = api.build_kernel(tree)
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "another-cache"))
    programs = tmp_path / "programs"
    programs.mkdir()
    # Stands for ccache, which is called with the compiler and its arguments.
    (programs / "ccache").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nexec "$@"\n')
    (programs / "ccache").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    cached = api.build_kernel(tree)
    assert "aarch64-linux-gnu-gcc" in (tmp_path / "asked").read_text()
    assert (cached.key, sha256(cached.kernel.image)) == (plain.key, sha256(plain.kernel.image))


def test_llvm(tree: Path) -> None:
    try:
        toolchain = find_toolchain("llvm")
    except Missing as error:
        pytest.skip(str(error))
    by_gcc, by_llvm = api.build_kernel(tree), api.build_kernel(tree, toolchain="llvm")
    assert "clang" in toolchain.version
    assert "LLD" in toolchain.linker_version
    assert by_gcc.key != by_llvm.key
    assert b"clang version" in by_llvm.vmlinux.read_bytes()
    assert b"clang version" not in by_gcc.vmlinux.read_bytes()


def test_on_arm64_its_own_compiler_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine of that kind is here: only which programs would run, and what make would be told."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert find_toolchain("gcc").variables["CROSS_COMPILE"] == "aarch64-linux-gnu-"
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    native = find_toolchain("gcc")
    assert "CROSS_COMPILE" not in native.variables
    own = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout
    assert native.version == own.splitlines()[0]


class TestPatches:
    def test_another_series_builds_only_what_differs(self, tree: Path, tmp_path: Path) -> None:
        series = tmp_path / "series"
        series.mkdir()
        (series / "one.patch").write_text(errno_patch(-1))
        before = sha256(tree / "fs/namespace.c")
        first = api.build_kernel(tree, patches=series)
        count = len(compiled(first))
        (series / "one.patch").write_text(errno_patch(-13))
        second = api.build_kernel(tree, patches=series)
        assert compiled(second)[count:] == ["fs/namespace.o"]
        plain = api.build_kernel(tree, patches=())
        assert compiled(plain)[count + 1 :] == ["fs/namespace.o"]
        images = {sha256(built.kernel.image) for built in (first, second, plain)}
        assert len(images) == 3
        assert sha256(api.build_kernel(tree).kernel.image) == sha256(plain.kernel.image)
        assert sha256(tree / "fs/namespace.c") == before

    def test_only_what_kconfig_reads_configures_again(self, tree: Path, tmp_path: Path) -> None:
        def configured(*patches: str) -> int:
            """When its configuration was written, in nanoseconds."""
            series = tmp_path / "series"
            shutil.rmtree(series, ignore_errors=True)
            series.mkdir()
            for number, text in enumerate(patches):
                (series / f"{number}.patch").write_text(text)
            built = api.build_kernel(tree, patches=series)
            return (built.folder / "output/.config").stat().st_mtime_ns

        first = (tree / "init/Kconfig").read_text().splitlines()[0]
        options = (
            "--- a/init/Kconfig\n+++ b/init/Kconfig\n@@ -1 +1,5 @@\n"
            f'+config OF_A_PATCH\n+\tbool "of a patch"\n+\tdefault y\n+\n {first}\n'
        )
        once = configured(errno_patch(-1))
        assert configured(errno_patch(-13)) == once
        assert configured(errno_patch(-1), options) > once

    def test_quilts_series_orders_them(self, tree: Path, tmp_path: Path) -> None:
        series = tmp_path / "series"
        series.mkdir()
        (series / "z.patch").write_text(errno_patch(-1))
        (series / "a.patch").write_text(OTHER)
        (series / "unused.patch").write_text("no patch\n")
        (series / "series").write_text("# a comment\nz.patch -p1\na.patch # last\n")
        built = api.build_kernel(tree, patches=series)
        manifest = json.loads(next((tmp_path / "cache/kernels").glob(f"{built.name}.json")).read_text())
        text = json.dumps(manifest)
        assert text.index("z.patch") < text.index("a.patch")

    def test_a_range_of_commits(self, tmp_path: Path) -> None:
        tree = kernel_tree(tmp_path / "made")
        files = {str(p.relative_to(tree)): p.read_text() for p in tree.rglob("*") if p.is_file()}
        history = History.start(tmp_path / "linux", files)
        history.checkout("base", new="topic")
        source = (SMALL / "fs/namespace.c").read_text()
        history.commit("fs: another errno", {"fs/namespace.c": source.replace("-22", "-1", 1)})
        history.commit("fs: a file", {"fs/new.c": "int new;\n"})
        tip = api.build_kernel(f"{history.folder}@topic")
        ranged = api.build_kernel(f"{history.folder}@base", patches="base..topic")
        assert sha256(tip.kernel.image) == sha256(ranged.kernel.image)
        history.checkout("base")
        assert sha256(api.build_kernel(history.folder).kernel.image) != sha256(tip.kernel.image)
        with pytest.raises(Refused, match="no commit 'topik'") as error:
            api.build_kernel(f"{history.folder}@topik")
        assert "topic" in (error.value.hint or "")

    @pytest.mark.parametrize(
        ("patch", "said", "hint"),
        [
            (errno_patch(-1).replace("!attached", "attached"), "fs/namespace.c:1", "rebase it"),
            (errno_patch(-22).replace("-\t\treturn -22", "-\t\treturn -1"), "does not apply", "has it"),
            (errno_patch(-1).replace("fs/namespace.c", "fs/gone.c"), "fs/gone.c", "rebase it"),
            (errno_patch(-1).replace("/fs/namespace.c", "/../../escaped"), "escaped", None),
            ("words\n", "no difference in it", None),
            ("--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n", "one.patch", None),
        ],
    )  # fmt: skip
    def test_one_that_does_not_apply(
        self, tree: Path, tmp_path: Path, patch: str, said: str, hint: str | None
    ) -> None:
        (tmp_path / "one.patch").write_text(patch)
        with pytest.raises((Refused, Malformed)) as error:
            api.build_kernel(tree, patches=tmp_path / "one.patch")
        assert said in str(error.value)
        assert hint is None or hint in (error.value.hint or "")
        assert not list((tmp_path / "cache").rglob("Image"))

    def test_commits_of_what_is_no_repository(self, tree: Path) -> None:
        with pytest.raises(Refused, match="is not a git repository") as error:
            api.build_kernel(tree, patches="A..B")
        assert "FOLDER@A..B" in (error.value.hint or "")

    def test_none_there(self, tree: Path, tmp_path: Path) -> None:
        with pytest.raises(Missing, match="no patches"):
            api.build_kernel(tree, patches=tmp_path / "nothing")
        (tmp_path / "empty").mkdir()
        with pytest.raises(Refused, match="holds no patches"):
            api.build_kernel(tree, patches=tmp_path / "empty")


class TestSources:
    def test_a_tarball_is_the_folder_in_it(self, tree: Path, tmp_path: Path) -> None:
        # As tools/testing/selftests/powerpc/primitives/asm has them in Linux 6.12.
        (tree / "fs/asm").mkdir()
        (tree / "fs/asm/namespace.c").symlink_to("../.././fs/namespace.c")
        tarball = tmp_path / "linux-6.12.1.tar.xz"
        with tarfile.open(tarball, "w:xz") as tar:
            tar.add(tree, "linux-6.12.1")
        packed = api.build_kernel(tarball)
        assert sha256(packed.kernel.image) == sha256(api.build_kernel(tree).kernel.image)

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", "found an empty file"),
            (bytes(10240), "found an archive without a file"),  # as tar(1) writes of nothing
            (lzma.compress(b""), "found an archive without a file"),
        ],
    )
    def test_tarballs_of_nothing(self, tmp_path: Path, data: bytes, expected: str) -> None:
        (tmp_path / "linux.tar.xz").write_bytes(data)
        with pytest.raises(Malformed, match=expected):
            api.build_kernel(tmp_path / "linux.tar.xz")

    def test_tarballs_that_leave_their_folder(self, tmp_path: Path) -> None:
        for name, target in (("linux/fs", "/etc"), ("linux/fs", "../../.."), ("linux/../../x", None)):
            tarball = tmp_path / "linux.tar"
            with tarfile.open(tarball, "w") as tar:
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = (
                    (tarfile.SYMTYPE, target) if target is not None else (tarfile.REGTYPE, "")
                )
                tar.addfile(entry)
            with pytest.raises(BootwrightError):
                api.build_kernel(tarball)

    @pytest.mark.parametrize("content", [b"all:\n", bytes(range(256)) * 4])
    def test_a_file_that_is_no_archive(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "linux.tar").write_bytes(content)
        with pytest.raises(Malformed, match=r"linux\.tar: at byte 0x0: expected a tar archive"):
            api.build_kernel(tmp_path / "linux.tar")

    def test_what_is_no_source_is_called_as_it_was_given(self, tmp_path: Path, cache: Path) -> None:
        history = History.start(tmp_path / "other", {"readme": "no kernel\n"})
        with pytest.raises(Refused, match=f"^{history.folder}@main is no kernel source"):
            api.build_kernel(f"{history.folder}@main")
        with tarfile.open(tmp_path / "other.tar", "w") as tar:
            tar.add(history.folder, "other")
        with pytest.raises(Refused, match=f"^{tmp_path}/other.tar is no kernel source"):
            api.build_kernel(tmp_path / "other.tar")
        assert not [path for path in (cache / "kernel-trees").iterdir() if (path / "readme").exists()]

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"Makefile": None}, "no Makefile in it"),
            ({"Kconfig": None}, "no Kconfig"),
            ({"Makefile": "all:\n"}, "VERSION and PATCHLEVEL"),
            ({"arch/arm64/Kconfig": None}, "no arch/arm64"),
            ({".config": "CONFIG_X=y\n"}, "has been built in"),
            ({"drivers/Kconfig": "config\n\tcolour green\n"}, "drivers/Kconfig:1"),
        ],
    )
    def test_what_is_no_source(self, tmp_path: Path, changes: dict[str, str | None], said: str) -> None:
        tree = kernel_tree(tmp_path / "tree", **changes)
        with pytest.raises(BootwrightError) as error:
            api.build_kernel(tree)
        assert said in error.value.message or said in str(error.value)

    def test_nothing_of_that_name(self, tmp_path: Path) -> None:
        with pytest.raises(Missing, match="no kernel source"):
            api.build_kernel(tmp_path / "nothing")
        with pytest.raises(Missing, match="no folder"):
            api.build_kernel(f"{tmp_path}/nothing@v6.12")
        with pytest.raises(Missing, match="fetched"):
            api.build_kernel("https://example.org/linux.tar.xz", offline=True)
        with pytest.raises(Missing, match="never listed"):
            api.build_kernel("linux-source-6.12", offline=True)


class TestFailures:
    def test_the_first_error_and_the_log(self, tree: Path) -> None:
        tree.joinpath("fs/namespace.c").write_text("int f(void) { return nothing; }\n")
        with pytest.raises(ToolFailed) as error:
            api.build_kernel(tree)
        assert "fs/namespace.c:1:22: error: " in error.value.message
        log = Path((error.value.hint or "").rpartition("log is ")[2])
        assert "nothing" in log.read_text()

    def test_what_the_assembler_says_is_an_error_too(self, tree: Path) -> None:
        head = tree / "init/head.S"
        head.write_text(head.read_text() + "\tno_such_instruction x0\n")
        with pytest.raises(ToolFailed, match=r"init/head\.S:\d+: Error: unknown mnemonic"):
            api.build_kernel(tree)

    @pytest.mark.parametrize(
        ("lacking", "words", "packages"),
        [
            (("make",), "make is needed to build a kernel, and is not installed", "make"),
            (
                ("flex", "bison", "bc"),
                "flex, bison and bc are needed to build a kernel, and are not installed",
                "flex bison bc",
            ),
            (
                ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-ld"),
                "aarch64-linux-gnu-gcc and aarch64-linux-gnu-ld are needed to build a kernel, and",
                "gcc-aarch64-linux-gnu binutils-aarch64-linux-gnu",
            ),
        ],
    )
    def test_programs_that_are_not_here(
        self, tree: Path, tmp_path: Path, lacking: tuple[str, ...], words: str, packages: str
    ) -> None:
        programs = tmp_path / "programs"
        programs.mkdir()
        for name in {*NEEDED, "gcc", "git", "aarch64-linux-gnu-ld", "aarch64-linux-gnu-objcopy"} - {*lacking}:
            (programs / name).symlink_to(shutil.which(name) or "")
        done = subprocess.run(
            [sys.executable, "-m", "bootwright", "kernel", "build", str(tree)],
            env={**os.environ, "PATH": str(programs)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        first, hint = done.stderr.splitlines()
        assert first.startswith(f"bootwright: {words}")
        assert hint == f"  hint: install {packages}"

    def test_no_llvm(self, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        programs = tmp_path / "programs"
        programs.mkdir()
        for name in ("make", "gcc", "flex", "bison", "bc", "git"):
            (programs / name).symlink_to(shutil.which(name) or "")
        (programs / "clang-19").symlink_to("/bin/true")
        monkeypatch.setenv("PATH", str(programs))
        with pytest.raises(Missing, match="clang is needed to build a kernel with LLVM"):
            api.build_kernel(tree, toolchain="llvm")

    def test_a_full_disk(self, tree: Path) -> None:
        makefile = tree / "Makefile"
        makefile.write_text(
            makefile.read_text().replace('\t@echo "  LD      vmlinux"', "\t@cat $^ > /dev/full")
        )
        with pytest.raises(Missing, match="no space left to build"):
            api.build_kernel(tree)

    def test_an_image_of_other_pages(self, tree: Path) -> None:
        head = tree / "init/head.S"
        head.write_text(head.read_text().replace("0xc", "0xe"))
        with pytest.raises(Malformed, match="65536"):
            api.build_kernel(tree, page_size="16k")

    def test_a_folder_that_make_cannot_take(self, tmp_path: Path) -> None:
        with pytest.raises(Refused, match="spaces nor colons"):
            api.build_kernel(kernel_tree(tmp_path / "my tree"))

    def test_names(self, tree: Path) -> None:
        with pytest.raises(Refused, match="cannot be a name"):
            api.build_kernel(tree, name="a/b")
        first = api.build_kernel(tree, name="mine")
        assert first.name == "added-mine"
        second = api.build_kernel(tree, name="mine", page_size="16k")
        assert (second.name, second.kernel.page_size) == ("added-mine", 16384)


def test_killed_it_goes_on_where_it_stopped(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = tmp_path / "stopped"
    command = [sys.executable, "-m", "bootwright", "kernel", "build", str(tree), "--json", "--jobs", "1"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    environment = {**os.environ, "SMALL_KERNEL_STOP_AT": "fs/namespace", "SMALL_KERNEL_STOPPED": str(stopped)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 60
        while not stopped.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert stopped.exists()
    version = next((tmp_path / "cache/kernel-builds").rglob("version.o"))
    made = version.stat().st_mtime_ns
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    jsonschema.validate(printed, json.loads(SCHEMA.read_text()))
    assert version.stat().st_mtime_ns == made
    assert printed["kernel"]["page_size"] == 4096
    assert not printed["reused"]
    assert [*temporary.iterdir(), *(tmp_path / "cache").rglob(".work-*")] == []


def test_the_command(tree: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return in_process("kernel", "build", *arguments)

    lost = run(str(tree), "--fragment", str(fragment(tmp_path, "CONFIG_MACB=y\nCONFIG_WINGS=y\n")))
    assert lost.returncode == 2
    assert "2 options are not as asked for: CONFIG_MACB, CONFIG_WINGS" in lost.stderr
    assert "Traceback" not in lost.stderr
    done = run(str(tree), "--name", "mine", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "added-mine: Linux 6.12.1, 4K pages" in done.stdout
