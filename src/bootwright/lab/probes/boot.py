"""Boot a kernel with probes, and record what happened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.foundation.choices import one_of
from bootwright.kernels.model import Kernel
from bootwright.lab.machines import machine as machines
from bootwright.lab.machines import qemu
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.machines.run import Ran, run
from bootwright.lab.probes import initramfs
from bootwright.lab.probes.added import added_probes, sources_of
from bootwright.lab.probes.probe import Init
from bootwright.lab.probes.probe import init as find_init
from bootwright.lab.probes.program import program_archive

PROBES = ("mounts", "overlays", "filesystems", "network")
"""Groups of tests the guest's init knows; `all` is every one."""

OWN_PROGRAM = "program"
"""The group of a user's own program (probes/program.c), which has no name on the command line."""

TIMEOUT = 120.0
"""Seconds of guest time for one boot, by default; a boot with every probe takes under 10."""
SILENCE = 30.0
"""Seconds of guest time without any console output after which a guest is given up."""

# Emulation pays for every instruction that runs for the first time, so what cannot matter to a probe is
# left out: banners; random addresses, which alone turn on page-table isolation for these CPU models; IPv6;
# self-tests and tables of ciphers; devices that no probe uses (PCI, clock, buttons); files under /sys and in
# tracefs. Security modules and memory checks stay as the kernel was built, for they may have a say in what
# a system call does. A name that the kernel does not know is ignored.
_UNUSED = (
    *("jent_mod_init", "crypto_kdf108_init", "dh_init", "init_kprobe_trace", "bpf_dummy_struct_ops_init"),
    *("gen_pci_driver_init", "pl031_driver_init", "pl061_gpio_driver_init"),
    *("slab_sysfs_init", "param_sysfs_builtin_init", "clockevents_init_sysfs"),
)
_QUICK = ("quiet", "nokaslr", "ipv6.disable=1", "cryptomgr.notests")
# The keys that modules are signed with: nothing looks at them where no module is loaded.
_UNUSED_WITHOUT_MODULES = ("load_system_certificate_list",)


def boot(
    kernel: Kernel,
    *,
    probe: Sequence[str],
    machine: str = "virt",
    timeout: float = TIMEOUT,
    arguments: Sequence[str] = (),
    plain: bool = False,
    cpu: str | None = None,
    silence: float = SILENCE,
    on_console: Callable[[bytes], None] | None = None,
) -> Recording:
    """Boot `kernel` with the guest's init running `probe`, and return the recording.

    `timeout` and `silence` are seconds of guest time: the emulator's CPU time while it computes, wall
    time while the guest waits. `arguments` are further kernel arguments; `plain` leaves out those that
    only make the boot quicker. A guest that hangs, panics or prints garbage is a recording like any other.

    Raises `Refused` (unknown machine or probe, a page size its CPU lacks) and `Missing` (no QEMU, too
    old, no compiler) before anything is started, `ToolFailed` when QEMU itself fails.
    """
    planned = plan_boot(kernel, probe=probe, machine=machine, arguments=arguments, plain=plain, cpu=cpu)
    return planned.run(timeout=timeout, silence=silence, on_console=on_console)


@frozen
class PlannedBoot:
    """A boot, everything settled but the mark of its results."""

    emulator: qemu.Qemu
    target: machines.Machine
    processor: machines.Processor
    init: Init
    archive: Path
    archive_sha256: str
    kernel: Kernel
    kernel_arguments: tuple[str, ...]
    memory: int | None
    network: bool

    @property
    def identity(self) -> str:
        """The same for boots of which nothing differs: kernel, initramfs, machine, arguments, emulator."""
        contents = self._command(
            Path(self.kernel.image_sha256), Path(self.archive_sha256), self.kernel_arguments, None
        )
        state = self.emulator.path.stat()
        made_of = (*contents, self.emulator.title, str(state.st_size), str(state.st_mtime_ns))
        return hashlib.sha256("\0".join(made_of).encode()).hexdigest()

    def run(
        self,
        *,
        timeout: float = TIMEOUT,
        silence: float = SILENCE,
        on_console: Callable[[bytes], None] | None = None,
    ) -> Recording:
        """Boot, and return what happened; raises `ToolFailed` when QEMU itself fails."""
        kernel_arguments = (*self.kernel_arguments, mark())
        command: list[tuple[str, ...]] = []

        def with_control(control: int) -> tuple[str, ...]:
            command.append(self.command(kernel_arguments, control))
            return command[0]

        ran = run(with_control, timeout=timeout, silence=silence, on_console=on_console)
        return self.recording(ran, command[0], kernel_arguments)

    def recording(
        self, ran: Ran, command: tuple[str, ...], kernel_arguments: Sequence[str], *, snapshot: str = ""
    ) -> Recording:
        """What a run of this boot left, with what it was a run of."""
        return Recording(
            console=ran.console,
            times=ran.times,
            ended=ran.ended,
            command=command,
            machine=self.target.name,
            machine_version=self.emulator.title,
            kernel_sha256=self.kernel.image_sha256,
            initramfs_sha256=self.archive_sha256,
            probe_sha256=self.init.sha256,
            kernel_arguments=" ".join(kernel_arguments),
            wall_seconds=ran.wall_seconds,
            cpu_seconds=ran.cpu_seconds,
            snapshot=snapshot,
        )

    def command(
        self,
        kernel_arguments: Sequence[str],
        control: int | None,
        *,
        kernel: Path | None = None,
        debugger: int | None = None,
        file: qemu.MemoryFile | None = None,
    ) -> tuple[str, ...]:
        """The emulator's command line (see `qemu.command`); `kernel` stands in for the kernel's Image."""
        image = self.kernel.image if kernel is None else kernel
        return self._command(image, self.archive, kernel_arguments, control, debugger=debugger, file=file)

    def _command(
        self,
        kernel: Path,
        archive: Path,
        kernel_arguments: Sequence[str],
        control: int | None,
        *,
        debugger: int | None = None,
        file: qemu.MemoryFile | None = None,
    ) -> tuple[str, ...]:
        return qemu.command(
            self.emulator,
            self.target,
            self.processor,
            kernel=kernel,
            initramfs=archive,
            kernel_arguments=kernel_arguments,
            network=self.network,
            control=control,
            memory=self.memory,
            debugger=debugger,
            file=file,
        )


def mark() -> str:
    """The argument that gives one run's results a mark, which is another word each time."""
    return f"bootwright.mark=bw{os.urandom(5).hex()}"


def plan_boot(
    kernel: Kernel,
    *,
    probe: Sequence[str],
    machine: str = "virt",
    arguments: Sequence[str] = (),
    plain: bool = False,
    cpu: str | None = None,
    program: Path | None = None,
) -> PlannedBoot:
    """Everything that a boot needs, checked and made, with nothing started; raises as `boot` does.

    With `program`, a static arm64 program of the user's own, the guest's init runs that as its only probe.
    """
    wanted = probe_names(probe) if program is None else (OWN_PROGRAM,)
    target = machines.MACHINES.get(machine)
    processor = target.processor(kernel.page_size, model=cpu)
    emulator = qemu.find()
    qemu.check(emulator, target, processor)
    init = find_init(sources_of(wanted))
    contents = _contents(kernel, target, wanted) if program is None else program_archive(program)
    archive, archive_sha256 = initramfs.build(init, appended=contents)
    memory = qemu.fitting_memory(
        target,
        page_size=kernel.page_size,
        kernel=kernel.image.stat().st_size,
        initramfs=archive.stat().st_size,
    )
    kernel_arguments = (
        f"console={target.console}",
        # Panics reset at once (kernel/panic.c): the console has the reason, waiting adds nothing.
        "panic=-1",
        *_unlimited(kernel),
        *(() if plain else _quick(modules=wanted not in {("mounts",), (OWN_PROGRAM,)})),
        *target.kernel_arguments,
        f"bootwright.probe={','.join(wanted)}",
        *((f"bootwright.driver={target.network.driver}",) if "network" in wanted else ()),
        *arguments,
    )
    return PlannedBoot(
        emulator=emulator,
        target=target,
        processor=processor,
        init=init,
        archive=archive,
        archive_sha256=archive_sha256,
        kernel=kernel,
        kernel_arguments=kernel_arguments,
        memory=memory,
        network="network" in wanted,
    )


def _contents(kernel: Kernel, machine: machines.Machine, probes: tuple[str, ...]) -> bytes:
    if probes == ("mounts",):
        return b""
    # Imported only now: reading modules takes more start-up time than all else that a boot needs.
    from bootwright.lab.probes.contents import archive

    return archive(kernel, machine, probes)


def _unlimited(kernel: Kernel) -> tuple[str, ...]:
    """What lets a kernel without /proc/sys print all that init says (kernel/printk/printk.c, Linux 4.8 on).

    Others are told so by init, through a file there; without either, lines behind the tenth are dropped.
    """
    if kernel.config is None or b"# CONFIG_PROC_SYSCTL is not set" not in kernel.config.read_bytes():
        return ()
    return ("printk.devkmsg=on",)


def _quick(*, modules: bool) -> tuple[str, ...]:
    unused = (*_UNUSED, *(() if modules else _UNUSED_WITHOUT_MODULES))
    return (*_QUICK, f"initcall_blacklist={','.join(unused)}")


def probe_names(probe: Sequence[str]) -> tuple[str, ...]:
    """The probes asked for, `all` spelt out; raises `Refused` for one that is not known, or none."""
    for name in probe or ("",):
        if name not in PROBES:
            one_of(name, (*PROBES, *added_probes(), "all"), what="probe", kind="probes")
    return PROBES if "all" in probe else tuple(dict.fromkeys(probe))
