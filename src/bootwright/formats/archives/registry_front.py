"""Single files of a registry's image, reading its layers from the top and no further than they lie.

A layer's digest covers the whole layer: what comes out of a part of one is not verified by it, and said so.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attrs import define, field

from bootwright.formats.archives.registry_image import (
    RegistryImage,
    expanded,
    forgotten_where_wrong,
)
from bootwright.formats.archives.tarstream import TarMember, read_tar
from bootwright.formats.sources.registry import check_blob
from bootwright.formats.sources.streams import CHUNK, Limited, Stream
from bootwright.foundation import atomic
from bootwright.foundation.errors import Malformed
from bootwright.foundation.progress import Progress

_MOST_FILE = 256 << 20
"""Bytes; no kernel is as large."""
_MOST_LAYER = 16 << 30


@define
class Front:
    """What came out."""

    files: dict[str, Path] = field(factory=dict)
    """Path in the image → file on this machine."""
    part: str | None = None
    """Digest of the layer that was not read to its end, and so not verified; None where all were."""


def take_files(pulled: RegistryImage, wanted: Sequence[str], folder: Path, progress: Progress) -> Front:
    """Write the files of these paths (without a leading `/`) below `folder`, as many as the image has.

    Deletions in upper layers count. Raises `Malformed` for a damaged layer and one that is not its digest's,
    `Missing` where the registry cannot be reached.
    """
    front = Front()
    sought = set(wanted)
    for layer in reversed(pulled.layers):
        title = f"fetch layer {layer.digest[7:19]} of {pulled.registry.reference.name} as far as needed"
        taking = _Taking(frozenset(sought), folder)
        with (
            pulled.registry.alone(layer.digest, progress),
            progress.step(title),
            pulled.registry.blob(layer.digest, layer.size) as stream,
        ):
            where = f"{pulled.registry.reference}: {layer.digest[:19]}"
            with forgotten_where_wrong(stream):
                ended = taking.read(stream, where)
                if ended:
                    stream.drain()
                    check_blob(stream, layer.digest, layer.size, where)
        if not ended:
            front.part = layer.digest
        front.files |= taking.files
        sought -= set(taking.files) | taking.hidden
        if not sought:
            break
    return front


@define
class _Taking:
    """One layer being read."""

    sought: frozenset[str]
    folder: Path
    files: dict[str, Path] = field(factory=dict)
    hidden: set[str] = field(factory=set)
    """What the layers below may have and is deleted here."""

    def read(self, stream: Stream, where: str) -> bool:
        """Whether the layer was read to its end; stops once everything sought is out."""
        archive = _Chunks(expanded(stream, where, _MOST_LAYER))
        for member, content in read_tar(archive, where):
            self.hidden |= _hidden_by(member, self.sought)
            if member.name in self.sought and member.kind == "file":
                self.files[member.name] = _write(content, member, self.folder, where)
                if self.sought <= set(self.files):
                    return False
        return True


def _hidden_by(member: TarMember, sought: Iterable[str]) -> set[str]:
    """Which of the files that layers below may have are deleted by a member (layer.md, "Whiteouts")."""
    above, name = posixpath.split(member.name)
    if not name.startswith(".wh."):
        return set()
    gone = above if name == ".wh..wh..opq" else posixpath.join(above, name[4:])
    return {path for path in sought if path == gone or path.startswith(f"{gone}/" if gone else "")}


def _write(content: Limited, member: TarMember, folder: Path, where: str) -> Path:
    if member.size > _MOST_FILE:
        raise Malformed(f"{where}:{member.name}", None, f"at most {_MOST_FILE} bytes", str(member.size))
    path = folder / member.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            while piece := content.read(CHUNK):
                file.write(piece)
    except OSError as error:
        raise atomic.explained(error, path) from error
    return path


class _Chunks:
    """Chunks as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._pending = b""

    def read(self, size: int) -> bytes:
        """See `Stream.read`."""
        if not self._pending:
            self._pending = next(self._chunks, b"")
        data, self._pending = self._pending[:size], self._pending[size:]
        return data
