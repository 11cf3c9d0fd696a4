"""What a call asks for, by the registers it is made with, and what it returns in vain."""

from __future__ import annotations

from bootwright.formats.code.a64_state import Value
from bootwright.formats.code.linked_code import Code
from bootwright.predict.probing.calls import Call
from bootwright.predict.probing.terms import There

_ENTRY_SIZE = 200
"""`sizeof(struct of_device_id)`."""
_COMPATIBLE_AT = 64
_MOST_ENTRIES = 128


def name_of(code: Code, registers: list[Value], call: Call) -> str:
    """The name of what is asked for; empty for none, `?` where it is not known."""
    if call.fixed:
        return call.fixed
    register = call.name if call.name is not None else call.property
    if register is None or registers[register] == 0:
        return ""
    return code.string(registers[register]) or "?"


def index_of(registers: list[Value], call: Call, name: str) -> str:
    """The position of what is asked for. Names go before positions, but for lines of a GPIO."""
    if call.index is None or (name and not call.asks.endswith(("gpios", "ref"))):
        return "0"
    value = registers[call.index]
    return str(value & 0xFFFFFFFF) if isinstance(value, int) else "?"


def error_of(call: Call, there: There, registers: list[Value]) -> int:
    """What a call returns where it does not get what it asks for."""
    if there is There.DISABLED:
        return call.disabled
    if there is There.BROKEN:
        return call.broken
    return 0 if call.may_lack(dict(enumerate(registers[:8]))) else call.missing


def table_entry(code: Code, table: int, compatible: str) -> int | None:
    """The address of the entry of a table of `struct of_device_id` with a compatible; None without one."""
    for place in range(table, table + _ENTRY_SIZE * _MOST_ENTRIES, _ENTRY_SIZE):
        text = code.string(place + _COMPATIBLE_AT)
        if not text:
            return None
        if text == compatible:
            return place
    return None
