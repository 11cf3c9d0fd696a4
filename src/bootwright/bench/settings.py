"""The section `bootwright` of a bench's environment file: what labgrid has no words for.

The file is labgrid's own (its documentation, "environment configuration"); that section is held to a schema
here, and everything else by labgrid.

    targets:
      pi5: {resources: …, drivers: …}
    bootwright:
      pi5:
        board: raspberrypi-5
        levels: {board: rpi5-rev-1.1}
        deploy: {command: [cp, "{image}", /srv/card.img]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from attrs import field, frozen

from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.structure import structure

_MOST_BYTES = 1 << 20
IMAGE = "{image}"
_SHARED = re.compile(r"\$\{?LG_PLACE\b")
"""How a target says that its place is named from outside (labgrid's documentation, `!template`)."""


def _with_image(_: object, __: object, command: tuple[str, ...]) -> None:
    if command and not any(IMAGE in word for word in command):
        raise ValueError(f"a command that takes {IMAGE}", " ".join(command))


@frozen
class Deploy:
    """How an image comes to the board, where the target's drivers do not tell."""

    command: tuple[str, ...] = field(default=(), validator=_with_image)
    """Run with `{image}` replaced by the raw image's path, without a shell."""
    serve: str = ""
    """The name under which a TFTP or HTTP provider of the target offers the image itself."""
    boot_files: str | None = None
    """The folder, `.` for its root, in which a provider offers the files of the image's boot partition: what
    a Raspberry Pi that boots over the network asks for, under its serial number."""
    timeout: float = 1800.0
    """Seconds that `command` may take."""


@frozen
class BoardSettings:
    """One target."""

    board: str = ""
    """Its board file's name."""
    levels: Mapping[str, str] = field(factory=dict)
    """Factor of a plan → level: what this board is, as in `{board: rpi5-rev-1.1}`."""
    deploy: Deploy = field(factory=Deploy)
    timeout: float | None = None
    """Seconds that a boot may take."""
    silence: float | None = None
    """Seconds without console output after which it is given up."""
    seconds_off: float = 2.0
    """Seconds that the board stays without power before it is switched on."""


def read_settings(path: Path) -> tuple[dict[str, BoardSettings], tuple[str, ...]]:
    """(target → its settings, names of all targets); raises `Malformed`, `Missing`."""
    return parse_settings(_bytes_of(path), str(path))


def read_shared(path: Path) -> tuple[str, ...]:
    """The targets that stand for any place of a coordinator: their place is named by `$LG_PLACE`.

    Raises as `read_settings`.
    """
    targets = _parsed(_bytes_of(path), str(path))["targets"]
    return tuple(name for name, target in targets.items() if _is_shared(target))


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Missing(
            f"cannot read {path}: {error.strerror}", hint="--env names labgrid's environment file"
        ) from error


def _is_shared(target: object) -> bool:
    resources = target.get("resources") if isinstance(target, dict) else None
    groups = resources if isinstance(resources, list) else [resources]
    places = [group.get("RemotePlace") for group in groups if isinstance(group, dict)]
    names = [str(place.get("name", "")) for place in places if isinstance(place, dict)]
    return any(_SHARED.search(name) for name in names)


def parse_settings(data: bytes, where: str) -> tuple[dict[str, BoardSettings], tuple[str, ...]]:
    """Read the bytes of an environment file; raises `Malformed`."""
    document = _parsed(data, where)
    targets = document["targets"]
    section = document.get("bootwright", {})
    _check_keys(section, f"{where}: bootwright")
    known = structure(section, dict[str, BoardSettings], f"{where}: bootwright")
    for name in known:
        if name not in targets:
            raise no_such(f"{where}: bootwright: there is no target {name!r}", name, targets, kind="targets")
    return known, tuple(targets)


def _parsed(data: bytes, where: str) -> dict[str, Any]:
    """The document, with `targets` that have names; raises `Malformed`."""
    if len(data) > _MOST_BYTES:
        raise Malformed(where, _MOST_BYTES, "an environment file of at most 1 MiB", "more")
    try:
        document: Any = yaml.load(data, _Loader)  # noqa: S506 - derives from the safe loader
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{where}: line {mark.line + 1}" if mark is not None else where
        problem = str(getattr(error, "problem", None) or error)[:200]
        raise Malformed(line, None, "YAML", problem.replace("\n", " ")) from error
    if not isinstance(document, dict):
        raise Malformed(where, None, "an environment file of labgrid: a mapping with `targets`", "none")
    targets = document.get("targets")
    if not isinstance(targets, dict) or not all(isinstance(name, str) for name in targets):
        raise Malformed(
            where, None, "a mapping `targets`", "none", hint="see labgrid's documentation, docs/bench.md"
        )
    return document


def _check_keys(value: object, where: str) -> None:
    """YAML takes `off` and `1` for something else than text; raises `Malformed`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise Malformed(where, None, "keys that are text", repr(key), hint="quote it")
            _check_keys(inner, where)
    elif isinstance(value, list):
        for inner in value:
            _check_keys(inner, where)


def chosen_target(targets: tuple[str, ...], role: str | None, where: str) -> str:
    """The target that is meant; raises `Refused` where it is not known which."""
    if role is not None:
        if role not in targets:
            raise no_such(f"{where} has no target {role!r}", role, targets, kind="targets")
        return role
    if len(targets) == 1:
        return targets[0]
    if "main" in targets:
        return "main"
    raise Refused(f"{where} has {len(targets)} targets", hint=f"say which: --target {' or '.join(targets)}")


class _Loader(yaml.SafeLoader):
    """Takes labgrid's tags (`!template` …) for what they stand with: they are labgrid's to read."""


def _untagged(loader: _Loader, _: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_Loader.add_multi_constructor("!", _untagged)
