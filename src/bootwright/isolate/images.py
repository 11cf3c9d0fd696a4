"""Mixtures of two disk images: what differs, part by part and inside the parts, and images made of a choice.

The good image is the base: its partitions stay, files of the bad one take the place of its own. Written by
`images.change.swap`, in a copy. What cannot be mixed (a partition without a file system, one that cannot be
written) is reported, and then the bad image itself is never taken for the mixture of everything.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field, frozen

from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.images.change.changes import Changes
from bootwright.images.change.swap import swap
from bootwright.images.manifest_model import beside
from bootwright.images.opened import open_image
from bootwright.isolate.compare import compare
from bootwright.isolate.files import WHOLE, LoaderConfig, Mixed, Piece
from bootwright.isolate.model import Element

_TOGETHER = "kernel and its modules"


@frozen
class _Leaf:
    """A piece of a file at a place of the good image."""

    place: str
    piece: Piece


@define
class ImageHybrids:
    """See `isolate_model.Hybrids`. Both images are raw files; `work_folder` is for intermediate files."""

    good: Path
    bad: Path
    work_folder: Path
    progress: Progress = field(factory=Silent)
    notes: list[str] = field(factory=list)
    """What differs and cannot be mixed."""
    remarks: list[str] = field(factory=list)
    """What is taken whole, and why."""
    _files: dict[str, Mixed] = field(factory=dict)
    _children: dict[str, list[str]] = field(factory=dict)
    _leaves: dict[str, list[_Leaf]] = field(factory=dict)
    _kinds: dict[str, str] = field(factory=dict)
    _needs: dict[str, frozenset[str]] = field(factory=dict)
    _with_kernel: set[str] = field(factory=set)
    """Elements that travel with the kernel, and the kernel itself."""
    _renamed: dict[str, str] = field(factory=dict)
    """Places that the bad image calls otherwise: the good one's → the bad one's."""

    def __attrs_post_init__(self) -> None:
        compared = compare(open_image(self.good), open_image(self.bad))
        self._files, self._renamed = compared.files, compared.renamed
        self.notes += compared.notes
        self.remarks += compared.remarks
        self._grow()

    @property
    def complete(self) -> bool:
        """Whether the mixture of everything is the bad image."""
        return not self.notes

    def elements(self) -> Sequence[Element]:
        """See `Hybrids.elements`."""
        tops = [name for name in self._leaves if name == self._kinds[name]]
        return [self._element(name) for name in tops]

    def inside(self, element: Element) -> Sequence[Element]:
        """See `Hybrids.inside`."""
        return [self._element(name) for name in self._children.get(element.name, ())]

    def build(self, from_bad: frozenset[str], out: Path) -> None:
        """See `Hybrids.build`."""
        files, removed = self._changed(from_bad, self.work_folder / "parts")
        if not files and not removed:
            raise Refused("no element of the bad image was chosen", hint="use the good image itself")
        swap(self.good, out, Changes(files=files, removed=removed), progress=Silent())
        beside(out).unlink(missing_ok=True)

    def mend(self, culprit: frozenset[str]) -> str:
        """See `Hybrids.mend`; the files it needs are written to `work_folder`/mend."""
        rest = frozenset(self._leaves) - self._covered(culprit)
        chosen = frozenset(leaf for name in rest if name not in self._children for leaf in self._leaves[name])
        words = ["bootwright", "image", "swap", str(self.bad)]
        for place in sorted({leaf.place for name in culprit for leaf in self._leaves[name]}):
            pieces = frozenset(leaf.piece for leaf in chosen if leaf.place == place)
            content = self._files[place].content(pieces)
            there = self._renamed.get(place, place)
            if content is None:
                words += ["--remove", there]
                continue
            if isinstance(self._files[place], LoaderConfig):
                for ours, theirs in self._renamed.items():
                    content = content.replace(
                        ours.partition(":")[2].encode(), theirs.partition(":")[2].encode()
                    )
            path = self.work_folder / "mend" / place.replace(":", "").replace("/", "_").strip("_")
            write_bytes(path, content)
            words += ["--file", f"{there}={path}"]
        # Boots have shown what it does: a prediction that says otherwise must not stand in its way.
        return shlex.join([*words, "--any-result", "-o", "mended.img"])

    def _covered(self, names: frozenset[str]) -> frozenset[str]:
        """`names` with everything inside them and everything they are all of."""
        leaves = {leaf for name in names for leaf in self._leaves[name]}
        return frozenset(name for name, own in self._leaves.items() if set(own) & leaves)

    def _changed(
        self, from_bad: frozenset[str], work_folder: Path
    ) -> tuple[tuple[tuple[str, Path], ...], tuple[str, ...]]:
        chosen: dict[str, set[Piece]] = {}
        for name in from_bad:
            for leaf in self._leaves[name]:
                chosen.setdefault(leaf.place, set()).add(leaf.piece)
        files: list[tuple[str, Path]] = []
        removed: list[str] = []
        for number, (place, pieces) in enumerate(sorted(chosen.items())):
            before = self._files[place].content(frozenset())
            content = self._files[place].content(frozenset(pieces))
            if content is None:
                removed += [place] if before is not None else []
            elif content != before:
                path = work_folder / f"part-{number}"
                write_bytes(path, content)
                files.append((place, path))
        return tuple(files), tuple(removed)

    def _element(self, name: str) -> Element:
        kind = self._kinds[name]
        group = _TOGETHER if name in self._with_kernel else None
        return Element(name, kind, group, self._needs.get(name, frozenset()))

    @property
    def finest(self) -> int:
        """How many differences there are at the finest."""
        return len({leaf for leaves in self._leaves.values() for leaf in leaves})

    def places(self, name: str) -> frozenset[str]:
        """Where in the good image the differences of an element are: `BOOT:/A/vmlinuz`."""
        return frozenset(leaf.place for leaf in self._leaves.get(name, ()))

    def _grow(self) -> None:
        """The tree of names: kind, then file where there are several, then piece."""
        by_kind: dict[str, dict[str, list[Piece]]] = {}
        for place, mixed in self._files.items():
            for piece in mixed.pieces():
                by_kind.setdefault(piece.kind, {}).setdefault(place, []).append(piece)
        for kind, places in by_kind.items():
            self._name(kind, kind, [_Leaf(place, piece) for place, some in places.items() for piece in some])
            split = len(places) > 1
            for place, pieces in places.items():
                above = kind
                if split:
                    above = f"{kind}: {place.rpartition('/')[2]}"
                    above = above if above not in self._leaves else f"{kind}: {place}"
                    self._name(above, kind, [_Leaf(place, piece) for piece in pieces])
                    self._children.setdefault(kind, []).append(above)
                for piece in pieces:
                    if piece.name != WHOLE and (split or len(places) == 1):
                        name = f"{above}: {piece.name}"
                        self._name(name, kind, [_Leaf(place, piece)])
                        self._children.setdefault(above, []).append(name)
                        if piece.needs:
                            self._needs[name] = frozenset(f"{above}: {needed}" for needed in piece.needs)

        self._travel()

    def _travel(self) -> None:
        """A kernel takes only modules of its own build: what holds them comes and goes with it."""
        holding = {
            name for name, leaves in self._leaves.items() if any(leaf.piece.with_kernel for leaf in leaves)
        }
        if holding and "kernel" in self._leaves:
            self._with_kernel = holding | {name for name, kind in self._kinds.items() if kind == "kernel"}

    def _name(self, name: str, kind: str, leaves: list[_Leaf]) -> None:
        self._leaves[name] = leaves
        self._kinds[name] = kind
