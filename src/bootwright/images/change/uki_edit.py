"""A unified kernel image with other parts: each profile keeps what is its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import field, frozen

from bootwright.formats.programs.pe import read_pe
from bootwright.formats.programs.uki import Profile, read_profiles, read_text
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.foundation.errors import Refused
from bootwright.images.change.edits import ArgumentEdit, edit_texts
from bootwright.images.parts.kernel_part import KernelFiles
from bootwright.images.write.uki import replace_sections

_MOST_BYTES = 1 << 31


@frozen
class Rewritten:
    """What became of it; without `image` nothing was to be changed."""

    image: bytes | None
    replaced: tuple[str, ...] = ()
    """Labels of sections."""
    notes: tuple[str, ...] = field(factory=tuple)


def rewrite(
    source: ByteSource,
    place: str,
    *,
    kernel: KernelFiles | None,
    initramfs: Path | None,
    arguments: Sequence[ArgumentEdit],
) -> Rewritten:
    """Kernel and initramfs of the profile that starts by itself, and the arguments of every one, changed.

    Raises `Malformed`, and `Refused` for an image that is too large, or a change that cannot be made.
    """
    if source.size > _MOST_BYTES:
        raise Refused(f"{place} is larger than {_MOST_BYTES} bytes")
    headers = read_pe(source)
    first, *others = profiles = read_profiles(source, headers)
    sections: dict[str, bytes] = {}
    notes: list[str] = []
    if kernel is not None:
        sections[_label(first, ".linux")] = kernel.image.read_bytes()
        sections[_label(first, ".uname")] = kernel.release.encode()
    if initramfs is not None:
        sections[_label(first, ".initrd")] = initramfs.read_bytes()
    if arguments:
        # Each profile keeps its own arguments: one may be there to wipe the machine.
        texts = {
            _label(profile, ".cmdline"): read_text(source, profile.section(".cmdline"))
            for profile in profiles
        }
        encoded = {label: text.encode("utf-8", "surrogateescape") for label, text in texts.items()}
        sections |= edit_texts(encoded, arguments)
    if not sections:
        return Rewritten(None)
    for profile in others if kernel is not None or initramfs is not None else ():
        own = [name for name in (".linux", ".initrd") if _label(profile, name) != _label(first, name)]
        if own:
            named = profile.title or profile.id
            notes.append(
                f"profile {profile.number} ({named}) has its own {' and '.join(own)}, kept as they are"
            )
    image = replace_sections(source.read(0, source.size), sections, place)
    read_pe(Bytes(image, place))
    if first.section(".pcrsig") is not None:
        notes.append("the signatures of expected measurements (.pcrsig) no longer fit")
    if headers.signed:
        notes.append("the UKI's signature was taken off: for Secure Boot it must be signed again")
    return Rewritten(image, tuple(sorted(sections)), tuple(notes))


def _label(profile: Profile, name: str) -> str:
    """The label of the section in force; the base's, where it has none yet."""
    labeled = profile.labeled(name)
    return labeled.label if labeled is not None else name
