"""Will a kernel accept these modules? Release, and signatures where it insists on them.

A signature is appended to a module: PKCS#7 data, `struct module_signature`, a magic line (Linux 6.12,
include/linux/module_signature.h and scripts/sign-file.c). The kernel knows its keys by X.509 certificates
inside its image, so a signer's serial number that is nowhere in the image is a key the kernel does not have.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from bootwright.artifacts.arm64_image import unwrapped
from bootwright.artifacts.bytesource import FileBytes
from bootwright.artifacts.modinfo import read_module
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.images.kernel_part import KernelFiles
from bootwright.images.module_files import all_modules, plain_bytes

MAGIC = b"~Module signature appended~\n"
_TRAILER = struct.Struct(">BBBBBxxxI")
_PKCS7 = 2
_SAMPLE = 48
"""Modules of one build are signed by one key; so many, spread over all, are looked at."""


@frozen
class Enforcement:
    """Whether unsigned modules are refused, and by what."""

    on: bool
    because: str


def enforcement(kernel: KernelFiles, arguments: Sequence[str]) -> Enforcement:
    """From the configuration and the command line (admin-guide/module-signing.rst, Linux 6.12)."""
    config = kernel.configuration()
    if config is not None and config.options.get("CONFIG_MODULE_SIG_FORCE") == "y":
        return Enforcement(True, "CONFIG_MODULE_SIG_FORCE=y")
    if config is None or config.options.get("CONFIG_MODULE_SIG") == "y":
        for argument in arguments:
            name, _, value = argument.partition("=")
            if name == "module.sig_enforce" and value in {"", "1", "y", "Y", "on"}:
                return Enforcement(True, f"{argument} on the command line")
            if name == "lockdown" and value in {"integrity", "confidentiality"}:
                return Enforcement(True, f"{argument} on the command line")
    return Enforcement(False, "the kernel does not insist on signatures")


def check_modules(kernel: KernelFiles, modules: Path, arguments: Sequence[str]) -> str:
    """That `kernel` accepts the modules below `modules` (`/lib/modules/RELEASE`); says what was checked.

    Raises `Refused` with the reason: built for another release, not signed, or signed with a foreign key.
    """
    files = all_modules(modules)
    some = files[:: max(1, len(files) // _SAMPLE)]
    enforced = enforcement(kernel, arguments)
    image = unwrapped(FileBytes(kernel.image))[0] if enforced.on else None
    code = image.read(0, len(image)) if image is not None else b""
    for path in some:
        release = _built_for(path)
        if release is not None and release != kernel.release:
            raise Refused(
                f"the kernel {kernel.release} does not load {path.name}: it was built for {release}",
                hint="kernel and modules must come from one build: give the modules of this kernel",
            )
        if enforced.on:
            _check_signature(plain_bytes(path), path.name, code, enforced)
    what = f"{len(some)} of {len(files)} modules looked at"
    return (
        f"{what}; signed by a key in the kernel ({enforced.because})"
        if enforced.on
        else f"{what}; {enforced.because}"
    )


def _built_for(path: Path) -> str | None:
    try:
        vermagic = read_module(path).vermagic
    except (BootwrightError, AttributeError):
        return None
    return vermagic.split(" ")[0] if vermagic else None


def _check_signature(module: bytes, name: str, kernel: bytes, enforced: Enforcement) -> None:
    serial = signer_serial(module, name)
    if serial is None:
        raise Refused(
            f"this kernel refuses {name}: it is not signed ({enforced.because})",
            hint="take kernel and modules from one signed build, or a kernel that does not insist",
        )
    if serial not in kernel:
        raise Refused(
            f"this kernel refuses {name}: signed with a key that it does not have ({enforced.because})",
            hint="kernel and modules must come from one build",
        )


def signer_serial(module: bytes, name: str) -> bytes | None:
    """The serial number of the signer's certificate as DER (tag, length, value); None without a signature.

    Raises `Malformed` for a signature that is broken.
    """
    if not module.endswith(MAGIC):
        return None
    end = len(module) - len(MAGIC) - _TRAILER.size
    if end < 0:
        raise Malformed(name, 0, "a signature before its magic line", "the start of the file")
    _, _, kind, _, _, size = _TRAILER.unpack_from(module, end)
    if kind != _PKCS7 or size > end:
        raise Malformed(name, end, "a PKCS#7 signature inside the file", f"type {kind}, {size} bytes")
    data = module[end - size : end]
    try:
        return _serial(data)
    except (IndexError, ValueError) as error:
        raise Malformed(name, end - size, "PKCS#7 SignedData (RFC 2315)", str(error)[:80]) from error


def _serial(data: bytes) -> bytes:
    """RFC 2315, sections 7, 9.1 and 9.2: ContentInfo → SignedData → the last field, signerInfos → sid."""
    content = _inside(data, 0)
    signed = _inside(data, _inside_of(data, _fields(data, *content)[1]))
    signer_infos = _fields(data, *signed)[-1]
    signer = _fields(data, *_inside(data, signer_infos))[0]
    identifier = _fields(data, *_inside(data, signer))[1]
    if data[identifier] == 0x80:  # by subject key identifier, where sign-file was told to (CMS, RFC 5652)
        start, end = _inside(data, identifier)
        return data[start:end]
    serial = _fields(data, *_inside(data, identifier))[1]
    start, end = _inside(data, serial)
    if data[serial] != 0x02:
        raise ValueError("the serial number is no integer")
    return data[serial:end] if start < end else b""


def _inside(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends (X.690, section 8.1)."""
    length, start = data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise ValueError("a length that is not definite")
        length, start = int.from_bytes(data[start : start + count], "big"), start + count
    if start + length > len(data):
        raise ValueError("an element beyond the end")
    return start, start + length


def _inside_of(data: bytes, at: int) -> int:
    """Where the element inside an explicit tag begins."""
    return _inside(data, at)[0]


def _fields(data: bytes, start: int, end: int) -> list[int]:
    found: list[int] = []
    while start < end and len(found) < 64:
        found.append(start)
        start = _inside(data, start)[1]
    return found
