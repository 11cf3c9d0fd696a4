"""A kernel and an initramfs of the user's, looked at before an image is made with them."""

from __future__ import annotations

from pathlib import Path

from bootwright.formats.archives.initramfs import InitramfsTree, read_segments
from bootwright.formats.kernel.arm64_image import read_kernel_image
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import Malformed, Refused

_AGAIN = "copy or build it again"


def check_initramfs(path: Path) -> None:
    """Raises `Refused` with the reason for a file that no kernel can unpack."""
    source = FileBytes(path)
    try:
        InitramfsTree(source.name, read_segments(source))
    except Malformed as error:
        at = "" if error.offset is None else f" at byte {error.offset:#x}"
        reason = f"expected {error.expected}{at}, found {error.found}"
        raise Refused(f"{path} is no initramfs: {reason}", hint=_AGAIN) from error


def check_kernel(path: Path) -> None:
    """Raises `Refused` for a kernel cut short; one in a package is looked at where it is taken out."""
    source = FileBytes(path)
    try:
        short = read_kernel_image(source).cut_short
    except Malformed:
        return  # a package, or what is refused as no kernel where it is taken apart
    if short:
        raise Refused(f"{path}: {short}", hint=_AGAIN)
