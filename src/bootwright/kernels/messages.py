"""Every message that a kernel can print: read from its image and modules, kept in the cache."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from attrs import frozen

from bootwright.formats.messages.gathering import Gathering
from bootwright.formats.messages.table import MessageTable, table_of
from bootwright.formats.messages.table_file import pack_table, unpack_table
from bootwright.formats.modules.module_facts import module_name
from bootwright.formats.modules.module_file import unpack_module
from bootwright.formats.modules.tree_files import module_files
from bootwright.foundation.cache import MESSAGES
from bootwright.foundation.errors import BootwrightError, Malformed
from bootwright.foundation.progress import Progress, Silent
from bootwright.kernels.model import Kernel

_FORM = 4
"""Of what is kept: raised when more or other things are read from a kernel."""


@frozen
class KernelMessages:
    """What was read from one kernel."""

    table: MessageTable
    calls: int
    """Calls of printing functions."""
    told: int
    """Those whose format is known."""
    modules: int
    """Module files read."""
    unreadable: tuple[str, ...]
    """Module files that could not be read, and why."""


def messages_of(kernel: Kernel, *, progress: Progress) -> KernelMessages:
    """What a kernel of this machine can print, of its image and, where they are here, its modules.

    Kept in the cache by the content of both. Raises `Malformed` for an image without symbol table.
    """
    fingerprint = module_files(kernel.modules, form=_FORM)[1] if kernel.modules is not None else "none"
    name = f"{kernel.image_sha256[:32]}-{fingerprint}-{_FORM}"

    def make() -> bytes:
        messages = read_messages(kernel.name, kernel.image, kernel.modules, progress=progress)
        counts = (messages.calls, messages.told, messages.modules, messages.unreadable)
        return json.dumps(counts).encode() + b"\n" + pack_table(messages.table)

    path = MESSAGES.kept(name, make)
    data = path.read_bytes()
    head, _, rest = data.partition(b"\n")
    try:
        calls, levelled, modules, unreadable = json.loads(head)
        return KernelMessages(unpack_table(rest, str(path)), calls, levelled, modules, tuple(unreadable))
    except (ValueError, TypeError, Malformed):
        # Damaged on the disk: made again.
        path.unlink(missing_ok=True)
        return read_messages(kernel.name, kernel.image, kernel.modules, progress=progress)


def messages_of_some(kernel: Kernel, modules: Collection[str], *, image: bool) -> MessageTable:
    """What some modules of a kernel can print, and its image where asked for: read in a second or two.

    A module that is not there, or cannot be read, is left out. Raises `Malformed` for an image without symbol
    table.
    """
    tree = kernel.modules
    if image and not (modules and tree):
        return _of_image(kernel.name, kernel.image, kernel.image_sha256)
    gathering = Gathering(kernel.name)
    if image:
        gathering.image(kernel.image.read_bytes(), str(kernel.image))
    if tree is not None:
        files = module_files(tree, form=_FORM)[0]
        chosen = [path for path in files if module_name(path) in modules]
        _read_modules(gathering, tree, chosen, [], Silent())
    return table_of(gathering.formats())


@lru_cache(maxsize=1)
def _of_image(name: str, image: Path, sha256: str) -> MessageTable:
    """Of a log several messages are asked about, one after another; `sha256` is the image's."""
    del sha256  # that the file is still the same
    gathering = Gathering(name)
    gathering.image(image.read_bytes(), str(image))
    return table_of(gathering.formats())


def read_messages(name: str, image: Path | None, tree: Path | None, *, progress: Progress) -> KernelMessages:
    """Read a kernel's image and the modules below `tree` (`/lib/modules/RELEASE`), where there are any.

    Raises `Malformed` for an image without symbol table; a module that cannot be read is left out, and named.
    """
    gathering = Gathering(name)
    unreadable: list[str] = []
    files: list[str] = []
    with progress.step(f"messages of {name}"):
        if image is not None:
            gathering.image(image.read_bytes(), str(image))
        if tree is not None:
            files = module_files(tree, form=_FORM)[0]
            _read_modules(gathering, tree, files, unreadable, progress)
    return KernelMessages(
        table_of(gathering.formats()),
        gathering.calls,
        gathering.told,
        len(files) - len(unreadable),
        tuple(unreadable),
    )


def _read_modules(
    gathering: Gathering, tree: Path, files: list[str], unreadable: list[str], progress: Progress
) -> None:
    called: dict[str, frozenset[str]] = {}
    known: dict[str, int] = {}
    for number, path in enumerate(files):
        known[path] = len(gathering.printing)
        try:
            called[path] = gathering.module(unpack_module((tree / path).read_bytes(), path), path)
        except (BootwrightError, OSError) as error:
            unreadable.append(f"{path}: {error}")
        progress.advance(number, len(files), "modules")
    # Printing functions of modules that were read later than those that call them.
    names = list(gathering.printing)
    for path, calls in called.items():
        late = {name: gathering.printing[name] for name in names[known[path] :] if name in calls}
        if late:
            gathering.module(unpack_module((tree / path).read_bytes(), path), path, late)
