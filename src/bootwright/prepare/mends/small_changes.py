"""Candidates that change a line: of config.txt, or of the kernel's command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial, reduce

from attrs import evolve

from bootwright.formats.os_release import read_command_line
from bootwright.foundation.errors import BootwrightError
from bootwright.images.change.changes import Changes
from bootwright.images.change.edits import ArgumentEdit, ConfigEdit, edit_arguments, edit_config_txt
from bootwright.predict.board_tree import board_facts
from bootwright.predict.rules.knowledge import HazardMend, knowledge
from bootwright.prepare.board_image import CONFIG, BoardImage
from bootwright.prepare.mends.costs import cost_of
from bootwright.prepare.model import Judged, Mend, MendKind, Setup

_FOLLOWED = frozenset({"device_tree", "dtoverlay", "dtparam", "overlay_prefix"})
"""Settings whose effect the predictor follows and without which the same still boots. What decides which
kernel is started (`kernel`, `os_prefix`, `arm_64bit`) is not among them."""

_KEPT = frozenset({"root", "rootfstype", "rootflags", "init", "rdinit", "console", "ip"})
"""Arguments that say where something is: without them it is not found, whatever is predicted."""


def config_changes(image: BoardImage, setup: Setup, judged: Judged) -> Iterator[Mend]:
    """Each setting of config.txt that holds for the board taken away, and what a hazard says to set."""
    text, volume = setup.config_txt, image.config_volume
    if text is None or volume is None or setup.gathered.config_txt is None:
        return
    facts = board_facts(image.target.board, image.target.code)
    for setting in image.parsed(text).settings:
        if setting.key not in _FOLLOWED or facts.applies(setting.filters) is False:
            continue
        if len(setting.filters) > 1 or setting.file != volume.path(CONFIG):
            continue  # an edit names one filter, of config.txt itself
        section = setting.filters[0].text if setting.filters else "all"
        edit = ConfigEdit(section, setting.key, None, setting.value)
        line = f"{setting.key}={setting.value}"
        yield from _config(
            image, setup, edit, f"config.txt without {line}", f"{setting.condition} has {line}"
        )
    for hazard, mend in _struck(judged):
        for wanted in mend.config_txt:
            edit = ConfigEdit.parse(wanted)
            yield from _config(image, setup, edit, f"config.txt with {wanted}", f"hazard {hazard}")


def _config(image: BoardImage, setup: Setup, edit: ConfigEdit, title: str, because: str) -> Iterator[Mend]:
    text = setup.config_txt or b""
    try:
        new = edit_config_txt(text, (edit,), CONFIG)
        image.parsed(new)
    except BootwrightError:
        return  # a line that cannot be taken away by itself
    if new == text:
        return

    def apply(before: Setup) -> Setup:
        changed = edit_config_txt(before.config_txt or b"", (edit,), CONFIG)
        return Setup(evolve(before.gathered, config_txt=image.parsed(changed)), changed)

    yield Mend(
        MendKind.CONFIG_TXT,
        title,
        because,
        cost_of(MendKind.CONFIG_TXT),
        partial(Changes, config=(edit,)),
        apply,
    )


def argument_changes(setup: Setup, judged: Judged) -> Iterator[Mend]:
    """Each kernel argument taken away, and what a hazard says to add or take away."""
    text = setup.gathered.arguments
    if text is None:
        return
    present = dict.fromkeys(str(argument) for argument in read_command_line(text))
    for argument in present:
        if argument.partition("=")[0] in _KEPT or any(char.isspace() for char in argument):
            continue
        yield from _arguments(setup, ArgumentEdit(False, argument), "the boot entry has it")
    for hazard, mend in _struck(judged):
        for wanted in mend.arguments:
            edit = ArgumentEdit.parse(wanted)
            if edit.add != (edit.text in present):
                yield from _arguments(setup, edit, f"hazard {hazard}")


def _arguments(setup: Setup, edit: ArgumentEdit, because: str) -> Iterator[Mend]:
    def changed(text: str) -> str:
        given = [str(argument) for argument in read_command_line(text)]
        return " ".join(edit_arguments([given], (edit,))[0])

    try:
        changed(setup.gathered.arguments or "")
    except BootwrightError:
        return

    def apply(before: Setup) -> Setup:
        text = changed(before.gathered.arguments or "")
        return evolve(before, gathered=evolve(before.gathered, arguments=text))

    word = "with" if edit.add else "without"
    yield Mend(
        MendKind.ARGUMENTS,
        f"kernel arguments {word} {edit.text}",
        because,
        cost_of(MendKind.ARGUMENTS),
        partial(Changes, arguments=(edit,)),
        apply,
    )


def _struck(judged: Judged) -> Iterator[tuple[str, HazardMend]]:
    """The hazards that may break a goal which decides, and that say what mends them."""
    rules = {rule.name: rule for rule in knowledge().hazards}
    names = dict.fromkeys(hazard.name for goal in judged.goals.values() for hazard in goal.hazards)
    for name in names:
        rule = rules.get(name)
        if rule is not None and rule.mend is not None:
            yield name, rule.mend


def all_of(mends: Sequence[Mend]) -> Mend:
    """Several changes of one kind as one, to find out whether any of them matters."""
    kind = mends[0].kind
    what = "lines of config.txt" if kind is MendKind.CONFIG_TXT else "kernel arguments"
    title = mends[0].title if len(mends) == 1 else f"any of {len(mends)} known changes of {what}"

    def apply(before: Setup) -> Setup:
        return reduce(lambda setup, mend: mend.apply(setup), mends, before)

    return Mend(kind, title, "to see whether one of them matters", 0, Changes, apply)
