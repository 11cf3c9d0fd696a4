"""What the bytes cannot tell, kept as data: `data/drivers/` and `data/hazards/`, one TOML file each.

A driver file says what a driver looks for in the devicetree beyond its match table, in which kernels, and
where its arrival is documented. A hazard file says what may go wrong though every device binds. Both name
their sources, and a test walks the folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property

from attrs import field, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.predict.rules.conditions import ALWAYS, Condition

NO_REMEDY = "use a kernel that has one"
"""What is said where nothing better is known."""


@frozen
class Expectation:
    """Something a driver's probe needs; without it the probe fails."""

    reason: str
    remedy: str
    source: str
    when: Condition = ALWAYS
    requires: Condition = ALWAYS
    own_node: bool = False
    """Whether the device must have a devicetree node of its own."""
    own_properties: tuple[str, ...] = ()
    """Properties its node must have."""
    asks: tuple[str, ...] = ()
    """What its node must have, as a driver would ask for it: `interrupts||0` (`node_answers`)."""


@frozen
class Populates:
    """A node whose children a driver makes devices of, where it is not its own."""

    node: Condition
    when: Condition = ALWAYS


@frozen
class OwnOverlay:
    """An overlay in the driver's own bytes that it applies to its device's node."""

    reason: str
    """When it does, in words."""
    remedy: str
    source: str
    when: Condition = ALWAYS


@frozen
class Makes:
    """Devices that a driver makes of child nodes, or of the children of one, and the driver they get."""

    driver: str
    container: str = ""
    """The child node's name; empty for the node itself."""
    child: str = ""
    """The name of the nodes meant; empty for all."""
    module: str = ""
    """The module with that driver, by its name in the kernel; empty where it is the maker's own."""
    option: str = ""
    """The configuration option of that driver."""


@frozen
class Provides:
    """A supplier that binds and yet provides nothing, unless a condition holds."""

    property: str
    requires: Condition
    reason: str
    remedy: str
    source: str
    when: Condition = ALWAYS


@frozen
class Spares:
    """A supplier that a driver asks for only where its own node says something."""

    property: str
    """The supplier's kind."""
    unless: Mapping[str, tuple[str, ...]]
    """Properties of the node → the values with which it does ask."""
    source: str


@frozen
class Driver:
    """What is known of one driver, or of one kind of device."""

    name: str = field(metadata=STEM)
    source: str
    drivers: tuple[str, ...] = ()
    compatibles: tuple[str, ...] = ()
    option: str | None = None
    """Its configuration option."""
    since: str | None = None
    """The first mainline kernel that has it."""
    expects: tuple[Expectation, ...] = ()
    populates: tuple[Populates, ...] = ()
    provides: tuple[Provides, ...] = ()
    uncertain: str = ""
    """Why it cannot be told from files whether the driver binds; empty where it can."""
    overlays: tuple[OwnOverlay, ...] = ()
    makes: tuple[Makes, ...] = ()
    spares: tuple[Spares, ...] = ()
    inherits: tuple[str, ...] = ()
    """Properties of the nearest node above that has them whose suppliers this driver cannot do without."""
    serves: tuple[Expectation, ...] = ()
    """What it needs to be of use once it has bound: for a goal that is this device, it counts."""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` where it is about nothing, or names no version."""
        if not self.drivers and not self.compatibles:
            raise ValueError("`drivers` or `compatibles`", "none")
        if not self.source:
            raise ValueError("where it was read, in `source`", "none")
        if self.since is not None and Version.parse(self.since) is None:
            raise ValueError('a version as `since`, such as "6.12"', self.since)

    def is_new_to(self, version: Version | None) -> bool:
        """Whether a kernel of that version is too old for it, or may be; False where it is new enough."""
        first = Version.parse(self.since) if self.since is not None else None
        return first is not None and (version is None or version < first)

    def words(self, version: Version | None) -> str:
        """What to do for it with a kernel of that version, as a remedy."""
        if self.is_new_to(version):
            return f"use Linux {self.since} or newer" + (f" with {self.option}" if self.option else "")
        if self.option is not None:
            return f"build this kernel with {self.option}=m or y"
        return NO_REMEDY


@frozen
class HazardMend:
    """A change of an image that takes a hazard away, as `image swap` is given it."""

    arguments: tuple[str, ...] = ()
    """`+argument` or `-argument`."""
    config_txt: tuple[str, ...] = ()
    """`[filter] key=value`."""


@frozen
class HazardRule:
    """When a hazard is there, and what it does."""

    name: str = field(metadata=STEM)
    title: str
    goals: tuple[str, ...]
    """Names of goals, or `*`."""
    effect: Verdict
    when: Condition
    reason: str
    remedy: str
    sources: tuple[str, ...]
    at: Condition = ALWAYS
    """The node to name."""
    on_chain: bool = False
    """Whether it counts only where the node `at` is on the goal's chain."""
    mend: HazardMend | None = None
    """What `prepare` may change in the image; None where no line of it helps."""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for a hazard of no goal, one that is always there, and one without a source."""
        for name, given in (("goals", self.goals), ("sources", self.sources)):
            if not given:
                raise ValueError(f"at least one of `{name}`", "none")
        if self.when.is_empty:
            raise ValueError("a condition in `when`", "none: the hazard would always be there")


@frozen
class Knowledge:
    """All of it."""

    drivers: tuple[Driver, ...]
    hazards: tuple[HazardRule, ...]

    @property
    def systems(self) -> tuple[str, ...]:
        """The operating systems that some rule speaks of, by their ID of os-release."""
        return tuple(sorted({name for condition in self._conditions() for name in condition.systems()}))

    @property
    def argument_names(self) -> frozenset[str]:
        """The kernel arguments that some rule speaks of, with `_` for `-`."""
        return frozenset(
            name for condition in self._conditions() for part in condition.parts() for name in part.arguments
        )

    def _conditions(self) -> Iterator[Condition]:
        """When the rules apply."""
        yield from (rule.when for rule in self.hazards)
        for driver in self.drivers:
            yield from (expectation.when for expectation in (*driver.expects, *driver.serves))
            yield from (populated.when for populated in driver.populates)
            yield from (provided.when for provided in driver.provides)
            yield from (overlay.when for overlay in driver.overlays)

    def of_driver(self, driver: str | None, compatibles: tuple[str, ...]) -> tuple[Driver, ...]:
        """What is known of a driver by name, or of a device by compatible; in the order of the files."""
        numbers = set(self._by_driver.get(driver, ()))
        for compatible in compatibles:
            numbers.update(self._by_compatible.get(compatible, ()))
        return tuple(self.drivers[number] for number in sorted(numbers))

    @cached_property
    def _by_driver(self) -> dict[str | None, list[int]]:
        return _places(rule.drivers for rule in self.drivers)

    @cached_property
    def _by_compatible(self) -> dict[str | None, list[int]]:
        return _places(rule.compatibles for rule in self.drivers)

    def arrival(self, compatibles: tuple[str, ...]) -> Driver | None:
        """The file that says in which kernel a driver for one of these came."""
        return next(iter(self.of_driver(None, compatibles)), None)


def _places(names: Iterable[Iterable[str]]) -> dict[str | None, list[int]]:
    """Name → the numbers of the entries that carry it."""
    places: dict[str | None, list[int]] = {}
    for number, of_one in enumerate(names):
        for name in of_one:
            places.setdefault(name, []).append(number)
    return places


DRIVERS = Kind("drivers", "a driver's knowledge", Driver)
HAZARDS = Kind("hazards", "a hazard", HazardRule)


@cache
def knowledge() -> Knowledge:
    """Everything known, ours and the user's, read once. Raises `Malformed` naming file and key."""
    return Knowledge(drivers=tuple(DRIVERS.all().values()), hazards=tuple(HAZARDS.all().values()))
