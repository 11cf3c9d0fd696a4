"""Why an option that was asked for is not as asked: the dependency, selection or choice that took it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import define, frozen

from bootwright.foundation.choices import near
from bootwright.workshop.configuring.expression import LETTERS, Atom, Expression, level, symbols, unmet
from bootwright.workshop.configuring.kconfig import Definition, Option, Options
from bootwright.workshop.configuring.options import Asked

_LEVELS = {"n": 0, "m": 1, "y": 2}
_MOST_STEPS = 6
"""How far down a chain of dependencies it goes."""


@frozen
class Lost:
    """An option that did not stick."""

    name: str
    """Without `CONFIG_`."""
    asked: Asked
    became: str
    """Its value in the configuration: `n`, `m`, `y`, a number or a text."""
    because: str
    """What took it, in words, with the line of Kconfig."""
    remedy: str | None
    """What to do, where it is known."""
    by_machine: bool = False
    """Whether the compiler, or a program of this machine, is what it waits for."""

    def __str__(self) -> str:
        return f"CONFIG_{self.name}={self.asked.value} ({self.asked.by}) became {self.became}: {self.because}"


def lost_options(asked: Mapping[str, Asked], values: Mapping[str, str], options: Options) -> tuple[Lost, ...]:
    """Each option whose value in the configuration is another than was asked for, with the reason.

    `values` are the configuration's by name without `CONFIG_`, as they stand in the file (texts in quotes).
    """
    explainer = _Explainer(asked, values, options)
    return tuple(
        explainer.lost(name, wanted)
        for name, wanted in asked.items()
        if not same(values.get(name, "n"), wanted.value)
    )


def same(value: str, other: str) -> bool:
    """Whether two values mean the same: 0x10 is 16, and an empty text is as good as unset."""
    if value == other or {value, other} == {"n", '""'}:
        return True
    try:
        return int(value, 0) == int(other, 0)
    except ValueError:
        return False


@define
class _Explainer:
    asked: Mapping[str, Asked]
    values: Mapping[str, str]
    options: Options
    machine: bool = False
    """Whether what was explained last ended at what the machine decides."""

    def value(self, name: str) -> str:
        return self.values.get(name, "n").strip('"')

    def lost(self, name: str, wanted: Asked) -> Lost:
        became = self.values.get(name, "n")
        self.machine = False
        because, remedy = self._reason(name, wanted.value, became)
        return Lost(name, wanted, became, because, remedy, self.machine)

    def _reason(self, name: str, wanted: str, became: str) -> tuple[str, str | None]:
        option = self.options.by_name.get(name)
        if option is None or not option.definitions:
            return self._unknown(name)
        if wanted not in _LEVELS:
            return self._number(option, wanted)
        if _LEVELS[wanted] < _LEVELS.get(became, 0):
            return self._too_much(option, wanted)
        if not option.has_prompt:
            return self._hidden(option)
        if wanted == "m" and option.type == "bool":
            return f"it is a bool, which can be y or n ({option.definitions[0].place})", f"CONFIG_{name}=y"
        rival = self._rival(option)
        if rival is not None:
            return rival
        return self._unmet(option, _LEVELS[wanted])

    def _unknown(self, name: str) -> tuple[str, str | None]:
        known = [option.name for option in self.options.by_name.values() if option.definitions]
        meant = near(name, known, most=2, alike=0.8)
        return (
            "this kernel has no such option",
            f"did you mean {' or '.join(f'CONFIG_{name}' for name in meant)}?" if meant else
            "it came with a later version, left with an earlier one, or is another tree's",
        )  # fmt: skip

    def _number(self, option: Option, wanted: str) -> tuple[str, str | None]:
        if wanted.startswith('"') != (option.type == "string") and option.type:
            return f"its type is {option.type} ({option.definitions[0].place})", None
        for definition in option.definitions:
            if definition.range is not None and self._met(definition, 1):
                low, high = definition.range
                return f"its range is {low} to {high} ({definition.place})", None
        if not option.has_prompt:
            return self._hidden(option)
        return self._unmet(option, 1)

    def _too_much(self, option: Option, wanted: str) -> tuple[str, str | None]:
        active = [
            selection
            for selection in option.selected
            if _LEVELS.get(self.value(selection.by), 0) > _LEVELS[wanted]
            and (selection.condition is None or level(selection.condition, self.value) != 0)
        ]
        if active:
            first = active[0]
            who = f", which {self.asked[first.by].by} asks for" if first.by in self.asked else ""
            return (
                f"CONFIG_{first.by}={self.value(first.by)} selects it ({first.place}){who}",
                f"CONFIG_{first.by}=n" if self.options.by_name[first.by].has_prompt else None,
            )
        if wanted == "m" and self.value("MODULES") == "n":
            return "there are no modules without CONFIG_MODULES=y", "CONFIG_MODULES=y"
        if wanted == "m" and option.type == "bool":
            return f"it is a bool, which can be y or n ({option.definitions[0].place})", None
        if not option.has_prompt:
            return self._hidden(option)
        choice = next((d.choice for d in option.definitions if d.choice is not None), None)
        if choice is not None:
            others = ", ".join(f"CONFIG_{member}" for member in choice.members if member != option.name)
            return (
                f"of a choice one must be on ({choice.place})",
                f"ask for another one: {others}" if others else None,
            )
        return f"its definition keeps it on ({option.definitions[0].place})", None

    def _hidden(self, option: Option) -> tuple[str, str | None]:
        place = option.definitions[0].place
        if self.options.decided_by_machine(option.name):
            self.machine = True
            return f"the compiler and the programs of this machine decide it ({place})", None
        by = [f"CONFIG_{selection.by}" for selection in option.selected[:3]]
        more = f" and {len(option.selected) - 3} more" if len(option.selected) > 3 else ""
        if by:
            return f"nobody can ask for it; these select it: {', '.join(by)}{more} ({place})", f"{by[0]}=y"
        return f"nobody can ask for it: its own default decides ({place})", None

    def _rival(self, option: Option) -> tuple[str, str | None] | None:
        """The other member of its choice, where its own conditions are met."""
        for definition in option.definitions:
            choice = definition.choice
            if choice is None or not self._met(definition, 2):
                continue
            for other in choice.members:
                if other != option.name and self.value(other) == "y":
                    who = f", which {self.asked[other].by} asks for" if other in self.asked else ""
                    return (
                        f"of this choice CONFIG_{other} is on{who} ({choice.place})",
                        f"ask for one of them only: CONFIG_{option.name} or CONFIG_{other}",
                    )
        return None

    def _met(self, definition: Definition, wanted: int) -> bool:
        return not any(True for _ in self._failing(definition, wanted))

    def _failing(self, definition: Definition, wanted: int) -> Iterator[Expression]:
        for condition in (*definition.depends, *definition.visible):
            yield from unmet(condition, self.value, wanted)

    def _unmet(self, option: Option, wanted: int) -> tuple[str, str | None]:
        """The chain of dependencies down to one that can be asked for."""
        steps: list[str] = []
        seen = {option.name}
        current = option
        for _ in range(_MOST_STEPS):
            definition = self._nearest(current, wanted)
            failing = list(self._failing(definition, self._limit(current, wanted)))
            if not failing:
                if current is option:
                    return f"nothing that Kconfig says explains it ({definition.place})", None
                return "; ".join(steps), self._add(current.name, wanted) + self._also(option, wanted)
            condition = failing[0]
            steps.append(self._step(current, definition, condition, others=len(failing) - 1))
            following = self._following(condition, seen)
            if following is None:
                return "; ".join(steps), None
            if not following.has_prompt:
                words, remedy = self._hidden(following)
                return "; ".join((*steps, f"CONFIG_{following.name}: {words}")), remedy
            if following.name in self.asked and self.asked[following.name].value == "n":
                return (
                    "; ".join(steps),
                    f"{self.asked[following.name].by} switches CONFIG_{following.name} off: leave that out",
                )
            seen.add(following.name)
            current = following
        return "; ".join(steps), None

    def _step(self, option: Option, definition: Definition, condition: Expression, *, others: int) -> str:
        reached = level(condition, self.value)
        if reached is None or any(map(self.options.decided_by_machine, symbols(condition))):
            self.machine = True
        if reached is None:
            state = ", which the compiler or a program of this machine decides"
        elif isinstance(condition, Atom):
            state = (
                ", which this kernel has not" if self._absent(condition) else f", which is {LETTERS[reached]}"
            )
        else:
            named = dict.fromkeys(symbols(condition))
            state = f" (with {', '.join(f'{name}={self.value(name)}' for name in named)})" if named else ""
        more = f", and on {others} more that are not met" if others else ""
        return f"CONFIG_{option.name} depends on {condition}{state}{more} ({definition.place})"

    def _absent(self, atom: Atom) -> bool:
        option = self.options.by_name.get(atom.text)
        return option is None or not option.definitions

    def _nearest(self, option: Option, wanted: int) -> Definition:
        """Of several definitions that with the fewest conditions that are not met."""
        asked_for = [
            definition for definition in option.definitions if definition.prompt is not None
        ] or option.definitions
        return min(
            asked_for,
            key=lambda definition: len(list(self._failing(definition, self._limit(option, wanted)))),
        )

    @staticmethod
    def _limit(option: Option, wanted: int) -> int:
        """The level that its conditions must reach: of a bool any but n (kconfig-language.rst)."""
        return min(wanted, 1) if option.type != "tristate" else wanted

    def _following(self, condition: Expression, seen: set[str]) -> Option | None:
        """The one option of a condition that would have to be on; None where there is not one alone."""
        if not isinstance(condition, Atom) or condition.macro or condition.text in seen:
            return None
        option = self.options.by_name.get(condition.text)
        return option if option is not None and option.definitions else None

    def _also(self, option: Option, wanted: int) -> str:
        """The other conditions that it lacks, of those that can be asked for."""
        failing = list(self._failing(self._nearest(option, wanted), self._limit(option, wanted)))[1:]
        names = [
            f"CONFIG_{atom.text}"
            for atom in failing
            if isinstance(atom, Atom)
            and (other := self.options.by_name.get(atom.text)) is not None
            and other.has_prompt
        ]
        return f", and it needs {' and '.join(names)} too" if names else ""

    def _add(self, name: str, wanted: int) -> str:
        option = self.options.by_name[name]
        letter = "y" if option.type != "tristate" or self.value("MODULES") == "n" else LETTERS[wanted]
        return f"add CONFIG_{name}={letter}"
