"""The checkout's configuration carried over to another kernel, by the kernel's own olddefconfig.

What the compiler of the distribution's build decides stays as the checkout has it: the compiler here is
another one, and its answers are not that build's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import field, frozen

from bootwright.foundation import atomic
from bootwright.foundation.errors import Refused, ToolFailed
from bootwright.foundation.progress import Progress
from bootwright.workshop.building.configure import not_as_asked, read_values
from bootwright.workshop.building.make import Make
from bootwright.workshop.configuring.explain import Lost, lost_options, same
from bootwright.workshop.configuring.expression import level
from bootwright.workshop.configuring.kconfig import Options, read_kconfig
from bootwright.workshop.configuring.options import Asked, Fragment, written

_LINE = re.compile(r"(?:CONFIG_(?P<set>\w+)=.*|# CONFIG_(?P<unset>\w+) is not set)")


@frozen
class OptionChange:
    """An option that is not as the checkout has it."""

    name: str
    """Without `CONFIG_`."""
    before: str | None
    """None: this kernel is the first of the two that has it."""
    after: str | None
    """None: this kernel has no such option."""
    because: str
    prompt: bool = False
    """Whether somebody can ask for it; else it follows from others."""


@frozen
class NewConfig:
    """The configuration for the new kernel."""

    text: str = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    """Options that are set."""
    unasked: Mapping[str, str] = field(repr=False)
    """What they would be without the fragments and the page size."""
    changes: tuple[OptionChange, ...]
    kept: tuple[str, ...]
    """Options that stay as they were, since the compiler decides them."""


def carried_over(
    make: Make, before: Fragment, text: str, asked: Mapping[str, Asked], progress: Progress
) -> NewConfig:
    """The configuration `text`, whose options are `before`, for the tree of `make`, with `asked` in it.

    Raises `Refused` for what the tree does not take, with the reason.
    """
    with progress.step("carry the configuration over"):
        unasked, _ = _olddefconfig(make, text)
        values, made = _olddefconfig(make, f"{text}\n{written(asked)}")
        options = read_kconfig(make.tree)
    waiting = {
        name: option for name, option in asked.items() if not same(values.get(name, "n"), option.value)
    }
    lost = lost_options(waiting, values, options)
    refused = [lost_option for lost_option in lost if not lost_option.by_machine]
    if refused:
        raise not_as_asked(refused, progress)
    differing = {
        name: option
        for name, option in before.options.items()
        if name not in asked and not same(values.get(name, "n"), option.value)
    }
    gone = lost_options(differing, values, options)
    kept = {
        lost_option.name: lost_option.asked.value for lost_option in (*lost, *gone) if lost_option.by_machine
    }
    final = {name: value for name, value in {**values, **kept}.items() if value != "n"}
    for name in _rivals(kept, options):
        final.pop(name, None)
    for name in _other_compilers(final, before, asked, options):
        del final[name]
    return NewConfig(
        text=_with(made, final),
        values=final,
        unasked=unasked,
        changes=tuple(_changes(before, final, asked, options, gone)),
        kept=tuple(sorted(kept)),
    )


def _olddefconfig(make: Make, text: str) -> tuple[dict[str, str], str]:
    config = make.output / ".config"
    atomic.write_text(config, text)
    try:
        make.build(["olddefconfig"], "olddefconfig", {"KCONFIG_WARN_UNKNOWN_SYMBOLS": ""})
    except ToolFailed as error:
        raise Refused(f"the source cannot be configured: {error.message}", hint=error.hint) from error
    return read_values(config), config.read_text(encoding="utf-8", errors="replace")


def _rivals(kept: Mapping[str, str], options: Options) -> Iterator[str]:
    """The other members of the choices in which an option that is kept is the one that is on."""
    for name, value in kept.items():
        option = options.by_name.get(name)
        for definition in option.definitions if option is not None and value == "y" else ():
            if definition.choice is not None:
                yield from (other for other in definition.choice.members if other != name)


def _other_compilers(
    final: Mapping[str, str], before: Fragment, asked: Mapping[str, Asked], options: Options
) -> list[str]:
    """New options that are on only because the compiler here is another one than the build's."""
    new = [name for name in final if name not in before.options and name not in asked]
    out = {name for name in new if options.decided_by_machine(name)}

    def value(name: str) -> str:
        return "n" if name in out else final.get(name, "n").strip('"')

    while True:
        more = {
            name
            for name in new
            if name not in out
            and (option := options.by_name.get(name)) is not None
            and option.definitions
            and all(
                any(level(condition, value) == 0 for condition in (*definition.depends, *definition.visible))
                for definition in option.definitions
            )
        }
        if not more:
            return sorted(out)
        out |= more


def _changes(
    before: Fragment,
    final: Mapping[str, str],
    asked: Mapping[str, Asked],
    options: Options,
    gone: tuple[Lost, ...],
) -> Iterator[OptionChange]:
    reasons = {lost_option.name: lost_option.because for lost_option in gone}
    for name in sorted({*before.options, *final}):
        was = before.options[name].value if name in before.options else None
        now = final.get(name, "n")
        option = options.by_name.get(name)
        if option is None or not option.definitions:
            if was not in {None, "n"}:
                yield OptionChange(name, was, None, "this kernel has no such option")
        elif not same(was or "n", now):
            because = asked[name].by if name in asked else reasons.get(name, "its default")
            yield OptionChange(name, was, now, because, option.has_prompt)


def _with(text: str, values: Mapping[str, str]) -> str:
    """The text of a configuration with these values; what has no line in it comes at its end."""
    lines: list[str] = []
    written_names: set[str] = set()
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            lines.append(line)
            continue
        name = match["set"] or match["unset"]
        written_names.add(name)
        if name in values:
            lines.append(f"CONFIG_{name}={values[name]}")
        elif match["unset"]:
            lines.append(line)
    more = [f"CONFIG_{name}={value}" for name, value in values.items() if name not in written_names]
    return "".join(f"{line}\n" for line in (*lines, *more))
