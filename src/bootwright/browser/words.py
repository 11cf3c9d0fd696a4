"""The command line's words as the page says them: its user has tabs and their fields, and no Linux at hand.

Every text that the page shows is the command's own. What in it names an option becomes the field that takes
the same, and a command becomes the tab that does the same. What no tab does stays, marked as a command for
Linux; in parentheses, where it is only another way to say how, it is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bootwright.browser.asked import asked_text, board_meant, revision_or_stepping
from bootwright.foundation.errors import BootwrightError

DIAGNOSE, CHECK, ASK = "Diagnose a log", "Check an image", "Ask about a board"
"""What the tabs are called."""
_TABS = {
    "check": CHECK,
    "inspect": CHECK,
    "predict": CHECK,
    "diagnose": DIAGNOSE,
    "observe": ASK,
    "talos": ASK,
}
"""Command → the tab that does the same."""
COMMANDS = (
    "bench", "boards", "boot", "cache", "check", "devicetrees", "diagnose", "diff", "flash", "formats",
    "image", "inspect", "investigate", "isolate", "kernel", "kernels", "knowledge", "lab", "observe",
    "predict", "prepare", "probe", "serve", "status", "survey", "talos", "upgrade-check", "upstream", "wait",
)  # fmt: skip
"""Every command, as the modules of `bootwright.cli`, which the page does not have."""
_GROUPS = (
    "bench", "boards", "cache", "devicetrees", "image", "kernel", "kernels", "knowledge", "lab", "probe",
    "upstream",
)  # fmt: skip
"""Those that have commands of their own."""
_FIELDS = {
    "--board": "Board",
    "--revision": "Revision code or stepping",
    "--stepping": "Revision code or stepping",
    "--os": "Operating system",
    "--entry": "Boot entry",
    "--cmdline": "Kernel's command line",
    "--led": "Status LED",
    "--lights": "Lights of the Ethernet socket",
    "--address": "Its address in the router's list",
    "--log": DIAGNOSE,
    "--text": DIAGNOSE,
}
"""Option → the field, or the tab, that takes the same."""
_WITHOUT_FIELD = (
    "archive", "config", "dtb", "follow", "force", "goal", "have", "kernel", "matrix", "modules", "offline",
    "out", "outcome", "prepared", "service", "version", "watched", "with",
)  # fmt: skip
_PLACE = r"(?:FILE|FOLDER|DIR|NAME|CODE|IMAGE|LOG)\b"
"""What only stands for a value; `LONG+SHORT` says its form, and is kept."""
_VALUE = r"(?:'[^']*'|[A-Z][A-Z0-9_.+/-]*(?![\w’'])|[\w./+-]*\d(?:[\w./+-]*\w)?|[\w./-]+\.\w+)"
_WITH_NAME = r"--(?:board|stepping|goal|goals|os|source)[ =][\w.=+-]*\w"
_ARGUMENTS = rf"(?: {_WITH_NAME}| --?[a-z][\w-]*(?:[ =]{_VALUE})?| {_VALUE})*"
_COMMAND = re.compile(
    rf"\bbootwright (?:(?:{'|'.join(_GROUPS)}) [a-z-]+|(?:{'|'.join(COMMANDS)}))(?![\w-])(?: [a-z]+(?= --))?"
    rf"{_ARGUMENTS}"
)
_OPTION = re.compile(rf"(?<![\w`“-])({'|'.join(_FIELDS)})(?![\w-])(?:[ =]{_PLACE})?")
_OTHER_OPTION = re.compile(
    rf"(?<![\w`“-])--(?:{'|'.join(_WITHOUT_FIELD)})(?![\w-])(?:[ =](?:{_PLACE}|[\w-]+=\w+))?"
)
_TWICE = re.compile(r"(“[^”]+”)( \([^()]*\))? or \1")
_ASIDE = re.compile(r"\s*\(((?:bootwright |--)[^()]*)\)")
_CODE = re.compile(r"`([^`]+)`")
_VERSION = re.compile(r"--version ([\w.]+)")
_RAW = frozenset({"logs", "lines", "pictures", "node", "schematic"})
"""Keys of an answer that hold no sentences of bootwright's."""
_MOST = 4000
"""Letters of a sentence."""
_LINUX = "(on Linux)"


def reworded(answer: object, request: Mapping[str, Any]) -> dict[str, str]:
    """Text of an answer → as the page says it, for each that the page says otherwise."""
    words = {text: worded(text, request) for text in _texts(answer)}
    return {text: said for text, said in words.items() if said != text}


def worded(text: str, request: Mapping[str, Any]) -> str:
    """A sentence of the command line in the page's words, with what the request says filled in."""
    pieces = _CODE.split(text)
    said = "".join(
        _code(piece, request) if index % 2 else _sentence(piece, request)
        for index, piece in enumerate(pieces)
    )
    return said.replace(f"{_LINUX} {_LINUX}", _LINUX)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) <= _MOST and ("bootwright " in value or "--" in value):
            yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in _RAW:
                yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _code(piece: str, request: Mapping[str, Any]) -> str:
    """What stood between backticks."""
    return _command(piece, request) if _COMMAND.match(piece) else f"`{piece}`"


def _sentence(text: str, request: Mapping[str, Any]) -> str:
    def aside(match: re.Match[str]) -> str:
        inner = _sentence(match[1], request)
        return "" if _LINUX in inner else match[0].replace(match[1], inner)

    text = _ASIDE.sub(aside, text)
    # What became code is not looked at again.
    pieces: list[str] = []
    at = 0
    for match in _COMMAND.finditer(text):
        pieces += [_options(text[at : match.start()]), _command(match[0], request)]
        at = match.end()
    return "".join([*pieces, _options(text[at:])])


def _options(text: str) -> str:
    text = _OPTION.sub(lambda match: f"“{_FIELDS[match[1]]}”", text)
    text = _TWICE.sub(r"\1\2", text)
    return _OTHER_OPTION.sub(lambda match: f"`{match[0]}` {_LINUX}", text)


def _command(command: str, request: Mapping[str, Any]) -> str:
    name = command.split()[1]
    if name == "prepare" and "--check-only" in command:
        name = "check"
    # The tab is asked about lights; what a log says there is the command's alone.
    if name in _TABS and not (name == "observe" and ("--log" in command or "--text" in command)):
        option = command.rpartition(" ")[2]
        field = f"“{_FIELDS[option]}” in " if option in _FIELDS else ""
        return f"{field}the tab “{_TABS[name]}”"
    command = command.replace(" --revision CODE", _which(request))
    said = f"`{command}` {_LINUX}"
    version = _VERSION.search(command)
    if name == "prepare" and version is not None:
        return f"ask for the version {version[1]} above, or {said}"
    return said


def _which(request: Mapping[str, Any]) -> str:
    """The option for what the request says of the board's revision; empty where it says nothing."""
    board = board_meant(asked_text(request, "board"))
    try:
        revision, stepping = revision_or_stepping(board, asked_text(request, "revision"))
    except BootwrightError:
        return ""
    if stepping is not None:
        return f" --stepping {stepping}"
    return f" --revision {revision}" if revision is not None and revision.isalnum() else ""
