"""Unified kernel images."""

from __future__ import annotations

from collections.abc import Mapping

from bootwright.formats.programs.pe import is_pe, open_section, read_pe
from bootwright.formats.programs.uki import labeled_sections, read_profiles, read_text
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed
from bootwright.inspect.facts import Item, ItemKind, Origin, Problem, Value, facts_at
from bootwright.inspect.format import Context, Format

_UKI_PARTS: Mapping[str, str | None] = {
    ".linux": "kernel",
    ".initrd": "initramfs",
    ".ucode": "initramfs",
    ".dtb": "devicetree",
    ".dtbauto": "devicetree",
    ".cmdline": "command-line",
    ".osrel": "os-release",
}


def uki(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:
    """A unified kernel image."""
    headers = read_pe(source)
    origin = Origin(source.name, 0, source.size)
    sections = labeled_sections(headers)
    values: dict[str, Value] = {
        "machine": headers.machine,
        "signed": headers.signed,
        "sections": {
            labeled.label: labeled.section.size for labeled in sections if labeled.label.startswith(".")
        },
    }
    children: list[Item] = []
    problems: list[Problem] = []
    try:
        profiles = read_profiles(source, headers)
    except Malformed as error:
        problems.append(Problem(error.message, "make the image again", Origin(source.name, 0)))
        profiles = ()
    if len(profiles) > 1:
        values["profiles"] = [
            {
                "number": profile.number,
                "id": profile.id or None,
                "title": profile.title or None,
                "arguments": read_text(source, profile.section(".cmdline")),
            }
            for profile in profiles
        ]
    for labeled in sections:
        section, label = labeled.section, labeled.label
        role = _UKI_PARTS.get(section.name)
        inside = open_section(source, section)
        if section.name in {".uname", ".sbat"} and section.size <= 65536:
            text = inside.read(0, section.size).rstrip(b"\0\n").decode("utf-8", "replace")
            values[label[1:]] = text
        elif role is not None:
            child = explorer.follow(inside, label, depth + 1, role=role)
            if child is not None:
                children.append(child)
            elif section.size and not explorer.exhausted:
                start = inside.read(0, min(8, section.size)).hex(" ")
                message = f"{inside.name}: unrecognised format, expected {role} (it begins with {start})"
                problems.append(Problem(message, "make the image again", Origin(inside.name, 0)))
    return Item(
        ItemKind.UKI,
        name,
        origin,
        facts_at(origin, values),
        tuple(children),
        tuple(problems),
        headers,
        source,
    )


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    try:
        return is_pe(source) and read_pe(source).is_uki
    except Malformed:
        return False


FORMAT = Format(
    name="uki",
    title="unified kernel image",
    documentation="UAPI group, Unified Kernel Image specification; Microsoft PE format (2024), sections 2-4",
    limits="signatures are not verified",
    describe=uki,
    matches=_matches,
    order=5,
)
