"""What a boot loader will start: GRUB's grub.cfg, Boot Loader Specification entries, extlinux.conf.

Each reader yields the same `BootEntry`: a title, a kernel, its initramfs, devicetree and arguments.
Scripts are not run: variables set to a plain value earlier in a grub.cfg are filled in, conditions are not
decided (entries on both sides of an `if` are told).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import evolve, frozen

from bootwright.foundation.errors import Malformed

_MAX_SIZE = 4 << 20
_MAX_ENTRIES = 4096
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_MAX_VALUE = 16384


@frozen
class BootEntry:
    """One thing that a boot loader can start."""

    title: str
    kernel: str | None
    initrds: tuple[str, ...]
    devicetree: str | None
    arguments: str
    """The kernel's command line as the loader would pass it."""
    line: int
    """Where the entry begins, from 1."""
    overlays: tuple[str, ...] = ()
    devicetree_directory: str | None = None
    """extlinux: the folder in which the board's firmware looks for its DTB."""
    version: str | None = None


@frozen
class BootMenu:
    """A boot loader's configuration."""

    entries: tuple[BootEntry, ...]
    default: str | None
    """Title, label or number of what is started unless someone chooses."""
    timeout: str | None


def read_grub_config(data: bytes, name: str) -> BootMenu:
    """The menu entries of a grub.cfg (GRUB manual 2.12, sections 6 and 17); raises `Malformed`.

    A grub.cfg that boots without a menu (`linux`, `initrd` at top level) is one entry named ``.
    """
    variables: dict[str, str] = {}
    entries: list[BootEntry] = []
    open_blocks: list[str] = []
    here = BootEntry("", None, (), None, "", 1)
    settings: dict[str, str] = {}
    for line, words in _commands(_text(data, name)):
        command = words[0]
        if command in {"menuentry", "submenu"}:
            titles = [word for word in words[1:] if word != "{"]
            title = _filled(titles[0], variables) if titles else ""
            open_blocks.append(command)
            if command == "menuentry":
                here = BootEntry(title, None, (), None, "", line)
            continue
        if command == "function" or words[-1] == "{":
            open_blocks.append(command)
            continue
        if command == "}":
            if open_blocks and open_blocks.pop() == "menuentry":
                entries.append(here)
                here = BootEntry("", None, (), None, "", line)
                _check_number(len(entries), name)
            continue
        filled = [_filled(word, variables) for word in words]
        if (command == "set" and len(filled) > 1) or ("=" in command and len(words) == 1):
            key, equals, value = (filled[1] if command == "set" else filled[0]).partition("=")
            if equals:
                variables[key] = value[:_MAX_VALUE]
                if "menuentry" not in open_blocks and key in {"default", "timeout"} and value:
                    settings.setdefault(key, value)
        elif command in {"linux", "linux16", "linuxefi"} and len(filled) > 1:
            here = evolve(here, kernel=filled[1], arguments=" ".join(filled[2:]))
        elif command in {"initrd", "initrd16", "initrdefi"}:
            here = evolve(here, initrds=tuple(filled[1:]))
        elif command in {"devicetree", "dtb"} and len(filled) > 1:
            here = evolve(here, devicetree=filled[1])
        elif command == "chainloader" and len(filled) > 1 and here.kernel is None:
            here = evolve(here, kernel=filled[-1])
    if here.kernel is not None:
        entries.append(here)
    return BootMenu(tuple(entries), settings.get("default"), settings.get("timeout"))


def read_loader_entry(data: bytes, name: str) -> BootEntry:
    """A type #1 entry of the Boot Loader Specification (UAPI.1); raises `Malformed`."""
    values: dict[str, list[str]] = {}
    for raw in _text(data, name).splitlines():
        line = raw.strip()
        if line and not line.startswith("#"):
            key, _, value = line.replace("\t", " ").partition(" ")
            values.setdefault(key, []).append(value.strip())
    return BootEntry(
        title=_last(values, "title") or name.rpartition("/")[2],
        kernel=_last(values, "linux") or _last(values, "efi") or _last(values, "uki"),
        initrds=tuple(values.get("initrd", ())),
        devicetree=_last(values, "devicetree"),
        arguments=" ".join(values.get("options", ())),
        line=1,
        overlays=tuple((_last(values, "devicetree-overlay") or "").split()),
        version=_last(values, "version"),
    )


def read_loader_config(data: bytes, name: str) -> BootMenu:
    """systemd-boot's loader.conf: which entry is the default; raises `Malformed`."""
    entry = {
        key: value.strip()
        for key, _, value in (line.strip().partition(" ") for line in _text(data, name).splitlines())
        if not key.startswith("#")
    }
    return BootMenu((), entry.get("default"), entry.get("timeout"))


def read_extlinux(data: bytes, name: str) -> BootMenu:
    """extlinux.conf as U-Boot reads it (doc/README.pxe, U-Boot 2024.10); raises `Malformed`."""
    entries: list[BootEntry] = []
    default = timeout = None
    for number, raw in enumerate(_text(data, name).splitlines(), start=1):
        key, _, value = raw.strip().replace("\t", " ").partition(" ")
        key, value = key.lower(), value.strip()
        if key == "label":
            entries.append(BootEntry(value, None, (), None, "", number))
            _check_number(len(entries), name)
        elif key == "default":
            default = value
        elif key == "timeout":
            timeout = value
        elif entries:
            last = entries[-1]
            if key in {"kernel", "linux", "fit"}:
                last = evolve(last, kernel=value)
            elif key == "append":
                last = evolve(last, arguments=value)
            elif key == "initrd":
                last = evolve(last, initrds=(value,))
            elif key in {"fdt", "devicetree"}:
                last = evolve(last, devicetree=value)
            elif key in {"fdtdir", "devicetreedir"}:
                last = evolve(last, devicetree_directory=value)
            elif key in {"fdtoverlays", "devicetree-overlay"}:
                last = evolve(last, overlays=tuple(value.split()))
            entries[-1] = last
    return BootMenu(tuple(entries), default, timeout)


def _check_number(count: int, name: str) -> None:
    if count > _MAX_ENTRIES:
        raise Malformed(name, None, f"at most {_MAX_ENTRIES} entries", "more")


def _last(values: dict[str, list[str]], key: str) -> str | None:
    return values[key][-1] if values.get(key) else None


def _text(data: bytes, name: str) -> str:
    if len(data) > _MAX_SIZE:
        raise Malformed(name, _MAX_SIZE, f"at most {_MAX_SIZE} bytes of text", f"{len(data)} bytes")
    if b"\0" in data:
        raise Malformed(name, data.index(b"\0"), "text", "a NUL byte")
    return data.decode("utf-8", "replace")


def _filled(word: str, variables: dict[str, str]) -> str:
    filled = _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], match[0]), word)
    return filled[:_MAX_VALUE]


def _commands(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, words) of each command: quotes, escapes, comments, `;` and continued lines."""
    words: list[str] = []
    word: list[str] = []
    quoted = False  # a word may be empty when it was quoted
    quote = ""
    line, started = 1, 1
    index, length = 0, len(text)

    def end_word() -> None:
        nonlocal word, quoted
        if word or quoted:
            words.append("".join(word))
        word, quoted = [], False

    while index < length:
        char = text[index]
        index += 1
        if char == "\n":
            line += 1
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"' and index < length and text[index] in '\\"$\n':
                word.append(text[index])
                line += text[index] == "\n"
                index += 1
            else:
                word.append(char)
        elif char in "'\"":
            quote, quoted = char, True
        elif char == "\\" and index < length:
            if text[index] == "\n":
                line += 1
            else:
                word.append(text[index])
            index += 1
        elif char == "#" and not word and not quoted:
            while index < length and text[index] != "\n":
                index += 1
        elif char in "\n;" or (char == "}" and not word and not words):
            end_word()
            if char == "}":
                words.append("}")
            if words:
                yield started, words
                words = []
            started = line
        elif char == "{" and not word:
            words.append("{")
            yield started, words
            words, started = [], line
        elif char.isspace():
            end_word()
        else:
            if not words and not word:
                started = line
            word.append(char)
    end_word()
    if words:
        yield started, words
