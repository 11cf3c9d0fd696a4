"""What a boot leaves behind: a recording. Meaning is made of it later, by pure functions."""

from __future__ import annotations

from attrs import frozen

ANSWERED = "answered"
"""How a recording ended whose init was about to power off: see `Recording.ended`."""


@frozen
class Recording:
    """One boot, as it happened."""

    console: bytes
    """Every byte the console carried, in order."""
    times: tuple[tuple[int, float], ...]
    """(offset into `console`, seconds since the machine was started) of each chunk as it arrived."""
    ended: str
    """`powered-off`, `reset`, `timeout`, `machine-exited` (the emulator stopped by itself), `stopped`, or
    `answered` (ended at its init's last instruction, where it would have powered off)."""
    command: tuple[str, ...]
    """The machine's command line, as run."""
    machine: str
    """The machine's name (a file of `data/machines/`)."""
    machine_version: str
    """The emulator's version, such as `QEMU 7.2.22`."""
    kernel_sha256: str
    initramfs_sha256: str
    """Of the initramfs given to the kernel, probe included."""
    probe_sha256: str
    """Of the guest's init."""
    kernel_arguments: str
    wall_seconds: float
    cpu_seconds: float
    """User and system seconds of the emulator process."""
    snapshot: str = ""
    """The snapshot that the machine was restored from; empty: it was booted. `kernel_arguments` are then
    those of the snapshot's boot, and what the guest's init was told when it went on."""
