"""A kernel's build configuration: `.config`, `/boot/config-…`, `/proc/config.gz`, or the copy in an Image.

Format: Documentation/kbuild/kconfig-language.rst and scripts/kconfig/confdata.c (Linux 6.12). The copy in
an Image is a gzip between the marks `IKCFG_ST` and `IKCFG_ED` (kernel/configs.c, CONFIG_IKCONFIG=y).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import field, frozen

from bootwright.formats.sources.bytesource import ByteSource, Part
from bootwright.formats.sources.streams import CHUNK, Decompressed, SourceStream, compression, everything
from bootwright.foundation.errors import Malformed
from bootwright.foundation.versions import Version

_START = b"IKCFG_ST"
_END = b"IKCFG_ED"
_MOST = 16 << 20
_SET = re.compile(r"(CONFIG_[A-Za-z0-9_]+)=(.*)")
_UNSET = re.compile(r"# (CONFIG_[A-Za-z0-9_]+) is not set")
# scripts/kconfig/confdata.c conf_write: "# " rootmenu.prompt, which is in Kconfig of the source tree.
_HEAD = re.compile(r"^# Linux/(\w+) (\S+) Kernel Configuration$", re.M)
# Every architecture's last menu (lib/Kconfig.debug), closed like every menu since Linux 5.2 (confdata.c).
_LAST = "# end of Kernel hacking"
_CLOSES_MENUS = Version.from_toml("5.2")
_PAGES = {"CONFIG_ARM64_4K_PAGES": 4096, "CONFIG_ARM64_16K_PAGES": 16384, "CONFIG_ARM64_64K_PAGES": 65536}


@frozen
class KernelConfig:
    """The options of one kernel."""

    options: Mapping[str, str] = field(repr=False)
    """Name (with `CONFIG_`) → `y`, `m`, a number, or a string without its quotes. Unset ones are absent."""
    unset: frozenset[str] = field(repr=False)
    """Options the file names as not set; an option in neither is unknown to that kernel, or lacks what it
    depends on, where the file is `whole`."""
    origin: str
    arch: str | None = None
    """As the head of the file says it: `arm64`; None where it does not."""
    version: str | None = None
    """The kernel's, as the head of the file says it: `6.18.15`."""
    whole: bool = True
    """Whether all options are in it: see `is_whole`."""

    def value(self, name: str) -> str | None:
        """`y`, `m`, a number or a string; None where the option is not set or does not exist."""
        return self.options.get(name)

    def says(self, name: str) -> str | None:
        """As `value`, with `n` for an option that is off or empty; None where the file ends before it."""
        if name in self.options:
            return self.options[name] or "n"
        return "n" if self.whole or name in self.unset else None

    def text(self) -> str:
        """The configuration as a file, without its comments."""
        lines = [f"{name}={value}" for name, value in self.options.items()]
        lines += [f"# {name} is not set" for name in sorted(self.unset)]
        return "\n".join([*lines, *([_LAST] if self.whole else [])]) + "\n"

    @property
    def page_size(self) -> int | None:
        """Bytes, from CONFIG_PAGE_SHIFT (since Linux 6.9) or the arm64 choice before; None if neither is."""
        shift = self.options.get("CONFIG_PAGE_SHIFT", "")
        if shift in {"12", "14", "16"}:
            return 1 << int(shift)
        return next((size for name, size in _PAGES.items() if self.options.get(name) == "y"), None)


def is_whole(text: str) -> bool:
    """Whether the text of a configuration has all options: nothing is cut off its end, and it is not one of
    those that only name what differs from the defaults (`make savedefconfig`)."""
    if f"\n{_LAST}" in text:
        return True
    head = _HEAD.search(text)
    version = Version.parse(head[2]) if head is not None else None
    return version is not None and version < _CLOSES_MENUS


def said_in(text: str, name: str) -> str | None:
    """What `KernelConfig.says` would, of a configuration's text that begins with an empty line: a check asks
    for a few of 10,000 options."""
    at = text.find(f"\n{name}=")
    if at < 0:
        return "n" if is_off_in(text, name) or is_whole(text) else None
    return _plain(text[at + 1 :].partition("\n")[0].partition("=")[2].strip()) or "n"


def is_off_in(text: str, name: str) -> bool:
    """Whether the same says that an option is not set."""
    return f"\n# {name} is not set\n" in text


def read_kernel_config(source: ByteSource) -> KernelConfig:
    """The configuration in a text file (bare or compressed), or embedded in a bare Image.

    Raises `Malformed` when there is none.
    """
    text = _text_of(source)
    options: dict[str, str] = {}
    unset: set[str] = set()
    head: re.Match[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if match := _SET.fullmatch(line):
            options[match[1]] = _plain(match[2])
            unset.discard(match[1])
        elif match := _UNSET.fullmatch(line):
            unset.add(match[1])
            options.pop(match[1], None)
        elif head is None and (match := _HEAD.fullmatch(line)):
            head = match
        elif line.strip() and not line.startswith("#"):
            raise Malformed(
                source.name,
                None,
                "CONFIG_NAME=value or a comment",
                f"line {number}: {line[:60]!r}",
                hint="a kernel's configuration is its .config, /boot/config-… or /proc/config.gz",
            )
    if not options:
        raise Malformed(source.name, 0, "a kernel configuration", "no CONFIG_ option that is set")
    return KernelConfig(
        options=options,
        unset=frozenset(unset),
        origin=source.name,
        arch=head[1] if head else None,
        version=head[2] if head else None,
        whole=is_whole(text),
    )


def _text_of(source: ByteSource) -> str:
    head = source.read(0, min(source.size, 64))
    if head[56:60] == b"ARM\x64":
        embedded = _embedded(source)
        if embedded is None:
            raise Malformed(
                source.name,
                None,
                "an embedded configuration (IKCFG_ST)",
                "none",
                hint="the kernel was built without CONFIG_IKCONFIG=y; give its config file",
            )
        source = embedded
        head = source.read(0, min(source.size, 64))
    kind = compression(head)
    if kind:
        stream = Decompressed(SourceStream(source), kind, source.name, limit=_MOST)
        data = everything(stream, limit=_MOST, where=source.name)
    elif source.size > _MOST:
        raise Malformed(source.name, 0, f"a configuration below {_MOST} bytes", f"{source.size} bytes")
    else:
        data = source.read(0, source.size)
    if b"\0" in data:
        raise Malformed(source.name, data.index(b"\0"), "the text of a kernel configuration", "binary data")
    return data.decode("utf-8", errors="replace")


def embedded_config(image: ByteSource) -> bytes | None:
    """The text of the configuration inside a bare Image; None where it was built without one."""
    data = _embedded(image)
    if data is None:
        return None
    stream = Decompressed(SourceStream(data), "gzip", data.name, limit=_MOST)
    return everything(stream, limit=_MOST, where=data.name)


def _embedded(image: ByteSource) -> ByteSource | None:
    start = _find(image, _START, 0)
    if start is None:
        return None
    end = _find(image, _END, start)
    if end is None:
        raise Malformed(image.name, start, "the end of the embedded configuration (IKCFG_ED)", "none")
    first = start + len(_START)
    data = Part(image, first, end - first, f"{image.name}:IKCONFIG")
    if data.read(0, min(2, data.size)) != b"\x1f\x8b":
        raise Malformed(image.name, first, "gzip data after IKCFG_ST", "something else")
    return data


def _find(source: ByteSource, needle: bytes, start: int) -> int | None:
    tail = b""
    for offset in range(start, source.size, CHUNK):
        block = tail + source.read(offset, min(CHUNK, source.size - offset))
        at = block.find(needle)
        if at >= 0:
            return offset - len(tail) + at
        tail = block[-(len(needle) - 1) :]
    return None


def _plain(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value
