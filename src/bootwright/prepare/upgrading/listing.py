"""A listing of a node's EFI system partition in place of a copy: names without what is in the files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

_PLACES = ("/boot/EFI/", "/boot/efi/", "::/", "./")
_MODE = re.compile(r"[-dl][-r][-w][-xsS]\S*\s")
_ROW = re.compile(r"^\S+\s+[-dl][rwxsStT-]{9}\s+\S+\s+\S+\s+\d+\s+.*?\s(\S+)\s*$")
"""`talosctl list -l -r`: node, mode, uid, gid, size, time, name."""
_DECIDES = re.compile(r"(?:^|/)(?:config\.txt|[\w.-]+\.(?:dtb|efi|bin))$", re.IGNORECASE)
_CONFIG = re.compile(r"(?:^|/)config\.txt\Z", re.IGNORECASE)
_HEADING = re.compile(r"total \d|NODE\s|\S+\s+d[rwxsStT-]{9}\s|d[rwxsStT-]{9}")
"""What stands in a listing beside the names of files: sums, titles and folders."""
_MOST_LINES = 20_000


def read_listing(data: bytes) -> tuple[str, ...] | None:
    """Paths of files, from the partition's root; None where it is no listing of one.

    Known are `find`, `mdir -/ -b`, `ls -R` and `ls -lR`, and `talosctl list -r` (with `-l` or not). A listing
    of a boot partition names config.txt, a devicetree, or a program or boot loader.
    """
    if b"\0" in data[:4096]:
        return None
    lines = data.decode("utf-8", "replace").splitlines()
    if len(lines) > _MOST_LINES:
        return None
    paths: list[str] = []
    folder, others = "", 0
    for line in lines:
        text = line.strip()
        if text.endswith(":") and " " not in text:  # ls -R: what follows is in that folder
            folder = _below(f"{text[:-1]}/").strip("/.")
            continue
        name = _name(text)
        if name is None:
            others += bool(text) and not _HEADING.match(text)
            continue
        path = _below(name)
        if folder and "/" not in name:
            path = f"{folder}/{path}"
        if path and not path.endswith("/"):
            paths.append(path)
    paths = _from_its_root(paths)
    deciding = [path for path in paths if _DECIDES.search(path)]
    return tuple(dict.fromkeys(paths)) if deciding and others <= len(paths) // 4 else None


def _from_its_root(paths: list[str]) -> list[str]:
    """The files' paths from the partition's root, where the listing is of the folder that it was mounted on.

    The root has config.txt, or else the folder EFI (UEFI 2.10, 13.3.1.3).
    """
    parents = {parent for path in paths for parent in _parents(path)}
    paths = [path for path in paths if path not in parents]
    folders = [path.split("/")[:-1] for path in paths]
    common = [
        names[0] for names in takewhile(lambda names: len(set(names)) == 1, zip(*folders, strict=False))
    ]
    marks = [folder for path, folder in zip(paths, folders, strict=True) if _CONFIG.search(path)]
    if marks:
        root = min(marks, key=len)
    elif "EFI" in common:
        root = common[: common.index("EFI")]
    else:
        root = common
    if not root or root != common[: len(root)]:
        return paths
    start = len("/".join(root)) + 1
    return [path[start:] for path in paths]


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _name(text: str) -> str | None:
    """The name in a line; None for a heading, a folder of `ls -l`, and what has words."""
    row = _ROW.match(text)
    if row is not None:
        return None if text.split()[1].startswith("d") else row[1]
    if _MODE.match(text):
        return None if text.startswith("d") else text.rsplit(maxsplit=1)[-1]
    words = text.split()
    if len(words) == 2 and re.fullmatch(r"[\w.:-]+", words[0]) and words[1].startswith((".", "/", "config")):
        return words[1]  # talosctl list: node and name
    return text if len(words) == 1 else None


def _below(path: str) -> str:
    for place in _PLACES:
        if path.startswith(place):
            return path.removeprefix(place).lstrip("/")
    return path.lstrip("/")
