"""Overlays that a driver carries in its own bytes and applies itself, by of_overlay_fdt_apply."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from bootwright.formats.devicetree.fdt import Node, parse_fdt
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import BootwrightError
from bootwright.predict.kernel.drivers import KernelFacts

_MAGIC = b"\xd0\x0d\xfe\xed"
_LARGEST = 1 << 20
"""Bytes of an overlay; that of RP1 in Linux 6.18 has 2 kB."""
_MOST = 4_096
"""Places that begin like a devicetree which are looked at: an Image of Debian has none or a few."""


def own_overlay(kernel: KernelFacts, module: str | None, compatibles: tuple[str, ...]) -> Node | None:
    """What an overlay in a driver's bytes puts on a node that it is for: the `__overlay__` node.

    Looked for in the module's file, or for a built-in driver in the Image; it is for a device whose
    compatible it sets. None where there is none, or the bytes are not here.
    """
    if kernel.carried is not None:
        blobs = kernel.carried.get(module or "", ())
        contents = [content for blob in blobs for content in _fragments(blob, kernel.name)]
        return next((content for content in contents if set(content.compatible) & set(compatibles)), None)
    if module is None:
        path = kernel.image
    elif kernel.modules is not None and kernel.tree is not None and module in kernel.modules:
        path = kernel.tree / kernel.modules.path(module)
    else:
        return None
    if path is None:
        return None
    for content in _contents(path, module is not None):
        if set(content.compatible) & set(compatibles):
            return content
    return None


def carried_overlays(kernel: KernelFacts) -> dict[str, tuple[bytes, ...]]:
    """Module → the overlays in its file that `own_overlay` would find; the Image's under no name."""
    blobs: dict[str, tuple[bytes, ...]] = {}
    paths = {"": kernel.image} if kernel.image is not None else {}
    if kernel.modules is not None and kernel.tree is not None:
        paths |= {name: kernel.tree / kernel.modules.path(name) for name in sorted(kernel.modules.names)}
    for name, path in paths.items():
        with contextlib.suppress(BootwrightError, OSError):
            inside = [blob for blob in _blobs(_bytes(path, bool(name))) if [*_fragments(blob, str(path))]]
            if inside:
                blobs[name] = tuple(inside)
    return blobs


@lru_cache(maxsize=32)
def _contents(path: Path, is_module: bool) -> tuple[Node, ...]:
    with contextlib.suppress(BootwrightError, OSError):
        blobs = _blobs(_bytes(path, is_module))
        return tuple(content for blob in blobs for content in _fragments(blob, str(path)))
    return ()


def _bytes(path: Path, is_module: bool) -> bytes:
    if is_module:
        from bootwright.formats.modules.module_file import unpack_module

        return unpack_module(path.read_bytes(), str(path))
    from bootwright.formats.kernel.arm64_image import unwrapped

    source = unwrapped(FileBytes(path))[0]
    return source.read(0, source.size)


def _blobs(data: bytes) -> Iterator[bytes]:
    """What begins like a devicetree among some bytes, as long as it says."""
    at = data.find(_MAGIC)
    for _ in range(_MOST):
        if at < 0:
            return
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        if size <= _LARGEST:
            yield data[at : at + size]
        at = data.find(_MAGIC, at + 4)


def _fragments(blob: bytes, name: str) -> Iterator[Node]:
    """The `__overlay__` nodes of an overlay that go onto the node it is applied to; none of anything else.

    That is a fragment with an empty `target-path` (drivers/of/overlay.c find_target, Linux 6.12).
    """
    with contextlib.suppress(BootwrightError):
        for fragment in parse_fdt(blob, name).root.children:
            content = fragment.child("__overlay__")
            if content is not None and fragment.string("target-path") == "":
                yield content
