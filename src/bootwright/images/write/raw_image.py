"""Compressed images: expanded once, sparse, kept in the cache by hash; and written so where asked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bootwright.formats.sources.bytesource import FileBytes
from bootwright.formats.sources.compressed import DEFAULT_LIMIT, Expansion, announced_size
from bootwright.formats.sources.spool import digest, spool, spooled
from bootwright.formats.sources.streams import compression_of
from bootwright.foundation import atomic, tools
from bootwright.foundation.cache import EXPANDED
from bootwright.foundation.errors import Malformed, Missing
from bootwright.foundation.progress import Progress

_COMPRESSORS: dict[str, tuple[str, ...]] = {
    # Two threads always: one makes other bytes than several. In blocks, so that any part can be read alone.
    ".xz": ("xz", "--threads=2", "--block-size=16MiB", "-1"),
    ".zst": ("zstd", "--quiet", "--rm", "-T2", "-3"),
    ".gz": ("gzip", "--no-name", "-6"),
}
"""By the name's ending: the program that puts its output beside its input and removes that."""


def raw_image(path: Path, source: FileBytes, progress: Progress) -> Path:
    """The image as a file that is not compressed: itself, or its expanded form in the cache.

    Raises `Malformed` for a broken stream, `Missing` for a full disk.
    """
    kind = compression_of(source)
    if kind is None:
        return path
    key = digest(source)
    kept = EXPANDED.folder() / key
    name = f"{path}:{kind}"
    if spooled(key, name) is None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(kept.parent).free
        progress.note(
            f"{path} is expanded into the cache, which takes {_at_most(source, kind)}; "
            f"{free / 1e6:.0f} MB are free on the disk of {kept.parent}"
        )
        _check_start(source, kind, name)
        chunks = iter(Expansion(source, kind))
        spool(source, kind, chunks, key=key, name=name, limit=DEFAULT_LIMIT, progress=progress)
    if not kept.is_file():
        raise Missing(f"the expanded form of {path} is gone from the cache", hint="run it again")
    return kept


def _check_start(source: FileBytes, kind: str, name: str) -> None:
    """Raises `Malformed` unless it starts as disks do: what is none, or a bomb, is not expanded first."""
    start = next(iter(Expansion(source, kind)), b"")
    if start[510:512] != b"\x55\xaa" and b"EFI PART" not in {start[512:520], start[4096:4104]}:
        raise Malformed(name, 510, "a disk image (an MBR or a GPT)", "neither", hint="is it the right file?")


def _at_most(source: FileBytes, kind: str) -> str:
    size = announced_size(source, kind)
    if size is None:
        return "as much as it holds beside zeros (the file does not say how much)"
    return f"at most {size / 1e6:.0f} MB (zeros take none)"


def is_compressed(output: Path) -> bool:
    """Whether an image of that name is to be written compressed."""
    return output.suffix.lower() in _COMPRESSORS


def compress(image: Path, output: Path, progress: Progress) -> Path:
    """`image`, compressed as the name `output` asks, in a file beside it; `image` itself is gone then."""
    suffix = output.suffix.lower()
    command = _COMPRESSORS[suffix]
    program = tools.need(command[0], purpose=f"write a {suffix} image")
    with progress.step(f"compress {output.name}"):
        tools.run([program, *command[1:], image], timeout=3600)
    made = image.with_name(image.name + suffix)
    handle = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        raise atomic.explained(error, output) from error
    finally:
        os.close(handle)
    return made
