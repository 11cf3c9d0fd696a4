"""Whether a driver's probe function can succeed with what a node has; walks are made once and kept.

A walk's outcome depends on nothing but the driver's code and the answers it got, so that another node, or the
same one tomorrow, needs no walk where its answers are the same.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

from bootwright.formats.kernel.built_in import Driver
from bootwright.formats.modules.module_index import ModuleIndex
from bootwright.foundation.cache import DEMANDS
from bootwright.foundation.kept.shelf import Shelf, load, pack
from bootwright.foundation.kept.shelf import read as read_shelf
from bootwright.foundation.knowledge import files_of
from bootwright.predict.probing.terms import BOOT_CODE, BOUND, OF_CHILD, Ask, Ending, Outcome, There

if TYPE_CHECKING:
    from bootwright.predict.probing.code import Examiner

_FORMAT = 13
"""Counts up with every change of what a walk finds."""
_TABLE = "walks"
_BUSES = frozenset({"platform", "amba", "spi", "i2c", BOOT_CODE})
"""Whose structures are known; boot code is given a node."""
_PAUSE = 5.0
"""Seconds between two writes."""
_MOST_OUTCOMES = 64
"""Kept of one driver."""


@frozen
class _Kept:
    answers: tuple[tuple[str, There], ...]
    outcome: Outcome

    @cached_property
    def whole(self) -> Outcome:
        """With what the answers tell besides."""
        waits = tuple(question for question, _ in self.answers if question.startswith(BOUND))
        about = any(question.startswith(OF_CHILD) for question, _ in self.answers)
        disabled = tuple(question for question, there in self.answers if there is There.DISABLED)
        if not (waits or about or disabled):
            return self.outcome
        return evolve(self.outcome, waits=waits, about_children=about, disabled=disabled)


@define(eq=False)
class _Question:
    """What a driver asks next, and what each answer leads to: another question, or the end of a walk."""

    text: str
    after: dict[There, _Question | _Kept] = field(factory=dict)


@define(eq=False)
class _Walks:
    """The walks through one driver that are known, by their questions: each is asked once."""

    kept: list[_Kept]
    wait: bool = field(default=False, init=False)
    """Whether one of them asked for another device."""
    _first: _Question | _Kept | None = field(default=None, init=False)
    _others: list[_Kept] = field(factory=list, init=False)
    """Those that ask something else after the same answers, as a damaged file may have them."""

    def __attrs_post_init__(self) -> None:
        """By their questions."""
        for walk in self.kept:
            self._place(walk)

    def add(self, walk: _Kept) -> None:
        """Another one."""
        self.kept.append(walk)
        self._place(walk)

    def matching(self, ask: Ask) -> _Kept | None:
        """The walk that these answers lead to; None where it is not known."""
        step = self._first
        while isinstance(step, _Question):
            step = step.after.get(ask(step.text))
        if step is None and self._others:
            fitting = (
                walk
                for walk in self._others
                if all(ask(question) is answer for question, answer in walk.answers)
            )
            step = next(fitting, None)
        return step

    def _place(self, walk: _Kept) -> None:
        self.wait = self.wait or any(question.startswith(BOUND) for question, _ in walk.answers)
        if self._first is None:
            self._first = _Question(walk.answers[0][0]) if walk.answers else walk
        if not walk.answers:
            if self._first is not walk:
                self._others.append(walk)
            return
        step: _Question | _Kept | None = self._first
        following = [question for question, _ in walk.answers[1:]]
        for (question, answer), coming in zip_longest(walk.answers, following):
            if not isinstance(step, _Question) or step.text != question:
                self._others.append(walk)
                return
            if coming is None:
                if answer in step.after:
                    self._others.append(walk)
                step.after.setdefault(answer, walk)
            else:
                step = step.after.setdefault(answer, _Question(coming))


@define(eq=False, slots=False)
class Probes:
    """The probe functions of one kernel."""

    identity: str
    """Names the content of the kernel's image and modules."""
    image: Path
    built_in: Callable[[str, str], Driver | None]
    """The built-in driver of a name, with a compatible where one is given."""
    modules: ModuleIndex | None
    tree: Path | None
    """The folder of the modules."""
    of_node: int
    """Offset of `of_node` in this kernel's `struct device`; 0 where it is not known."""
    given: Shelf | None = None
    """Walks that were made elsewhere (`packed`), where the code is not here: no other is made."""
    _kept: dict[str, _Walks] = field(factory=dict, init=False)
    """What was looked up or walked, by driver."""
    _new: bool = False
    _saved: float = 0.0

    def outcome(self, driver: str, module: str | None, bus: str, compatible: str, ask: Ask) -> Outcome | None:
        """What becomes of a driver's probe with these answers; None where its code cannot be followed.

        Of `BOOT_CODE` the driver is the kind of early table.
        """
        if bus not in _BUSES:
            return None
        walks = self._walks_of(driver, module, bus, compatible)
        known = walks.matching(ask)
        if known is not None:
            return known.whole
        if self.given is not None:
            return None
        walked, outcome = self._examiner.examine(driver, module, bus, compatible, ask)
        walk = _Kept(walked.asked, outcome)
        if len(walks.kept) < _MOST_OUTCOMES:
            walks.add(walk)
            self._new = True
        return walk.whole

    def may_wait(self, driver: str, module: str | None, bus: str, compatible: str) -> bool:
        """Whether some walk through a driver asked for another device, or none was made yet."""
        walks = self._walks_of(driver, module, bus, compatible)
        return not walks.kept or walks.wait

    def _walks_of(self, driver: str, module: str | None, bus: str, compatible: str) -> _Walks:
        key = "|".join((module or "", driver, bus, compatible))
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Walks(_kept_of(self._stored.get(_TABLE, key)))
        return kept

    @cached_property
    def _examiner(self) -> Examiner:
        from bootwright.predict.probing.code import Examiner  # rarely needed, and slow to import

        return Examiner(self.image, self.built_in, self.modules, self.tree, self.of_node)

    @cached_property
    def _store(self) -> Path:
        digest = hashlib.sha256(f"{_FORMAT}\0{self.identity}".encode())
        for path in files_of("demands").values():
            digest.update(path.read_bytes())
        return DEMANDS.folder() / f"{digest.hexdigest()[:32]}.shelf"

    def packed(self) -> bytes:
        """The walks that were made so far, as `given` takes them once `unpacked` has read them."""
        walks = {**dict(self._stored.rows(_TABLE)), **_to_json(self._kept)}
        return pack({_TABLE: dict(sorted(walks.items()))}, form=_FORMAT)

    @cached_property
    def _stored(self) -> Shelf:
        """As in the file: of many drivers, few are asked about."""
        if self.given is not None:
            return self.given
        DEMANDS.used(self._store)
        return load(self._store, form=_FORMAT) or Shelf.of({})

    def save(self, *, at_once: bool = False) -> None:
        """Keep what was walked for the next time; what another process kept of the same driver meanwhile may
        be walked again.

        Thousands of devicetrees one after another write it now and then, and at the end; `at_once` is for a
        process that has no end of its own.
        """
        if not self._new:
            return
        now = time.monotonic()
        if self._saved and now - self._saved < _PAUSE and not at_once:
            self._at_end  # noqa: B018 - registers once
            return
        self._write()
        self._saved = now

    @cached_property
    def _at_end(self) -> bool:
        atexit.register(self._write)
        return True

    def _write(self) -> None:
        if self._new:
            stored = load(self._store, form=_FORMAT) or self._stored
            walks = {**dict(stored.rows(_TABLE)), **_to_json(self._kept)}
            DEMANDS.write(self._store, pack({_TABLE: walks}, form=_FORMAT))
            self._new = False


def unpacked(content: bytes) -> Shelf | None:
    """The walks that `Probes.packed` gave; None where they are of another version, or damaged."""
    return read_shelf(content, form=_FORMAT)


def _to_json(kept: Mapping[str, _Walks]) -> dict[str, Any]:
    return {
        key: [
            [
                [[q, a.value] for q, a in outcome.answers],
                outcome.outcome.ending.value,
                outcome.outcome.errors,
                outcome.outcome.blamed,
            ]
            for outcome in walks.kept
        ]
        for key, walks in kept.items()
    }


def _kept_of(rows: Any) -> list[_Kept]:  # noqa: ANN401 - what a file holds
    """The walks of one driver; none where the file was damaged."""
    with contextlib.suppress(ValueError, TypeError):
        return [
            _Kept(
                tuple((str(q), There(a)) for q, a in answers),
                Outcome(Ending(ending), tuple(int(error) for error in errors), str(blamed)),
            )
            for answers, ending, errors, blamed in rows
        ]
    return []
