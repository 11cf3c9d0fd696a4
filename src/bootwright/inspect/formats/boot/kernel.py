"""arm64 kernels, bare or wrapped."""

from __future__ import annotations

from bootwright.formats.kernel.arm64_image import read_kernel_image, unwrapped
from bootwright.formats.kernel.config import read_kernel_config
from bootwright.formats.programs.pe import is_pe
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.facts import Item, ItemKind, Origin, Problem, Value, facts_at
from bootwright.inspect.format import Context, Format
from bootwright.inspect.formats.texts.kernel_config import config_item


def kernel(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """An arm64 kernel, bare or wrapped."""
    image = read_kernel_image(source)
    explorer.spend(image.file_size)
    origin = Origin(source.name, 0, source.size)
    values: dict[str, Value] = {
        "release": image.release,
        "page_size": image.page_size,
        "banner": image.banner,
        "image_size": image.image_size,
        "file_size": image.file_size,
        "efi_stub": image.efi_stub,
        "wrapping": list(image.wrapping) or None,
        "endianness": "big" if image.big_endian else None,
    }
    children: tuple[Item, ...] = ()
    try:
        config = read_kernel_config(unwrapped(source)[0])
    except BootwrightError:
        pass  # built without CONFIG_IKCONFIG=y
    else:
        children = (config_item(config, Origin(source.name), "embedded configuration"),)
    problems = (Problem(image.cut_short, "copy or build it again", origin),) if image.cut_short else ()
    return Item(ItemKind.KERNEL, name, origin, facts_at(origin, values), children, problems, image, source)


def _matches(source: ByteSource, head: bytes) -> bool:
    bare = len(head) >= 64 and head[56:60] == b"ARM\x64"
    return bare or (head[4:8] == b"zimg" and is_pe(source))


FORMAT = Format(
    name="kernel",
    title="arm64 kernel image",
    documentation="Documentation/arch/arm64/booting.rst, section 4; zboot-header.S (Linux 6.12)",
    limits="lz4 and lzo payloads are named, not read",
    describe=kernel,
    matches=_matches,
    order=10,
    names=(
        r"(.*/)?(vmlinu[xz]|image|zimage|bzimage|kernel|linux)([-_.]?[\d.][^/]*|[-_.](img|gz|xz|zst|efi))?",
        r"(.*/)?(kernel[\w-]*\.img|vmlinu[xz][^/]*|[zb]image)",
    ),
    name_order=110,
    fits=frozenset({ItemKind.KERNEL, ItemKind.UKI, ItemKind.COMPRESSED}),
)
