"""A recorded call as a run of instructions: which really ran, in which function's frame, and where from."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain

from attrs import frozen

from bootwright.formats.code.a64_flow import LINK, SP, Access, Flow, Kind, flow
from bootwright.formats.code.a64_state import MASK64, signed
from bootwright.lab.trace.log import CpuLog
from bootwright.lab.trace.record import RecordedCall

_PAGE = 4096


@frozen
class Frame:
    """One call of a function, from its first instruction to its return."""

    parent: int
    """The number of the caller's frame; -1 for the first."""
    call: int
    """The record of the call, or of the instruction that an exception came before; -1 for the first."""
    is_exception: bool


class Run:
    """A recorded call. Records are numbered from 0; `len(log)` stands for the state behind the last."""

    def __init__(self, recorded: RecordedCall) -> None:
        self.log: CpuLog = recorded.log
        self._code = recorded.code
        self._handler, self._returns_to = recorded.handler, recorded.log.pc(len(recorded.log))
        self._flows: dict[int, Flow | None] = {}
        self._writing: dict[int, frozenset[int]] = {}
        self._stretches: dict[int, list[range]] = {}
        self.frames: list[Frame] = [Frame(-1, -1, is_exception=False)]
        self.frame_of = array("i")
        """The frame of each record."""
        self.switched = False
        """Whether a return led where no call had come from: another task ran meanwhile."""
        self._frame_all()

    def word(self, pc: int) -> int | None:
        """The instruction at an address, or None where memory was not read."""
        page = self._code.get(pc & -_PAGE)
        at = pc & (_PAGE - 1)
        return None if page is None else int.from_bytes(page[at : at + 4], "little")

    def flow(self, pc: int) -> Flow | None:
        """What the instruction at an address does."""
        if pc not in self._flows:
            word = self.word(pc)
            self._flows[pc] = None if word is None else flow(word)
        return self._flows[pc]

    def ran(self, index: int) -> bool:
        """Whether the instruction of a record ran; else an exception came first, or it was logged twice."""
        pc, behind = self.log.pc(index), self.log.pc(index + 1)
        step = self.flow(pc)
        if step is None:
            return False
        match step.kind:
            case Kind.PLAIN:
                return behind == pc + 4
            case Kind.JUMP:
                return behind == pc + (step.jump or 0)
            case Kind.CALL:  # or the call was left out: what other tasks do is not recorded
                return behind in {pc + (step.jump or 0), pc + 4}
            case Kind.CONDITIONAL:
                return behind in {pc + 4, pc + (step.jump or 0)}
            case Kind.INDIRECT_JUMP | Kind.INDIRECT_CALL | Kind.RETURN:
                # Signed pointers have their code in bits above 47, but for bit 55.
                register = step.reads[0] if step.reads else LINK
                return not (self.log.register(index, register) ^ behind) & ((1 << 48) - 1)
            case Kind.EXCEPTION_RETURN:
                return behind != pc
            case Kind.TRAP:
                return False

    def address(self, index: int, access: Access) -> int:
        """Where the load or store of a record begins."""
        address = self.log.register(index, access.base) + access.offset
        if access.index is not None:
            value = 0 if access.index == SP else self.log.register(index, access.index)
            if access.extend in {2, 6}:
                value = signed(value & 0xFFFFFFFF, 32) if access.extend == 6 else value & 0xFFFFFFFF
            address += value << access.shift
        return address & MASK64

    def _frame_all(self) -> None:
        pcs = self.log.pcs
        frame = 0
        returns = [self._returns_to]
        if pcs[0] != self._handler:  # an interrupt was due at the call's first instruction
            frame = self._enter(frame, -1, is_exception=True)
            returns.append(self._handler)
        straight = self._straight_on
        begin = 0
        # Most instructions lead to the next one: the others decide.
        for index, (pc, behind) in enumerate(zip(pcs, (*pcs[1:], self._returns_to), strict=True)):
            if behind == pc + 4 and pc in straight:
                continue
            self._in_frame(frame, begin, index + 1)
            begin = index + 1
            step = self.flow(pc)
            if not self.ran(index):
                if behind != pc:
                    frame = self._enter(frame, index, is_exception=True)
                    returns.append(pc)
            elif step is None or (step.kind is Kind.CALL and behind == pc + 4):
                continue
            elif step.kind in {Kind.CALL, Kind.INDIRECT_CALL}:
                frame = self._enter(frame, index, is_exception=False)
                returns.append(pc + 4)
            elif step.kind in {Kind.RETURN, Kind.EXCEPTION_RETURN}:
                frame = self._leave(frame, returns, behind)
        self._in_frame(frame, begin, len(pcs))

    def _in_frame(self, frame: int, begin: int, end: int) -> None:
        if begin < end:
            self.frame_of.extend([frame] * (end - begin))
            self._stretches.setdefault(frame, []).append(range(begin, end))

    def records_of(self, frame: int) -> Iterator[int]:
        """The records of a frame, without those of what it calls."""
        return chain.from_iterable(self._stretches.get(frame, ()))

    def last(self, index: int, places: frozenset[int]) -> int:
        """The last record up to `index` of an instruction at one of these addresses; -1 without one."""
        pcs = self.log.pcs
        return next((at for at in range(index, -1, -1) if pcs[at] in places), -1)

    def writing(self, register: int) -> frozenset[int]:
        """The addresses of the instructions that write a register."""
        if register not in self._writing:
            self._writing[register] = self._places(lambda step: register in step.writes)
        return self._writing[register]

    @cached_property
    def storing(self) -> frozenset[int]:
        """The addresses of the instructions that store."""
        return self._places(lambda step: step.access is not None and step.access.stores)

    def _places(self, wanted: Callable[[Flow], bool]) -> frozenset[int]:
        return frozenset(pc for pc, step in self._steps.items() if step is not None and wanted(step))

    @cached_property
    def _steps(self) -> dict[int, Flow | None]:
        """The instructions that ran, each once."""
        return {pc: self.flow(pc) for pc in set(self.log.pcs)}

    @cached_property
    def _straight_on(self) -> frozenset[int]:
        """Instructions that enter and leave no function where the next one comes behind them."""
        leading = self._places(lambda step: step.kind not in {Kind.PLAIN, Kind.CONDITIONAL})
        return frozenset(self._steps.keys() - leading)

    def _enter(self, frame: int, index: int, *, is_exception: bool) -> int:
        self.frames.append(Frame(frame, index, is_exception))
        return len(self.frames) - 1

    def _leave(self, frame: int, returns: list[int], behind: int) -> int:
        """The frame that a return leads back to; `returns[0]` is the first frame's own return address."""
        left = frame
        for depth in range(len(returns) - 1, 0, -1):
            left = self.frames[left].parent
            if returns[depth] == behind:
                del returns[depth:]
                return left
        if behind != returns[0]:
            self.switched = True
        return frame
