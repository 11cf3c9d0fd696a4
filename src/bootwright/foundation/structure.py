"""Tables of TOML to attrs classes, strictly: the class is the schema.

Every key must be known, every value of the declared type; what is wrong is named by file and key, with the
key that was probably meant. It is our own, and small, because the command line reads knowledge at every
start: importing a general library for it took 50 ms of the 180 ms that a whole `check` takes.

Supported types: `str`, `int`, `float`, `bool`, `Any`, `Literal`, enums, attrs classes, `tuple[X, ...]`,
`tuple[X, Y]`, `list`, `frozenset`, `dict`/`Mapping` with text keys, unions of these, `re.Pattern[str]`, and
any class with a `from_toml` class method. Fields that are read in a special way carry `STEM`, `LONE`, `HEAD`,
`key(NAME)` or `written(FORM, CONVERT)` as attrs metadata. A validator or converter of an attrs class, and
`from_toml`, may raise `ValueError(expected, found)`, or one with a hint as a third argument.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeAlias, TypeVar

import attrs

from bootwright.foundation.choices import near
from bootwright.foundation.errors import Malformed

T = TypeVar("T")
Form: TypeAlias = Any
"""A type annotation, resolved: classes, generics and unions have no common type."""
_KEY = "bootwright.key"
_LONE = "bootwright.lone"
_STEM = "bootwright.stem"
_HEAD = "bootwright.head"
_FORM = "bootwright.form"
_NAMES: Mapping[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


STEM: Mapping[str, object] = {_STEM: True}
"""Metadata of a field that takes the name of the file, without its ending, and has no key."""
LONE: Mapping[str, object] = {_LONE: True}
"""Metadata of a field of several values for which one value may stand alone."""
HEAD: Mapping[str, object] = {_HEAD: True}
"""Metadata of a field that takes the key under which its table stands (`ethernet` of `[goal.ethernet]`)."""


def key(name: str) -> Mapping[str, object]:
    """Metadata of a field whose key in the file is not the attribute's name (`from`, `match`, …)."""
    return {_KEY: name}


def written(form: Form, convert: Callable[[Any], object]) -> Mapping[str, object]:
    """Metadata of a field that a file writes as `form`, from which `convert` makes the value.

    `convert` may raise `ValueError` as a validator may.
    """
    return {_FORM: (form, convert)}


@attrs.frozen
class Hexadecimal:
    """A number that a file gives as text in hexadecimal, such as `"a02082"`."""

    number: int

    @classmethod
    def from_toml(cls, value: object) -> Hexadecimal:
        """Raises `ValueError` for anything else."""
        if not isinstance(value, str) or not re.fullmatch(r"(?:0x)?[0-9A-Fa-f]{1,16}", value):
            raise ValueError('a hexadecimal number as text, such as "a02082"')
        return cls(int(value, 16))


def structure(table: object, model: type[T], where: str, *, stem: str = "") -> T:
    """An instance of `model` from a table; `where` names the file in errors.

    Raises `Malformed`, which names the key.
    """
    made = _Reader(where, stem).value(table, model, ())
    return typing.cast("T", made)


class _Reader:
    """Reads one document; `path` is the way to a value, keys and indices."""

    def __init__(self, where: str, stem: str) -> None:
        self._where = where
        self._stem = stem

    def _wrong(
        self, path: tuple[str, ...], expected: str, found: object, hint: str | None = None
    ) -> Malformed:
        place = f"{self._where}: {_printable('.'.join(path))}" if path else self._where
        return Malformed(place, None, _printable(expected), _printable(_shown(found)), hint=hint)

    def value(self, value: object, kind: Form, path: tuple[str, ...], *, lone: bool = False) -> object:
        """`value` as `kind`."""
        if kind in _NAMES:
            return self._plain(value, kind, path)
        origin: Any = typing.get_origin(kind)
        if kind is Any or kind is object:
            return value
        if origin in (typing.Union, types.UnionType):
            return self._union(value, typing.get_args(kind), path, lone=lone)
        if origin is Literal:
            return self._choice(
                value, {str(type_argument): type_argument for type_argument in typing.get_args(kind)}, path
            )
        if origin in (tuple, list, frozenset, set):
            return self._list(value, kind, origin, path, lone=lone)
        if origin is re.Pattern:
            return self._pattern(value, path)
        if origin is not None and issubclass(origin, Mapping):
            return self._mapping(value, typing.get_args(kind)[1], path)
        if hasattr(kind, "from_toml"):
            try:
                return kind.from_toml(value)
            except (TypeError, ValueError) as error:
                raise self._refused(path, error, value) from error
        if attrs.has(kind):
            return self._instance(value, kind, path)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self._choice(value, {str(member.value): member for member in kind}, path)
        return self._plain(value, kind, path)

    def _plain(self, value: object, kind: Form, path: tuple[str, ...]) -> object:
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if kind not in _NAMES:
            message = f"{kind!r} is no type that a knowledge file can hold"
            raise TypeError(message)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._wrong(path, _NAMES[kind], value)
        if kind is str and "\0" in str(value):
            raise self._wrong(path, "text without NUL characters", value)
        return value

    def _union(self, value: object, kinds: tuple[Any, ...], path: tuple[str, ...], *, lone: bool) -> object:
        """The first alternative that takes the value; the last one's error where none does."""
        if value is None and type(None) in kinds:  # of JSON: TOML has no null
            return None
        kinds = tuple(kind for kind in kinds if kind is not type(None))
        for kind in kinds[:-1]:
            try:
                return self.value(value, kind, path, lone=lone)
            except Malformed:
                continue
        return self.value(value, kinds[-1], path, lone=lone)

    def _choice(self, value: object, known: Mapping[str, object], path: tuple[str, ...]) -> object:
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value) in known:
            return known[str(value)]
        meant = _nearest(value, known) if isinstance(value, str) else None
        hint = f"did you mean {meant}?" if meant else None
        raise self._wrong(path, f"one of {', '.join(known)}", value, hint)

    def _list(self, value: object, kind: Form, origin: type, path: tuple[str, ...], *, lone: bool) -> object:
        if lone and not isinstance(value, list):
            value = [value]
        if not isinstance(value, list):
            raise self._wrong(path, "a list", value)
        kinds = typing.get_args(kind)
        if origin is tuple and not (len(kinds) == 2 and kinds[1] is Ellipsis):
            if len(value) != len(kinds):
                raise self._wrong(path, f"a list of {len(kinds)}", f"a list of {len(value)}")
            pairs = list(zip(value, kinds, strict=True))
        else:
            pairs = [(item, kinds[0]) for item in value]
        items = (self.value(item, part, _indexed(path, at)) for at, (item, part) in enumerate(pairs))
        return origin(items)

    def _pattern(self, value: object, path: tuple[str, ...]) -> re.Pattern[str]:
        if not isinstance(value, str):
            raise self._wrong(path, "a regular expression", value)
        try:
            return re.compile(value)
        except (re.error, RecursionError, OverflowError) as error:
            raise self._wrong(path, "a regular expression", f"{value!r} ({error})") from error

    def _mapping(self, value: object, kind: Form, path: tuple[str, ...]) -> dict[str, object]:
        if not isinstance(value, dict):
            raise self._wrong(path, "a table", value)
        return {key: self.value(item, kind, (*path, key)) for key, item in value.items()}

    def _instance(self, value: object, model: Form, path: tuple[str, ...]) -> object:
        if not isinstance(value, dict):
            raise self._wrong(path, "a table", value)
        fields = _fields(model)
        unknown = [key for key in value if key not in fields.by_key]
        if unknown:
            meant = _nearest(unknown[0], fields.by_key)
            raise self._wrong(
                path,
                f"one of the keys {', '.join(fields.by_key)}",
                f"the key `{unknown[0]}`",
                f"did you mean {meant}?" if meant else None,
            )
        given: dict[str, object] = {}
        for key, field in fields.by_key.items():
            if key in value:
                given[field.alias or field.name] = self._field(value[key], field, (*path, key))
            elif field.default is attrs.NOTHING:
                meant = _nearest(key, value)
                hint = f"is it misspelt as `{meant}`?" if meant and meant not in fields.by_key else None
                raise self._wrong(path, f"the key `{key}`", "none", hint)
        for field in fields.stems:
            given[field.alias or field.name] = self._stem
        for field in fields.heads:
            given[field.alias or field.name] = path[-1] if path else ""
        try:
            return model(**given)
        except (TypeError, ValueError) as error:
            raise self._refused(path, error) from error

    def _field(self, value: object, field: Any, path: tuple[str, ...]) -> object:  # noqa: ANN401 - attrs'
        lone = bool(field.metadata.get(_LONE))
        if _FORM not in field.metadata:
            return self.value(value, field.type, path, lone=lone)
        form, convert = field.metadata[_FORM]
        read = self.value(value, form, path, lone=lone)
        try:
            return convert(read)
        except (TypeError, ValueError) as error:
            raise self._refused(path, error, value) from error

    def _refused(self, path: tuple[str, ...], error: Exception, value: object = attrs.NOTHING) -> Malformed:
        """What a validator, converter or `from_toml` says: expected, found and a hint, or a sentence."""
        if len(error.args) in {2, 3}:
            expected, found, *hint = error.args
            return self._wrong(path, str(expected), found, str(hint[0]) if hint else None)
        if value is not attrs.NOTHING:
            return self._wrong(path, str(error), value)
        place = f"{self._where}: {_printable('.'.join(path))}" if path else self._where
        return Malformed(place, None, "consistent values", _printable(str(error)))


@attrs.frozen
class _Fields:
    by_key: Mapping[str, Any]
    """Key in the file → attrs field."""
    stems: tuple[Any, ...]
    heads: tuple[Any, ...]


@cache
def _fields(model: Form) -> _Fields:
    attrs.resolve_types(model)
    fields = [field for field in attrs.fields(model) if field.init]
    stems = tuple(field for field in fields if field.metadata.get(_STEM))
    heads = tuple(field for field in fields if field.metadata.get(_HEAD))
    named = {
        field.metadata.get(_KEY) or field.name: field for field in fields if field not in (*stems, *heads)
    }
    return _Fields(named, stems, heads)


def _indexed(path: tuple[str, ...], at: int) -> tuple[str, ...]:
    return (*path[:-1], f"{path[-1]}[{at}]") if path else (f"[{at}]",)


def _printable(text: str) -> str:
    """Keys and texts of a file may hold line feeds; a message is one line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _shown(value: object) -> str:
    """A found value, short: text made by the reader stays as it is."""
    if isinstance(value, str):
        text = value if value.startswith(("a list of ", "the key `", "none")) else repr(value)
    elif isinstance(value, dict):
        text = "a table"
    elif isinstance(value, list):
        text = "a list"
    else:
        text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _nearest(given: str, known: Iterable[str]) -> str | None:
    return next(iter(near(given, known)), None)
