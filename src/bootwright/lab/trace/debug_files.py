"""Which file has the debug information of a kernel, and of each of its modules: told by the build id.

A vmlinux, or a folder: an unpacked debug package (Debian's `linux-image-…-dbg` has
`usr/lib/debug/boot/vmlinux-…` and `usr/lib/debug/lib/modules/RELEASE/kernel/…/NAME.ko`, Fedora's has
`NAME.ko.debug`), one of files named by build id (`.build-id/ab/cdef….debug`, gdb manual, "Debugging
Information in Separate Files"), or the folder that the kernel was built in.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.kernels.modules import normalised

_MOST_FILES = 500_000
_MODULES = (".ko", ".ko.debug")
_ELF = b"\x7fELF"
_ENDS = (*_MODULES, ".debug")
_HINT = "take the debug files that were made with this very kernel"


@frozen
class DebugFiles:
    """The debug information that was given."""

    given: Path
    vmlinux: Path | None
    """None: in the folder is none of this kernel."""
    modules: dict[str, tuple[Path, ...]]
    """Files that may be of a module, by its name; and those named by build id, by that."""

    def of_module(self, name: str, module: bytes) -> Path | None:
        """The file of a module, whose own file is `module`; None where there is none of that name.

        Raises `Refused` where there are only those of other builds, `Malformed` for a file that is none.
        """
        identity = elf_build_id(BytesIO(module), name)
        candidates = (*self.modules.get(identity or "", ()), *self.modules.get(normalised(name), ()))
        others: list[str] = []
        for path in candidates:
            theirs = build_id_of(path)
            if theirs is not None and theirs == identity:
                return path
            others.append(theirs or "none")
        if others:
            raise Refused(
                f"{candidates[0]} is of another build: build id {others[0]}, the module {name} has "
                f"{identity or 'none'}",
                hint=_HINT,
            )
        return None


def debug_files(given: Path, identity: str | None) -> DebugFiles:
    """What there is in `given` for the kernel of build id `identity`; nothing of modules is read yet.

    Raises `Missing` where it cannot be read, `Malformed` where it is no ELF file, `Refused` where it is a
    vmlinux of another build, or a folder without debug information of this kernel.
    """
    if not given.is_dir():
        _check_build(given, identity)
        return DebugFiles(given, given, {})
    images: list[Path] = []
    modules: dict[str, list[Path]] = {}
    for path in _files(given):
        name = path.name
        if name.startswith("vmlinux") and not name.endswith((".o", ".a", ".lds", ".map", ".symvers", ".cmd")):
            images.append(path)
        elif path.parent.parent.name == ".build-id" and name.endswith(".debug"):
            modules.setdefault(path.parent.name + name.removesuffix(".debug"), []).append(path)
        elif name.endswith(_MODULES):
            modules.setdefault(normalised(name.partition(".")[0]), []).append(path)
    vmlinux, refused = None, None
    for path in (*modules.get(identity or "", ()), *images):
        try:
            _check_build(path, identity)
            vmlinux = path
            break
        except Refused as error:
            refused = error
        except Malformed:  # vmlinux.bin, a script: not what is looked for
            continue
    if vmlinux is None and refused is not None:
        raise refused
    if vmlinux is None and not modules:
        raise Refused(
            f"{given} has neither a vmlinux nor modules",
            hint="give a vmlinux with debug information, or the folder of an unpacked debug package",
        )
    return DebugFiles(given, vmlinux, {name: tuple(paths) for name, paths in modules.items()})


def _check_build(path: Path, identity: str | None) -> None:
    theirs = build_id_of(path)
    if theirs is None or theirs != identity:
        raise Refused(
            f"{path} is of another build: build id {theirs or 'none'}, the kernel has {identity or 'none'}",
            hint=_HINT,
        )


def build_id_of(path: Path) -> str | None:
    """The build id of an ELF file, None where it has none; raises `Missing` and `Malformed`."""
    try:
        with path.open("rb") as file:
            return elf_build_id(file, str(path))
    except OSError as error:
        raise Missing(f"{path} cannot be read: {error.strerror}", hint="give a vmlinux") from error


def elf_build_id(file: BinaryIO, where: str) -> str | None:
    """The build id of a program or of a module, which has sections only; raises `Malformed`."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import NoteSection
    from elftools.elf.segments import NoteSegment

    hint = "give the vmlinux, or the folder, of a debug package"
    try:
        head = file.read(len(_ELF))
        if head != _ELF:
            seen = f"{head!r} at its start" if head else "an empty file"
            raise Malformed(where, 0, "an ELF file", seen, hint=hint)
        elf = ELFFile(file)
        parts = (
            *elf.iter_segments("PT_NOTE"),
            *(section for section in elf.iter_sections("SHT_NOTE") if section.name == ".note.gnu.build-id"),
        )
        for part in parts:
            if isinstance(part, NoteSegment | NoteSection):
                for note in part.iter_notes():
                    if note["n_type"] == "NT_GNU_BUILD_ID":
                        return str(note["n_desc"])
    except (ELFError, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        raise Malformed(where, None, "an ELF file", str(error)[:100], hint=hint) from error
    return None


def _files(folder: Path) -> list[Path]:
    paths: list[Path] = []
    for at, subfolders, names in os.walk(folder):
        subfolders.sort()
        wanted = (name for name in sorted(names) if name.startswith("vmlinux") or name.endswith(_ENDS))
        paths += [Path(at, name) for name in wanted]
        if len(paths) > _MOST_FILES:
            raise Malformed(str(folder), None, f"at most {_MOST_FILES} debug files", "more", hint=_HINT)
    return paths
