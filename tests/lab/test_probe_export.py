"""Steps as C programs: built with the real compilers, run on this kernel and in guests."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bootwright.formats.archives import cpio
from bootwright.foundation.errors import Refused
from bootwright.kernels.catalogue import open_library
from bootwright.lab.machines import machine as machines
from bootwright.lab.machines import qemu
from bootwright.lab.machines.run import run
from bootwright.lab.probes import export, initramfs
from bootwright.lab.probes.boot import boot
from bootwright.lab.probes.c_source import definitions, needed
from bootwright.lab.probes.ktap import read
from bootwright.lab.probes.probe import Init
from bootwright.lab.probes.steps import check_step, exportable, known_steps

CROSS = "aarch64-linux-gnu-gcc"
# The guest's init: each step in turn, as a process of its own, its exit status after it.
RUNNER = """
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	static const char *const steps[] = { %s };
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	for (unsigned at = 0; at < sizeof(steps) / sizeof(*steps); at++) {
		char path[100];
		int status = -1;
		pid_t child;
		snprintf(path, sizeof(path), "/%%s", steps[at]);
		child = fork();
		if (!child)
			_exit(execl(path, path, (char *)NULL) ? 99 : 99);
		waitpid(child, &status, 0);
		printf("status %%s %%d\\n", steps[at], WEXITSTATUS(status));
		fflush(stdout);
	}
	reboot(RB_POWER_OFF);
}
"""


def _built(compiler: str, source: str, folder: Path, name: str, *flags: str) -> Path:
    """The program; warnings are errors."""
    program = folder / name
    (folder / f"{name}.c").write_text(source)
    command = [compiler, "-O1", "-Wall", "-Wextra", "-Werror", *flags, "-o", program, folder / f"{name}.c"]
    subprocess.run(command, check=True)
    return program


def test_definitions_of_a_file() -> None:
    source = (
        "/* About the file. */\n\n#include <x.h>\n#define TWO \\\n\t2\n"
        "enum { ONE = 1, FOUR };\nstruct pair { int a; };\nlong declared(int a);\n"
        '/* With its comment: } { "x. */\nstatic const char brace[] = "{;", other[3]; /* beside it */\n'
        "static int used(void)\n{\n\tstruct pair pair = { ONE };\n\treturn pair.a + ';';\n}\n\n"
        "int main(void)\n{\n\treturn used() + TWO;\n}\n"
    )
    exported = definitions(source)
    assert [sorted(definition.names) for definition in exported] == [
        ["TWO"],
        ["FOUR", "ONE"],
        ["struct pair"],
        ["brace", "other"],
        ["used"],
        ["main"],
    ]
    assert exported[3].text.startswith("/* With")
    assert exported[3].text.endswith("/* beside it */")
    assert [min(definition.names) for definition in needed(["used"], exported)] == [
        "FOUR",
        "struct pair",
        "used",
    ]


@given(st.text("ab#;{}()\"'/* =,\\\n\t", max_size=200))
@example("/*")
@example("}\n;")
@example('"\n{')
def test_any_text_is_cut_in_order_and_ends(source: str) -> None:
    at = 0
    for definition in definitions(source):
        at = source.index(definition.text, at) + len(definition.text)
        assert definition.names
        assert not definition.names & definition.uses


def test_every_step_of_the_groups_is_known() -> None:
    names = [step.name for step in export.steps()]
    assert len(names) == len(set(names)) >= 25
    with pytest.raises(Refused) as refusal:
        exportable("talos-1.12-etc-host")
    assert "did you mean talos-1.12-etc-hosts?" in (refusal.value.hint or "")
    with pytest.raises(Refused, match="cannot be exported: a step of the probe filesystems"):
        exportable("ext4-64K")


@pytest.mark.parametrize(
    ("probe", "step", "hint"),
    [
        ("mounts", "ext4-64K", "it is a step of filesystems: say filesystems"),
        ("mounts", "ext4-64k", "did you mean ext4-64K? It is a step of filesystems: say filesystems"),
        ("mounts", "clone-atached", "did you mean clone-attached?"),
        ("overlays", "carrier", "it is a step of network: say network"),
        ("all", "carier", "did you mean carrier?"),
        ("network", "nothing-like-it", "steps: driver, interface, "),
    ],
)
def test_a_step_of_another_probe(probe: str, step: str, hint: str) -> None:
    with pytest.raises(Refused, match=f"the probe {probe} has no step '{step}'") as refusal:
        check_step(probe, step, other="say {probe}")
    assert (refusal.value.hint or "").startswith(hint)


@pytest.mark.boot
@pytest.mark.download
def test_steps_are_those_that_a_boot_makes() -> None:
    made: dict[str, list[str]] = {}
    for test in read(boot(open_library().get("debian-6.12.117-4k", modules=True), probe=("all",))).tests:
        made.setdefault(test.group, []).append(test.name)
        check_step(test.group, test.name, other="")
    assert {probe: tuple(names) for probe, names in made.items()} == known_steps()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a compiler for this machine")
@pytest.mark.parametrize("name", ["classic-bind", "mount-setattr-refuses-long", "overlay-of-hidden-paths"])
def test_runs_on_this_kernel_and_touches_nothing(name: str, tmp_path: Path) -> None:
    program = _built("gcc", export.program(exportable(name)), tmp_path, name)
    before = (Path("/etc/hosts").read_bytes(), Path("/proc/self/mountinfo").read_bytes())
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (Path("/etc/hosts").read_bytes(), Path("/proc/self/mountinfo").read_bytes()) == before
    if ran.returncode == 3 and "unshare" in ran.stdout:
        pytest.skip(f"no mounts of one's own here: {ran.stdout.strip()}")
    assert ran.stdout.startswith(f"{name} on Linux ")
    assert ran.stdout.endswith("expected: ok\nseen: ok\n"), ran.stdout
    assert ran.returncode == 0


@pytest.mark.boot
@pytest.mark.download
@pytest.mark.skipif(shutil.which(CROSS) is None, reason="needs the cross compiler")
@pytest.mark.parametrize("kernel_name", ["debian-6.12-16k", "debian-6.18-4k"])
def test_says_in_a_guest_what_the_probe_says(kernel_name: str, tmp_path: Path) -> None:
    kernel = open_library().get(kernel_name)
    steps = [step for step in export.steps() if step.group == "mounts"]
    programs = {
        step.name: _built(CROSS, export.program(step), tmp_path, step.name, "-static") for step in steps
    }
    runner = RUNNER % ", ".join(f'"{name}"' for name in programs)
    init = Init(_built(CROSS, runner, tmp_path, "init", "-static"), "", CROSS)
    members = [cpio.Member(name, path.read_bytes(), stat.S_IFREG | 0o755) for name, path in programs.items()]
    said = _console(kernel_name, initramfs.build(init, members)[0])
    probed = {test.name: test for test in read(boot(kernel, probe=["mounts"])).tests}
    for step in steps:
        own = said.partition(f"{step.name} on Linux {kernel.release}")[2].partition("status ")[0]
        test = probed[step.name]
        expected = "seen: ok" if test.ok else f"seen: not ok, {test.call}: {test.errno}"
        assert expected in own, (step.name, own)
        assert f"status {step.name} {0 if test.ok else 1}" in said


@pytest.mark.boot
@pytest.mark.download
@pytest.mark.skipif(shutil.which(CROSS) is None, reason="needs the cross compiler")
def test_is_a_guests_init(tmp_path: Path) -> None:
    source = tmp_path / "step.c"
    command = [sys.executable, "-m", "bootwright", "probe", "export", "--call", "clone-detached-root"]
    subprocess.run([*command, "-o", source], check=True)
    assert subprocess.run([*command, "-o", source], check=False, capture_output=True).returncode == 2
    program = _built(CROSS, source.read_text(), tmp_path, "init", "-static")
    said = _console("debian-6.12-4k", initramfs.build(Init(program, "", CROSS))[0])
    assert "open_tree            expected success, seen EINVAL" in said
    assert "seen: not ok, open_tree: EINVAL" in said


def _console(kernel_name: str, archive: Path) -> str:
    kernel = open_library().get(kernel_name)
    machine = machines.MACHINES.get("virt")
    emulator = qemu.find()
    ran = run(
        lambda control: qemu.command(
            emulator,
            machine,
            machine.processor(kernel.page_size),
            kernel=kernel.image,
            initramfs=archive,
            kernel_arguments=(f"console={machine.console}", "panic=-1", "quiet"),
            network=False,
            control=control,
        ),
        timeout=120,
        silence=60,
        on_console=None,
    )
    assert ran.ended == "powered-off", ran.console[-500:]
    return ran.console.decode(errors="replace").replace("\r", "")
