"""The commits that changed one thing: a property of a node, an option, a compatible, a system call.

Candidates are what git finds (git-log(1): -L, -G, -S, or the commits of a file); each is held against what is
read of the thing before and after it, so that a commit that only moves or re-words what stands around it is
left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Literal

from attrs import frozen

from bootwright.upstream.relevance.c_code import definitions_of, tokens_of
from bootwright.upstream.relevance.configs import architecture, configuration, kconfig_lines, without_texts
from bootwright.upstream.relevance.dts_text import DtsNode, read_dts
from bootwright.upstream.relevance.ground import Commits, Ground
from bootwright.workshop.patches.commits import Commit, read_commits
from bootwright.workshop.repository import Repository

_MOST_LOOKED_AT = 500
"""Candidates of one thing that are read, the newest."""
_MOST_CHANGES = 50
_LONGEST = 160
_DTS = (".dts", ".dtsi", ".dtso")
_TAGS = "v[0-9]*"


@frozen
class Concern:
    """One thing that a failure hangs on."""

    kind: Literal["property", "option", "compatible", "call"]
    name: str
    """Of the property (empty: any of the node's), the option with `CONFIG_`, the compatible, the call."""
    node: str = ""
    """The last part of the node's path, of a property."""

    def __str__(self) -> str:
        if self.kind == "property":
            return f"{self.name} of {self.node}" if self.name else f"node {self.node}"
        return f"{self.name}()" if self.kind == "call" else self.name


@frozen
class Change:
    """One commit that changed it."""

    commit: Commit
    what: str
    """`compatible: "a,b" → "a,c"`; before and after."""
    since: str
    """The first release that has it; empty where no tag does."""


@frozen
class Past:
    """What became of one thing up to a commit."""

    concern: Concern
    paths: tuple[str, ...]
    """Where it stands."""
    changes: tuple[Change, ...]
    """Newest first."""
    is_whole: bool
    """False where there were more candidates than are read."""


State = Mapping[str, str]
"""What is read of a thing in some files: part → its text."""


class Historian:
    """Reads the past of things in one repository, up to one commit."""

    def __init__(self, repository: Repository, head: str, ground: Ground) -> None:
        self._repository = repository
        self._commits = Commits(repository)
        self._head = head
        self._ground = ground

    def past_of(self, concern: Concern) -> Past | None:
        """None where the repository has no such thing. Raises `ToolFailed` from git."""
        read = {
            "property": self._property,
            "option": self._option,
            "compatible": self._compatible,
            "call": self._call,
        }
        return read[concern.kind](concern)

    def _property(self, concern: Concern) -> Past | None:
        """Commits of the files that the node stands in, and of their folder where its name comes or goes."""
        group = self._commits.dts_group(self._head, self._ground.dts_roots)
        labels = {
            label
            for file in group.files.values()
            for node in file.nodes
            if node.name == concern.node
            for label in node.labels
        }
        places = sorted(
            path
            for path, file in group.files.items()
            if any(_is_meant(node, concern.node, labels) for node in file.nodes)
        )
        if not places:
            return None
        folders = sorted({path.rpartition("/")[0] for path in places})
        named = rf"(^|[^A-Za-z0-9,._+-]){re.escape(concern.node)}[[:space:]]*\{{"
        coming = self._log("-G", named, "--", *folders)
        # Where it stood before it was moved.
        earlier = {path for name in coming for path in self._touched(name) if path.endswith(_DTS)}
        names = self._log("--", *sorted({*places, *earlier}))

        def state(texts: Mapping[str, str]) -> State:
            values: dict[str, list[str]] = {}
            for path, text in texts.items():
                for node in read_dts(path, text).nodes:
                    if _is_meant(node, concern.node, labels):
                        for name, value in node.properties.items():
                            if concern.name in {"", name}:
                                values.setdefault(name, []).append(value)
            return {name: "; ".join(sorted(given)) for name, given in values.items()}

        return self._past(concern, places, names, lambda path: path.endswith(_DTS), state)

    def _option(self, concern: Concern) -> Past | None:
        """Its entry in Kconfig, and its value in configurations for arm64."""
        bare = concern.name.removeprefix("CONFIG_")
        entry = rf"^[[:space:]]*(menu)?config[[:space:]]+{bare}[[:space:]]*$"
        lines = self._commits.grep(self._head, "-l", "-E", "-e", entry, "*Kconfig*")
        files = [line.partition(":")[0] for line in lines]
        names: list[str] = []
        for path in files:
            names += self._lines_of(
                path, rf"^[[:space:]]*\(menu\)\?config[[:space:]]\+{bare}[[:space:]]*$", "^$"
            )
        value = rf"^(# )?{concern.name}[= ]"
        names += self._log("-E", "-G", value, "--", *self._configurations())

        def state(texts: Mapping[str, str]) -> State:
            parts: dict[str, str] = {}
            for path, text in texts.items():
                if "Kconfig" in path:
                    lines = text.split("\n")
                    own = [
                        without_texts(lines[number - 1])
                        for number, option in kconfig_lines(text).items()
                        if option == concern.name
                    ]
                    if own:
                        parts["Kconfig"] = "; ".join(own)
                elif architecture(path, text) in {None, "arm64"}:
                    values = configuration(text, [concern.name])
                    parts |= {path: values[concern.name]} if values else {}
            return parts

        if not names:
            return None
        return self._past(concern, files, names, lambda path: "onfig" in path, state)

    def _configurations(self) -> list[str]:
        folder = "arch/arm64/configs/"
        has_folder = any(path.startswith(folder) for path in self._commits.paths(self._head))
        return [folder] if has_folder else [":(glob)**/*config*"]

    def _compatible(self, concern: Concern) -> Past | None:
        """Where a driver's sources name it."""
        folders = sorted({path.rpartition("/")[0] for path in self._ground.code_paths})
        text = f'"{concern.name}"'
        if not folders:
            return None
        names = self._log("-S", text, "--", *(f":(glob){folder}/*.[ch]" for folder in folders))

        def state(texts: Mapping[str, str]) -> State:
            return {path: f"{number}×" for path, body in texts.items() if (number := body.count(text))}

        if not names:
            return None
        return self._past(concern, (), names, lambda path: path.endswith((".c", ".h")), state)

    def _call(self, concern: Concern) -> Past | None:
        """Its definition in a kernel, or the lines of a program that make it."""
        groups = [group for group in self._ground.groups if f"{concern.name}()" in group.why.split(", ")]
        paths = sorted(path for group in groups for path in group.paths)
        wrapper = "".join(word.capitalize() for word in concern.name.split("_"))
        names: list[str] = []
        for path in paths:
            if path.endswith(".c"):
                names += self._lines_of(path, rf"^SYSCALL_DEFINE[0-9]({concern.name},", "^}")
        go = [path for path in paths if path.endswith(".go")]
        if go:
            names += self._log("-E", "-G", rf"unix\.{wrapper}\(", "--", *go)

        def state(texts: Mapping[str, str]) -> State:
            parts: dict[str, str] = {}
            for path, text in texts.items():
                if path.endswith(".go"):
                    calls = [line.strip() for line in text.split("\n") if f"unix.{wrapper}(" in line]
                    parts |= {path: "; ".join(calls)} if calls else {}
                    continue
                for definition in definitions_of(tokens_of(text)):
                    if f"sys:{concern.name}" in definition.names:
                        parts["definition"] = " ".join(token.text for token in definition.tokens)
            return parts

        if not names:
            return None
        return self._past(concern, paths, names, lambda path: path.endswith((".c", ".go")), state)

    def _log(self, *arguments: str) -> list[str]:
        """Names of commits, newest first."""
        selection, _, paths = _split(arguments)
        return self._repository.lines(
            "log", "--no-merges", "--format=%H", *selection, self._head, "--", *paths
        )

    def _lines_of(self, path: str, first: str, last: str) -> list[str]:
        """Commits that changed the lines from the first that matches to the next that does."""
        place = f"/{first}/,/{last}/:{path}"
        lines = self._repository.try_lines(
            "log", "--no-merges", "--format=commit %H", "-s", f"-L{place}", self._head
        )
        return [line.removeprefix("commit ") for line in lines if line.startswith("commit ")]

    def _past(
        self,
        concern: Concern,
        paths: Iterable[str],
        names: Iterable[str],
        concerns: Callable[[str], bool],
        state: Callable[[Mapping[str, str]], State],
    ) -> Past:
        """Candidates whose state of the thing, in the files that they touch, differs before and after."""
        candidates = list(dict.fromkeys(names))
        looked_at = candidates[:_MOST_LOOKED_AT]
        changes: list[Change] = []
        for commit in self._read(looked_at):
            touched = [path for path in self._touched(commit.name) if concerns(path)]
            parent = commit.parents[0] if commit.parents else ""
            before, after = (
                state({path: self._commits.text(name, path) for path in touched}) if name else {}
                for name in (parent, commit.name)
            )
            what = _difference(before, after, named=concern.kind in {"property", "option"})
            if what:
                changes.append(Change(commit, what, self._since(commit.name)))
        is_whole = len(candidates) == len(looked_at) and len(changes) <= _MOST_CHANGES
        return Past(concern, tuple(paths), tuple(changes[:_MOST_CHANGES]), is_whole)

    def _read(self, names: Collection[str]) -> Iterator[Commit]:
        """Newest first, whichever way they were found."""
        if names:
            yield from reversed(read_commits(self._repository, "--no-walk", *names))

    def _touched(self, name: str) -> list[str]:
        data = self._repository.run(
            "diff-tree", "-r", "-z", "--root", "--no-commit-id", "--no-renames", "--name-only", name
        )
        return [path for path in data.decode("utf-8", "surrogateescape").split("\0") if path]

    def _since(self, name: str) -> str:
        lines = self._repository.try_lines("describe", "--contains", f"--match={_TAGS}", name)
        return re.split(r"[~^]", lines[0])[0] if lines else ""


def _split(arguments: tuple[str, ...]) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    at = arguments.index("--")
    return arguments[:at], "--", arguments[at + 1 :]


def _is_meant(node: DtsNode, name: str, labels: Collection[str]) -> bool:
    return node.name == name or (node.name.startswith("&") and node.name[1:] in labels)


def _difference(before: State, after: State, *, named: bool) -> str:
    """In words what differs; empty where nothing does."""
    parts = []
    for part in sorted(before.keys() | after.keys()):
        old, new = before.get(part, "none"), after.get(part, "none")
        if old != new:
            parts.append(f"{part}: {_short(old)} → {_short(new)}" if named else _came(part, old, new))
    return ", ".join(parts)


def _came(part: str, old: str, new: str) -> str:
    return f"{part} {'came' if old == 'none' else 'went' if new == 'none' else 'changed'}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
