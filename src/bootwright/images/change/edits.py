"""Changes to boot configuration by meaning: kernel arguments, settings of config.txt under their filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from bootwright.formats.os_release import read_command_line
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Malformed, Refused
from bootwright.images.parts.loaders import grub_argument

_KERNEL_COMMANDS = ("linux", "linuxefi", "linux16")
_SECTION = re.compile(r"\s*\[([^\]\n]{1,60})\]\s*")
_APPEND = re.compile(r"(\s*append[ \t]+)(.*)", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z0-9_]{1,60}")


@frozen
class ArgumentEdit:
    """`+argument` adds one, `-argument` takes one away (by its name, or name and value)."""

    add: bool
    text: str

    @classmethod
    def parse(cls, text: str) -> ArgumentEdit:
        """Raises `Refused` for what begins with neither sign, or holds several arguments."""
        if len(text) < 2 or text[0] not in "+-" or not text.isprintable():
            raise Refused(f"{text!r} is not a change to a command line", hint="write +argument or -argument")
        if len(read_command_line(text[1:])) != 1:
            raise Refused(
                f"{text!r} is not one argument", hint='quote the value: +dyndbg="file drivers/* +p"'
            )
        return cls(text[0] == "+", text[1:])


def edit_arguments(entries: Sequence[Sequence[str]], edits: Sequence[ArgumentEdit]) -> list[list[str]]:
    """The arguments of each entry after the edits, in order.

    An argument is taken away where it is; raises `Refused` where no entry has it.
    """
    results = [list(arguments) for arguments in entries]
    for edit in edits:
        if edit.add:
            for result in results:
                result.append(edit.text)
            continue
        taken = 0
        for number, result in enumerate(results):
            kept = [text for text in result if edit.text not in {text, text.partition("=")[0]}]
            taken += len(result) - len(kept)
            results[number] = kept
        if not taken:
            there = list(dict.fromkeys(text for arguments in entries for text in arguments))
            names = list(dict.fromkeys(text.partition("=")[0] for text in there))
            listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            raise no_such(
                f"there is no kernel argument {edit.text!r}",
                edit.text,
                there,
                kind="arguments",
                otherwise=f"there are {listed}" if there else "",
            )
    return results


def edit_grub(data: bytes, edits: Sequence[ArgumentEdit], where: str) -> bytes:
    """A grub.cfg with the arguments of every entry changed, all else as it was."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    starts: dict[int, list[_Word]] = {}
    for number, line in enumerate(lines):
        words = _grub_words(line)
        if len(words) < 2 or words[0].text not in _KERNEL_COMMANDS:
            continue
        if line.endswith("\\"):
            raise Refused(
                f"{where}, line {number + 1}: continued lines cannot be edited", hint="join the lines"
            )
        starts[number] = words
    if not starts:
        raise Refused(f"{where} has no line that starts a kernel")
    entries = [[word.text for word in words[2:]] for words in starts.values()]
    for (number, words), wanted in zip(starts.items(), edit_arguments(entries, edits), strict=True):
        raw = {word.text: word.raw for word in words[2:]}
        head = lines[number][: words[1].end]
        lines[number] = " ".join(
            (head, *(raw.get(argument) or grub_argument(argument) for argument in wanted))
        )
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def edit_extlinux(data: bytes, edits: Sequence[ArgumentEdit], where: str) -> bytes:
    """An extlinux.conf with the arguments of every entry changed."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    appends = {number: match for number, line in enumerate(lines) if (match := _APPEND.fullmatch(line))}
    if not appends:
        raise Refused(f"{where} has no line with kernel arguments")
    entries = [_raw_arguments(match[2]) for match in appends.values()]
    for (number, match), wanted in zip(appends.items(), edit_arguments(entries, edits), strict=True):
        lines[number] = match[1] + " ".join(wanted)
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def edit_plain(data: bytes, edits: Sequence[ArgumentEdit], where: str) -> bytes:
    """A file that is the command line itself."""
    return edit_texts({where: data}, edits)[where]


def edit_texts(texts: Mapping[str, bytes], edits: Sequence[ArgumentEdit]) -> dict[str, bytes]:
    """Command lines that belong together, as those of a UKI's profiles, each with the edits to its own."""
    entries = [
        _raw_arguments(data.decode("utf-8", "surrogateescape").rstrip("\0\n").strip())
        for data in texts.values()
    ]
    return {
        name: " ".join(wanted).encode("utf-8", "surrogateescape") + (b"\n" if data.endswith(b"\n") else b"")
        for (name, data), wanted in zip(texts.items(), edit_arguments(entries, edits), strict=True)
    }


_OPTIONS = re.compile(r"\s*options(?:[ \t]+(.*))?")


def edit_loader_entry(data: bytes, edits: Sequence[ArgumentEdit], where: str) -> bytes:
    """A loader entry (Boot Loader Specification, type #1): its `options` lines become one with the edits."""
    del where
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    places = [number for number, line in enumerate(lines) if _OPTIONS.fullmatch(line.rstrip("\r"))]
    matches = [_OPTIONS.fullmatch(lines[number].rstrip("\r")) for number in places]
    text = " ".join(match[1] or "" for match in matches if match)
    wanted = f"options {' '.join(edit_arguments([_raw_arguments(text)], edits)[0])}"
    if places:
        lines[places[0]] = wanted
        for number in reversed(places[1:]):
            del lines[number]
    else:
        at = len(lines) - (lines[-1] == "")
        lines.insert(at, wanted)
    return "\n".join(lines).encode("utf-8", "surrogateescape")


EDITORS: dict[str, Callable[[bytes, Sequence[ArgumentEdit], str], bytes]] = {
    "grub": edit_grub,
    "extlinux": edit_extlinux,
    "firmware": edit_plain,
    "loader-entry": edit_loader_entry,
}
"""By the kind of boot chain."""


def _raw_arguments(text: str) -> list[str]:
    """Split at blanks outside double quotes, quotes kept."""
    return re.findall(r'(?:[^\s"]|"[^"]*"?)+', text)


@frozen
class _Word:
    raw: str
    text: str
    """Without its quotes."""
    end: int


def _grub_words(line: str) -> list[_Word]:
    """The words of one line of GRUB's language with where they end, up to a `#` or `;`."""
    words: list[_Word] = []
    start, text, quote = -1, "", ""
    index = 0
    while index <= len(line):
        char = line[index] if index < len(line) else " "
        at_end = index == len(line)
        if quote and not at_end:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"' and index + 1 < len(line) and line[index + 1] in '\\"$':
                index += 1
                text += line[index]
            else:
                text += char
        elif char in "'\"" and not at_end:
            start, quote = (index if start < 0 else start), char
        elif char == "\\" and index + 1 < len(line):
            start = index if start < 0 else start
            index += 1
            text += line[index]
        elif char.isspace() or char in "#;" or at_end:
            if char == "#" and start >= 0 and not at_end:
                text += char
                index += 1
                continue
            if start >= 0:
                words.append(_Word(line[start:index], text, index))
            start, text = -1, ""
            if char in "#;" and not at_end:
                break
        else:
            start = index if start < 0 else start
            text += char
        index += 1
    return words


@frozen
class ConfigEdit:
    """One change of config.txt: `[pi5] key=value` sets, `[pi5] -key` takes away; no filter means `[all]`.

    `-key=value` takes only that line away, of a key that stands several times (`-dtoverlay=rtc`).
    """

    section: str
    key: str
    value: str | None
    """None: take it away."""
    only: str | None = None
    """The value of the lines that are taken away; None for all."""

    @property
    def text(self) -> str:
        """As it is written: `[pi5] key=value`, `-key`."""
        section = "" if self.section == "all" else f"[{self.section}] "
        if self.value is not None:
            return f"{section}{self.key}={self.value}"
        return f"{section}-{self.key}" + (f"={self.only}" if self.only is not None else "")

    @classmethod
    def parse(cls, text: str) -> ConfigEdit:
        """Raises `Refused` for another form."""
        section = "all"
        match = _SECTION.match(text)
        rest = text
        if match:
            section, rest = match[1].strip().lower(), text[match.end() :]
        rest = rest.strip()
        key, equals, value = rest.removeprefix("-").partition("=")
        key, value = key.strip(), value.strip()
        removed = rest.startswith("-")
        if not _KEY.fullmatch(key) or not (removed or equals) or not value.isprintable():
            raise Refused(
                f"{text!r} is not a change to config.txt", hint="write '[pi5] key=value', or '[pi5] -key'"
            )
        if removed:
            return cls(section, key, None, value if equals else None)
        return cls(section, key, value)


def edit_config_txt(data: bytes, edits: Sequence[ConfigEdit], where: str) -> bytes:
    """config.txt with the edits applied, everything else byte for byte as it was.

    A setting is looked for under the very filter named; a new one goes to the end of that filter's lines.
    Keys that may stand several times (`dtoverlay`, `dtparam`, …) are added, unless the same line is there.
    Raises `Refused` for taking away what is not there, `Malformed` for what is not text.
    """
    if b"\0" in data:
        raise Malformed(where, data.index(b"\0"), "text", "a NUL byte")
    # A lone CR at the end would become a line's end with the LF of what is added behind it.
    newline = "\r\n" if b"\r\n" in data or data.endswith(b"\r") else "\n"
    lines = data.decode("utf-8", "surrogateescape").split(newline)
    for edit in edits:
        _apply(lines, edit, where)
    return newline.join(lines).encode("utf-8", "surrogateescape")


_REPEATED = frozenset({"dtoverlay", "dtparam", "gpio", "include", "device_tree_overlay"})


def _apply(lines: list[str], edit: ConfigEdit, where: str) -> None:
    """Make one edit in the lines of config.txt, in place; raises `Refused` for a key that is not there."""
    settings, end_of_section = _in_section(lines, edit)
    if edit.value is None:
        if edit.only is not None:
            settings = [number for number in settings if lines[number].partition("=")[2].strip() == edit.only]
        if not settings:
            wanted = edit.key if edit.only is None else f"{edit.key}={edit.only}"
            raise Refused(f"{where}: there is no {wanted} under [{edit.section}]")
        _delete(lines, settings)
        return
    wanted = f"{edit.key}={edit.value}"
    if edit.key in _REPEATED:
        if any(lines[number].replace(" ", "") == wanted.replace(" ", "") for number in settings):
            return
    elif settings:
        # The last one wins; the others would only mislead.
        lines[settings[-1]] = wanted
        _delete(lines, settings[:-1])
        return
    if end_of_section is not None:
        lines.insert(end_of_section + 1, wanted)
    elif edit.section == "all":
        # Before the first filter, where everything is for all boards.
        first = next((number for number, line in enumerate(lines) if _SECTION.fullmatch(line)), len(lines))
        lines.insert(first, wanted)
    else:
        while lines and not lines[-1].strip():
            lines.pop()
        lines += [f"[{edit.section}]", wanted, "[all]", ""]


def _in_section(lines: list[str], edit: ConfigEdit) -> tuple[list[int], int | None]:
    """(line numbers that set the edit's key in its section, the last line of that section with content)."""
    section = "all"
    settings: list[int] = []
    end_of_section: int | None = None
    for number, line in enumerate(lines):
        header = _SECTION.fullmatch(line)
        if header:
            section = header[1].strip().lower()
        if section != edit.section:
            continue
        if header or (line.strip() and not line.strip().startswith("#")):
            end_of_section = number
        key, equals, _ = line.partition("=")
        if equals and key.strip() == edit.key and not header:
            settings.append(number)
    return settings, end_of_section


def _delete(lines: list[str], numbers: Sequence[int]) -> None:
    for number in reversed(numbers):
        del lines[number]
