"""The devicetree that Linux gets on a board whose firmware reads config.txt: overlays and parameters applied.

Raspberry Pi documentation, "Device Trees, overlays, and parameters", 3.1 and 3.3: `dtparam` lines before the
first `dtoverlay` change the base, those after one change that overlay, until another one or an empty
`dtoverlay=`; an overlay that does not fit is left out, and the firmware goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import define, field

from bootwright.boards.model import Board
from bootwright.firmware.config_txt import BoardFacts, ConfigTxt, Setting
from bootwright.firmware.parameters import apply_parameter, parameters
from bootwright.formats.devicetree.fdt import Tree, parse_fdt, read_fdt_file
from bootwright.formats.devicetree.overlay import apply_overlays
from bootwright.formats.devicetree.writer import write_fdt
from bootwright.foundation.errors import BootwrightError

MAP = "overlay_map"
"""The file beside the overlays that says which one stands for a name on which SoC."""


_MOST = 256
"""Lines of config.txt that are applied; each takes some milliseconds."""


@define
class FirmwareTree:
    """A devicetree as the firmware hands it over."""

    tree: Tree
    not_applied: list[str] = field(factory=list)
    """What config.txt asks for that could not be applied here, and why."""
    applied: list[str] = field(factory=list)


def devicetree_of(
    base: Tree, config: ConfigTxt, overlays: Mapping[str, Path], board: Board, *, code: int | None = None
) -> FirmwareTree:
    """`base` with what config.txt says for the board; `code` is its revision code, where known.

    `overlays` maps an overlay's name to its file. Raises `Malformed` for a damaged overlay, `Missing` where
    fdtoverlay is not installed.
    """
    work = _Work(FirmwareTree(base), overlays, _platform(base))
    settings = []
    for setting in config.settings:
        if setting.key in {"dtoverlay", "device_tree_overlay", "dtparam", "device_tree_param"}:
            holds = facts_of_board(board, code).applies(setting.filters)
            if holds is None:
                work.note(setting, f"whether {setting.condition} holds is not known")
            elif holds:
                settings.append(setting)
    for setting in settings[_MOST:]:
        work.note(setting, f"only the first {_MOST} such lines are applied")
        break
    for setting in settings[:_MOST]:
        if setting.key in {"dtparam", "device_tree_param"}:
            work.parameters(setting, setting.value)
        else:
            work.overlay(setting)
    work.close()
    return work.result


def facts_of_board(board: Board, code: int | None = None) -> BoardFacts:
    """What the firmware's filters ask about, as far as it is known of the board."""
    kind = None
    if board.revision is not None:
        low, high = board.revision.board.get("type", (0, -1))
        kind = low if low == high else None
        bits = next((bits for bits in board.revision.bits if bits.name == "type"), None)
        kind = bits.of(code) if code is not None and bits is not None else kind
    return BoardFacts(models=board.firmware_models, board_type=kind, other={"none": False})


def devicetree_name(config: ConfigTxt | None, board: Board) -> str | None:
    """The file that `device_tree=` names for the board, or None where the firmware chooses."""
    if config is None or not board.firmware_models:
        return None
    facts = facts_of_board(board)
    named = [one for one in config.values("device_tree", facts) if facts.applies(one.filters)]
    return named[-1].value.rpartition("/")[2] or None if named else None


def settings_of(config: ConfigTxt, board: Board) -> dict[str, str]:
    """Key → the last value that holds for the board."""
    facts = facts_of_board(board)
    return {one.key: one.value for one in config.settings if facts.applies(one.filters)}


@define
class _Work:
    result: FirmwareTree
    files: Mapping[str, Path]
    platform: str
    current: Tree | None = None
    """The overlay whose parameters come next; None for the base."""
    setting: Setting | None = None
    dropped: bool = False
    """Whether what comes next belongs to an overlay that is left out."""

    def note(self, setting: Setting, why: str) -> None:
        where = f"{setting.file}, line {setting.line}"
        self.result.not_applied.append(f"{setting.key}={setting.value} ({where}): {why}")

    def overlay(self, setting: Setting) -> None:
        self.close()
        name, _, rest = setting.value.replace(":", ",", 1).partition(",")
        self.dropped = False
        self.setting = setting
        if not name.strip():
            return  # ends the last one's parameters
        mapped = self._mapped(setting, name.strip())
        path = self.files.get(mapped) if mapped is not None else None
        self.dropped = path is None
        if path is None:
            if mapped is not None:
                self.note(setting, f"the overlay {mapped} is not among the files")
            return
        self.current = read_fdt_file(path)
        if rest:
            self.parameters(setting, rest)

    def parameters(self, setting: Setting, text: str) -> None:
        if self.dropped:
            self.note(setting, "its overlay is left out")
            return
        for name, value in _pairs(text):
            tree = self.current or self.result.tree
            if name not in parameters(tree):
                self.note(setting, f"{Path(tree.name).name} has no parameter {name}")
                continue
            changed = parse_fdt(tree.blob, tree.name)
            try:
                apply_parameter(changed, name, value)
            except BootwrightError as error:
                self.note(setting, error.message)
                continue
            changed = parse_fdt(write_fdt(changed), tree.name)
            if self.current is not None:
                self.current = changed
            else:
                self.result.tree = changed
                self.result.applied.append(f"dtparam={name}={value}")

    def close(self) -> None:
        """Apply the overlay whose parameters are complete."""
        overlay, setting, self.current = self.current, self.setting, None
        if overlay is None or setting is None:
            return
        try:
            self.result.tree = apply_overlays(self.result.tree, [overlay])
        except BootwrightError as error:
            self.note(setting, f"the firmware leaves it out: {error.message}")
        else:
            self.result.applied.append(f"dtoverlay={setting.value}")

    def _mapped(self, setting: Setting, name: str) -> str | None:
        """The overlay that stands for a name on this SoC (documentation, part 2.2.10)."""
        path = self.files.get(MAP)
        node = read_fdt_file(path).root.child(name) if path is not None else None
        if node is None or node.name != name:
            return name
        for key in (self.platform, "renamed"):
            if key in node.properties:
                return node.string(key) or name
        why = node.string("deprecated")
        self.note(setting, f"deprecated: {why}" if why else f"it is not for {self.platform}")
        return None


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if name.strip():
            yield name.strip(), value.strip() if equals else "on"


def _platform(base: Tree) -> str:
    """The overlay map's name of the SoC: those before BCM2711 are one."""
    socs = [one.partition(",")[2] for one in base.compatible if one.startswith("brcm,")]
    return "bcm2835" if not socs or socs[-1] in {"bcm2835", "bcm2836", "bcm2837"} else socs[-1]
