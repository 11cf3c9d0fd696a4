"""Does everything exist that the boot chain names, and do kernel, modules and initramfs belong together?"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from bootwright.boards.model import Board
from bootwright.bootchain.model import Chain, Part, started
from bootwright.bootchain.volumes import entry_at, file_at, open_at, place
from bootwright.formats.archives.initramfs import InitramfsTree, read_segments
from bootwright.formats.filesystems.filesystem import (
    Entry,
    EntryKind,
    FileSystem,
    Unreadable,
    lookup,
    walk,
)
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.kernel.arm64_image import KernelImage, read_kernel_image, unwrapped
from bootwright.formats.kernel.config import embedded_config, read_kernel_config
from bootwright.formats.os_release import read_command_line
from bootwright.formats.programs.pe import open_section, read_pe
from bootwright.formats.programs.uki import read_profiles, read_text
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.foundation.errors import BootwrightError
from bootwright.images.opened import OpenImage, all_files, argument_names
from bootwright.images.parts.inits import Init, init_of
from bootwright.images.parts.module_files import plain_bytes
from bootwright.images.parts.module_gate import Enforcement, ModuleGate, enforcement
from bootwright.images.parts.tree_names import MODULE, module_name
from bootwright.images.verify.loader_files import loader_checks, tree_check
from bootwright.images.verify.verify_model import Check, fails, unknown, works

_CHUNK = 4 << 20
_SIGNED = "signed (the signature is not verified)"
_OTHER_LOADERS = {
    f"/EFI/BOOT/BOOT{name}.EFI": machine
    for name, machine in {
        "X64": "x86-64", "IA32": "x86", "ARM": "arm", "RISCV64": "riscv64", "LOONGARCH64": "loongarch64"
    }.items()
}  # fmt: skip
"""What firmware of other architectures starts from a removable medium (UEFI 2.10, 3.5.1.1)."""
_U_BOOT_READS = frozenset({"vfat", "ext2", "ext3", "ext4", "squashfs", "btrfs"})
"""File systems of U-Boot 2024.10 (fs/) that boards have for `distro boot`."""


def boot_checks(image: OpenImage, board: Board | None = None) -> Iterator[Check]:
    """The checks of the boot chain, on any board without `board`.

    Raises `Malformed` where its own configuration cannot be read.
    """
    chains = image.chains(board)
    if not chains:
        others = [name for volume in image.volumes for name in _OTHER_LOADERS if file_at(volume, name)]
        yield fails(
            "boot chain",
            "nothing here boots: no boot loader's configuration, UKI, or config.txt with a kernel"
            + (f"; {others[0]} is for {_OTHER_LOADERS[others[0]]}" if others else ""),
            hint="take the arm64 (aarch64) image of the same release"
            if others
            else "see bootwright inspect for what the image holds",
        )
    looked_at: set[tuple[object, ...]] = set()
    for chain in chains:
        yield from _chain(chain, looked_at)
    for chain in started(chains):
        # Boards may start different kernels; whether one of them starts nothing here is not known.
        if chain.unsure and not chain.boards:
            where = place(*chain.config) if chain.config else None
            yield unknown("boot order", f"not certain that {chain.name} starts: {chain.unsure}", where=where)
    yield from loader_checks(image, chains)


def _chain(chain: Chain, looked_at: set[tuple[object, ...]]) -> Iterator[Check]:
    """`looked_at` are kernels with their archives: entries of a menu often share them."""
    if chain.uki is not None:
        yield from _uki(chain, chain.uki)
    named = place(*chain.config) if chain.config else chain.stages[-1].place
    if chain.kind == "firmware" and chain.kernel is not None:
        named = chain.kernel.by.partition(", line ")[0]  # its command line is a file of its own
    if chain.kernel is None:
        for reason in chain.unknown:
            yield unknown("boot chain", reason, where=named, hint="the rest of the image is checked")
        return
    archives = (part.place for part in chain.initramfs)
    files = (chain.kind, chain.kernel.place, *archives, _signatures(chain), _init_names(chain))
    if chain.uki is None and files not in looked_at:
        looked_at.add(files)
        yield from _files(chain, chain.kernel, named)
    if not chain.initramfs and _init_names(chain) and files[:2] not in looked_at:
        looked_at.add(files[:2])
        yield _no_root(chain.uki.place if chain.uki is not None else named)
    for tree in (chain.devicetree, *chain.overlays):
        check = tree_check(tree) if tree is not None and ("tree", tree.place) not in looked_at else None
        if tree is not None:
            looked_at.add(("tree", tree.place))
        if check is not None:
            yield check
    yield from _entry(chain, named)


def _signatures(chain: Chain) -> Enforcement:
    """What the arguments alone say of modules: entries may differ in it."""
    return enforcement(None, argument_names(chain.arguments))


def _files(chain: Chain, named_kernel: Part, named: str) -> Iterator[Check]:
    """Kernel and initramfs of a chain, each a file."""
    started = None
    kernel = open_at(named_kernel.volume, named_kernel.path)
    if kernel is None:
        yield fails("kernel", f"{named} starts {named_kernel.path}, which is not there", where=named)
    else:
        needs_stub = chain.kind in {"grub", "loader-entry", "efi"}
        started = yield from _kernel(kernel, named_kernel.place, chain, needs_stub=needs_stub)
    holds_init: list[bool] = []
    for part in chain.initramfs:
        source = open_at(part.volume, part.path)
        if source is None:
            holds_init.append(True)  # it may hold one: this is what is wrong
            yield fails("initramfs", f"{named} loads {part.path}, which is not there", where=named)
        else:
            holds_init.append((yield from _initramfs(source, part.place, started, _init_names(chain))))
    # They are unpacked into one root, so that any of them may hold what is started.
    if chain.initramfs and not any(holds_init):
        yield _no_init(chain, chain.initramfs[-1].place)


def _init_names(chain: Chain) -> tuple[str, ...]:
    """What the kernel starts of an initramfs (init/main.c, Linux 6.12); empty where it can mount a root."""
    arguments = read_command_line(chain.arguments)
    named = [argument.value for argument in arguments if argument.name == "rdinit" and argument.value]
    if named:
        return (named[-1],)
    return () if any(argument.name == "root" for argument in arguments) else ("/init", "/sbin/init")


def _no_init(chain: Chain, place: str) -> Check:
    return fails("initramfs", f"it holds no {_init_names(chain)[0]}", where=place)


def _no_root(named: str) -> Check:
    """Neither an initramfs nor `root=`: an archive inside the kernel (usr/Kconfig INITRAMFS_SOURCE), or
    arguments that are not the loader's, may still bring a root file system."""
    return unknown(
        "root file system",
        "no initramfs is handed over, and no root= names one: the kernel starts only if it has an initramfs "
        "built in, or root= from elsewhere",
        where=named,
        hint="add root=PARTUUID=… to its arguments, or an initramfs",
    )


def _entry(chain: Chain, named: str) -> Iterator[Check]:
    """What else an entry names, and whether its loader can read the file system it lies on."""
    if chain.entry is None and chain.kind != "script":
        return
    trees = [tree for tree in (chain.devicetree, *chain.overlays) if tree is not None]
    directory = chain.devicetree_directory
    missing = [tree for tree in trees if not tree.exists and not tree.section]
    if directory is not None and entry_at(directory.volume, directory.path) is None:
        missing.append(directory)
    for part in missing:
        yield fails("devicetree", f"{named} names {part.path}, which is not there", where=named)
    kind = chain.kernel.volume.files.type if chain.kernel is not None else ""
    if chain.kind in {"extlinux", "script"} and kind not in _U_BOOT_READS:
        yield fails(
            "boot entry",
            f"it lies on {kind}, which U-Boot does not read",
            where=named,
            hint=f"put it on one of {', '.join(sorted(_U_BOOT_READS))}",
        )
    elif not missing:
        title = "".join(char for char in chain.title if char.isprintable())[:60]
        looked = len(trees) + (directory is not None)
        summary = f"{title!r}: kernel, {len(chain.initramfs)} initramfs"
        yield works("boot entry", f"{summary}, {looked} devicetree paths looked up", where=named)


def _kernel(
    source: ByteSource, place: str, chain: Chain, *, needs_stub: bool
) -> Generator[Check, None, ModuleGate | None]:
    """Returns what the kernel says to modules; None where it is not known."""
    try:
        facts: KernelImage = read_kernel_image(source)
    except BootwrightError as error:
        yield fails("kernel", error.message, where=place, hint=error.hint)
        return None
    page = f"{facts.page_size // 1024}K pages" if facts.page_size else "page size not stated"
    if facts.cut_short:
        yield fails("kernel", facts.cut_short, where=place, hint="copy or build it again")
        return None
    if needs_stub and not facts.efi_stub:
        yield fails("kernel", "it has no EFI stub, which GRUB needs to start it", where=place)
    elif facts.release is None:
        yield fails("kernel", "it holds no banner, so its release is not known", where=place)
    else:
        yield works("kernel", f"{facts.release}, {page}", where=place)
    if facts.release is None:
        return None
    data = embedded_config(unwrapped(source)[0])
    config = read_kernel_config(Bytes(data, f"{place}:config")) if data else None
    return ModuleGate(source, facts.release, enforcement(config, argument_names(chain.arguments)))


def _uki(chain: Chain, uki: Part) -> Iterator[Check]:
    """One profile of a UKI; what it shares with the first is looked at there."""
    place = f"{uki.place}@{chain.profile}" if chain.profile else uki.place
    source = open_at(uki.volume, uki.path)
    if source is None:
        return
    headers = read_pe(source)
    profiles = read_profiles(source, headers)
    profile = profiles[chain.profile]
    # Only the kernel is required (UAPI.5).
    optional = [name for name in (".initrd", ".osrel", ".cmdline") if profile.section(name) is None]
    without = f"; without {', '.join(optional)}" if optional else ""
    if headers.machine != "arm64" or not headers.is_efi_application:
        yield fails("uki", f"it is for {headers.machine}, or no EFI application", where=place)
    elif profile.section(".linux") is None:
        yield fails("uki", "it has no section .linux", where=place)
    elif len(profiles) == 1:
        signed = f"; {_SIGNED}" if headers.signed else ""
        yield works(
            "uki", f"{len(headers.sections)} sections, all inside the file{without}{signed}", where=place
        )
    else:
        own = [labeled.label for labeled in profile.sections if labeled.profile is not None]
        named = profile.title or profile.id or "without a name"
        signed = f"; {_SIGNED}" if headers.signed and not chain.profile else ""
        yield works(
            "uki", f"profile {profile.number} ({named}) with {', '.join(own)}{without}{signed}", where=place
        )
    shared = {labeled.label for labeled in profiles[0].sections} if chain.profile else set()
    linux, initrd, uname = (profile.labeled(name) for name in (".linux", ".initrd", ".uname"))
    started = None
    if linux is not None and linux.label not in shared:
        kernel = open_section(source, linux.section)
        started = yield from _kernel(kernel, f"{uki.place}:{linux.label}", chain, needs_stub=True)
    if uname is not None and started is not None and uname.section.size < 256:
        stated = read_text(source, uname.section)
        if stated != started.release:
            yield fails("uki", f".uname says {stated}, the kernel is {started.release}", where=place)
    if initrd is not None and initrd.label not in shared:
        archive = open_section(source, initrd.section)
        label = f"{uki.place}:{initrd.label}"
        if not (yield from _initramfs(archive, label, started, _init_names(chain))):
            yield _no_init(chain, label)


def _initramfs(
    source: ByteSource, place: str, started: ModuleGate | None, inits: Sequence[str]
) -> Generator[Check, None, bool]:
    """Returns whether it holds what the kernel starts of it; True where that is not known, or not asked."""
    try:
        tree = InitramfsTree(source.name, read_segments(source))
        counted = _read_all(tree)
    except BootwrightError as error:
        yield fails("initramfs", error.message, where=place, hint=error.hint)
        return True
    kinds = ", ".join(segment.compression or "bare" for segment in tree.segments)
    yield works("initramfs", f"{counted} files ({kinds})", where=place)
    yield from _modules(tree, place, started)
    for entry in all_files(tree):
        if entry.kind is EntryKind.FILE and entry.path.endswith((".sqsh", ".squashfs")):
            inner = f"{place}:{entry.path}"
            try:
                root = SquashFs(tree.open(entry))
                counted = _read_all(root)
            except BootwrightError as error:
                yield fails("root file system", error.message, where=inner, hint=error.hint)
                continue
            yield works(
                "root file system", f"squashfs ({root.superblock.compression}), {counted} files", where=inner
            )
            yield from _modules(root, inner, started)
            init = init_of([entry.path.lstrip("/")])
            if init is not None:
                yield from _can_mount(init, tree, root, inner)
    return not inits or any(_is_there(tree, name) for name in inits)


def _is_there(tree: FileSystem, name: str) -> bool:
    try:
        return lookup(tree, name) is not None
    except BootwrightError:
        return False


def _can_mount(init: Init, tree: FileSystem, root: FileSystem, place: str) -> Iterator[Check]:
    """What mounts the root, and what init needs next, is built in or at hand before: it loads no module."""
    built_in: set[str] = set()
    for entry in all_files(root):
        if entry.name == "modules.builtin" and entry.kind is EntryKind.FILE:
            text = root.open(entry).read(0, entry.size).decode("utf-8", "replace")
            built_in.update(module_name(line.strip()) for line in text.splitlines())
    if not built_in:
        return  # the list of built-in modules is not in the image
    at_hand = {module_name(entry.path) for entry in all_files(tree) if MODULE.fullmatch(entry.path)}
    reasons = ((init.mounts_root, "nothing can mount it"), (init.ends_without, "its init ends"))
    for needs, effect in reasons:
        missing = [name for name in needs if name not in built_in | at_hand]
        if missing:
            yield fails(
                "root file system",
                f"{effect}: {' and '.join(missing)} neither built in nor in the initramfs",
                where=place,
                hint="bootwright image swap --kernel puts such modules in front",
            )
            return


def _modules(files: FileSystem, place: str, started: ModuleGate | None) -> Iterator[Check]:
    # /lib is often a link to /usr/lib, and then these are one folder.
    folders = {
        entry.path: entry for name in ("/lib/modules", "/usr/lib/modules") if (entry := lookup(files, name))
    }
    for entry in folders.values():
        if entry.kind is not EntryKind.DIRECTORY:
            continue
        for tree in sorted(files.children(entry), key=lambda tree: tree.path):
            if tree.kind is not EntryKind.DIRECTORY or started is None:
                continue
            where = f"{place}:{tree.path}"
            if tree.name != started.release:
                yield fails(
                    "modules",
                    f"modules of {tree.name}, which the kernel {started.release} does not load",
                    where=where,
                    hint="kernel and modules must come from one build: bootwright image swap --kernel",
                )
            else:
                yield _accepted(files, tree, where, started)


def _accepted(files: FileSystem, tree: Entry, where: str, started: ModuleGate) -> Check:
    count = 0
    for entry in walk(files, start=tree):
        if isinstance(entry, Unreadable) or not MODULE.fullmatch(entry.path):
            continue
        try:
            started.check(entry.name, plain_bytes(files.open(entry)))
        except BootwrightError as error:
            return fails("modules", error.message, where=where, hint=error.hint)
        count += 1
    return works("modules", f"for {started.release}, as the kernel: {started.summary(count)}", where=where)


def _read_all(files: FileSystem) -> int:
    """Read every file to its end; the number of files. Raises the error of the first that cannot be read."""
    count = 0
    for entry in all_files(files):
        if entry.kind is EntryKind.FILE:
            source = files.open(entry)
            for start in range(0, source.size, _CHUNK):
                source.read(start, min(_CHUNK, source.size - start))
            count += 1
    return count
