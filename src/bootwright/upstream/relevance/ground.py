"""What of a repository belongs to a subject, read from the repository itself at one commit.

A driver's files: those with the compatible or the PCI id in a table, and those of the objects that a kernel
is known to build it of; its Makefile says which files and options these are. A devicetree: the board's source
and what it includes. Calls: where the kernel defines them, and the packages of Go that make them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import PurePosixPath

from attrs import field, frozen

from bootwright.predict.kernel.objects import objects
from bootwright.upstream.relevance.configs import needed_options, objects_of
from bootwright.upstream.relevance.dts_text import DtsFile, DtsGroup, read_dts
from bootwright.upstream.relevance.subject import Subject
from bootwright.workshop.repository import Repository

_OWN_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"\n]+)"', re.MULTILINE)
_DEFINE = re.compile(r"^[^:]*:[^:]*:\s*#\s*define\s+(\w+)\s+(0x[0-9a-fA-F]+)\s*(?:/|$)")
_MOST_FILES = 400
_DTS = (".dts", ".dtsi", ".dtso")


@frozen
class Group:
    """Sources that are built together, or that hold one thing; judged together."""

    why: str
    paths: frozenset[str]


@frozen
class Ground:
    """What belongs to one subject at one commit."""

    groups: tuple[Group, ...] = ()
    dts_roots: tuple[str, ...] = ()
    dts_paths: frozenset[str] = frozenset()
    driver_options: frozenset[str] = frozenset()
    """Each of which builds one of the drivers."""
    own_options: frozenset[str] = frozenset()
    """Those that build the drivers."""
    options: frozenset[str] = frozenset()
    """With those that these depend on and select."""
    object_names: frozenset[str] = frozenset()
    """Objects and their parts, by path in the tree without `.o`."""
    build_folders: frozenset[str] = frozenset()
    """Folders whose Makefile or Kconfig says how the drivers are built."""
    folders: frozenset[str] = frozenset()
    """Names of all folders: words that are too common to mean a driver."""
    macros: Mapping[str, str] = field(factory=dict, repr=False)
    code_paths: frozenset[str] = field(init=False)
    """Every source file that belongs to it."""

    @code_paths.default
    def _paths(self) -> frozenset[str]:
        return frozenset(path for group in self.groups for path in group.paths)


class Commits:
    """Reads files at commits, a few of them kept."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.text = lru_cache(maxsize=4096)(self._text)
        self.paths = lru_cache(maxsize=8)(self._paths)

    def _text(self, commit: str, path: str) -> str:
        """A file's text; empty where it is not there."""
        return (self.repository.file(commit, path) or b"").decode(errors="replace")

    def _paths(self, commit: str) -> frozenset[str]:
        data = self.repository.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)
        return frozenset(data.decode("utf-8", "surrogateescape").split("\0")) - {""}

    def grep(self, commit: str, *arguments: str) -> list[str]:
        """What `git grep` prints, without the commit's name; empty where nothing is found."""
        lines = self.repository.try_lines(
            "grep", "-I", "--no-color", *arguments[:-1], commit, "--", arguments[-1]
        )
        return [line.removeprefix(f"{commit}:") for line in lines]

    def dts_group(self, commit: str, roots: Collection[str]) -> DtsGroup:
        """The devicetree sources that roots include, directly or not."""
        paths = self.paths(commit)
        files: dict[str, DtsFile] = {}
        waiting = [path for path in roots if path in paths]
        while waiting and len(files) < _MOST_FILES:
            path = waiting.pop()
            if path in files:
                continue
            files[path] = file = read_dts(path, self.text(commit, path))
            waiting += [target for _, name in file.includes if (target := _included(path, name, paths))]
        return DtsGroup(files)


def _included(path: str, name: str, paths: frozenset[str]) -> str | None:
    """The file that an include means: beside the including one, or below the folders of an architecture."""
    if not name.endswith(_DTS):
        return None
    beside = _normal(f"{path.rpartition('/')[0]}/{name}")
    if beside in paths:
        return beside
    # scripts/dtc/include-prefixes: <arm64/broadcom/x.dtsi> is arch/arm64/boot/dts/broadcom/x.dtsi.
    prefix, _, rest = name.partition("/")
    for candidate in (
        f"arch/{prefix}/boot/dts/{rest}",
        f"arch/arm64/boot/dts/{name}",
        f"arch/arm/boot/dts/{name}",
    ):
        if candidate in paths:
            return candidate
    return None


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in {"", ".", ".."}:
            parts.append(part)
    return "/".join(parts)


def ground_of(commits: Commits, commit: str, subject: Subject) -> Ground:
    """What belongs to a subject at a commit."""
    paths = commits.paths(commit)
    folders = frozenset(part for path in paths for part in PurePosixPath(path).parts[:-1])
    groups: list[Group] = []
    sources = _table_sources(commits, commit, subject) | _object_sources(subject, paths)
    options, names = set(subject.options), set[str]()
    driver_options = set(subject.driver_options)
    seen: set[str] = set()
    for path, why in sorted(sources.items()):
        built, group_paths, group_options = _built_with(commits, commit, path, paths)
        names |= built
        options |= group_options
        driver_options |= group_options
        if not group_paths <= seen:
            groups.append(Group(why, frozenset(group_paths)))
        seen |= group_paths
    groups += _call_groups(commits, commit, subject, paths)
    own_options = frozenset(options)
    for path in _kconfigs(groups, paths):
        options |= needed_options(commits.text(commit, path), options)
    roots = tuple(sorted(path for path in paths if _is_root(path, subject)))
    dts_paths = frozenset(commits.dts_group(commit, roots).files) if roots else frozenset()
    return Ground(
        groups=tuple(groups),
        dts_roots=roots,
        dts_paths=dts_paths | {path for path in seen if path.endswith(_DTS)},
        driver_options=frozenset(driver_options),
        own_options=own_options,
        options=frozenset(options),
        object_names=frozenset(names) | subject.objects,
        build_folders=_build_folders(commits, commit, own_options, names),
        folders=folders,
        macros=_phy_macros(commits, commit) if subject.phy_ids and groups else {},
    )


def _is_root(path: str, subject: Subject) -> bool:
    name = path.rpartition("/")[2]
    return name.endswith(".dts") and f"{name[: -len('.dts')]}.dtb" in subject.dtbs


def _table_sources(commits: Commits, commit: str, subject: Subject) -> dict[str, str]:
    """C files with a compatible or a PCI id of the subject in them → which."""
    sources: dict[str, str] = {}
    if subject.compatibles:
        patterns = [word for text in sorted(subject.compatibles) for word in ("-e", f'"{text}"')]
        for line in commits.grep(commit, "-F", *patterns, "*.c"):
            path, _, text = line.partition(":")
            if "compatible" in text or ".compatible" in text or "OF_" in text or "_DECLARE" in text:
                name = next(
                    (compatible for compatible in subject.compatibles if f'"{compatible}"' in text), ""
                )
                sources.setdefault(path, name)
    pairs = "|".join(
        rf"0x0*{vendor:x}[[:space:]]*,[[:space:]]*0x0*{device:x}" for vendor, device in subject.pci_ids
    )
    if pairs:
        for line in commits.grep(commit, "-i", "-E", "-e", rf"PCI_DEVICE\(({pairs})\)", "*.c"):
            path, _, text = line.partition(":")
            sources.setdefault(path, text.strip())
    return {path: why for path, why in sources.items() if not _is_aside(path)}


def _is_aside(path: str) -> bool:
    return path.startswith(("Documentation/", "tools/", "samples/", "scripts/")) or "/vendor/" in f"/{path}"


def _object_sources(subject: Subject, paths: frozenset[str]) -> dict[str, str]:
    """Sources of the objects that a kernel is known to build the drivers of."""
    sources: dict[str, str] = {}
    for name in subject.objects:
        for candidate in (f"{name}.c", f"{name.replace('_', '-')}.c", f"{name}/Makefile"):
            if candidate in paths:
                sources[candidate] = name.rpartition("/")[2]
        folder, _, base = name.rpartition("/")
        if f"{name}.c" not in paths and f"{folder}/Makefile" in paths:
            sources[f"{folder}/{base}.o"] = base
    return sources


def _built_with(
    commits: Commits, commit: str, path: str, paths: frozenset[str]
) -> tuple[set[str], set[str], set[str]]:
    """(objects, files, options) of what a source file is built into."""
    folder, _, file = path.rpartition("/")
    base = file.rpartition(".")[0]
    makefile = "\n".join(commits.text(commit, f"{folder}/{name}") for name in ("Makefile", "Kbuild"))
    by_option, parts = objects_of(makefile)
    owners = {name for name, members in parts.items() if base in members} or {base}
    if base in parts:
        owners = {base}
    options = {option for owner in owners for option in by_option.get(owner, ())}
    members = {member for owner in owners for member in parts.get(owner, {owner})}
    files = {path} if path in paths else set()
    for member in members:
        stem = member.removesuffix(".dtbo")
        files |= {
            candidate
            for ending in (".c", ".S", ".dtso")
            if (candidate := f"{folder}/{stem}{ending}") in paths
        }
    waiting = [name for name in files if name.endswith((".c", ".h"))]
    while waiting and len(files) < _MOST_FILES:
        source = waiting.pop()
        for name in _OWN_INCLUDE.findall(commits.text(commit, source)):
            header = _normal(f"{source.rpartition('/')[0]}/{name}")
            if header in paths and header not in files:
                files.add(header)
                waiting.append(header)
    return {f"{folder}/{name}" for name in owners | members}, files, options


def _kconfigs(groups: Iterable[Group], paths: frozenset[str]) -> list[str]:
    folders = {path.rpartition("/")[0] for group in groups for path in group.paths}
    return sorted(path for folder in folders if (path := f"{folder}/Kconfig") in paths)


def _build_folders(
    commits: Commits, commit: str, options: Iterable[str], names: Iterable[str]
) -> frozenset[str]:
    """The folders of the drivers' objects, and those whose Kconfig has an entry for one of their options."""
    folders = {name.rpartition("/")[0] for name in names}
    words = "|".join(sorted(option.removeprefix("CONFIG_") for option in options))
    if words:
        pattern = rf"^[[:space:]]*(menu)?config[[:space:]]+({words})[[:space:]]*$"
        lines = commits.grep(commit, "-E", "-e", pattern, "*Kconfig")
        folders |= {line.partition(":")[0].rpartition("/")[0] for line in lines}
    return frozenset(folders)


def _call_groups(commits: Commits, commit: str, subject: Subject, paths: frozenset[str]) -> list[Group]:
    """Where system calls are defined, and the Go packages that make them."""
    if not subject.calls:
        return []
    wrappers = {"".join(word.capitalize() for word in call.split("_")): call for call in subject.calls}
    calls_of: dict[frozenset[str], dict[str, None]] = {}
    pattern = rf"SYSCALL_DEFINE[0-9]\(({'|'.join(sorted(subject.calls))}),"
    for line in commits.grep(commit, "-E", "-e", pattern, "*.c"):
        path, _, text = line.partition(":")
        match = re.search(pattern, text)
        if match and not _is_aside(path):
            calls_of.setdefault(frozenset({path}), {})[match[1]] = None
    pattern = rf"unix\.({'|'.join(sorted(wrappers))})\("
    for line in commits.grep(commit, "-E", "-e", pattern, "*.go"):
        path, _, text = line.partition(":")
        if path.endswith("_test.go") or _is_aside(path):
            continue
        members = _go_package(path.rpartition("/")[0], paths)
        calls_of.setdefault(members, {}).update({wrappers[name]: None for name in re.findall(pattern, text)})
    return [
        Group(", ".join(f"{call}()" for call in sorted(calls)), members)
        for members, calls in calls_of.items()
    ]


def _go_package(folder: str, paths: frozenset[str]) -> frozenset[str]:
    """The files of a Go package, which are built together."""
    return frozenset(
        path
        for path in paths
        if path.rpartition("/")[0] == folder and path.endswith(".go") and not path.endswith("_test.go")
    )


def _phy_macros(commits: Commits, commit: str) -> Mapping[str, str]:
    """Macros of PHY ids that headers define."""
    lines = commits.grep(commit, "-n", "-E", "-e", r"#[[:space:]]*define[[:space:]]+PHY_ID_", "*.h")
    matches = (_DEFINE.match(line) for line in lines)
    return {match[1]: match[2] for match in matches if match}


def owner_of(path: str) -> str | None:
    """The object that a source file of a kernel belongs to, by the names of known kernels' objects.

    For files of a tree that is not here, such as those that a patch names; None where none fits.
    """
    folder, _, file = path.rpartition("/")
    base = file.rpartition(".")[0].replace("-", "_")
    best = ""
    for known in _objects_below().get(folder, ()):
        name = known.rpartition("/")[2].replace("-", "_")
        if base.startswith(name) and len(name) > len(best.rpartition("/")[2]):
            best = known
    return best or None


@lru_cache(maxsize=1)
def _objects_below() -> Mapping[str, tuple[str, ...]]:
    below: dict[str, list[str]] = {}
    for path in objects().rules:
        below.setdefault(path.rpartition("/")[0], []).append(path)
    return {folder: tuple(names) for folder, names in below.items()}
