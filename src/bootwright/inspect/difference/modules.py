"""Differences of kernel modules: where they are, and what those of the same name say of themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from attrs import frozen

from bootwright.formats.filesystems.filesystem import Entry, FileSystem, read_small
from bootwright.formats.modules.modinfo import ModuleInfo, read_modinfo, unsigned
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.difference.model import Area, Comparison, Difference, Side
from bootwright.inspect.facts import ItemKind, Origin
from bootwright.inspect.files import ModuleTree

_MOST_DESCRIBED = 40
"""Modules whose aliases are read, of those gained and lost."""
_MOST_READ = 8 << 30
"""Bytes of modules, as they lie in the files, that are read to compare those of the same name."""
_LARGEST = 64 << 20
"""Bytes of a module as it lies in the files; amdgpu, the largest, has 30 MB unpacked."""
_BATCH = 16
_MOST_NAMES = 4
_LISTS: Mapping[str, str] = {
    "depends": "depends on",
    "softdep": "soft dependencies",
    "alias": "drives",
    "firmware": "firmware",
    "parm": "parameters",
    "parmtype": "types of parameters",
    "import_ns": "name spaces",
}
"""Fields of `.modinfo` that change what a module does or needs, and how they are called."""
_TEXTS = ("version", "license", "intree", "retpoline")


@frozen
class _Module:
    place: str
    """`in the initramfs`, `in the root file system`, `built in`, …"""
    files: FileSystem | None
    entry: Entry | None
    origin: Origin


def modules(before: Side, after: Side) -> Iterator[Difference]:
    """Modules gained, lost, built in or moved between initramfs and root; then what of the others differs."""
    before_modules, after_modules = _modules(before), _modules(after)
    described = 0
    in_both: list[str] = []
    for name in sorted(before_modules.keys() | after_modules.keys()):
        was, is_ = before_modules.get(name), after_modules.get(name)
        if was is not None and is_ is not None:
            in_both.append(name)
            if was.place == is_.place:
                continue
        descriptions = [was.place if was else None, is_.place if is_ else None]
        for index, module in enumerate((was, is_)):
            if module and module.entry and described < _MOST_DESCRIBED and None in descriptions:
                described += 1
                descriptions[index] = f"{module.place}{_aliases(module)}"
        yield Difference(
            Area.MODULES,
            name,
            descriptions[0],
            descriptions[1],
            was.origin if was else None,
            is_.origin if is_ else None,
        )
    wanted = in_both if before.modules is None else [name for name in in_both if name in before.modules]
    pairs = [
        (name, before_modules[name], after_modules[name])
        for name in wanted
        if before_modules[name].entry and after_modules[name].entry
    ]
    yield from _contents(pairs, same_release=before.releases == after.releases)


def _modules(side: Side) -> dict[str, _Module]:
    modules_by_name: dict[str, _Module] = {}
    for placed in side.of_kind(ItemKind.MODULES):
        tree, files = placed.item.detail, placed.item.files
        if not isinstance(tree, ModuleTree) or files is None:
            continue
        location = "in the initramfs" if files.type == "cpio" else "in the root file system"
        for name in _built_in(files, tree):
            modules_by_name.setdefault(name, _Module("built in", None, None, placed.item.origin))
        for name, entry in tree.names.items():
            known = modules_by_name.get(name)
            both = known is not None and known.entry is not None and known.place != location
            place = "in the initramfs and the root file system" if both else location
            modules_by_name[name] = _Module(place, files, entry, Origin(f"{files.name}:{entry.path}"))
    return modules_by_name


def _built_in(files: FileSystem, tree: ModuleTree) -> list[str]:
    try:
        data = read_small(files, f"{tree.path}/modules.builtin")
    except BootwrightError:
        return []
    lines = (data or b"").decode("utf-8", "replace").splitlines()
    return [line.rpartition("/")[2].partition(".ko")[0].replace("-", "_") for line in lines if line]


def _aliases(module: _Module) -> str:
    """What the module drives, in its own words."""
    if module.files is None or module.entry is None:
        return ""
    try:
        aliases = read_modinfo(module.files.open(module.entry)).aliases
    except BootwrightError:
        return ""
    shown = _compatibles(aliases) or list(aliases)
    return (
        f": {', '.join(shown[:_MOST_NAMES])}" + (", …" if len(shown) > _MOST_NAMES else "") if shown else ""
    )


def _compatibles(aliases: Sequence[str]) -> list[str]:
    compatibles = [alias.partition("C")[2] for alias in aliases if alias.startswith("of:N*T*C")]
    return [compatible for compatible in compatibles if not compatible.endswith("*")]


@frozen
class _Content:
    """What is compared of a module's file."""

    digest: str
    """SHA-256 of the unpacked file without its signature, in part."""
    signed: bool
    info: ModuleInfo


def _contents(pairs: Sequence[tuple[str, _Module, _Module]], *, same_release: bool) -> Iterator[Difference]:
    """What differs within modules of the same name.

    Between two releases every module is another build: then only what it does or needs is reported, and the
    number of those built from other source.
    """
    budget = _MOST_READ
    wanted = []
    for name, was, is_ in pairs:
        budget -= sum(version.entry.size for version in (was, is_) if version.entry is not None)
        if budget > 0:
            wanted.append((name, was, is_))
    # Packages and images are unpacked in the order of their files: names would jump to and fro.
    wanted.sort(key=lambda pair: pair[2].entry.path if pair[2].entry is not None else "")
    differences: list[tuple[str, Difference]] = []
    rebuilt = other_source = 0
    flags: set[tuple[str, str]] = set()
    for (name, was, is_), old, new in _read(wanted):
        if old is None or new is None or (old.digest == new.digest and old.signed == new.signed):
            continue
        changes = list(_differences(name, old, new, flags=same_release))
        flags.add((_magic(old.info), _magic(new.info)))
        source = [version.info.first("srcversion") for version in (old, new)]
        rebuilt += 1
        other_source += source[0] != source[1]
        if not changes and same_release:
            changes = [_rebuilt(name, old, new, source)]
        differences += [
            (name, Difference(Area.MODULES, what, before, after, was.origin, is_.origin))
            for what, before, after in changes
        ]
    yield from (difference for _, difference in sorted(differences, key=lambda ranked: ranked[0]))
    if not same_release and rebuilt:
        text = f"{rebuilt} of {len(wanted)}, {other_source} from other source (srcversion)"
        yield Difference(Area.MODULES, "built anew", None, text)
        for was_for, is_for in sorted(flags):
            if was_for != is_for:
                yield Difference(Area.MODULES, "built for", was_for, is_for)
    if len(wanted) < len(pairs):
        yield Difference(
            Area.MODULES, "not compared", None, f"{len(pairs) - len(wanted)} modules: too much to read"
        )


_Pair = tuple[str, _Module, _Module]


def _read(pairs: Sequence[_Pair]) -> Iterator[tuple[_Pair, _Content | None, _Content | None]]:
    """Both sides of each pair: files are read one after the other, and unpacked on two cores."""
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(pairs), _BATCH):
            batch = pairs[start : start + _BATCH]
            raw = [[_bytes(version) for version in (was, is_)] for _, was, is_ in batch]
            # Unpacking a module releases the GIL.
            old = pool.map(_content, [sides[0] for sides in raw])
            new = pool.map(_content, [sides[1] for sides in raw])
            yield from zip(batch, old, new, strict=True)


def _bytes(module: _Module) -> Bytes | None:
    if module.files is None or module.entry is None or module.entry.size > _LARGEST:
        return None
    try:
        source = module.files.open(module.entry)
        return Bytes(source.read(0, source.size), module.entry.path)
    except BootwrightError:
        return None  # reported as a problem of that artifact


def _content(source: Bytes | None) -> _Content | None:
    if source is None:
        return None
    try:
        plain, signed = unsigned(source)
        info = read_modinfo(Bytes(plain, source.name))
    except BootwrightError:
        return None  # not a module
    return _Content(hashlib.sha256(plain).hexdigest()[:16], signed, info)


def _differences(
    name: str, old: _Content, new: _Content, *, flags: bool
) -> Iterator[tuple[str, str | None, str | None]]:
    for key, called in _LISTS.items():
        was, is_ = _values(old.info, key), _values(new.info, key)
        if was != is_:
            yield f"{name}: {called}", _some(was, is_), _some(is_, was)
    for key in _TEXTS:
        before, after = old.info.first(key), new.info.first(key)
        if before != after:
            yield f"{name}: {key}", before, after
    built_for = [_magic(version.info) for version in (old, new)]
    if flags and built_for[0] != built_for[1]:
        yield f"{name}: built for", built_for[0], built_for[1]
    if old.signed != new.signed:
        words = ["signed" if version.signed else "none" for version in (old, new)]
        yield f"{name}: signature", words[0], words[1]


def _values(info: ModuleInfo, key: str) -> list[str]:
    values = list(info.fields.get(key, ()))
    if key == "depends":
        return sorted(info.depends)
    if key == "alias":
        return sorted(dict.fromkeys(_compatibles(values) or values))
    if key == "parm":  # the name; its description is no difference
        return sorted(value.partition(":")[0] for value in values)
    return sorted(values)


def _some(values: list[str], other_values: list[str]) -> str:
    """What only this side has; `nothing` where it has less."""
    only = [value for value in values if value not in other_values]
    shown = ", ".join(only[:_MOST_NAMES]) + (
        f" and {len(only) - _MOST_NAMES} more" if len(only) > _MOST_NAMES else ""
    )
    return shown or "nothing more"


def _magic(info: ModuleInfo) -> str:
    """The flags a module was built with, without the release (`SMP preempt mod_unload aarch64`)."""
    return (info.vermagic or "").partition(" ")[2].strip()


def _rebuilt(
    name: str, old: _Content, new: _Content, source: Sequence[str | None]
) -> tuple[str, str | None, str | None]:
    if source[0] != source[1]:
        return f"{name}: source", f"srcversion {source[0]}", f"srcversion {source[1]}"
    return f"{name}: code", f"SHA-256 {old.digest}…", f"SHA-256 {new.digest}…"


COMPARISONS: tuple[Comparison, ...] = (modules,)
