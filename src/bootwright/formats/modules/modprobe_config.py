"""What a file system tells modprobe: modprobe.d(5), and the lists of modules to load at boot.

Configuration files end in `.conf` and lie in the folders below; a file hides one of the same name in a later
folder (kmod 34, modprobe.d(5)). Modules to load by name are in modules-load.d(5), Debian's /etc/modules, and
initramfs-tools' /conf/modules.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import field, frozen

from bootwright.formats.filesystems.filesystem import EntryKind, FileSystem, lookup
from bootwright.foundation.errors import BootwrightError

_FOLDERS = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
_LOADS = (
    "/etc/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
)
_LISTS = ("/etc/modules", "/conf/modules")
_SYSCTL = ("/etc/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
_MOST_FILE = 1 << 20
_MOST_FILES = 2000
_REFUSES = ("/bin/false", "/usr/bin/false", "/sbin/false", "false")
_NOTHING = ("/bin/true", "/usr/bin/true", "/sbin/true", "true", ":", "/bin/:")


@frozen
class Directive:
    """One line of a configuration."""

    command: str
    """`blacklist`, `install`, `options`, `softdep`, `weakdep`, or `sysctl` for kernel.modules_disabled."""
    module: str
    """With `_`; a pattern or an alias for some commands."""
    rest: str
    where: str
    """`/etc/modprobe.d/pi.conf:3`, with the container path in front."""

    @property
    def prevents(self) -> bool:
        """Whether it is an `install` command that loads nothing."""
        words = self.rest.split()
        return self.command == "install" and bool(words) and words[0] in {*_REFUSES, *_NOTHING}

    def __str__(self) -> str:
        return f"{self.command} {self.module}{' ' if self.rest else ''}{self.rest}".strip()


@frozen
class ModprobeConfig:
    """Everything one file system says about loading modules."""

    directives: tuple[Directive, ...] = ()
    loads: frozenset[str] = field(default=frozenset())
    """Modules that are loaded by name at boot."""

    def of(self, module: str, *commands: str) -> Iterator[Directive]:
        """The lines about a module."""
        for directive in self.directives:
            if directive.module == module and directive.command in commands:
                yield directive


def read_modprobe(files: FileSystem) -> ModprobeConfig:
    """Read a root file system or an initramfs. What cannot be read is passed over, as modprobe does."""
    directives: list[Directive] = []
    for path, text in _files(files, _FOLDERS):
        directives += parse_modprobe(text, f"{files.name}:{path}")
    loads: set[str] = set()
    for _, text in (*_files(files, _LOADS), *_single(files, _LISTS)):
        for line in text.splitlines():
            words = line.split()
            if words and words[0][0] not in "#;":
                loads.add(_name(words[0]))
    for path, text in (*_files(files, _SYSCTL), *_single(files, ("/etc/sysctl.conf",))):
        for number, line in enumerate(text.splitlines(), 1):
            key, _, value = line.strip().lstrip("-").partition("=")
            if key.strip().replace("/", ".") == "kernel.modules_disabled" and value.strip() not in {"", "0"}:
                directives.append(Directive("sysctl", "", line.strip(), f"{files.name}:{path}:{number}"))
    return ModprobeConfig(tuple(directives), frozenset(loads))


def parse_modprobe(text: str, where: str) -> list[Directive]:
    """The lines of one file; a backslash at a line's end goes on with the next, `#` begins a comment."""
    directives: list[Directive] = []
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start if pending else number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        words = (pending + line).split(None, 2)
        pending = ""
        if len(words) < 2 or words[0].startswith("#"):
            continue
        if words[0] in {"blacklist", "install", "options", "softdep", "weakdep"}:
            rest = words[2].strip() if len(words) > 2 else ""
            directives.append(Directive(words[0], _name(words[1]), rest, f"{where}:{start}"))
    return directives


def _name(text: str) -> str:
    return text.replace("-", "_")


def _files(files: FileSystem, folders: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(path, text) of the `.conf` files that count, sorted by name."""
    chosen: dict[str, str] = {}
    for folder in folders:
        try:
            entry = lookup(files, folder)
            children = files.children(entry) if entry is not None else ()
            for child in children:
                if child.name.endswith(".conf") and len(chosen) < _MOST_FILES:
                    chosen.setdefault(child.name, f"{folder}/{child.name}")
        except BootwrightError:
            continue
    yield from _single(files, tuple(chosen[name] for name in sorted(chosen)))


def _single(files: FileSystem, paths: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for path in paths:
        try:
            entry = lookup(files, path)
            if entry is None or entry.kind is not EntryKind.FILE or entry.size > _MOST_FILE:
                continue
            source = files.open(entry)
            yield path, source.read(0, source.size).decode("utf-8", "replace")
        except BootwrightError:
            continue
