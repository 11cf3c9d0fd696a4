"""Boot an image as it is, through its own boot loader, on a copy-on-write overlay of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

from attrs import define, field, frozen

from bootwright.formats.sources.bytesource import FileBytes
from bootwright.formats.sources.compressed import DEFAULT_LIMIT, Expansion
from bootwright.formats.sources.spool import digest, spool, spooled
from bootwright.formats.sources.streams import compression_of
from bootwright.foundation.atomic import write_text
from bootwright.foundation.cache import DIGESTS, EXPANDED
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.foundation.progress import Progress
from bootwright.image_boot.goal import Goal, GoalWatch
from bootwright.image_boot.stage import HandOver
from bootwright.lab.machines import machine as machines
from bootwright.lab.machines import qemu
from bootwright.lab.machines.firmware import Firmware
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.machines.run import run

TIMEOUT = 300.0
"""Seconds of guest time for one boot."""
SILENCE = 60.0
"""Seconds of guest time without console output; firmware and loaders are silent for a while too."""
SILENCE_AFTER_PANIC = 5.0
"""The same after a kernel gave up without a word of rebooting: some machines cannot."""
MEMORY = 2048
"""MiB: what Talos and distributions ask for at least."""

_PAGE_16K = 16384


@frozen
class ImageBoot:
    """A boot of an image, and whether it got where it was wanted."""

    recording: Recording
    reached: bool
    goal: str | None
    goal_seconds: float | None
    """Seconds since the machine was started, when the goal was seen."""
    dead_end: str | None
    """Where it got stuck, such as `kernel panic`; None where it did not."""
    silent: bool
    """Whether it was given up for its silence."""
    image_sha256: str
    firmware: str
    stage: tuple[str, ...] = ()
    """What bootwright did in the place of a board's firmware; empty where firmware was run."""
    warnings: tuple[str, ...] = ()
    """Those of `stage` that warn of a problem."""
    stopped: str | None = None
    """Why that stage started nothing."""


class _Enough(Exception):
    """The goal was seen, or a dead end."""


@define
class _Listener:
    """Keeps the console itself, so that it is there however the boot is ended."""

    watch: GoalWatch
    on_console: Callable[[bytes], None] | None
    hopeless: Callable[[bytes], str | None] | None
    started: float = field(factory=time.monotonic)
    console: bytearray = field(factory=bytearray)
    times: list[tuple[int, float]] = field(factory=list)
    reached_at: float | None = None

    def __call__(self, chunk: bytes) -> None:
        now = round(time.monotonic() - self.started, 6)
        self.times.append((len(self.console), now))
        self.console += chunk
        if self.on_console:
            self.on_console(chunk)
        if self.watch.feed(chunk):
            self.reached_at = now if self.watch.reached else None
            raise _Enough
        if self.hopeless and (reason := self.hopeless(chunk)):
            self.watch.dead_end = reason
            raise _Enough


def boot_image(
    image: Path,
    *,
    firmware: Firmware | HandOver,
    until: Goal | None = None,
    timeout: float = TIMEOUT,
    silence: float = SILENCE,
    memory: int = MEMORY,
    cpu: str | None = None,
    network: bool = True,
    on_console: Callable[[bytes], None] | None = None,
    hopeless: Callable[[bytes], str | None] | None = None,
    progress: Progress | None = None,
    image_sha256: str | None = None,
) -> ImageBoot:
    """Boot `image` (raw or compressed) and record it until its goal, a dead end, its end or a time-out.

    Nothing is ever written to the image: the guest's writes go to an overlay that vanishes with it.
    `timeout` and `silence` are seconds of guest time. `memory` is in MiB. The CPU has every page size
    unless another is named. `firmware` runs first, or has been done by bootwright (`HandOver`; then the
    board decides about memory and CPU). `hopeless` is given the console as it comes and says in a few words
    when waiting longer is useless. Raises `Missing` (no QEMU, no image), `Refused` and `Malformed` before
    anything is started, `ToolFailed` when QEMU itself fails. A guest that hangs or panics is a result like
    any other.
    """
    emulator = qemu.find()
    disk = image
    if image_sha256 is None:
        disk, image_sha256 = on_disk(image, progress)
    listener = _Listener(GoalWatch(until), on_console, hopeless)
    command: tuple[str, ...] = ()
    ended, silent = "stopped", False
    before = _children_cpu()
    # QEMU puts its overlay into TMPDIR (block.c, bdrv_append_temp_snapshot); ours goes when we do.
    with (
        temporary_folder() as work_folder,
        _environment("TMPDIR", str(work_folder)),
    ):
        if isinstance(firmware, HandOver):
            firmware.check(emulator)
            machine = firmware.machine.name
            parts = list(firmware.arguments_for(disk, work_folder, network=network))
        else:
            machine = firmware.machine
            parts = _arguments(emulator, firmware, disk, memory, cpu, network=network)

        def with_control(control: int) -> tuple[str, ...]:
            nonlocal command
            channel = ("-chardev", f"socket,id=control,fd={control}", "-mon", "chardev=control,mode=control")
            command = (str(emulator.path), *parts, *channel)
            listener.started = time.monotonic()
            return command

        if not isinstance(firmware, HandOver) or firmware.stopped is None:
            with contextlib.suppress(_Enough):
                ran = run(
                    with_control,
                    timeout=timeout,
                    silence=lambda: min(silence, SILENCE_AFTER_PANIC) if listener.watch.panicked else silence,
                    on_console=listener,
                )
                ended, silent = ran.ended, ran.silent_seconds > 0
    wall = time.monotonic() - listener.started
    return ImageBoot(
        recording=Recording(
            console=bytes(listener.console),
            times=tuple(listener.times),
            ended=ended,
            command=command,
            machine=machine,
            machine_version=emulator.title,
            kernel_sha256="",
            initramfs_sha256="",
            probe_sha256="",
            kernel_arguments="",
            wall_seconds=wall,
            cpu_seconds=_children_cpu() - before,
        ),
        reached=listener.watch.reached,
        goal=until.text if until else None,
        goal_seconds=listener.reached_at,
        dead_end=listener.watch.dead_end,
        silent=silent,
        image_sha256=image_sha256,
        firmware=firmware.name,
        stage=firmware.log if isinstance(firmware, HandOver) else (),
        warnings=firmware.warnings if isinstance(firmware, HandOver) else (),
        stopped=firmware.stopped if isinstance(firmware, HandOver) else None,
    )


def on_disk(image: Path, progress: Progress | None = None) -> tuple[Path, str]:
    """(a raw file of the image, SHA-256 of the file as given); a compressed one is expanded in the cache."""
    if image.is_dir():
        raise Refused(f"{image} is a folder, not an image", hint="give a disk image")
    source = FileBytes(image)
    if not source.size:
        raise Malformed(str(image), 0, "a disk image", "an empty file")
    key = _kept_digest(image)
    kind = compression_of(source)
    if kind is None:
        return image.resolve(), key
    name = f"{image}:{kind}"
    if spooled(key, name) is None:
        chunks = iter(Expansion(source, kind))
        spool(source, kind, chunks, key=key, name=name, limit=DEFAULT_LIMIT, progress=progress)
    path = EXPANDED.folder() / key
    if not path.is_file():
        raise Missing(f"the expanded form of {image} is gone from the cache", hint="run it again")
    return path, key


_digests: dict[str, str] = {}
_SHA256 = 64


def _kept_digest(image: Path) -> str:
    """Hashing gigabytes takes as long as a boot: once is enough while the file stays the same.

    Any write changes st_ctime, which nothing but the clock sets (inode(7)).
    """
    state = image.stat()
    facts = (
        str(image.resolve()),
        state.st_dev,
        state.st_ino,
        state.st_size,
        state.st_mtime_ns,
        state.st_ctime_ns,
    )
    key = hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()
    if key in _digests:
        return _digests[key]
    kept = DIGESTS.folder() / key
    try:
        known = kept.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        known = ""
    if len(known) != _SHA256:
        known = digest(FileBytes(image))
        write_text(kept, known)
        DIGESTS.evict(keep=kept)
    _digests[key] = known
    return known


def _named(target: machines.Machine, model: str) -> machines.Processor:
    named = next((processor for processor in target.processors if processor.model == model), None)
    if named is None:
        models = [str(processor.model) for processor in target.processors if processor.model]
        message = f"machine {target.name} has no CPU model {model} here"
        raise no_such(message, model, models, kind="CPU models")
    return named


def _arguments(
    emulator: qemu.Qemu,
    firmware: Firmware,
    disk: Path,
    memory: int,
    cpu: str | None,
    *,
    network: bool,
) -> list[str]:
    target = machines.MACHINES.get(firmware.machine)
    processor = target.processor(_PAGE_16K, model=cpu) if cpu is None else _named(target, cpu)
    qemu.check(emulator, target, processor)
    quoted = str(disk).replace(",", ",,")
    parts = ["-machine", target.machine]
    if processor.model:
        parts += ["-cpu", processor.model]
    parts += ["-smp", "1", "-m", str(memory)]
    parts += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    parts += ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
    parts += firmware.arguments()
    parts += ["-drive", f"if=none,id=disk,format=raw,snapshot=on,file={quoted}"]
    parts += ["-device", "virtio-blk-pci,drive=disk,bootindex=0"]
    if network:
        parts += ["-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,romfile="]
    # A source of randomness for firmware and guest (EFI_RNG_PROTOCOL, early crng).
    parts += ["-device", "virtio-rng-pci"]
    return parts


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _environment:  # noqa: N801 - reads as a statement
    """A variable of our environment, for the emulator that is started meanwhile."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value
        self._before: str | None = None

    def __enter__(self) -> None:
        self._before = os.environ.get(self._name)
        os.environ[self._name] = self._value

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            os.environ.pop(self._name, None)
        else:
            os.environ[self._name] = self._before
