"""U-Boot's boot.scr and boot.scr.uimg: what a script starts, as far as its text decides it.

The file is a legacy uImage of the type script (include/image.h, U-Boot 2024.10): a header of 64 bytes, a
table of big-endian sizes that ends with 0, then the text. The text is followed where it is a plain list of
commands (`setenv`, `load`, `booti`, …). A condition, a loop, or a command that computes something makes what
comes after it undecided; that is said, naming the line.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

from attrs import define, field

from bootwright.bootchain.grub.words import LITERAL, commands, text_of
from bootwright.bootchain.model import Chain, Part, Stage
from bootwright.bootchain.volumes import Volume, absolute, file_at, numbered, place, text_at
from bootwright.foundation.errors import Malformed

_MAGIC = 0x27051956
_TYPE_SCRIPT = 6
_HEADER = struct.Struct(">7I4B32s")
_VARIABLE = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_LOADS = frozenset({"load", "fatload", "ext4load", "ext2load", "fsload"})
_IRRELEVANT = frozenset({"echo", "sleep", "mmc", "usb", "part", "true", "fdt", "nvme", "scsi", "sf", "env"})
"""Commands that change neither what is loaded nor what is started, in the forms that are looked at."""
_MOST_TEXT = 1 << 20
_MOST_VALUE = 16384


def script_text(data: bytes, name: str) -> str:
    """The text of a boot script, in its uImage or bare; raises `Malformed`."""
    if len(data) < _HEADER.size or struct.unpack_from(">I", data)[0] != _MAGIC:
        return text_of(data, name)
    fields = _HEADER.unpack_from(data)
    size, kind = fields[3], fields[9]
    if kind != _TYPE_SCRIPT:
        raise Malformed(name, 30, f"a uImage of the type script ({_TYPE_SCRIPT})", f"type {kind}")
    body = data[_HEADER.size : _HEADER.size + size]
    if len(body) < size or size > _MOST_TEXT:
        raise Malformed(name, 12, f"a script of {size} bytes in the file", f"{len(body)} bytes")
    at, sizes = 0, []
    while True:
        if at + 4 > len(body):
            raise Malformed(name, _HEADER.size + at, "the end of the table of sizes", "the end of the file")
        (length,) = struct.unpack_from(">I", body, at)
        at += 4
        if not length:
            break
        sizes.append(length)
    if not sizes:
        raise Malformed(name, _HEADER.size, "the size of a script", "none")
    return text_of(body[at : at + sizes[0]], name)


def script_chain(
    volumes: Sequence[Volume], volume: Volume, path: str, stages: Sequence[Stage], prefix: str
) -> Chain:
    """What the script at a path starts; `prefix` is the folder U-Boot found it in.

    A script that cannot be followed is a chain without a kernel, which says why. Raises `Malformed`.
    """
    where = place(volume, path)
    script_stages = (*stages, Stage("boot script", where))
    text = script_text(text_at(volume, path) or b"", where)
    return _Script(volumes, volume, where, script_stages, prefix).run(text)


@define
class _Script:
    volumes: Sequence[Volume]
    volume: Volume
    where: str
    stages: tuple[Stage, ...]
    prefix: str
    variables: dict[str, str] = field(factory=dict)
    loaded: dict[str, Part] = field(factory=dict)
    """Address, as it is written once variables are filled in → the file loaded there."""

    def run(self, text: str) -> Chain:
        partition = self.volume.partition
        self.variables |= {"devtype": "mmc", "devnum": "0", "prefix": self.prefix, "boot_prefix": self.prefix}
        # Files without a partition are those of the one the script was found on, whatever its number.
        number = partition.number if partition is not None else 1
        self.variables["distro_bootpart"] = f"{number:x}"
        for line, words in commands(text):
            if words[0] in {"if", "for", "while", "until", "case"} or {"&&", "||", "|"} & set(words):
                return self.undecided(line, f"the command {' '.join(words)[:60]!r}")
            made = self.command(line, words)
            if made is not None:
                return made
        return self.undecided(None, "it starts no kernel by booti")

    def undecided(self, line: int | None, reason: str) -> Chain:
        at = self.where if line is None else f"{self.where}, line {line}"
        why = f"what the script starts cannot be determined: {at}: {reason}"
        return Chain(kind="script", stages=self.stages, unknown=(why,))

    def command(self, line: int, words: list[str]) -> Chain | None:
        """Follow one command; a chain where it starts something, or cannot be followed."""
        command = words[0]
        if command == "env" and len(words) > 1 and words[1] == "set":
            command, words = "setenv", words[1:]
        if command == "setenv" and len(words) > 1:
            value = " ".join(self.filled(word) for word in words[2:])[:_MOST_VALUE]
            self.variables[words[1]] = value
        elif "=" in command and len(words) == 1:
            key, _, value = command.partition("=")
            self.variables[key] = self.filled(value)
        elif command in _LOADS:
            return self.load(line, [self.filled(word) for word in words[1:]])
        elif command == "booti":
            return self.booti(line, [self.filled(word) for word in words[1:]])
        elif command == "part" and words[1:2] == ["uuid"]:
            self.part_uuid([self.filled(word) for word in words[2:]])
        elif command == "env" or command not in _IRRELEVANT:
            return self.undecided(line, f"the command {' '.join(words)[:60]!r} is not followed")
        return None

    def filled(self, word: str) -> str:
        """The word with the variables the script has set; others stay as they are written."""

        def text(match: re.Match[str]) -> str:
            return self.variables.get(match[1] or match[2], match[0])

        return _VARIABLE.sub(text, word)[:_MOST_VALUE].replace(LITERAL, "$")

    def load(self, line: int, words: list[str]) -> Chain | None:
        """`load <interface> <device>[:<partition>] <address> <file>`."""
        if len(words) < 4:
            return self.undecided(line, "a load without interface, device, address and file")
        _, device, address, name = words[:4]
        if "$" in name or "$" in device.partition(":")[2]:
            return self.undecided(line, f"the value of a variable in {' '.join(words)[:60]!r} is not known")
        volume = self.volume
        number = device.partition(":")[2]
        if number and self.volume.partition is not None:
            try:
                other = numbered(self.volumes, int(number, 16))
            except ValueError:
                other = None
            if other is None:
                return self.undecided(line, f"there is no file system on partition {number}")
            volume = other
        part = Part(volume, absolute(name), f"{self.where}, line {line}")
        if file_at(part.volume, part.path) is None and address in self.loaded:
            return None  # it fails, and what was loaded there before stays
        self.loaded[address] = part
        return None

    def part_uuid(self, words: list[str]) -> None:
        """`part uuid <interface> <device>:<partition> <variable>`."""
        if len(words) != 3:
            return
        try:
            volume = numbered(self.volumes, int(words[1].partition(":")[2], 16))
        except ValueError:
            return
        if volume is not None and volume.partition is not None and volume.partition.uuid:
            self.variables[words[2]] = volume.partition.uuid

    def booti(self, line: int, words: list[str]) -> Chain:
        """`booti <kernel> [<initrd>[:<size>]|-] [<fdt>]`."""
        addresses = [*words, "-", "-", "-"][:3]
        kernel = self.loaded.get(addresses[0])
        if kernel is None:
            return self.undecided(line, f"nothing is loaded at {addresses[0] or 'the address'}")
        ramdisk = self.initrd_address(addresses[1])
        initramfs = self.loaded.get(ramdisk)
        if initramfs is None and ramdisk != "-":
            return self.undecided(line, f"no initramfs is loaded at {ramdisk}")
        arguments = self.variables.get("bootargs", "")
        unknown = [
            f"{self.where}: the argument {word} holds a variable whose value is not known"
            for word in arguments.split()
            if "$" in word
        ]
        return Chain(
            kind="script",
            stages=self.stages,
            title="boot script",
            kernel=kernel,
            initramfs=(initramfs,) if initramfs is not None else (),
            # What is at an address nothing was loaded to is U-Boot's own devicetree.
            devicetree=self.loaded.get(addresses[2]),
            arguments=arguments,
            config=(self.volume, self.where.removeprefix(f"{self.volume.title}:")),
            unknown=tuple(unknown),
        )

    def initrd_address(self, word: str) -> str:
        """The address without its size, which may be a variable (`${ramdisk_addr_r}:${filesize}`)."""
        for address in self.loaded:
            if word == address or word.startswith(f"{address}:"):
                return address
        return word.partition(":")[0]
