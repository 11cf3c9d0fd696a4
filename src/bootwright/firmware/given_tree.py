"""The devicetree that a Raspberry Pi's firmware hands over: a base with what config.txt adds.

Raspberry Pi documentation, "Device Trees, overlays, and parameters", 3.1 to 3.3: `dtparam` lines after a
`dtoverlay` are for that overlay, and for the base where the overlay has no such parameter, until another
overlay or an empty `dtoverlay=` (or `dtoverlay=none`, as dtapply of raspberrypi/utils has it). An overlay
that does not fit is left out, and the firmware goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from attrs import define, field, frozen

from bootwright.firmware.config_txt import ConfigTxt, Setting
from bootwright.firmware.filters import BoardFacts
from bootwright.firmware.overlay_map import Mapped, mapped, platform_of
from bootwright.firmware.overlays import merge, resolve
from bootwright.firmware.parameters import apply_parameter, parameters
from bootwright.formats.devicetree.fdt import Tree
from bootwright.formats.devicetree.writer import DraftTree
from bootwright.foundation.choices import near
from bootwright.foundation.errors import BootwrightError

OVERLAY_KEYS = ("dtoverlay", "device_tree_overlay")
PARAMETER_KEYS = ("dtparam", "device_tree_param")
_MOST = 256
"""Lines of config.txt that are applied."""
_FIRMWARE_NAMES = {
    "i2c": "i2c1",
    "i2c_arm": "i2c1",
    "i2c_vc": "i2c0",
    "i2c_baudrate": "i2c1_baudrate",
    "i2c_arm_baudrate": "i2c1_baudrate",
    "i2c_vc_baudrate": "i2c0_baudrate",
}
"""Names that the firmware makes where a devicetree has none (3.3; two boards of 2012 swap 0 and 1)."""


@frozen
class Overlays:
    """Where overlays come from."""

    load: Callable[[str], Tree | None]
    """The overlay of a name, None where there is no such file; raises `Malformed` for a damaged one."""
    map: Tree | None = None
    """overlay_map.dtb."""


@define
class GivenTree:
    """A devicetree as the firmware hands it over."""

    tree: Tree
    applied: list[str] = field(factory=list)
    """Lines of config.txt that had their effect: `dtparam=…`, `dtoverlay=…`."""
    not_applied: list[str] = field(factory=list)
    """What config.txt asks for that could not be applied, where and why."""


def given_tree(
    base: Tree, config: ConfigTxt, facts: BoardFacts, overlays: Overlays, *, first: Sequence[str] = ()
) -> GivenTree:
    """`base` with what config.txt says for the board that `facts` describe.

    `first` names overlays that the firmware loads by itself before. Raises `Malformed` where the result
    outgrows what is read.
    """
    settings = [setting for setting in config.settings if setting.key in (*OVERLAY_KEYS, *PARAMETER_KEYS)]
    if not settings and not first:
        return GivenTree(base)
    work = _Work(DraftTree(base), overlays, platform_of(base.compatible))
    for name in first:
        work.overlay(Setting("dtoverlay", name, (), "the firmware", 0))
    chosen: list[Setting] = []
    for setting in settings:
        holds = facts.applies(setting.filters)
        if holds is None:
            work.note(setting, f"whether {setting.condition} holds is not known")
        elif holds:
            chosen.append(setting)
    if len(chosen) > _MOST:
        work.note(chosen[_MOST], f"only the first {_MOST} such lines are applied")
    for setting in chosen[:_MOST]:
        if setting.key in OVERLAY_KEYS:
            work.overlay(setting)
        else:
            work.parameters(setting, setting.value)
    work.close()
    tree = work.base.tree(work.name) if work.applied else base
    return GivenTree(tree, work.applied, work.not_applied)


@define
class _Work:
    base: DraftTree
    overlays: Overlays
    platform: str | None
    applied: list[str] = field(factory=list)
    not_applied: list[str] = field(factory=list)
    merged: list[str] = field(factory=list)
    current: DraftTree | None = None
    """The overlay whose parameters come next; None for the base."""
    setting: Setting | None = None
    pending: list[str] = field(factory=list)
    """Parameters of the current overlay, which have their effect when it is merged."""
    left_out: bool = False
    """Whether what comes next belongs to an overlay that is left out."""

    def __attrs_post_init__(self) -> None:
        aliases = self.base.root.child("aliases")
        if aliases is not None and "i2c" not in aliases.properties:
            _add_firmware_names(self.base)

    @property
    def name(self) -> str:
        return " + ".join((self.base.name, *self.merged))

    def note(self, setting: Setting, why: str) -> None:
        where = f"{setting.file}, line {setting.line}" if setting.line else setting.file
        self.not_applied.append(f"{setting.key}={setting.value} ({where}): {why}")

    def overlay(self, setting: Setting) -> None:
        self.close()
        self.setting, self.left_out = setting, False
        name, rest = _split(setting.value)
        if not overlay_name(setting):
            return  # ends the scope of the one before
        try:
            file = mapped(self.overlays.map, name, self.platform)
            self.current = self._loaded(file)
        except BootwrightError as error:
            self.note(setting, f"the firmware leaves it out: {error.message}")
        if self.current is None:
            self.left_out = True
            return
        self.parameters(setting, file.parameters)
        self.parameters(setting, rest)

    def _loaded(self, file: Mapped) -> DraftTree | None:
        tree = self.overlays.load(file.name)
        if tree is None:
            assert self.setting is not None  # noqa: S101 - set by overlay()
            self.note(self.setting, f"the overlay {file.name} is not among the files")
            return None
        return resolve(self.base, tree)

    def parameters(self, setting: Setting, text: str) -> None:
        for name, value in pairs(text):
            if self.left_out:
                self.note(setting, "its overlay is left out")
                return
            current = self.current
            tree = current if current is not None and name in parameters(current) else self.base
            if name not in parameters(tree):
                trees = [self.base] if current is None else [current, self.base]
                names = " and ".join(PurePosixPath(candidate.name).name for candidate in trees)
                known = [known for candidate in trees for known in parameters(candidate)]
                self.note(setting, f"no parameter {name} in {names}{_meant(name, known)}")
                continue
            try:
                apply_parameter(tree, name, value)
            except BootwrightError as error:
                self.note(setting, error.message)
                continue
            if setting.key in PARAMETER_KEYS:
                done = self.applied if tree is self.base else self.pending
                done.append(f"{setting.key}={name}={value}")

    def close(self) -> None:
        """Merge the overlay whose parameters are complete."""
        overlay, setting, self.current = self.current, self.setting, None
        pending, self.pending = self.pending, []
        if overlay is None or setting is None:
            return
        try:
            self.base = merge(self.base, overlay)
        except BootwrightError as error:
            self.note(setting, f"the firmware leaves it out: {error.message}")
        else:
            self.merged.append(PurePosixPath(overlay.name).name)
            by = "" if setting.line else " (the firmware's own)"
            self.applied += [f"{setting.key}={setting.value}{by}", *pending]


def overlay_name(setting: Setting) -> str | None:
    """The overlay that a line of config.txt loads, None where it loads none."""
    name = _split(setting.value)[0] if setting.key in OVERLAY_KEYS else ""
    return name if name not in {"", "none"} else None


def _meant(name: str, known: Iterable[str]) -> str:
    """What a parameter that does not exist was probably to be."""
    name, comment, _ = name.partition("#")
    if comment:
        return "; a comment stands on a line of its own"
    close = near(name, sorted(known), most=1)
    return f"; did you mean {close[0]}?" if close else ""


def _split(value: str) -> tuple[str, str]:
    """The name of an overlay and its parameters; a colon behind the name is as good as a comma."""
    end = min((at for at in map(value.find, ",:") if at >= 0), default=len(value))
    return value[:end].strip(), value[end + 1 :]


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """(parameter, value) of `name=value,name`; one without a value is true."""
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if name.strip():
            yield name.strip(), value.strip() if equals else "true"


def _add_firmware_names(base: DraftTree) -> None:
    for table in ("__symbols__", "__overrides__"):
        node = base.root.child(table)
        for name, source in _FIRMWARE_NAMES.items():
            if node is not None and source in node.properties:
                node.properties.setdefault(name, node.properties[source])
