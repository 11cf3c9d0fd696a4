"""Will a kernel accept these modules? The rules are `kernels.module_rules`; here they stop a change."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.signing.kernel_keys import Certificate
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Refused
from bootwright.images.parts.module_files import plain_bytes
from bootwright.kernels.module_rules import Enforcement, ModuleRules, enforcement

__all__ = ["Enforcement", "ModuleGate", "enforcement"]


class ModuleGate:
    """What a kernel says to modules."""

    def __init__(self, image: ByteSource, release: str, enforced: Enforcement) -> None:
        self._image = image
        self.release = release
        self.enforced = enforced
        self._rules = ModuleRules(lambda: self._bare, release, enforced)

    @cached_property
    def _bare(self) -> bytes:
        image = unwrapped(self._image)[0]
        return image.read(0, image.size)

    @property
    def keys(self) -> list[Certificate]:
        """Those the kernel trusts."""
        return self._rules.keys

    def check_files(self, files: Sequence[Path]) -> str:
        """That all of these are accepted; says what was checked. Raises as `check`."""
        # Once, and not in each thread.
        _ = self.keys, self._rules.exports if self._rules.modversions else None
        # Decompressing and hashing release Python's lock.
        from concurrent.futures import ThreadPoolExecutor  # imports logging: slow

        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for _ in pool.map(lambda path: self.check(path.name, plain_bytes(path)), files):
                pass
        return self.summary(len(files))

    def summary(self, count: int) -> str:
        """What was checked of so many modules, in words."""
        if self.enforced.on:
            return f"all {count} modules are signed by a key in the kernel ({self.enforced.because})"
        return f"all {count} modules were built for it; {self.enforced.because}"

    def check(self, name: str, module: bytes) -> None:
        """Raises `Refused` with the reason: another build, no or a foreign signature, damaged bytes."""
        refusal = self._rules.refusal(name, module)
        if refusal is not None:
            raise Refused(f"the kernel {self.release} refuses {name}: {refusal.reason}", hint=refusal.remedy)


class UncheckedGate(ModuleGate):
    """A kernel that is cut short: what it would say lies in what it lacks."""

    def check_files(self, files: Sequence[Path]) -> str:
        """See `ModuleGate.check_files`."""
        return f"the {len(files)} modules are not checked: the kernel is cut short"

    def check(self, name: str, module: bytes) -> None:
        """See `ModuleGate.check`."""
