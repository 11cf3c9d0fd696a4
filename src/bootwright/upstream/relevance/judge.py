"""Which commits touch a question, and by what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial

from attrs import frozen

from bootwright.upstream.presets import Upstream
from bootwright.upstream.relevance.c_code import tokens_of
from bootwright.upstream.relevance.configs import (
    architecture,
    configuration,
    is_setting,
    kconfig_lines,
    without_texts,
)
from bootwright.upstream.relevance.devicetrees import dts_touch, patch_dts_touch
from bootwright.upstream.relevance.edits import Edit, FileEdits, edits_of_commit, edits_of_patch
from bootwright.upstream.relevance.effect import (
    CODE,
    has_no_effect,
    is_without_effect,
    same_code,
    signature_of,
)
from bootwright.upstream.relevance.ground import Commits, Ground, Group, ground_of, owner_of
from bootwright.upstream.relevance.model import Judged, Kind, Touch
from bootwright.upstream.relevance.reach import Reach, Source, reach
from bootwright.upstream.relevance.subject import Subject, fits_path
from bootwright.workshop.patches.commits import Commit, Names, read_commits, touched_files
from bootwright.workshop.repository import Repository

_DTS = (".dts", ".dtsi", ".dtso")
_PATCH = (".patch", ".diff")
_LISTING = re.compile(r"config|modules", re.IGNORECASE)
"""Files that may be a kernel's configuration, or list modules that a system takes along."""
_BUILD_FILES = frozenset({"Kconfig", "Makefile", "Kbuild"})
_DEVICE_TABLE = re.compile(
    r"\b(?:of_device_id|pci_device_id|MODULE_DEVICE_TABLE|usb_device_id|i2c_device_id)\b"
)
_LEAST_BUILT = 2
_MODULE_FILE = re.compile(r"([\w-]+)\.ko\b")
_LEAST_SWEPT = 2
"""Files outside of every question in which a sweeping commit makes the very same change."""


@frozen
class Looked:
    """Commits of one range."""

    judged: tuple[Judged, ...]
    """Those that touch a question, oldest first; sweeping ones too."""
    count: int
    """How many there were in all."""


class Judge:
    """Judges the commits of one repository."""

    def __init__(
        self, repository: Repository, upstream: Upstream, subjects: Sequence[Subject], tips: Collection[str]
    ) -> None:
        """`tips` are the commits whose trees say what belongs to a subject: the range's ends."""
        self._commits = Commits(repository)
        self._repository = repository
        self._upstream = upstream
        self._subjects = subjects
        self._grounds = [
            (subject, ground)
            for subject in subjects
            for tip in dict.fromkeys(tips)
            for ground in [ground_of(self._commits, tip, subject)]
        ]

    def look(self, *selection: str) -> Looked:
        """Judge the commits that `git log` selects; merges are left out."""
        commits = read_commits(self._repository, *selection)
        files = touched_files(self._repository, *selection)
        judged: dict[str, Judged] = {}
        for commit in commits:
            verdict = self._judge(commit, files.get(commit.name, frozenset()))
            if verdict is not None:
                judged[commit.name] = verdict
        self._add_fixes(commits, judged)
        return Looked(tuple(judged[commit.name] for commit in commits if commit.name in judged), len(commits))

    def _judge(self, commit: Commit, paths: frozenset[str]) -> Judged | None:
        interesting = [path for path in sorted(paths) if self._may_matter(path)]
        touches: list[Touch] = []
        if interesting:
            for edits in edits_of_commit(self._repository, commit.name, interesting):
                parent = commit.parents[0] if commit.parents else ""
                touches += self._touches(edits, commit.name, parent)
        if not touches:
            touches += self._mentions(commit, paths, interesting)
        if not touches:
            return None
        return Judged(commit, tuple(dict.fromkeys(touches)), self._is_sweeping(commit, paths, touches))

    def _may_matter(self, path: str) -> bool:
        if has_no_effect(path):
            return False
        folder, _, name = path.rpartition("/")
        if path.endswith(_PATCH):
            return True
        if path.endswith(_DTS):
            return any(path in ground.dts_paths for _, ground in self._grounds)
        if name in _BUILD_FILES:
            return any(folder in ground.build_folders for _, ground in self._grounds)
        if _LISTING.search(name) and not path.endswith(CODE):
            return architecture(path, "") in {None, "arm64"}
        return (
            any(path in ground.code_paths for _, ground in self._grounds)
            or any(fits_path(path, pin.file) for pin in self._upstream.pins)
            or any(fits_path(path, pattern) for part in self._upstream.parts for pattern in part.paths)
            or any(subject.names_path(self._upstream.id, path) for subject in self._subjects)
        )

    def _touches(self, edits: FileEdits, commit: str, parent: str) -> Iterator[Touch]:
        path = edits.path
        if path.endswith(_PATCH):
            yield from self._in_patch(edits, self._sides(edits, commit, parent))
            return
        if path.endswith(_DTS):
            for subject, ground in self._grounds:
                what = dts_touch(self._commits, edits, (parent, commit), subject, ground)
                if what:
                    yield Touch(subject.outcome, Kind.DEVICETREE, path, what)
            return
        yield from self._pins(edits)
        if any(is_setting(line) for _, line in (*edits.removed, *edits.added)):
            yield from self._settings(edits, self._sides(edits, commit, parent))
        yield from self._listed_modules(edits)
        if path.rpartition("/")[2] in _BUILD_FILES:
            yield from self._build_files(edits, self._sides(edits, commit, parent))
        elif not is_without_effect(edits):
            yield from self._code(edits, commit, parent)
            yield from self._parts(path)

    def _sides(self, edits: FileEdits, commit: str, parent: str) -> tuple[str, str]:
        """The whole text of a file before and afterwards."""
        return (
            self._commits.text(parent, edits.old) if parent and edits.old else "",
            self._commits.text(commit, edits.new) if edits.new else "",
        )

    def _listed_modules(self, edits: FileEdits) -> Iterator[Touch]:
        """Drivers that a list of modules takes in or leaves out."""
        before, after = (
            {match[1].replace("_", "-") for _, line in lines for match in _MODULE_FILE.finditer(line)}
            for lines in (edits.removed, edits.added)
        )
        for subject in self._subjects:
            names = {path.rpartition("/")[2].replace("_", "-") for path in subject.objects}
            for name in sorted((before ^ after) & names):
                change = "no longer listed" if name in before else "listed"
                yield Touch(subject.outcome, Kind.OPTION, edits.path, f"{name}.ko {change}")

    def _code(self, edits: FileEdits, commit: str, parent: str) -> Iterator[Touch]:
        path = edits.path
        for subject, ground in self._grounds:
            for group in ground.groups:
                reach_at = partial(self._reach, subject, ground, group)
                if path in group.paths and self._reaches(edits, commit, parent, reach_at):
                    yield Touch(subject.outcome, Kind.CODE, path, group.why)
            if subject.names_path(self._upstream.id, path) and path not in ground.code_paths:
                yield Touch(subject.outcome, Kind.PATH, path, "named by the plan")

    def _reaches(self, edits: FileEdits, commit: str, parent: str, reach_at: Callable[[str], Reach]) -> bool:
        """Whether a changed line serves the subject, before or afterwards."""
        if not edits.path.endswith((".c", ".h")):
            return True
        sides = ((parent, edits.old, edits.removed), (commit, edits.new, edits.added))
        for name, path, lines in sides:
            if not path or not name or not lines:
                continue
            code = {token.line for token in tokens_of(self._commits.text(name, path))}
            numbers = [number for number, _ in lines if number in code]
            if numbers and reach_at(name).touches(path, numbers):
                return True
        return False

    def _reach(self, subject: Subject, ground: Ground, group: Group, commit: str) -> Reach:
        texts = (
            (path, self._commits.text(commit, path))
            for path in sorted(group.paths)
            if path.endswith((".c", ".h"))
        )
        return reach([Source.read(path, text) for path, text in texts], subject.served, ground.macros)

    def _parts(self, path: str) -> Iterator[Touch]:
        for part in self._upstream.parts:
            if any(fits_path(path, pattern) for pattern in part.paths):
                for subject in self._subjects:
                    if subject.boards.intersection(part.boards):
                        yield Touch(subject.outcome, Kind.BOARD_FILES, path, part.title)

    def _pins(self, edits: FileEdits) -> Iterator[Touch]:
        for pin in self._upstream.pins:
            if not fits_path(edits.path, pin.file):
                continue
            before = [match[1] for _, line in edits.removed if (match := pin.line.search(line))]
            after = [match[1] for _, line in edits.added if (match := pin.line.search(line))]
            if before == after or not (before or after):
                continue
            change = f"{pin.title} {' '.join(before) or 'none'} → {' '.join(after) or 'none'}"
            for subject in self._subjects:
                if subject.asks_version if not pin.boards else subject.boards.intersection(pin.boards):
                    yield Touch(subject.outcome, Kind.VERSION, edits.path, change)

    def _settings(self, edits: FileEdits, sides: tuple[str, str]) -> Iterator[Touch]:
        """Options whose value a configuration changes.

        One that comes or goes as a whole changes no other; one that has fewer than two of the drivers on is
        for other devices.
        """
        if edits.old is None or edits.new is None:
            return
        if architecture(edits.path, sides[1] or sides[0]) not in {None, "arm64"}:
            return
        for subject, ground in self._grounds:
            before, after = (configuration(text, ground.options) for text in sides)
            built = {
                option
                for option in ground.driver_options
                if {before.get(option), after.get(option)} & {"y", "m"}
            }
            if len(built) < min(_LEAST_BUILT, len(ground.driver_options)):
                continue
            for option in sorted(before.keys() | after.keys()):
                if before.get(option, "n") != after.get(option, "n"):
                    change = f"{option} {before.get(option, 'n')} → {after.get(option, 'n')}"
                    yield Touch(subject.outcome, Kind.OPTION, edits.path, change)

    def _build_files(self, edits: FileEdits, sides: tuple[str, str]) -> Iterator[Touch]:
        is_kconfig = edits.path.endswith("Kconfig")
        folder = edits.path.rpartition("/")[0]
        before, after = (kconfig_lines(text) if is_kconfig else {} for text in sides)
        for subject, ground in self._grounds:
            if is_kconfig:
                gone, come = (
                    [
                        (about[number], without_texts(line))
                        for number, line in lines
                        if about.get(number) in ground.options
                    ]
                    for lines, about in ((edits.removed, before), (edits.added, after))
                )
                changed = [option for option, _ in _difference(gone, come) if option in ground.own_options]
            else:
                names = {
                    name.rpartition("/")[2]
                    for name in ground.object_names
                    if name.rpartition("/")[0] == folder
                }
                words = {word for line in _changed(edits) for word in re.findall(r"[\w.-]+", line)}
                changed = [name for name in sorted(names) if f"{name}.o" in words]
            for name in dict.fromkeys(changed):
                yield Touch(subject.outcome, Kind.OPTION, edits.path, name)

    def _in_patch(self, edits: FileEdits, sides: tuple[str, str]) -> Iterator[Touch]:
        """A patch that a recipe applies: by what it does, where that differs before and afterwards."""
        before, after = (
            {
                (file_edits.path, edit.removed, edit.added): edit
                for file_edits in edits_of_patch(text.encode(errors="replace"), edits.path)
                for edit in map(_by_text, file_edits.edits)
            }
            for text in sides
        )
        for key in [*before.keys() - after.keys(), *after.keys() - before.keys()]:
            path, edit = key[0], before.get(key) or after[key]
            yield from self._in_patched(edits.path, path, edit)

    def _in_patched(self, patch: str, path: str, edit: Edit) -> Iterator[Touch]:
        if has_no_effect(path):
            return
        for subject, ground in self._grounds:
            if path.endswith(_DTS):
                what = patch_dts_touch(edit, subject, path)
            elif path.endswith((".c", ".h", ".S")):
                owner = owner_of(path)
                known = path in ground.code_paths or owner in subject.objects
                what = path if known and not same_code(edit) else ""
            else:
                lines = [line for _, line in (*edit.removed, *edit.added)]
                words = {word for line in lines for word in re.findall(r"CONFIG_\w+", line)}
                what = ", ".join(sorted(words & ground.options))
            if what:
                yield Touch(subject.outcome, Kind.PATCH, patch, what)

    def _mentions(self, commit: Commit, paths: frozenset[str], interesting: Sequence[str]) -> Iterator[Touch]:
        """A change of shared code whose message names a driver or a compatible of ours.

        Code that has a device table of its own is another device's, and compares itself at most.
        """
        code = [
            path
            for path in sorted(paths)
            if path.endswith(CODE) and not has_no_effect(path) and path not in interesting
        ]
        if all(path.endswith(".h") for path in code):
            return  # constants that no code comes with
        for subject, ground in self._grounds:
            terms = {*subject.compatibles, *subject.drivers} - ground.folders
            named = sorted(
                term for term in terms if re.search(rf"(?<![\w,-]){re.escape(term)}(?![\w-])", commit.message)
            )
            if not named:
                continue
            shared = [
                path for path in code if not _DEVICE_TABLE.search(self._commits.text(commit.name, path))
            ]
            if len(shared) == len(code):
                yield Touch(subject.outcome, Kind.MENTION, shared[0], named[0])
                return

    def _is_sweeping(self, commit: Commit, paths: frozenset[str], touches: Sequence[Touch]) -> bool:
        """Whether all of its changes of code here are made in files that are about something else, too."""
        ours = {touch.path for touch in touches}
        if any(touch.kind is not Kind.CODE for touch in touches):
            return False
        others = [path for path in paths if path.endswith(CODE) and path not in ours]
        if len(others) < _LEAST_SWEPT:
            return False
        everything = edits_of_commit(self._repository, commit.name)
        elsewhere = Counter(
            signature
            for edits in everything
            if edits.path not in ours
            for signature in {signature_of(edit) for edit in edits.edits}
        )
        here = {signature_of(edit) for edits in everything if edits.path in ours for edit in edits.edits}
        return all(elsewhere[signature] >= _LEAST_SWEPT for signature in here)

    def _add_fixes(self, commits: Iterable[Commit], judged: dict[str, Judged]) -> None:
        """Commits that say that they mend one that touches a question."""
        names = Names.of(judged)
        for commit in commits:
            for beginning in (*commit.fixes, *commit.reverts):
                mended = names.find(beginning)
                if mended and commit.name not in judged and not judged[mended].sweeping:
                    touches = (
                        Touch(outcome, Kind.FIX, "", f"mends {judged[mended].commit.short}")
                        for outcome in judged[mended].outcomes
                    )
                    judged[commit.name] = Judged(commit, tuple(touches))
                    names = Names.of(judged)


def _by_text(edit: Edit) -> Edit:
    """A change without its lines' numbers, which move."""
    removed, added = (tuple((0, line) for _, line in lines) for lines in (edit.removed, edit.added))
    return Edit(removed, added, edit.context)


def _changed(edits: FileEdits) -> list[str]:
    return [line for _, line in (*edits.removed, *edits.added)]


def _difference(gone: list[tuple[str, str]], come: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in gone if pair not in come] + [pair for pair in come if pair not in gone]
