"""What a swap is to change, worked out on an image: which files of which partition get which content."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Sequence
from pathlib import Path

from attrs import define, evolve, field, frozen

from bootwright.boards.model import Board
from bootwright.bootchain.model import Chain, Part
from bootwright.bootchain.volumes import Volume as BootVolume
from bootwright.bootchain.volumes import file_at
from bootwright.formats.filesystems.filesystem import Entry, EntryKind, lookup, read_small
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.images.change import initramfs_edit, uki_edit
from bootwright.images.change.counterparts import counterparts
from bootwright.images.change.edits import EDITORS, ArgumentEdit, ConfigEdit, edit_config_txt, edit_texts
from bootwright.images.opened import OpenImage, Volume, argument_names
from bootwright.images.parts.kernel_part import KernelFiles, kernel_files

_MOST_TEXT = 4 << 20


@frozen
class Changes:
    """What the user asks for."""

    kernel: str | None = None
    """A catalogue name, a .deb, an arm64 Image or a folder."""
    modules: str | None = None
    """`/lib/modules/RELEASE`, for `kernel` or for the image's own."""
    added_modules: tuple[str, ...] = ()
    """Names of modules that are to be there beside those of the image, where modules are replaced."""
    trees: tuple[Path, ...] = ()
    """DTBs and overlays, or folders of them: those of the same name in the image are replaced."""
    arguments: tuple[ArgumentEdit, ...] = ()
    config: tuple[ConfigEdit, ...] = ()
    initramfs: Path | None = None
    files: tuple[tuple[str, Path], ...] = ()
    """`PARTITION:/path` and the file to put there."""
    removed: tuple[str, ...] = ()
    """`PARTITION:/path` of files to take away."""
    any_result: bool = False
    """Whether a kernel that is cut short is taken too."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to change."""
        return evolve(self, any_result=False) == Changes()


@frozen
class NewFile:
    """One file to be written."""

    path: Path
    part: str
    version: str | None
    origin: str


@define
class Plan:
    """The files to write and to remove, by volume."""

    put: dict[Volume, dict[str, NewFile]] = field(factory=dict)
    remove: dict[Volume, set[str]] = field(factory=dict)
    notes: list[str] = field(factory=list)
    """What the user should know: what was kept, left out, or may not work."""

    def write(self, volume: Volume, name: str, new: NewFile) -> None:
        """Add a file; the last one for a path counts."""
        self.put.setdefault(volume, {})[name] = new

    @property
    def volumes(self) -> list[Volume]:
        """Those that change, in the order of the disk."""
        return sorted({*self.put, *self.remove}, key=lambda volume: volume.partition.offset)


def plan(
    image: OpenImage, changes: Changes, work: Path, progress: Progress, board: Board | None = None
) -> Plan:
    """Which files change; `board` decides where it depends on the board what boots.

    Raises `Refused` for a change that the image has no place for, `Missing`, `Malformed`.
    """
    if changes.empty:
        raise Refused("no change was asked for", hint="see bootwright image swap --help")
    result = Plan()
    _Planner(image, work, progress, result, board).all(changes)
    return result


class _Planner:
    def __init__(
        self, image: OpenImage, work: Path, progress: Progress, result: Plan, board: Board | None
    ) -> None:
        self._image = image
        self._board = board
        self._work = work
        self._progress = progress
        self._plan = result
        self._count = 0

    def all(self, changes: Changes) -> None:
        if changes.trees:
            self._trees(changes.trees)
        if changes.config:
            self._config_txt(changes.config)
        if changes.added_modules and not (changes.kernel or changes.modules):
            raise Refused(
                "modules are added from a kernel's folder of modules", hint="give --kernel, or --modules DIR"
            )
        if changes.kernel or changes.modules or changes.initramfs or changes.arguments:
            self._boot_parts(changes)
        for place, path in changes.files:
            volume, name = self._image.place(place)
            self._plan.write(volume, name, self._given(path, "file"))
        for place in changes.removed:
            volume, name = self._image.place(place)
            entry = lookup(volume.files, name)
            if entry is None or entry.kind is not EntryKind.FILE:
                raise Refused(f"{self._image.path} has no file {place}")
            self._plan.remove.setdefault(volume, set()).add(entry.path)

    def _trees(self, given: tuple[Path, ...]) -> None:
        there = [(volume, entry) for volume, entry in self._image.trees()]
        for path in given:
            new_trees = (
                {file.name: file for file in sorted(path.rglob("*.dtb*")) if file.is_file()}
                if path.is_dir()
                else {path.name: path}
            )
            matched: set[str] = set()
            for volume, entry in there:
                if entry.name in new_trees:
                    matched.add(entry.name)
                    part = "overlay" if entry.name.endswith(".dtbo") else "dtb"
                    self._plan.write(volume, entry.path, self._given(new_trees[entry.name], part))
            if path.is_dir():
                kept = sorted({entry.name for _, entry in there} - set(new_trees))
                if kept and matched:
                    self._plan.notes.append(
                        f"kept, as {path} has none with these names: {', '.join(kept)[:300]}"
                    )
            elif not matched:
                self._add_tree(path, there)
                matched.add(path.name)
            if not matched:
                names = ", ".join(sorted({entry.name for _, entry in there}))[:200]
                raise Refused(f"{path} has none of the image's devicetrees", hint=f"the image has {names}")

    def _add_tree(self, path: Path, there: list[tuple[Volume, Entry]]) -> None:
        """A blob of a new name goes beside the others."""
        if not path.is_file():
            raise Missing(f"there is no {path}", hint="give a .dtb, a .dtbo or a folder of them")
        suffix = path.suffix.lower()
        for volume, entry in there:
            place = entry.path
            if place.lower().endswith(suffix):
                part = "overlay" if suffix == ".dtbo" else "dtb"
                folder = posixpath.dirname(place)
                self._plan.write(volume, posixpath.join(folder, path.name), self._given(path, part))
                self._plan.notes.append(f"{path.name} is new in the image: {volume.path(folder)}")
                return
        raise Refused(
            f"the image has no {suffix} file, so it is not clear where {path.name} belongs",
            hint=f"say where: --file PARTITION:/{path.name}={path}",
        )

    def _config_txt(self, edits: tuple[ConfigEdit, ...]) -> None:
        volume = self._image.config_txt()
        if volume is None:
            raise Refused(f"{self._image.path} has no config.txt", hint="only Raspberry Pi images have one")
        entry = lookup(volume.files, "/config.txt")
        name = entry.path if entry is not None else "/config.txt"
        old = read_small(volume.files, name) or b""
        self._text(volume, name, edit_config_txt(old, edits, volume.path(name)), "config.txt")

    def _boot_parts(self, changes: Changes) -> None:
        chain = self._image.chain(self._board)
        if chain.unsure and chain.kernel is not None:
            self._plan.notes.append(f"not certain that {chain.kernel.place} is what boots: {chain.unsure}")
        if chain.kernel is not None:
            self._existing(chain.kernel)
        arguments = argument_names(_edited(chain.arguments, changes.arguments))
        initramfs = self._given(changes.initramfs, "initramfs") if changes.initramfs else None
        kernel: KernelFiles | None = None
        if changes.kernel or changes.modules:
            kernel = self._kernel(chain, changes)
            initramfs = initramfs or self._with_modules(chain, kernel, arguments)
        if changes.arguments and chain.config is not None:
            self._arguments(chain, chain.config, changes.arguments)
        if chain.uki is not None:
            self._uki(chain, chain.uki, kernel if changes.kernel else None, initramfs, changes)
            return
        if changes.kernel and kernel is not None and chain.kernel is not None:
            new = NewFile(kernel.image, "kernel", kernel.release, kernel.origin)
            self._plan.write(*self._existing(chain.kernel), new)
        if initramfs is not None:
            if not chain.initramfs:
                raise Refused("the image boots without an initramfs, so there is none to replace")
            self._plan.write(*self._existing(chain.initramfs[-1]), initramfs)
        if changes.arguments and chain.config is None:
            raise Refused("the image has no file with kernel arguments")

    def _arguments(
        self, chain: Chain, config: tuple[BootVolume, str], edits: tuple[ArgumentEdit, ...]
    ) -> None:
        """Change the arguments in the file that holds them."""
        volume, name = self._volume(config[0]), config[1]
        editor = EDITORS.get(chain.kind)
        if editor is None:
            raise Refused(
                f"the kernel arguments are set by the script {volume.path(name)}",
                hint=f"change it by hand: --file {volume.path(name)}=FILE",
            )
        old = read_small(volume.files, name, _MOST_TEXT) or b""
        part = "cmdline" if chain.kind == "firmware" else "loader-config"
        self._text(volume, name, editor(old, edits, volume.path(name)), part)

    def _volume(self, volume: BootVolume) -> Volume:
        """The image's own object of a volume."""
        return next(opened for opened in self._image.volumes if opened is volume)

    def _kernel(self, chain: Chain, changes: Changes) -> KernelFiles:
        origin = changes.kernel
        if not origin:
            image = self._work_folder("own") / "vmlinuz"
            source = self._own_kernel(chain)
            image.write_bytes(source.read(0, source.size))
            origin = str(image)
        files = kernel_files(
            origin,
            self._work_folder("kernel"),
            folder=Path(),
            modules=changes.modules,
            cut_short_too=changes.any_result,
            progress=self._progress,
        )
        return evolve(files, added=changes.added_modules)

    def _own_kernel(self, chain: Chain) -> ByteSource:
        if chain.kernel is None:
            raise Refused(f"{chain.uki.place if chain.uki else self._image.path} holds no kernel")
        return chain.kernel.open()

    def _with_modules(self, chain: Chain, kernel: KernelFiles, arguments: Sequence[str]) -> NewFile | None:
        """The initramfs with the new kernel's modules, where it holds any; they travel together."""
        source = self._own_initramfs(chain)
        if source is None or not source.size:
            return None
        releases = initramfs_edit.has_modules(source)
        if not releases and kernel.added:
            raise Refused(
                f"the initramfs holds no modules, so that there is no place for {', '.join(kernel.added)}",
                hint="give an initramfs of your own: --initramfs FILE",
            )
        if not releases:
            self._plan.notes.append("the initramfs holds no modules; it is kept as it is")
            return None
        if kernel.modules is None:
            if set(releases) == {kernel.release}:
                self._plan.notes.append(f"the modules of {kernel.release} in the image are kept")
                return None
            raise Refused(
                f"the image holds modules of {', '.join(releases)}, which {kernel.release} does not load",
                hint="kernel and modules travel together: give a package, or --modules DIR as well",
            )
        kernel = self._with_counterparts(chain, kernel, source)
        path, done = initramfs_edit.replace_modules(
            source, kernel, kernel.gate(arguments), self._work_folder("initramfs"), self._progress
        )
        self._plan.notes += [*done.trees, *dict.fromkeys(done.checked)]
        if done.left_out:
            self._plan.notes.append(f"not in {kernel.release} as modules: {', '.join(done.left_out)[:300]}")
        if done.early:
            self._plan.notes.append(
                f"loaded in front of the image's init, which expects them built in: {', '.join(done.early)}"
            )
        origin = f"made here: the image's own with modules of {kernel.release} from {kernel.origin}"
        return NewFile(path, "initramfs", None, origin)

    def _with_counterparts(self, chain: Chain, kernel: KernelFiles, initramfs: ByteSource) -> KernelFiles:
        """With the modules of what the old kernel had built in, which no name in the image tells."""
        if chain.kernel is None:
            return kernel
        with self._progress.step("look up what the old kernel has built in"):
            names = counterparts(chain.kernel.open(), initramfs, kernel)
        added = tuple(name for name in names if name not in kernel.added)
        if added:
            shown = ", ".join(added[:12]) + (f" and {len(added) - 12} more" if len(added) > 12 else "")
            self._plan.notes.append(f"brought along, as the old kernel has it built in: {shown}")
        return evolve(kernel, added=(*kernel.added, *added))

    def _own_initramfs(self, chain: Chain) -> ByteSource | None:
        return chain.initramfs[-1].open() if chain.initramfs else None

    def _uki(
        self,
        chain: Chain,
        uki_file: Part,
        kernel: KernelFiles | None,
        initramfs: NewFile | None,
        changes: Changes,
    ) -> None:
        volume, place = self._existing(uki_file)
        done = uki_edit.rewrite(
            uki_file.open(),
            volume.path(place),
            kernel=kernel,
            initramfs=initramfs.path if initramfs is not None else None,
            arguments=changes.arguments if chain.config is None else (),
        )
        if done.image is None:
            return
        path = self._work_folder("uki") / "uki.efi"
        path.write_bytes(done.image)
        parts = [part.origin for part in (kernel, initramfs) if part is not None]
        origin = f"the image's own with {', '.join(done.replaced)} replaced: {'; '.join(parts)}"
        version = kernel.release if kernel is not None else None
        self._plan.write(volume, place, NewFile(path, "uki", version, origin))
        self._plan.notes += done.notes

    def _text(self, volume: Volume, name: str, data: bytes, part: str) -> None:
        self._count += 1
        path = self._work_folder("texts") / str(self._count)
        path.write_bytes(data)
        self._plan.write(volume, name, NewFile(path, part, None, "edited by bootwright image swap"))

    def _given(self, path: Path, part: str) -> NewFile:
        if not path.is_file():
            raise Missing(f"there is no file {path}", hint="check the name")
        return NewFile(path, part, None, str(path))

    def _existing(self, part: Part) -> tuple[Volume, str]:
        """Where a part is stored, symbolic links followed."""
        entry = file_at(part.volume, part.path)
        if entry is None:
            raise Refused(
                f"{part.place} is not there, though the boot loader names it",
                hint="see bootwright image verify",
            )
        return self._volume(part.volume), entry.path

    def _work_folder(self, name: str) -> Path:
        folder = self._work / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _edited(arguments: str, edits: Sequence[ArgumentEdit]) -> str:
    """A command line as it will be; what is taken away may be another entry's or profile's alone."""
    for edit in edits:
        encoded = {"": arguments.encode("utf-8", "surrogateescape")}
        with contextlib.suppress(Refused):
            arguments = edit_texts(encoded, (edit,))[""].decode("utf-8", "surrogateescape")
    return arguments
