"""Whether a kernel takes a module, asked in the order in which the kernel asks (Linux 6.12 to 7.3).

`load_module()` in kernel/module/main.c: the signature (signing.c `module_sig_check`), the ELF file
(`elf_validity_cache_copy`), the vermagic (`check_modinfo`, `same_magic`), the CRC of `module_layout` and of
every symbol it imports (version.c `check_version`), and whether each of these is exported at all
(`simplify_symbols`). Before that modprobe looks for the file in `/lib/modules/$(uname -r)` only.

One rule for everybody: the predictor, verification, swapping and composing of images ask here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from attrs import frozen

from bootwright.formats.kernel.config import KernelConfig
from bootwright.foundation.errors import Malformed

# What reads signatures and symbols is imported where a file is read: most questions are answered without.
if TYPE_CHECKING:
    from bootwright.formats.kernel.exports import KernelExports
    from bootwright.formats.modules.elf_object import ElfObject
    from bootwright.formats.modules.module_symbols import ModuleSymbols
    from bootwright.formats.signing.kernel_keys import Certificate

_LOCKED = ("CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY", "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY")
_EM_AARCH64 = 183
_RELEASE = re.compile(r"\d+\.\d+(\.\d+)?([-+._~][\w.+~-]*)?")
"""A folder name that is a kernel release: `6.18.15+deb13-arm64`."""

DIRECTORY = "modprobe looks in /lib/modules/$(uname -r) (kmod, libkmod_get_dirname)"
VERMAGIC = "kernel/module/main.c check_modinfo, same_magic, Linux 6.12"
SIGNATURE = "kernel/module/signing.c module_sig_check, Linux 6.12"
FORMAT = "kernel/module/main.c elf_validity_cache_copy, Linux 6.12"
SYMBOLS = "kernel/module/main.c simplify_symbols, Linux 6.12"
CRC = "kernel/module/version.c check_version, Linux 6.12"

_ONE_BUILD = "kernel and modules must come from one build: give the modules of this kernel"


@frozen
class Refusal:
    """Why a module is not taken."""

    file: str
    """Path or name of the module's file."""
    reason: str
    """What was found and what was expected; does not repeat the file's name."""
    remedy: str
    rule: str
    """The kernel's rule with its source file and version."""
    certain: bool = True
    """False where something that is in no file decides."""


@frozen
class Enforcement:
    """Whether unsigned modules are refused, and by what."""

    on: bool
    because: str
    checks: bool | None = None
    """Whether signatures are looked at at all (CONFIG_MODULE_SIG); None where that is not known."""
    more_keys: bool = True
    """Whether a machine's firmware may add keys (CONFIG_INTEGRITY_MACHINE_KEYRING), so that one that is not
    in the image may be trusted all the same."""


def truth(value: str | None) -> bool | None:
    """A boolean parameter as lib/kstrtox.c `kstrtobool` reads it (Linux 6.12); no value is true."""
    if value is None:
        return True
    if value[:1] in {"y", "Y", "t", "T", "1"} or value[:2].lower() == "on":
        return True
    if value[:1] in {"n", "N", "f", "F", "0"} or value[:2].lower() == "of":
        return False
    return None


def enforcement(config: KernelConfig | None, arguments: Sequence[str]) -> Enforcement:
    """From the configuration and the command line (admin-guide/module-signing.rst, Linux 6.12)."""
    options = config.options if config is not None else {}
    checks = None if config is None else options.get("CONFIG_MODULE_SIG") == "y"
    more_keys = config is None or options.get("CONFIG_INTEGRITY_MACHINE_KEYRING") == "y"
    for option in ("CONFIG_MODULE_SIG_FORCE", *_LOCKED):
        if options.get(option) == "y":
            return Enforcement(True, f"{option}=y", True, more_keys)
    if checks is not False:
        for argument in arguments:
            name, equals, value = argument.partition("=")
            name = name.replace("-", "_")
            if name == "module.sig_enforce" and truth(value if equals else None):
                return Enforcement(True, f"{argument} on the command line", True, more_keys)
            if name == "lockdown" and value in {"integrity", "confidentiality"}:
                return Enforcement(True, f"{argument} on the command line", True, more_keys)
    return Enforcement(False, "the kernel does not insist on signatures", checks, more_keys)


def is_release(name: str) -> bool:
    """Whether a folder's name is a kernel release, so that modprobe of another release passes it by."""
    return _RELEASE.fullmatch(name) is not None


def folder_refusal(folder: str, release: str) -> Refusal | None:
    """For modules in a folder (`/lib/modules/RELEASE`) whose name is the release of another kernel."""
    name = folder.rstrip("/").rpartition("/")[2]
    if name == release or not is_release(name):
        return None
    return Refusal(
        folder,
        f"the modules are those of {name}, and the kernel is {release}: modprobe looks in "
        f"/lib/modules/{release}",
        _ONE_BUILD,
        DIRECTORY,
    )


class ModuleRules:
    """What one kernel, started with certain arguments, says to modules."""

    def __init__(
        self,
        image: Callable[[], bytes],
        release: str,
        enforced: Enforcement,
        *,
        exports: Callable[[], KernelExports | None] | None = None,
        keys: Callable[[], list[Certificate]] | None = None,
        vermagic: str | None = None,
        force_load: bool = True,
    ) -> None:
        """`image` gives the bare Image; `exports`, `keys` and `vermagic` are what was read of it before.

        `force_load` is CONFIG_MODULE_FORCE_LOAD, with which a module may lack its vermagic.
        """
        self._image = image
        self._keys = keys
        self._known_vermagic = vermagic
        self.release = release
        self.enforced = enforced
        self._exports = exports
        self._force_load = force_load

    @cached_property
    def keys(self) -> list[Certificate]:
        """The certificates that the kernel's build put into it."""
        if self._keys is not None:
            return self._keys()
        from bootwright.formats.signing.kernel_keys import certificates

        return certificates(self._image())

    @cached_property
    def exports(self) -> KernelExports | None:
        """The symbols it exports; None where its image has no table of them."""
        if self._exports is not None:
            return self._exports()
        from bootwright.formats.kernel.exports import read_exports

        try:
            return read_exports(self._image(), self.release, "the kernel")
        except Malformed:
            return None

    @cached_property
    def vermagic(self) -> str | None:
        """The kernel's own, where it is known."""
        if self._known_vermagic:
            return self._known_vermagic
        from bootwright.formats.kernel.exports import vermagic_of

        return vermagic_of(self._image(), self.release)

    @property
    def modversions(self) -> bool:
        """Whether it compares CRCs (CONFIG_MODVERSIONS)."""
        return self.vermagic is not None and "modversions" in self.vermagic.split()

    def by_modinfo(self, file: str, *, vermagic: str, crcs: bool, signed: bool) -> Refusal | None:
        """What can be said of a module by what an index has of it: its signature's presence, its vermagic."""
        if self.enforced.on and not signed:
            return self._unsigned(file)
        return self._by_vermagic(file, vermagic, crcs=crcs)

    def refusal(
        self, file: str, module: bytes, provided: Mapping[str, int | None] | None = None
    ) -> Refusal | None:
        """Why the kernel refuses this module, None where it takes it.

        `module` is the file without its compression. `provided` are the exports of the modules it depends
        on; where it is None, symbols that the kernel does not export are not asked about.
        """
        signature = self._by_signature(file, module)
        if signature is not None and signature.certain:
            return signature
        return self._by_content(file, module, provided) or signature

    def _by_content(
        self, file: str, module: bytes, provided: Mapping[str, int | None] | None
    ) -> Refusal | None:
        from bootwright.formats.modules.elf_object import read_object
        from bootwright.formats.modules.modinfo import modinfo_of
        from bootwright.formats.modules.module_symbols import has_versions, module_symbols

        try:
            elf = read_object(module, file)
        except Malformed as error:
            return unreadable(file, error.message)
        refusal = _by_form(file, elf)
        if refusal is not None:
            return refusal
        info = modinfo_of(elf.content(".modinfo"), file, signed=False)
        refusal = self._by_vermagic(file, info.vermagic or "", crcs=has_versions(elf))
        return refusal or self._by_symbols(file, module_symbols(elf), provided)

    def _by_vermagic(self, file: str, vermagic: str, *, crcs: bool) -> Refusal | None:
        if not vermagic:
            if self._force_load:
                return None
            return Refusal(file, "it has no vermagic, and the kernel demands one", _ONE_BUILD, VERMAGIC)
        wanted = self.vermagic
        if wanted is None:
            built_for = vermagic.partition(" ")[0]
            if built_for == self.release:
                return None
            return Refusal(
                file,
                f"it was built for {built_for}, and the kernel is {self.release}",
                _ONE_BUILD,
                VERMAGIC,
                # Without the kernel's vermagic it is not known whether it compares CRCs in place of this.
                certain=not crcs,
            )
        theirs, ours = vermagic.split(), wanted.split()
        if self.modversions and crcs:
            theirs, ours = theirs[1:], ours[1:]  # the CRCs are compared in place of the release
        if theirs == ours:
            return None
        return Refusal(
            file,
            f"it was built for '{vermagic}', and the kernel is '{wanted}'",
            _ONE_BUILD,
            VERMAGIC,
        )

    def _by_symbols(
        self, file: str, symbols: ModuleSymbols, provided: Mapping[str, int | None] | None
    ) -> Refusal | None:
        compares = self.modversions and bool(symbols.versions)
        if not compares and provided is None:
            return None
        exports = self.exports
        if exports is None or not exports.symbols:
            return None
        there = exports.symbols if provided is None else {**provided, **exports.symbols}
        if compares:
            for name, crc in _layout_first(symbols.versions):
                wanted = there.get(name)
                if wanted is not None and wanted != crc:
                    return Refusal(
                        file,
                        f"it was built with another version of {name} (CRC {crc:#010x}; the kernel has "
                        f"{wanted:#010x})",
                        _ONE_BUILD,
                        CRC,
                    )
        if provided is not None:
            missing = [name for name in symbols.wants if name not in there]
            if missing:
                more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                return Refusal(
                    file,
                    f"it needs the symbol {missing[0]}{more}, which neither the kernel nor a module it "
                    "depends on exports",
                    _ONE_BUILD,
                    SYMBOLS,
                )
        return None

    def _unsigned(self, file: str) -> Refusal:
        return Refusal(
            file,
            f"it is not signed ({self.enforced.because})",
            "take kernel and modules from one signed build, or a kernel that does not insist",
            SIGNATURE,
        )

    def _by_signature(self, file: str, module: bytes) -> Refusal | None:
        """A damaged signature is refused by every kernel that checks them, a missing or foreign one only by
        one that insists."""
        enforced = self.enforced
        if enforced.checks is False:
            return None
        from bootwright.formats.signing.module_signature import read_signature

        certain = enforced.checks is True
        try:
            signature = read_signature(module, file)
        except Malformed as error:
            return Refusal(
                file, f"its signature is damaged: {error.message}", _ONE_BUILD, SIGNATURE, certain=certain
            )
        if signature is None:
            return self._unsigned(file) if enforced.on else None
        signer = signature.signer(self.keys)
        if signer is None:
            if not enforced.on:
                return None
            known = ", ".join(key.name for key in self.keys[:4]) or "none"
            added = "; firmware may have added its key (MOK)" if enforced.more_keys else ""
            return Refusal(
                file,
                f"it is signed with a key that the kernel does not have ({enforced.because}); it has those "
                f"of: {known}{added}",
                "kernel and modules must come from one build",
                SIGNATURE,
                certain=not enforced.more_keys,
            )
        if signature.fits(module, signer) is False:
            insists = f" ({enforced.because})" if enforced.on else ""
            return Refusal(
                file,
                f"it was changed since {signer.name} signed it{insists}",
                "strip and objcopy break signatures: take the module as it was built",
                SIGNATURE,
                certain=certain,
            )
        return None


def unreadable(file: str, why: str) -> Refusal:
    """For a file that is cut short, damaged, or no module at all."""
    return Refusal(
        file,
        f"it cannot be read: {why.removeprefix(f'{file}: ')}",
        "put the file there again, as the kernel's package has it",
        FORMAT,
    )


def _by_form(file: str, elf: ElfObject) -> Refusal | None:
    machine = int.from_bytes(elf.data[18:20], "little")
    if machine != _EM_AARCH64:
        return unreadable(file, f"an ELF file for machine {machine}, not for arm64 ({_EM_AARCH64})")
    if elf.section(".gnu.linkonce.this_module") is None:
        return unreadable(file, "an ELF file without .gnu.linkonce.this_module, so no kernel module")
    return None


def _layout_first(versions: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    """`check_modstruct_version` comes before every symbol the module imports."""
    if "module_layout" in versions:
        yield "module_layout", versions["module_layout"]
    yield from versions.items()
