"""Does the image hold the very build one thinks it does? A stale build cache shows here.

By hash; where that differs, release, banner and build id say in what.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.formats.archives.initramfs import InitramfsTree, read_segments
from bootwright.formats.filesystems.filesystem import EntryKind, FileSystem
from bootwright.formats.filesystems.squashfs import SquashFs, is_squashfs
from bootwright.formats.kernel.arm64_image import read_kernel_image, unwrapped
from bootwright.formats.kernel.build_id import image_build_id
from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.formats.sources.spool import digest
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.images.opened import OpenImage, all_files, argument_names
from bootwright.images.parts.module_files import plain_bytes
from bootwright.images.verify.manifest import parts_named
from bootwright.images.verify.verify_model import Check, fails, works

PARTS = ("kernel", "dtb", "overlay", "modules", "initramfs", "config.txt", "loader", "uki", "cmdline")


@frozen
class Expectation:
    """`PART=FILE`, `dtb=DIR`, `modules=DIR`, `cmdline=ARGUMENT`, or `PARTITION:/path=FILE`."""

    part: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Expectation:
        """Raises `Refused` for another form."""
        part, equals, value = text.partition("=")
        if not equals or not value:
            raise Refused(
                f"{text!r} is not an expectation",
                hint=f"write PART=FILE with one of {', '.join(PARTS)}, or PARTITION:/path=FILE",
            )
        if part not in PARTS and ":/" not in part:
            raise no_such(f"{text!r}: an image has no part {part!r}", part, PARTS, kind="parts")
        return cls(part, value)


def expectation_checks(image: OpenImage, expected: Sequence[Expectation]) -> Iterator[Check]:
    """One check or more for each; raises `Missing` for a file of the user's that is not there."""
    for expectation in expected:
        name = f"expected {expectation.part}"
        try:
            yield from _check(image, expectation, name)
        except Missing:
            raise
        except BootwrightError as error:
            yield fails(name, error.message, hint=error.hint)


def _check(image: OpenImage, expected: Expectation, name: str) -> Iterator[Check]:
    if expected.part == "cmdline":
        yield _argument(image, expected.value, name)
        return
    path = Path(expected.value).expanduser()
    if not path.exists():
        raise Missing(f"there is no {path}, which the image is to be compared with", hint="check the name")
    if ":/" in expected.part:
        volume, place = image.place(expected.part)
        entry = next((candidate for candidate in all_files(volume.files) if candidate.path == place), None)
        if entry is None or entry.kind is not EntryKind.FILE:
            yield fails(name, f"{expected.part} is not in the image")
        else:
            yield _same(name, expected.part, volume.files.open(entry), FileBytes(path))
    elif expected.part == "modules":
        yield from _modules(image, path, name)
    elif path.is_dir():
        yield from _folder(image, expected.part, path, name)
    else:
        yield from _file(image, expected.part, path, name)


def _argument(image: OpenImage, wanted: str, name: str) -> Check:
    arguments = argument_names(image.chain().arguments)
    if wanted in arguments:
        return works(name, f"{wanted} is on the command line")
    return fails(name, f"{wanted} is not on the command line: {' '.join(arguments)[:300]}")


def _file(image: OpenImage, part: str, path: Path, name: str) -> Iterator[Check]:
    parts = parts_named(image, part)
    if part in {"dtb", "overlay"}:
        parts = [(place, source) for place, source in parts if place.rpartition("/")[2] == path.name]
    if not parts:
        yield fails(name, f"the image holds no {part} to compare with {path}")
    for place, source in parts:
        check = (
            _kernel(name, place, source, path)
            if part == "kernel"
            else _same(name, place, source, FileBytes(path))
        )
        yield check


def _same(name: str, place: str, source: ByteSource, wanted: ByteSource) -> Check:
    digest_here, digest_wanted = digest(source), digest(wanted)
    if digest_here == digest_wanted:
        return works(name, f"the same as {wanted.name} (SHA256 {digest_here[:16]}…)", where=place)
    return fails(
        name,
        f"another than {wanted.name}: SHA256 {digest_here[:16]}…, not {digest_wanted[:16]}…; "
        f"{source.size} bytes, not {wanted.size}",
        where=place,
    )


def _kernel(name: str, place: str, source: ByteSource, path: Path) -> Check:
    """Wrappings (gzip, zboot) are taken off both sides."""
    wanted = FileBytes(path)
    image, wanted_image = unwrapped(source)[0], unwrapped(wanted)[0]
    image_digest, wanted_digest = digest(image), digest(wanted_image)
    facts = read_kernel_image(source)
    if image_digest == wanted_digest:
        identity = _build_id(image)
        built = f", build id {identity}" if identity else ""
        return works(name, f"the same build as {path}: {facts.banner}{built}", where=place)
    differs: list[str] = []
    expected = read_kernel_image(wanted)
    for what, mine, theirs in (
        ("release", facts.release, expected.release),
        ("banner", facts.banner, expected.banner),
        ("build id", _build_id(image), _build_id(wanted_image)),
        ("page size", facts.page_size, expected.page_size),
    ):
        if mine != theirs:
            differs.append(f"{what} {mine}, not {theirs}")
    differs = differs or [
        f"SHA256 {image_digest[:16]}…, not {wanted_digest[:16]}…, with the same release, banner and build id"
    ]
    return fails(name, f"another build than {path}: {'; '.join(differs)}", where=place)


def _build_id(image: ByteSource) -> str | None:
    return image_build_id(image.read(0, image.size))


def _folder(image: OpenImage, part: str, folder: Path, name: str) -> Iterator[Check]:
    """Every file of the part in the image is the same as the file of that name in the folder."""
    wanted = {path.name: path for path in sorted(folder.rglob("*")) if path.is_file()}
    parts = parts_named(image, part)
    if not parts:
        yield fails(name, f"the image holds no {part}")
    same = 0
    for place, source in parts:
        path = wanted.get(place.rpartition("/")[2])
        if path is None:
            yield fails(name, f"{folder} has no {place.rpartition('/')[2]}", where=place)
            continue
        check = _same(name, place, source, FileBytes(path))
        if check.verdict == "works":
            same += 1
        else:
            yield check
    if parts and same == len(parts):
        yield works(name, f"all {same} are those of {folder}")


def _modules(image: OpenImage, folder: Path, name: str) -> Iterator[Check]:
    """Every module in the image is the one of that name in `folder`; compression is taken off both."""
    wanted = {
        path.name.split(".ko", 1)[0].replace("-", "_"): path
        for path in sorted(folder.rglob("*.ko*"))
        if path.is_file()
    }
    differ: list[str] = []
    count = 0
    for _, source in parts_named(image, "initramfs"):
        for module, data in _module_files(InitramfsTree(source.name, read_segments(source))):
            count += 1
            path = wanted.get(module)
            if path is None or _plain(FileBytes(path)) != data:
                differ.append(module)
    if not count:
        yield fails(name, "the image holds no modules")
    elif differ:
        yield fails(
            name, f"{len(differ)} of {count} modules are not those of {folder}: {', '.join(differ)[:200]}"
        )
    else:
        yield works(name, f"all {count} modules are those of {folder}")


def _module_files(files: FileSystem) -> Iterator[tuple[str, str]]:
    for entry in all_files(files):
        if entry.kind is not EntryKind.FILE:
            continue
        if entry.path.endswith((".sqsh", ".squashfs")):
            source = files.open(entry)
            if is_squashfs(source):
                yield from _module_files(SquashFs(source))
        elif "/lib/modules/" in entry.path and ".ko" in entry.name and not entry.name.startswith("modules."):
            yield entry.name.split(".ko", 1)[0].replace("-", "_"), _plain(files.open(entry))


def _plain(source: ByteSource) -> str:
    return hashlib.sha256(plain_bytes(source)).hexdigest()
