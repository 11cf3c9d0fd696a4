"""GRUB's grub.cfg: its menu, and what of its script can be decided from files (GRUB manual 2.12, 6 and 17).

The script is followed, not run: `set`, `if` with `test`, `load_env` of the environment block beside it,
`source`, submenus. A condition on what only the machine knows (a key, a disk that `search` finds) is
undecided: both branches are followed, and variables that they set differently are unknown from then on.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from attrs import define, evolve, field

from bootwright.bootchain.boot_entries import BootEntry, BootMenu, Submenu
from bootwright.bootchain.grub.test import Value, decide
from bootwright.bootchain.grub.words import LITERAL, commands, text_of
from bootwright.foundation.errors import Malformed

_MAX_ENTRIES = 4096
_MAX_VALUE = 16384
_MAX_SOURCES = 8
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_FEATURES = (  # grub-core/normal/main.c features[], 2.12
    "feature_chainloader_bpb",
    "feature_ntldr",
    "feature_platform_search_hint",
    "feature_default_font_path",
    "feature_all_video_module",
    "feature_menuentry_id",
    "feature_menuentry_options",
    "feature_200_final",
    "feature_nativedisk_cmd",
    "feature_timeout_style",
)
_OF_THE_MACHINE = frozenset(
    {"root", "cmdpath", "chosen", "lockdown", "shim_lock", "secureboot", "pager", "theme", "lang"}
)
"""Variables that firmware, GRUB itself or `search` sets; `net_…` and `pxe_…` are too."""

Load = Callable[[str], bytes | None]
"""The bytes of a file by its path on the partition of the grub.cfg, or None where there is none."""


@define
class _Block:
    command: str
    alive: bool | None = True
    """Whether its commands run; None where that is undecided."""
    open: bool | None = True
    """Of an `if`: whether a later branch may run."""
    why: str = ""
    entry: BootEntry | None = None


@define
class _Script:
    name: str
    load: Load | None
    folder: str
    variables: dict[str, str] = field(factory=dict)
    unknown: dict[str, str] = field(factory=dict)
    """Variable → why its value is not known."""
    foreign: str = ""
    """Why variables that were never set may have a value; empty where they have none."""
    functions: dict[str, set[str]] = field(factory=dict)
    """Function → the variables it sets."""
    entries: list[BootEntry] = field(factory=list)
    submenus: list[Submenu] = field(factory=list)
    blocks: list[_Block] = field(factory=list)
    counts: dict[tuple[int, ...], int] = field(factory=dict)
    above: list[int] = field(factory=list)
    entry: BootEntry = field(factory=lambda: BootEntry("", None, (), None, "", 1))
    sources: int = 0
    loader_entries: bool = False


def read_grub_config(data: bytes, name: str, *, load: Load | None = None, folder: str = "") -> BootMenu:
    """The menu of a grub.cfg; raises `Malformed` for what is no text, or has thousands of entries.

    `load` gives files of its partition (for `load_env`, `source` and file tests), `folder` is where it lies,
    GRUB's `$prefix`. Without `load`, conditions on files are undecided. A grub.cfg that boots without a menu
    (`linux`, `initrd` at top level) is one entry named ``. Entries in a branch that is never taken are left
    out; one in an undecided branch says so in `condition`.
    """
    script = _Script(name, load, folder.rstrip("/"))
    script.variables |= dict.fromkeys(_FEATURES, "y") | {"grub_platform": "efi", "grub_cpu": "arm64"}
    if load is not None:
        script.variables |= {"prefix": script.folder, "config_directory": script.folder}
    _run(script, text_of(data, name))
    if script.entry.kernel is not None:
        script.entries.append(evolve(script.entry, place=(script.counts.get((), 0),)))
    default = None if "default" in script.unknown else script.variables.get("default") or None
    timeout = None if "timeout" in script.unknown else script.variables.get("timeout") or None
    return BootMenu(
        tuple(script.entries),
        default,
        timeout,
        tuple(script.submenus),
        _unsure(script, default),
        script.loader_entries,
    )


def _unsure(script: _Script, default: str | None) -> str:
    if "default" in script.unknown:
        return f"the default entry depends on {script.unknown['default']}"
    chosen = BootMenu(tuple(script.entries), default, None, tuple(script.submenus)).started()
    if chosen is not None and chosen.condition:
        return f"whether the entry {chosen.title!r} is in the menu depends on {chosen.condition}"
    numbered = all(part.isdigit() for part in (default or "0").split(">"))
    before = [entry for entry in script.entries if chosen is not None and entry.place < chosen.place]
    if numbered and (shifting := next((boot_entry for boot_entry in before if boot_entry.condition), None)):
        return f"the numbers of the entries depend on {shifting.condition}"
    return ""


def _run(script: _Script, text: str) -> None:
    for line, words in commands(text):
        while words and words[0] in {"then", "else", "do"}:
            if words[0] == "else":
                _branch(script, True, "")
            words = words[1:]
        if words:
            _command(script, line, words)


def _command(script: _Script, line: int, words: list[str]) -> None:
    command = words[0]
    if command in {"if", "elif"}:
        if command == "if":
            script.blocks.append(_Block("if"))
        answer, why = _condition(script, words[1:], line)
        _branch(script, answer, why)
    elif command in {"while", "until", "for"}:
        script.blocks.append(_Block("loop", alive=None, why=f"the loop in line {line}"))
    elif command in {"fi", "done"}:
        if script.blocks and script.blocks[-1].command in {"if", "loop"}:
            script.blocks.pop()
    elif command in {"menuentry", "submenu"}:
        _open_entry(script, command, line, [_filled(script, word) for word in words[1:]])
    elif command == "function" or words[-1] == "{":
        name = words[1] if command == "function" and len(words) > 1 else ""
        script.blocks.append(_Block("function", why=name))
        script.functions.setdefault(name, set())
    elif command == "}":
        _close(script, line)
    elif (alive := _alive(script)) is not False:
        _plain(script, line, words, certain=alive is True)


def _branch(script: _Script, answer: bool | None, why: str) -> None:
    """Enter the next branch of the innermost `if`."""
    block = script.blocks[-1] if script.blocks else None
    if block is None or block.command != "if":
        return
    undecided = block.open is None
    block.alive = False if block.open is False else None if undecided and answer is not False else answer
    block.why = why or block.why
    if answer is True:
        block.open = False
    elif answer is None and block.open is not False:
        block.open = None


def _alive(script: _Script) -> bool | None:
    states = [block.alive for block in script.blocks]
    return False if False in states else None if None in states else True


def _undecided(script: _Script) -> str:
    return next((block.why for block in script.blocks[::-1] if block.alive is None), "")


def _open_entry(script: _Script, command: str, line: int, words: list[str]) -> None:
    titles = [word for word in words if word != "{"]
    title = titles[0] if titles else ""
    id_ = next((titles[at + 1] for at, word in enumerate(titles[:-1]) if word == "--id"), "")
    id_ = next((word[5:] for word in titles if word.startswith("--id=")), id_)
    above, alive, condition = tuple(script.above), _alive(script), _undecided(script)
    script.blocks.append(_Block(command, alive=alive is not False))
    if alive is False:
        return
    number = script.counts.get(above, 0)
    script.counts[above] = number + 1
    entry = BootEntry(title, None, (), None, "", line, id=id_, place=(*above, number), condition=condition)
    script.blocks[-1].entry = entry
    if command == "submenu":
        script.submenus.append(Submenu(title, id_, entry.place))
        script.above.append(number)
    else:
        script.entry = entry
    if len(script.entries) + len(script.submenus) > _MAX_ENTRIES:
        raise Malformed(script.name, None, f"at most {_MAX_ENTRIES} entries", "more")


def _close(script: _Script, line: int) -> None:
    if not script.blocks:
        return
    block = script.blocks.pop()
    if block.entry is None:
        return
    if block.command == "submenu":
        script.above.pop()
    else:
        script.entries.append(script.entry)
        script.entry = BootEntry("", None, (), None, "", line)


def _plain(script: _Script, line: int, words: list[str], *, certain: bool) -> None:
    """Follow a command that opens and closes nothing."""
    command = words[0]
    function = next((block.why for block in script.blocks if block.command == "function"), None)
    if command == "set" or ("=" in command and len(words) == 1 and not command.startswith("=")):
        _assign(script, "".join(words[1:2]) if command == "set" else command, function, certain=certain)
        return
    if function is not None:
        return
    filled = [_filled(script, word) for word in words]
    if not _boot_command(script, line, [command, *filled[1:]]):
        _variable_command(script, line, words, filled, certain=certain)


def _assign(script: _Script, assignment: str, function: str | None, *, certain: bool) -> None:
    """`KEY=VALUE`; inside a function it counts only once the function is called."""
    key, equals, value = assignment.partition("=")
    if not equals:
        return
    if function is not None:
        script.functions[function].add(key)
    elif not _in_entry(script) or key not in {"default", "timeout"}:
        _set(script, key, value, certain=certain)


def _boot_command(script: _Script, line: int, filled: Sequence[str]) -> bool:
    """Keep what a command says that an entry loads; False for a command that does not."""
    command = filled[0]
    if command in {"linux", "linux16", "linuxefi"} and len(filled) > 1:
        _name(script, line, filled[1:2])
        script.entry = evolve(script.entry, kernel=filled[1], arguments=" ".join(filled[2:]), chained=False)
    elif command in {"initrd", "initrd16", "initrdefi"}:
        _name(script, line, filled[1:])
        script.entry = evolve(script.entry, initrds=tuple(filled[1:]))
    elif command in {"devicetree", "dtb"} and len(filled) > 1:
        _name(script, line, filled[1:2])
        script.entry = evolve(script.entry, devicetree=filled[1])
    elif command == "chainloader" and len(filled) > 1 and script.entry.kernel is None:
        _name(script, line, filled[-1:])
        script.entry = evolve(script.entry, kernel=filled[-1], chained=True)
    else:
        return False
    return True


def _variable_command(
    script: _Script, line: int, words: Sequence[str], filled: Sequence[str], *, certain: bool
) -> None:
    """A command that changes variables, or makes their values undecided. `filled` are `words` expanded."""
    command = words[0]
    if command == "unset":
        for key in words[1:]:
            _set(script, key, "", certain=certain)
    elif command == "load_env":
        _load_env(script, filled[1:], line, certain=certain)
    elif command in {"source", "."} and len(filled) > 1:
        _source(script, filled[1])
    elif command == "blscfg":
        script.loader_entries = True
    elif command.startswith("search"):
        key = next((word.partition("=")[2] for word in words if word.startswith("--set=")), "root")
        _forget(script, key, "which disk GRUB finds")
    elif command in {"read", "smbios", "regexp", "probe", "getenv", "cutmem", "rdmsr"}:
        for key in (word.rpartition("=")[2] for word in words[1:] if not word.startswith("-") or "=" in word):
            _forget(script, key, f"{command} in line {line}")
    elif command in script.functions:
        for key in script.functions[command]:
            _forget(script, key, f"the function {command} called in line {line}")


def _name(script: _Script, line: int, paths: Sequence[str]) -> None:
    """Keep on which line the entry names these files."""
    script.entry = evolve(script.entry, lines={**script.entry.lines, **dict.fromkeys(paths, line)})


def _in_entry(script: _Script) -> bool:
    return any(block.command == "menuentry" for block in script.blocks)


def _set(script: _Script, key: str, value: str, *, certain: bool) -> None:
    depends = _unknown_in(script, value)
    value = _filled(script, value)[:_MAX_VALUE]
    if depends:
        _forget(script, key, depends)
    elif certain:
        script.unknown.pop(key, None)
        script.variables[key] = value
    elif script.variables.get(key) != value:
        _forget(script, key, _undecided(script))


def _forget(script: _Script, key: str, why: str) -> None:
    script.variables.pop(key, None)
    script.unknown.setdefault(key, why)


def _value(script: _Script, key: str) -> tuple[str | None, str]:
    """(a variable's value, or None where it is not known; then why)."""
    if key in script.unknown:
        return None, script.unknown[key]
    known = script.variables.get(key)
    if known is not None:
        return known, ""
    if key in _OF_THE_MACHINE or key.startswith(("net_", "pxe_")) or (key == "prefix"):
        return None, f"${key}, which GRUB sets on the machine"
    return (None, script.foreign) if script.foreign else ("", "")


def _unknown_in(script: _Script, word: str) -> str:
    """Why a word's value is not known; empty where it is."""
    for match in _VARIABLE.finditer(word):
        value, why = _value(script, match[1] or match[2])
        if value is None:
            return why
    return ""


def _filled(script: _Script, word: str) -> str:
    """The word with the variables that are known; others stay as they are written."""

    def text(match: re.Match[str]) -> str:
        value = script.variables.get(match[1] or match[2])
        return match[0] if value is None else value

    return _VARIABLE.sub(text, word)[:_MAX_VALUE].replace(LITERAL, "$")


def _condition(script: _Script, words: list[str], line: int) -> tuple[bool | None, str]:
    """Whether the command after `if` succeeds; None with what that depends on."""
    if any(block.alive is False for block in script.blocks[:-1]):
        return False, ""
    reasons: list[str] = []
    values: list[Value] = []
    for word in words:
        why = _unknown_in(script, word)
        reasons += [why] if why else []
        values.append(None if why else _evaluated(script, word))

    def size(path: str) -> int | None:
        """Bytes of a file, -1 where there is none, None where that is not known."""
        if script.load is None or path.startswith("("):
            reasons.append(f"the file {path}")
            return None
        data = script.load(path)
        return -1 if data is None else len(data)

    answer = decide(values, size)
    why = next(iter(reasons), "") or f"the command {words[0] if words else '?'} in line {line}"
    return answer, why if answer is None else ""


def _evaluated(script: _Script, word: str) -> str:
    """A word in which every variable is known or was never set."""
    return _VARIABLE.sub(lambda match: _value(script, match[1] or match[2])[0] or "", word)[
        :_MAX_VALUE
    ].replace(LITERAL, "$")


def _load_env(script: _Script, words: Sequence[str], line: int, *, certain: bool) -> None:
    """The environment block (GRUB manual 2.12, 15.2): 1024 bytes of `name=value` lines, `#` to fill up."""
    path = f"{script.folder}/grubenv"
    rest: list[str] = []
    given = iter(words)
    for word in given:
        if word in {"-f", "--file"}:
            path = next(given, path)
        elif not word.startswith("-"):
            rest.append(word)
    if script.load is None or path.startswith("(") or "$" in path:
        script.foreign = f"GRUB's environment block {path} (load_env in line {line})"
        return
    data = script.load(path)
    if data is None or not data.startswith(b"# GRUB Environment Block\n"):
        return  # GRUB reports it and goes on
    text = data.decode("utf-8", "replace").replace("\\\n", "\n")
    for text_line in text.splitlines()[1:]:
        key, equals, value = text_line.partition("=")
        if equals and not key.startswith("#") and (not rest or key in rest):
            _set(script, key, value.replace("\\\\", "\\").replace("$", LITERAL), certain=certain)


def _source(script: _Script, path: str) -> None:
    if script.load is None or path.startswith("(") or "$" in path:
        return
    data = script.load(path)
    if data is not None and script.sources < _MAX_SOURCES:
        script.sources += 1
        here, script.folder = script.folder, script.folder or posixpath.dirname(path)
        _run(script, text_of(data, path))
        script.folder = here
