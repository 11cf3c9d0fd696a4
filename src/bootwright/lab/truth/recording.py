"""What a guest stated of its devices (`probes/truth.c`): read from its console, and kept as JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from attrs import asdict, field, frozen

from bootwright.foundation.errors import Malformed

SCHEMA = "bootwright/truth/3"
_OLDER = "bootwright/truth/2"
"""Without `loaded`."""
_MOST_FDT = 4 << 20
"""Bytes of devicetree: the kernel takes no more than 2 MiB (Documentation/arch/arm64/booting.rst)."""
_ADAPTER = re.compile(r"i2c-\d+")
"""An I2C adapter is on its own bus, with the node of its controller or of a multiplexer's channel."""
_SHADOWS = frozenset(
    {
        "gpio",
        "nvmem",
        "iio",
        "serial-base",
        "genpd_provider",
        "event_source",
        "workqueue",
        "clocksource",
        "nd",
    }
)
# drivers/base/dd.c call_driver_probe, Linux 6.9 and later: `macb ff0e0000.ethernet: probe with driver macb
# failed …`
_FAILED = re.compile(
    r"(?:.* )?(\S+): probe with driver (.+) (?:failed with error|rejects match) -(\d{1,9})(?!\d)"
)
# The same before: `macb: probe of ff0e0000.ethernet failed with error -22`; a driver's name may have spaces.
_FAILED_BEFORE = re.compile(r"(.+): probe of (\S+) (?:failed with error|rejects match) -(\d{1,9})(?!\d)")


@frozen
class Device:
    """A device that has a devicetree node."""

    node: str
    bus: str
    name: str
    driver: str | None

    @property
    def is_shadow(self) -> bool:
        """Whether it is no device of its own, but repeats the node of another or is a part of one."""
        return self.bus in _SHADOWS or (self.bus == "i2c" and _ADAPTER.fullmatch(self.name) is not None)


@frozen
class Interface:
    """A network interface of a device."""

    name: str
    node: str
    """The node of its device, or of the nearest device above that has one; empty where none has."""
    driver: str | None
    dhcp: str
    """The address leased, or what kept it from having one: `no-carrier`, `dhcp-discover ETIMEDOUT`, …;
    empty for an interface without a device."""

    @property
    def leased(self) -> bool:
        """Whether a DHCP server gave it an address."""
        return re.fullmatch(r"\d+(\.\d+){3}", self.dhcp) is not None


@frozen
class Failure:
    """A probe that returned an error other than -EPROBE_DEFER."""

    device: str
    driver: str
    errno: int
    """Positive."""


@frozen
class Truth:
    """What a guest had after everything settled."""

    machine: str
    kernel: str
    release: str
    qemu: str
    devices: tuple[Device, ...]
    interfaces: tuple[Interface, ...]
    deferred: tuple[tuple[str, str], ...]
    """(device, reason) of what is still waiting."""
    failures: tuple[Failure, ...]
    failed_modules: tuple[tuple[str, str], ...]
    fdt: bytes
    """The devicetree as the guest had it; empty in a brief recording."""
    loaded: tuple[str, ...] = ()
    """Names of the modules that were in the kernel in the end; none in recordings of form 2."""

    def bound(self) -> dict[str, str]:
        """Node → driver, for every node that has a device with one."""
        drivers: dict[str, str] = {}
        for device in self.devices:
            if device.driver is not None and not device.is_shadow:
                drivers.setdefault(device.node, device.driver)
        return drivers

    def present(self) -> frozenset[str]:
        """Nodes that have a device."""
        return frozenset(device.node for device in self.devices if not device.is_shadow)

    def node_of(self) -> dict[str, str]:
        """Device's name → node."""
        return {device.name: device.node for device in self.devices if not device.is_shadow}


@frozen
class _Stated:
    """What has been read so far."""

    devices: set[Device] = field(factory=set)
    interfaces: dict[str, tuple[str, str | None]] = field(factory=dict)
    dhcp: dict[str, str] = field(factory=dict)
    deferred: list[str] = field(factory=list)
    failures: set[Failure] = field(factory=set)
    modules: set[tuple[str, str]] = field(factory=set)
    fdt: dict[int, bytes] = field(factory=dict)
    loaded: set[str] = field(factory=set)

    def device(self, rest: str) -> None:
        words = rest.split(" ")
        if len(words) == 4:
            bus, name, driver, node = words
            self.devices.add(Device(node, bus, name, _given(driver)))

    def interface(self, rest: str) -> None:
        words = rest.split(" ")
        if len(words) == 3:
            self.interfaces[words[0]] = (_given(words[1]) or "", _given(words[2]))

    def address(self, rest: str) -> None:
        name, _, result = rest.partition(" ")
        self.dhcp[name] = result.strip()

    def waiting(self, rest: str) -> None:
        self.deferred.append(rest)

    def failure(self, rest: str) -> None:
        if (match := _FAILED.match(rest)) is not None:
            self.failures.add(Failure(match[1], match[2], int(match[3])))
        elif (match := _FAILED_BEFORE.match(rest)) is not None:
            self.failures.add(Failure(match[2], match[1], int(match[3])))

    def module(self, rest: str) -> None:
        path, _, why = rest.partition(" ")
        if why:
            self.modules.add((path, why))

    def in_kernel(self, rest: str) -> None:
        self.loaded.add(rest.strip())

    def block(self, rest: str) -> None:
        at, _, digits = rest.partition(" ")
        if at.isdigit() and int(at) < _MOST_FDT and _is_hex(digits):
            self.fdt[int(at)] = bytes.fromhex(digits)

    def read(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        take = _KINDS.get(kind)
        if take is not None:
            take(self, rest)


_KINDS: dict[str, Callable[[_Stated, str], None]] = {
    "device": _Stated.device,
    "interface": _Stated.interface,
    "dhcp": _Stated.address,
    "deferred": _Stated.waiting,
    "failed": _Stated.failure,
    "module": _Stated.module,
    "fdt": _Stated.block,
    "loaded": _Stated.in_kernel,
}


def parse(
    console: bytes, mark: str, *, machine: str, kernel: str, release: str, emulator: str
) -> Truth | None:
    """The guest's statements in a console, or None where it did not reach their end.

    Raises `Malformed` where lines of it were lost.
    """
    numbered: dict[int, str] = {}  # a line comes twice where an early and a real console are both on
    stated = _Stated()
    for line in _lines(console, mark):
        digits, _, rest = line.partition(" ")
        if re.fullmatch(r"[0-9]{1,7}", digits):
            numbered[int(digits)] = rest
        else:
            stated.read(line)  # as modules are loaded, before everything is stated
    last = next((number for number, words in numbered.items() if words == "end"), None)
    if last is None:
        return None
    for number in range(last):
        if number not in numbered:
            raise Malformed("the guest's console", None, f"line {number} of {last}", "none: it was lost")
        stated.read(numbered[number])
    return Truth(
        machine=machine,
        kernel=kernel,
        release=release,
        qemu=emulator,
        devices=tuple(sorted(stated.devices, key=lambda device: (device.node, device.bus, device.name))),
        interfaces=tuple(
            Interface(name, node, driver, stated.dhcp.get(name, ""))
            for name, (node, driver) in sorted(stated.interfaces.items())
        ),
        deferred=tuple(sorted(set(_deferred(stated.deferred, {device.name for device in stated.devices})))),
        failures=tuple(sorted(stated.failures, key=lambda failure: (failure.device, failure.driver))),
        failed_modules=tuple(sorted(stated.modules)),
        fdt=_devicetree(stated.fdt) if stated.fdt else b"",
        loaded=tuple(sorted(stated.loaded)),
    )


def _deferred(lines: list[str], names: set[str]) -> Iterator[tuple[str, str]]:
    """(device, reason) of each line; a reason without a line end of its own runs into the next device."""
    for line in lines:
        device, *parts = line.split("\t")
        for part in parts[:-1]:
            following = max((name for name in names if part.endswith(name)), key=len, default="")
            yield device.strip(), part.removesuffix(following).strip()
            device = following
        yield device.strip(), "".join(parts[-1:]).strip()


def _devicetree(blocks: dict[int, bytes]) -> bytes:
    """The blocks in order, without the padding that emulators put after the last one (header word 1)."""
    whole = bytearray()
    for at in sorted(blocks):
        if at != len(whole):
            raise Malformed(
                "the guest's console", len(whole), "the next part of the devicetree", f"that of {at}"
            )
        whole += blocks[at]
    return bytes(whole[:4]) + len(whole).to_bytes(4, "big") + bytes(whole[8:])


def _lines(console: bytes, mark: str) -> Iterator[str]:
    """What the guest stated."""
    wanted = f"{mark}: truth "
    for line in console.decode(errors="replace").replace("\r", "").split("\n"):
        _, separator, rest = line.partition(wanted)
        if separator:
            yield rest


def _given(word: str) -> str | None:
    return None if word == "-" else word


def _is_hex(text: str) -> bool:
    return bool(text) and len(text) % 2 == 0 and all(char in "0123456789abcdef" for char in text)


def to_json(truth: Truth) -> str:
    """For a fixture: the devicetree compressed, everything else readable."""
    document: dict[str, Any] = {"schema": SCHEMA, **asdict(truth)}
    document["fdt"] = base64.b64encode(zlib.compress(truth.fdt, 9)).decode()
    document["fdt_sha256"] = hashlib.sha256(truth.fdt).hexdigest()
    document["devices"] = [[device.node, device.bus, device.name, device.driver] for device in truth.devices]
    document["failures"] = [[failure.device, failure.driver, failure.errno] for failure in truth.failures]
    return json.dumps(document, indent=None, separators=(",", ":")).replace('],["/', '],\n["/') + "\n"


def from_json(text: str, where: str) -> Truth:
    """A fixture; raises `Malformed`."""
    try:
        document = json.loads(text)
        if document["schema"] not in {SCHEMA, _OLDER}:
            raise Malformed(
                where, None, f"a recorded truth of the form {SCHEMA}", str(document["schema"])[:60]
            )
        packed = zlib.decompressobj()
        fdt = packed.decompress(base64.b64decode(document["fdt"]), _MOST_FDT)
        if packed.unconsumed_tail or not packed.eof:
            raise Malformed(
                where, None, f"a devicetree of at most {_MOST_FDT} bytes", "more, or a part of one"
            )
        return Truth(
            machine=_text(document["machine"]),
            kernel=_text(document["kernel"]),
            release=_text(document["release"]),
            qemu=_text(document["qemu"]),
            devices=tuple(
                Device(_text(row[0]), _text(row[1]), _text(row[2]), row[3] and _text(row[3]))
                for row in document["devices"]
            ),
            interfaces=tuple(
                Interface(
                    _text(row["name"]),
                    _text(row["node"]),
                    row["driver"] and _text(row["driver"]),
                    _text(row["dhcp"]),
                )
                for row in document["interfaces"]
            ),
            deferred=tuple((_text(row[0]), _text(row[1])) for row in document["deferred"]),
            failures=tuple(
                Failure(_text(row[0]), _text(row[1]), int(row[2])) for row in document["failures"]
            ),
            failed_modules=tuple((_text(row[0]), _text(row[1])) for row in document["failed_modules"]),
            fdt=fdt,
            loaded=tuple(_text(name) for name in document.get("loaded", ())),
        )
    except (ValueError, KeyError, IndexError, TypeError, RecursionError, zlib.error) as error:
        raise Malformed(where, None, "a recorded truth", repr(error)[:200]) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = f"{str(value)[:60]} is not text"
        raise TypeError(message)
    return value
