"""A walk through a driver's probe function: can it succeed with what a devicetree node has?

Every way through the machine code is followed, with what is known of registers and memory. Where the driver
asks for a clock, an interrupt, a register block, … the node answers: there, missing or broken. A probe that
returns an error on every way fails for certain; one way that may succeed is enough for "may".

What is not known goes both ways: the results of other functions, and what they leave in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from attrs import define, field

from bootwright.formats.code.a64_branch import branches
from bootwright.formats.code.a64_state import MASK64, POSITIVE, ZERO, State, Symbol, Value, signed
from bootwright.formats.code.a64_step import load, plus, step
from bootwright.formats.code.linked_code import OWN, OWN_SIZE, Code
from bootwright.predict.probing.asked import error_of, index_of, name_of, table_entry
from bootwright.predict.probing.calls import Bulk, Call, Calls
from bootwright.predict.probing.memory import (
    HEAP,
    LARGEST_CLEARED,
    NODES,
    OBJECT,
    STACK,
    Visits,
    forget,
    widen,
)
from bootwright.predict.probing.reach import DEEPEST, NEAR, Asking
from bootwright.predict.probing.terms import OF_CHILD, Ask, Ending, Entry, There, Walked

_OF_NODE = NODES
_PARENT, _CHILD, _OTHER_CHILD = NODES + 0x1_0000, NODES + 0x2_0000, NODES + 0x3_0000
"""The node above, the child node that is asked about, and one of which nothing is known."""
_NODE_SIZE = 256
_RETURN = 0xFFFF_0005_0000_0000
"""Where the probe function returns to."""
_MOST_STEPS = 20_000
_PLATFORM_DATA = 112
"""Offset of `platform_data` in `struct device`: struct kobject (64 bytes) and six pointers before it
(include/linux/device.h, Linux 6.12). Devices of a devicetree have none."""
_BUS = 96
"""Offset of `bus` in `struct device`."""
_RESOURCES = {0x100: "io", 0x200: "reg", 0x400: "interrupts"}
"""IORESOURCE_IO, IORESOURCE_MEM and IORESOURCE_IRQ (include/linux/ioport.h)."""
_MOST_IN_BULK = 16


class _Way(IntEnum):
    """What becomes of a way at a call or a return."""

    ON = 0
    OVER = 1
    """An error is returned, or nothing is."""
    OUT = 2
    """The probe may have succeeded."""


@define
class Walk:
    """One walk."""

    code: Code
    calls: Calls
    entry: Entry
    ask: Ask
    asking: Asking
    of_node: int = 0
    """Offset of `of_node` in `struct device`; 0 where that is not known beforehand."""
    asked: dict[str, There] = field(factory=dict)
    _node_at: int | None = None
    """Offset of `of_node` in what the probe function is given, once a call has shown it."""
    _steps: int = 0
    _numbers: dict[tuple[object, ...], int] = field(factory=dict)
    _lost: bool = False
    _errors: set[int] = field(factory=set)

    def run(self) -> Walked:
        """Follow every way, the successful ones first; ends as soon as one may succeed."""
        if self.of_node:
            self._node_at = self.entry.device_at + self.of_node
            return Walked(self._all_ways(), tuple(sorted(self._errors)), tuple(self.asked.items()))
        ending = self._all_ways()
        if self._node_at is not None:
            # Where the node is was learnt on the way: once more, with a node that is there.
            self._steps, self._lost = 0, False
            self._errors.clear()
            ending = self._all_ways()
        return Walked(ending, tuple(sorted(self._errors)), tuple(self.asked.items()))

    def _all_ways(self) -> Ending:
        first = State(self.entry.address)
        first.x[0], first.x[30], first.x[31] = _OF_NODE if self.entry.of_node else OWN, _RETURN, STACK
        first.memory[OWN + self.entry.device_at + _PLATFORM_DATA] = (8, 0)
        if self._node_at is not None:
            first.memory[OWN + self._node_at] = (8, _OF_NODE)
        if self.entry.bus_type:
            first.memory[OWN + self.entry.device_at + _BUS] = (8, self.entry.bus_type)
        pending, seen = [first], set[tuple[object, ...]]()
        visits: Visits = {}
        while pending:
            state = pending.pop()
            widen(state, visits)
            key = state.key()
            if key in seen:
                continue
            seen.add(key)
            following = self._to_next_fork(state)
            if following is None:
                return Ending.MAY_SUCCEED
            pending.extend(following)
            if self._steps > _MOST_STEPS:
                return Ending.UNDECIDED
        return Ending.UNDECIDED if self._lost else Ending.FAILS

    def _to_next_fork(self, state: State) -> list[State] | None:
        """The states at the next fork, the best last; None where the probe may have succeeded."""
        while True:
            self._steps += 1
            word = self.code.word(state.pc) if not state.pc & 3 else None
            if word is None or self._steps > _MOST_STEPS:
                self._lost = True
                return []
            way = _Way.ON
            if word & 0x7C000000 == 0x14000000:  # B, BL
                way = self._go(state, self.code.target(state.pc, word), linked=bool(word >> 31))
            elif word & 0xFFFFFC1F == 0xD63F0000 or word & 0xFEFFF800 == 0xD63F0800:  # BLR
                pointed = state.x[word >> 5 & 31]
                if isinstance(pointed, int) and self.code.has_body(pointed):
                    way = self._go(state, pointed, linked=True)
                else:
                    self._opaque(state)
                    state.pc += 4
            elif word & 0xFFFFFC1F == 0xD65F0000 or word in {0xD65F0BFF, 0xD65F0FFF}:  # RET
                way = self._returns(state)
            elif word & 0xFE000000 == 0xD6000000:  # BR and others: where it leads is not known
                self._lost = True
                return []
            else:
                ways = branches(state, word)
                if ways is None:
                    step(state, word, self.code)
                    continue
                following = [_taken(state, target, learn) for target, learn in ways]
                if len(following) != 1:
                    return following
                state = following[0]
            if way is _Way.OUT:
                return None
            if way is _Way.OVER:
                return []

    def _go(self, state: State, target: int, *, linked: bool) -> _Way:
        """A branch to a function, or on within this one."""
        name = self.code.name(target)
        if name is None and not linked:
            state.pc = target
            return _Way.ON
        if name in self.calls.never_returns:
            return _Way.OVER
        if name in self.entry.registers:
            return _Way.OUT
        if name is None or not self._answers(state, name):
            if (
                self.code.has_body(target)
                and self._is_near(state, target)
                and len(state.frames) < DEEPEST
                and self.asking.asks(target)
            ):
                if linked:
                    state.frames = (*state.frames, state.pc + 4)
                state.pc = target
                return _Way.ON
            self._opaque(state)
        if linked:
            state.pc += 4
            return _Way.ON
        return self._returns(state)

    def _is_near(self, state: State, target: int) -> bool:
        if self.entry.of_node:  # what runs once lies apart from what it calls
            return not state.frames or abs(target - state.pc) < NEAR
        return not self.code.is_large or abs(target - self.entry.address) < NEAR

    def _returns(self, state: State) -> _Way:
        if state.frames:
            *before, state.pc = state.frames
            state.frames = tuple(before)
            for register in range(1, 18):
                state.x[register] = None
            state.flags = None
            return _Way.ON
        if self.entry.registers:
            return _Way.OVER
        result = state.x[0]
        if isinstance(result, int):
            number = signed(result, 32)
            if number >= 0:
                return _Way.OUT
            self._errors.add(-number)
            return _Way.OVER
        # What is not 0 is an error: probe functions return no positive numbers.
        return _Way.OVER if isinstance(result, Symbol) and not result.signs & ZERO else _Way.OUT

    def _number(self, state: State, what: object) -> int:
        """A number for what comes of a call: the same each time a walk gets there."""
        return self._numbers.setdefault((state.pc, state.frames, what), len(self._numbers) + 1)

    def _result(self, state: State, value: Value, *, changes: bool = True) -> None:
        """Return from a call: what a callee may change is no longer known (AAPCS64, section 6.1)."""
        for place in state.x[:8] if changes else ():
            forget(state, place)
        for register in range(18):
            state.x[register] = None
        state.flags = None
        state.x[0] = value & MASK64 if isinstance(value, int) else value

    def _opaque(self, state: State) -> None:
        """A function of which nothing is known."""
        self._result(state, Symbol(("call", self._number(state, "opaque"))))

    def _pointer(self, state: State) -> int:
        return HEAP + self._number(state, "pointer") * OBJECT

    def _answers(self, state: State, name: str) -> bool:
        """Whether it is a function whose result is known; then it has returned."""
        known, x = self.calls, state.x
        asked_for = known.by_name.get(name)
        if asked_for is not None:
            self._asks(state, asked_for)
        elif name in known.echo:
            self._result(state, x[known.echo[name]])
        elif name in known.of_resource:
            given = x[known.of_resource[name]]
            if isinstance(given, int):
                self._result(state, self._pointer(state) if given else -22)
            else:
                self._opaque(state)
        elif name in known.of_interrupt or name in known.of_nothing:
            given = x[known.of_interrupt.get(name, 0)]
            if given == 0:
                self._result(state, -22 if name in known.of_interrupt else 0)
            else:
                self._opaque(state)
        elif name in known.next_child:
            self._next_child(state, x[0], x[known.next_child[name]])
        elif name in known.parent:
            self._result(state, _PARENT if self._is_own_node(x[0]) else self._anything(state))
        elif name in known.clears:
            self._clear(state)
        elif name in known.allocates:
            self._result(state, self._pointer(state))
        elif name in known.match_data or name in known.match_entry:
            table = x[0] if name in known.match_entry else self.entry.table
            entry = table_entry(self.code, table, self.entry.compatible) if isinstance(table, int) else None
            if entry is None:
                self._opaque(state)
            elif name in known.match_entry:
                self._result(state, entry)
            else:
                self._result(state, self.code.load(entry + 192, 8))
        else:
            return False
        return True

    def _anything(self, state: State) -> Symbol:
        return Symbol(("call", self._number(state, "anything")))

    def _next_child(self, state: State, above: Value, last: Value) -> None:
        """The child that is asked about, then another one where there are several, then none.

        Of what is below another node than the device's own nothing is known.
        """
        if not (self._is_own(above) or self._is_own_node(above)):
            self._opaque(state)
        elif last == 0:
            there = self._question(f"{OF_CHILD}exists||0")
            self._result(state, _CHILD if there is There.YES else 0)
        elif _is_at(last, _CHILD):
            there = self._question(f"{OF_CHILD}has brothers||0")
            self._result(state, _OTHER_CHILD if there is There.YES else 0)
        elif _is_at(last, _OTHER_CHILD):
            self._result(state, 0)
        else:
            self._opaque(state)

    def _clear(self, state: State) -> None:
        """memset(place, value, size)."""
        place, value, size = state.x[:3]
        self._result(state, place)
        if value == 0 and isinstance(place, int) and isinstance(size, int) and size <= LARGEST_CLEARED:
            for address in range(place, place + (size & ~3), 4):
                state.memory[address] = (4, 0)

    def _asks(self, state: State, asked_for: tuple[Call, ...]) -> None:
        given: Value = 0
        there = There.YES
        for call in asked_for:
            if any(self._question(f"property|{name}|0") is There.YES for name in call.unless):
                continue
            there = self._there(state, call)
            if there is There.UNKNOWN:
                given = Symbol(("call", self._number(state, "asked")))
            elif there is There.YES:
                given = self._given(state, call)
            else:
                given = error_of(call, there, state.x)
            if isinstance(given, Symbol) or (isinstance(given, int) and given < 0):
                break
        # What asks in vain fills in nothing.
        self._result(state, given, changes=there in {There.YES, There.UNKNOWN})

    def _given(self, state: State, call: Call) -> Value:
        if call.gives == "zero":
            return 0
        if call.gives == "truth":
            return 1
        if call.gives == "positive":
            return Symbol(("call", self._number(state, "given")), POSITIVE)
        return self._pointer(state)

    def _there(self, state: State, call: Call) -> There:
        x = state.x
        if call.device is not None and not self._is_own(x[call.device]):
            return There.UNKNOWN
        asks = call.asks
        if call.node is not None:
            node = x[call.node]
            if _is_at(node, _PARENT) and asks == "bound":
                return self._question("bound|parent|0")
            if _is_at(node, _CHILD):
                asks = f"{OF_CHILD}{asks}"
            elif asks == "bound":
                return self._question(f"provider|{call.fixed}|0") if call.fixed else There.UNKNOWN
            elif not self._is_own_node(node):
                return There.UNKNOWN
        if call.resource is not None:
            kind = x[call.resource]
            asks = _RESOURCES.get(kind, "") if isinstance(kind, int) else ""
            if not asks:
                return There.UNKNOWN
            if asks == "interrupts":
                return There.MISSING  # not made of a devicetree's (commit a1a2b7125e10, Linux 5.18)
        if call.bulk is not None:
            return self._there_in_bulk(state, call, call.bulk)
        name = name_of(self.code, x, call)
        index = "*" if call.all else index_of(x, call, name)
        if name == "?" and index == "?":
            return There.UNKNOWN
        return self._question(f"{asks}|{name}|{index}")

    def _there_in_bulk(self, state: State, call: Call, bulk: Bulk) -> There:
        count, array = state.x[bulk.count], state.x[bulk.array]
        if not isinstance(count, int) or not 0 < count <= _MOST_IN_BULK:
            return self._question(f"{call.asks}||*")
        for position in range(count):
            place = load(state, plus(array, position * bulk.stride), 8, self.code)
            name = self.code.string(place)
            if not name and isinstance(array, int) and self.code.is_zeroed(array + position * bulk.stride):
                name = ""  # without a name it gets the first: drivers/clk/clk.c clk_get, Linux 6.12
            elif not name:  # which they are is not known, only how many
                return self._question(f"{call.asks}|?|{count}")
            there = self._question(f"{call.asks}|{name}|0")
            if there is not There.YES:
                return there
        return There.YES

    def _question(self, question: str) -> There:
        if question not in self.asked:
            self.asked[question] = self.ask(question)
        return self.asked[question]

    @staticmethod
    def _is_own(device: Value) -> bool:
        """Of a device that was loaded from somewhere nothing is known; it is hardly ever another one."""
        return device is None or (isinstance(device, int) and OWN <= device < OWN + OWN_SIZE)

    def _is_own_node(self, node: Value) -> bool:
        if isinstance(node, Symbol) and node.name[0] == "field":
            if self._node_at is None:
                self._node_at = node.name[1]
            return self._node_at == node.name[1]
        return _is_at(node, _OF_NODE)


def _is_at(value: Value, node: int) -> bool:
    """Whether it points to a node, or to the fwnode_handle in it."""
    return isinstance(value, int) and node - _NODE_SIZE < value < node + _NODE_SIZE


def _taken(state: State, target: int, learn: Callable[[State], None] | None) -> State:
    other = state.copy()
    other.pc = target
    if learn is not None:
        learn(other)
    return other
