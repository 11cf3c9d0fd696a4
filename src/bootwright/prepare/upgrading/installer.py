"""What an installer image brings: the overlay's files for the boot partition, and how much it writes.

An installer with an overlay has `/overlay/installers/default`, the program that installs it, its artifacts
and `/overlay/extra-options`; without that program none is installed [siderolabs/talos
cmd/installer/pkg/install, pkg/imager/out.go]. What the program copies where is knowledge of the overlay
(`data/preparations/`); the config.txt that it writes is inside it (go:embed), as `main.configTxt`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import field, frozen

from bootwright.formats.filesystems.filesystem import (
    Entry,
    EntryKind,
    FileSystem,
    lookup,
    read_small,
    walk,
)
from bootwright.formats.programs.go_embed import embedded_bytes
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Progress
from bootwright.inspect.explore import Explorer
from bootwright.inspect.facts import Item, ItemKind
from bootwright.prepare.factory.yaml_text import read_yaml
from bootwright.prepare.knowledge import Overlay

_BASE = "/overlay"
_PROGRAM = f"{_BASE}/installers/default"
_ARTIFACTS = f"{_BASE}/artifacts"
_OPTIONS = f"{_BASE}/extra-options"
_VARIABLE = "main.configTxt"
_MOST_PROGRAM = 64 << 20
_MOST_FILE = 256 << 20
_MOST_FILES = 2000


@frozen
class Installer:
    """What is known of an installer image."""

    overlay: Path | None
    """A folder with what the overlay puts on the boot partition; None where it has none, or none is known."""
    overlay_known: bool
    """Whether it is known what the overlay puts there, or that there is none."""
    kernel: int | None = None
    """Bytes."""
    initramfs: int | None = None
    notes: tuple[str, ...] = field(factory=tuple)


def read_installer(
    artifact: str, overlays: Sequence[Overlay], folder: Path, progress: Progress
) -> Installer | None:
    """Look into an installer; `folder`, empty, gets what its overlay puts on the boot partition.

    `overlays` are those known for the board. None for an artifact that is no container image. Raises what the
    explorer raises.
    """
    item = Explorer(progress=progress).artifact(artifact)
    containers = item.of_kind(ItemKind.CONTAINER, ItemKind.OCI_IMAGE)
    trees = [child.files for child in (item, *containers) if child.files is not None]
    if not containers or not trees:
        return None
    files = next((tree for tree in trees if lookup(tree, _BASE) is not None), trees[0])
    kernel, initramfs = _sizes(item)
    if lookup(files, _PROGRAM) is None:
        left = any(child.fact("layers_not_read") for child in containers)
        note = ("not every layer of the installer was read: its overlay may be in another",) if left else ()
        return Installer(None, overlay_known=not left, kernel=kernel, initramfs=initramfs, notes=note)
    fitting = [overlay for overlay in overlays if overlay.copies and _has_all(files, overlay)]
    if len(fitting) != 1:
        why = "which overlay it is, and what that copies, is not known here"
        return Installer(None, overlay_known=False, kernel=kernel, initramfs=initramfs, notes=(why,))
    notes = tuple(_take_out(files, fitting[0], folder))
    return Installer(folder, overlay_known=not notes, kernel=kernel, initramfs=initramfs, notes=notes)


def _sizes(item: Item) -> tuple[int | None, int | None]:
    def largest(kind: ItemKind) -> int | None:
        return max(
            (child.source.size for child in item.of_kind(kind) if child.source is not None), default=None
        )

    return largest(ItemKind.KERNEL), largest(ItemKind.INITRAMFS)


def _has_all(files: FileSystem, overlay: Overlay) -> bool:
    return all(lookup(files, f"{_ARTIFACTS}/{copy.source}") is not None for copy in overlay.copies)


def _take_out(files: FileSystem, overlay: Overlay, folder: Path) -> Iterator[str]:
    """Copy as the overlay's program does; what cannot be known is told."""
    for copy in overlay.copies:
        place = f"{_ARTIFACTS}/{copy.source}"
        entry = lookup(files, place)
        if entry is None:
            continue
        if entry.kind is EntryKind.FILE:
            yield from _file(files, entry, folder / copy.target)
            continue
        inside = [entry for entry in walk(files) if isinstance(entry, Entry)]
        below = [
            entry for entry in inside if entry.kind is EntryKind.FILE and entry.path.startswith(f"{place}/")
        ]
        for below_entry in below[:_MOST_FILES]:
            target = folder / copy.target / below_entry.path.removeprefix(f"{place}/")
            if target.resolve().is_relative_to(folder.resolve()):
                yield from _file(files, below_entry, target)
    if overlay.writes_config_txt:
        yield from _config_txt(files, folder)


def _file(files: FileSystem, entry: Entry, target: Path) -> Iterator[str]:
    source = files.open(entry)
    if source.size > _MOST_FILE:
        yield f"{entry.path} of the installer is too large for a boot partition"
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read(0, source.size))


def _config_txt(files: FileSystem, folder: Path) -> Iterator[str]:
    try:
        given = read_yaml(read_small(files, _OPTIONS) or b"", _OPTIONS)
        options = given if isinstance(given, dict) else {}
        text = str(options.get("configTxt") or "").encode()
        if not text:
            program = read_small(files, _PROGRAM, _MOST_PROGRAM) or b""
            text = embedded_bytes(program, _VARIABLE, _PROGRAM)
    except BootwrightError as error:
        yield f"the config.txt that the overlay writes is not known: {error.message}"
        return
    (folder / "config.txt").write_bytes(text + b"\n" + str(options.get("configTxtAppend") or "").encode())
