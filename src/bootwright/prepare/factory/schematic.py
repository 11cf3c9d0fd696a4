"""What an image factory is asked for: a schematic, read strictly, and the id that the factory gives it.

The fields and their order are those of siderolabs/image-factory pkg/schematic/schematic.go (v1.5.0); the id
is the SHA-256 of the schematic as the factory marshals it, whatever the order and style it was written in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from bootwright.foundation.errors import Malformed, Missing
from bootwright.foundation.structure import key, structure, written
from bootwright.prepare.factory.canonical import Canonical, Unresolved, is_date, is_text, marshal
from bootwright.prepare.factory.yaml_text import MOST_BYTES, Scalar, Value, read_yaml

_TRUE = ("true", "True", "TRUE")
_WORDS: Mapping[str, bool] = dict.fromkeys((*_TRUE, "false", "False", "FALSE"), False) | dict.fromkeys(
    _TRUE, True
)


def _number(most: int) -> Mapping[str, object]:
    def convert(value: object) -> int:
        if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 10:
            raise ValueError("a whole number", value)
        number = int(value)
        if number > most:
            raise ValueError(f"a whole number up to {most}", value)
        if value != str(number):
            raise ValueError(f"the number in decimal, such as {number or 10}", value)
        return number

    return written(Any, convert)


def _truth(value: object) -> bool:
    if not isinstance(value, str) or value not in _WORDS:
        raise ValueError("true or false", value)
    return _WORDS[value]


@frozen
class Overlay:
    """The board's overlay: firmware, boot loader and devicetrees beside Talos."""

    image: str = ""
    name: str = ""
    options: Mapping[str, Any] = field(factory=dict)
    """The overlay's own: `configTxt` and `configTxtAppend` of siderolabs/sbc-raspberrypi."""


@frozen
class MetaValue:
    """One value of the META partition."""

    number: int = field(metadata={**key("key"), **_number(255)})
    value: str = ""


@frozen
class SystemExtensions:
    """Extensions by name, such as `siderolabs/iscsi-tools`."""

    official: tuple[str, ...] = field(default=(), metadata=key("officialExtensions"))


@frozen
class SecureBoot:
    """How keys get into a machine's firmware."""

    enroll_keys: str = field(default="", metadata=key("enrollKeys"))
    well_known: bool = field(
        default=False, metadata={**key("includeWellKnownCertificates"), **written(Any, _truth)}
    )


@frozen
class DiskImage:
    """The disk image's form."""

    sector_size: int = field(default=0, metadata={**key("sectorSize"), **_number(65536)})
    """Bytes; 0 is the default, 512."""


@frozen
class Customization:
    """What is changed about the image."""

    machine_configuration: str = field(default="", metadata=key("embeddedMachineConfiguration"))
    arguments: tuple[str, ...] = field(default=(), metadata=key("extraKernelArgs"))
    """Kernel arguments to add; `-name` takes one of the default ones away."""
    meta: tuple[MetaValue, ...] = ()
    extensions: SystemExtensions = field(factory=SystemExtensions, metadata=key("systemExtensions"))
    bootloader: Literal["", "none", "dual-boot", "sd-boot", "grub"] = ""
    secure_boot: SecureBoot = field(factory=SecureBoot, metadata=key("secureboot"))
    disk_image: DiskImage = field(factory=DiskImage, metadata=key("diskImage"))


@frozen
class Schematic:
    """A whole schematic."""

    owner: str = ""
    overlay: Overlay = field(factory=Overlay)
    customization: Customization = field(factory=Customization)

    def option(self, name: str) -> str:
        """An option of the overlay that is text; empty where it is not given."""
        value = self.overlay.options.get(name, "")
        return value if isinstance(value, str) else ""


def read_schematic(data: bytes, where: str) -> Schematic:
    """The schematic in YAML `data`; `where` names it in errors.

    Raises `Malformed` for what is no YAML, and for keys and values that a schematic does not have, with the
    key that was probably meant.
    """
    document = read_yaml(data, where)
    if document is None:
        raise Malformed(where, 0, "a schematic", "nothing", hint="the empty schematic is `customization: {}`")
    if not isinstance(document, dict):
        raise Malformed(where, 0, "a schematic: overlay, customization", "something else")
    return structure(_without_nulls(document, where, ()), Schematic, where)


def load_schematic(path: Path) -> Schematic:
    """The schematic in a file; raises `Missing`, and `Malformed` as `read_schematic`."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Missing(
            f"cannot read {path}: {error.strerror}",
            hint="check the name; without a schematic of your own: bootwright prepare talos --board NAME",
        ) from error
    return read_schematic(data, str(path))


def schematic_id(schematic: Schematic) -> str:
    """The id that the factory gives it, 64 hexadecimal digits.

    Raises `NotKnown` where how the factory writes a value is not known here.
    """
    return hashlib.sha256(canonical(schematic).encode()).hexdigest()


def canonical(schematic: Schematic) -> str:
    """The schematic as the factory marshals it: empty parts left out, but for `customization`."""
    asked = schematic.customization
    secure, disk = asked.secure_boot, asked.disk_image
    overlay = schematic.overlay
    document: dict[str, Canonical] = {}
    if schematic.owner:
        document["owner"] = schematic.owner
    if overlay.image or overlay.name or overlay.options:
        document["overlay"] = {"image": overlay.image, "name": overlay.name} | _given(
            {"options": dict(sorted(overlay.options.items()))}
        )
    document["customization"] = _given(
        {
            "embeddedMachineConfiguration": asked.machine_configuration,
            "extraKernelArgs": asked.arguments,
            "meta": [{"key": value.number, "value": value.value} for value in asked.meta],
            "systemExtensions": _given({"officialExtensions": asked.extensions.official}),
            "bootloader": asked.bootloader.removeprefix("none"),
            "secureboot": _given(
                {"enrollKeys": secure.enroll_keys, "includeWellKnownCertificates": secure.well_known}
            ),
            "diskImage": _given({"sectorSize": disk.sector_size}),
        }
    )
    return marshal(document)


def _given(values: Mapping[str, Canonical]) -> dict[str, Canonical]:
    """Without what is empty, as `omitempty` leaves it out."""
    return {name: value for name, value in values.items() if value}


def _without_nulls(value: Value, where: str, path: tuple[str, ...]) -> object:
    """What a decoder into declared fields makes of nulls: nothing; options keep theirs, and get types."""
    if path == ("overlay", "options") and isinstance(value, dict):
        return {name: _typed(entry) for name, entry in value.items()}
    if isinstance(value, dict):
        return {
            name: _without_nulls(entry, where, (*path, name))
            for name, entry in value.items()
            if entry is not None
        }
    if isinstance(value, list):
        return [_without_nulls(entry, where, (*path, "")) for entry in value if entry is not None]
    if isinstance(value, Scalar) and value.plain and is_date(value):
        raise Malformed(
            where,
            None,
            f"text as {'.'.join(path).rstrip('.')}",
            f"{value[:40]!r} without quotes, which is a date to the factory, and refused",
            hint="put it in quotes",
        )
    return value


def _typed(value: Value) -> object:
    """A value without a declared type, as go-yaml resolves plain scalars."""
    if isinstance(value, dict):
        return dict(sorted((name, _typed(entry)) for name, entry in value.items()))
    if isinstance(value, list):
        return [_typed(entry) for entry in value]
    if isinstance(value, Scalar) and value.plain and not is_text(value):
        if value in _WORDS:
            return _WORDS[value]
        if value.isascii() and value.isdigit() and (value == "0" or value[0] != "0") and len(value) < 18:
            return int(value)
        return Unresolved(value)
    return value
