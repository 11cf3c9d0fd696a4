"""Will a kernel accept these modules? Each is looked at: its release, its signature where needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from attrs import frozen

from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.kernel.config import KernelConfig
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed, Refused
from bootwright.images.parts.module_files import plain_bytes
from bootwright.images.signing.kernel_keys import Certificate, certificates
from bootwright.images.signing.module_signature import read_signature

_VERMAGIC = b"\0vermagic="
_LOCKED = ("CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY", "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY")


@frozen
class Enforcement:
    """Whether unsigned modules are refused, and by what."""

    on: bool
    because: str


def enforcement(config: KernelConfig | None, arguments: Sequence[str]) -> Enforcement:
    """From the configuration and the command line (admin-guide/module-signing.rst, Linux 6.12)."""
    options = config.options if config is not None else {}
    for option in ("CONFIG_MODULE_SIG_FORCE", *_LOCKED):
        if options.get(option) == "y":
            return Enforcement(True, f"{option}=y")
    if config is None or options.get("CONFIG_MODULE_SIG") == "y":
        for argument in arguments:
            name, _, value = argument.partition("=")
            if name == "module.sig_enforce" and value in {"", "1", "y", "Y", "on"}:
                return Enforcement(True, f"{argument} on the command line")
            if name == "lockdown" and value in {"integrity", "confidentiality"}:
                return Enforcement(True, f"{argument} on the command line")
    return Enforcement(False, "the kernel does not insist on signatures")


class ModuleGate:
    """What a kernel says to modules."""

    def __init__(self, image: ByteSource, release: str, enforced: Enforcement) -> None:
        self._image = image
        self.release = release
        self.enforced = enforced

    @cached_property
    def keys(self) -> list[Certificate]:
        """Those the kernel trusts."""
        image = unwrapped(self._image)[0]
        return certificates(image.read(0, len(image)))

    def check_files(self, files: Sequence[Path]) -> str:
        """That all of these are accepted; says what was checked. Raises as `check`."""
        if self.enforced.on:
            _ = self.keys  # once, not in each thread
        # Decompressing and hashing let go of Python's lock.
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for _ in pool.map(lambda path: self.check(path.name, plain_bytes(path)), files):
                pass
        return self.told(len(files))

    def told(self, count: int) -> str:
        """What was checked of so many modules, in words."""
        if self.enforced.on:
            return f"all {count} modules are signed by a key in the kernel ({self.enforced.because})"
        return f"all {count} modules were built for it; {self.enforced.because}"

    def check(self, name: str, module: bytes) -> None:
        """Raises `Refused` with the reason: another release, no signature, a foreign key, changed since."""
        built_for = built_for_release(module)
        if built_for is not None and built_for != self.release:
            raise Refused(
                f"the kernel {self.release} does not load {name}: it was built for {built_for}",
                hint="kernel and modules must come from one build: give the modules of this kernel",
            )
        if self.enforced.on:
            self._signed(name, module)

    def _signed(self, name: str, module: bytes) -> None:
        because = self.enforced.because
        try:
            signature = read_signature(module, name)
        except Malformed as error:
            raise Refused(f"this kernel refuses {name}: {error.message} ({because})") from error
        if signature is None:
            raise Refused(
                f"this kernel refuses {name}: it is not signed ({because})",
                hint="take kernel and modules from one signed build, or a kernel that does not insist",
            )
        signer = signature.signer(self.keys)
        if signer is None:
            known = ", ".join(each.name for each in self.keys[:4]) or "none"
            raise Refused(
                f"this kernel refuses {name}: signed with a key that it does not have ({because}); it has "
                f"those of: {known}",
                hint="kernel and modules must come from one build",
            )
        if signature.fits(module, signer) is False:
            raise Refused(
                f"this kernel refuses {name}: it was changed since {signer.name} signed it ({because})",
                hint="strip and objcopy break signatures: take the module as it was built",
            )


def built_for_release(module: bytes) -> str | None:
    """The release in a module's `vermagic` (`.modinfo`: NUL-separated `key=value`); None without one."""
    at = module.find(_VERMAGIC)
    if at < 0:
        at = module.find(b"vermagic=") - 1 if b"vermagic=" in module[:4096] else -1
    if at < 0:
        return None
    start = at + len(_VERMAGIC)
    end = module.find(b" ", start, start + 200)
    return module[start:end].decode("ascii", "replace") if end > 0 else None
