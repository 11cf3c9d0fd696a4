"""Unified kernel images: sections in order, and the profiles they make up.

UAPI group's UKI specification (UAPI.5) and systemd-stub(7), "Multi-profile UKIs": what stands before the
first `.profile` holds for every profile; each `.profile` begins one, and what follows it up to the next takes
the place of what the base has under the same names. The stub starts the first profile unless another is asked
for.
"""

from __future__ import annotations

from attrs import frozen

from bootwright.formats.os_release import read_os_release
from bootwright.formats.programs.pe import PeFile, Section, open_section, read_pe
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed, Refused

_MOST_TEXT = 65536
_MOST_PROFILES = 256
"""UNIFIED_PROFILES_MAX of systemd 257."""
PROFILE = ".profile"


@frozen
class Labeled:
    """A section with a name of its own in the file.

    `.cmdline` is the base's, `.cmdline@1` that of the second profile, `.dtbauto#2` the second of that name in
    the same profile.
    """

    label: str
    section: Section
    profile: int | None
    """None: it stands before every `.profile`."""


@frozen
class Profile:
    """One way a UKI starts."""

    number: int
    id: str
    """`ID=` of its `.profile`; empty in an image without profiles."""
    title: str
    """`TITLE=` of its `.profile`."""
    sections: tuple[Labeled, ...]
    """What is in force for it, in the order of the file."""

    def labeled(self, name: str) -> Labeled | None:
        """The first section of that name."""
        return next((labeled for labeled in self.sections if labeled.section.name == name), None)

    def section(self, name: str) -> Section | None:
        """The first section of that name."""
        labeled = self.labeled(name)
        return labeled.section if labeled is not None else None


def labeled_sections(headers: PeFile) -> tuple[Labeled, ...]:
    """Every section with its label, in the order of the file."""
    profile: int | None = None
    seen: dict[tuple[str, int | None], int] = {}
    sections: list[Labeled] = []
    for section in headers.sections:
        if section.name == PROFILE:
            profile = 0 if profile is None else profile + 1
        count = seen[section.name, profile] = seen.get((section.name, profile), 0) + 1
        of_profile = "" if profile is None else f"@{profile}"
        label = f"{section.name}{of_profile}" + (f"#{count}" if count > 1 else "")
        sections.append(Labeled(label, section, profile))
    return tuple(sections)


def open_labeled(source: ByteSource, label: str) -> ByteSource:
    """The bytes of the section with that label; raises `Refused` where there is none, and `Malformed`."""
    for labeled in labeled_sections(read_pe(source)):
        if labeled.label == label:
            return open_section(source, labeled.section)
    raise Refused(f"{source.name} has no section {label}")


def read_profiles(source: ByteSource, headers: PeFile) -> tuple[Profile, ...]:
    """The profiles in the order of the file; one without a name where there is no `.profile`.

    Raises `Malformed` for a `.profile` that is no text of the form of os-release, and for too many.
    """
    sections = labeled_sections(headers)
    starts = [labeled for labeled in sections if labeled.section.name == PROFILE]
    if not starts:
        return (Profile(0, "", "", sections),)
    if len(starts) > _MOST_PROFILES:
        raise Malformed(source.name, None, f"at most {_MOST_PROFILES} profiles", str(len(starts)))
    base = [labeled for labeled in sections if labeled.profile is None]
    profiles: list[Profile] = []
    for number, start in enumerate(starts):
        own = [labeled for labeled in sections if labeled.profile == number]
        names = {labeled.section.name for labeled in own}
        fields = read_os_release(_text(source, start.section), f"{source.name}:{start.label}")
        kept = [labeled for labeled in base if labeled.section.name not in names]
        profiles.append(Profile(number, fields.get("ID", ""), fields.get("TITLE", ""), (*kept, *own)))
    return tuple(profiles)


def read_text(source: ByteSource, section: Section | None) -> str:
    """A section of text, without what pads it; empty where there is none. Raises `Malformed`."""
    if section is None:
        return ""
    return _text(source, section).decode("utf-8", "replace").strip("\0\n\r\t ")


def _text(source: ByteSource, section: Section) -> bytes:
    if section.size > _MOST_TEXT:
        raise Malformed(
            source.name, section.offset, f"{section.name} of at most {_MOST_TEXT} bytes", str(section.size)
        )
    return open_section(source, section).read(0, section.size).rstrip(b"\0")
