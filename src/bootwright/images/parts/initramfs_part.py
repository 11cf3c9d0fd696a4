"""The stand-in's initramfs: a compressed cpio that holds init, a squashfs root and the modules to mount it.

As Talos has it (a cpio with `init` and `rootfs.sqsh`), whose init loads no module before it mounts what it
needs. What a distribution's kernel has as modules is therefore loaded in front of it (`probes/early/`).
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootwright.formats.archives import cpio
from bootwright.formats.modules.early_loader import OWN_INIT, OWN_LIST
from bootwright.foundation import atomic, tools
from bootwright.foundation.errors import Missing
from bootwright.foundation.guest import program
from bootwright.foundation.progress import Progress
from bootwright.images.parts import module_files
from bootwright.images.parts.kernel_part import KernelFiles
from bootwright.images.parts.module_gate import ModuleGate
from bootwright.images.recipes.recipe import InitramfsPart, Recipe
from bootwright.images.write.nodes import new_folder
from bootwright.images.write.squashfs_writer import make_squashfs
from bootwright.images.write.tar_writer import TarWriter
from bootwright.kernels.modules import ModuleFiles

_FOLDERS = ("dev", "proc", "sys", "run", "tmp", "system", "var", "etc", "usr/lib/stand-in", "usr/bin")
_LINKS = {"bin": "usr/bin", "lib": "usr/lib", "sbin": "usr/bin", "usr/sbin": "bin"}
"""The merged /usr of Talos from 1.10 on."""

_NAMES_OF_INIT = ("poweroff", "shutdown")
"""Hard links of Talos's init; the kernel runs /sbin/poweroff (kernel/reboot.c, orderly_poweroff)."""

_COMPRESSORS: dict[str, tuple[str, ...]] = {
    # CRC32 is what the kernel's decoder knows; two threads always, since one makes other bytes than several.
    "xz": ("xz", "--stdout", "--check=crc32", "-1", "--threads=2", "--block-size=16MiB"),
    "zstd": ("zstd", "--stdout", "--quiet", "-12"),
    "gzip": ("gzip", "--stdout", "--no-name", "-6"),
    "lzma": ("xz", "--format=lzma", "--stdout", "-3"),
    "lz4": ("lz4", "--stdout", "-l", "-9"),
    "bzip2": ("bzip2", "--stdout"),
}


def standin_initramfs(recipe: Recipe, kernel: KernelFiles, work: Path, progress: Progress) -> Path:
    """The initramfs of the stand-in in `work`.

    Raises `Missing` for a tool, a compiler, or an early module that this kernel does not have, `Refused` for
    modules that it does not accept.
    """
    part = recipe.initramfs or InitramfsPart()
    names = [*part.early, *part.load, *part.modules]
    modules = ModuleFiles(kernel.module_tree()) if names else None
    gate = kernel.gate(recipe.arguments)
    early = _early(kernel, part, modules, gate, progress)
    with progress.step("make the stand-in's root file system"):
        root = work / "root"
        _fill_root(root, recipe, part, kernel, modules=modules, gate=gate, progress=progress)
        image = work / "rootfs.sqsh"
        with TarWriter(work / "root.tar") as archive:
            archive.folder(root)
        make_squashfs(work / "root.tar", image, part.root_compression, root=new_folder().attributes)
    members = [
        cpio.folder("dev"),
        # Documentation/admin-guide/devices.txt: 5,1 is the console.
        cpio.character_device("dev/console", 5, 1),
        *_init(early),
        cpio.Member("rootfs.sqsh", image.read_bytes()),
        cpio.folder("stand-in"),
        cpio.Member("stand-in/version", f"{recipe.version}\n".encode()),
    ]
    with progress.step("compress the initramfs"):
        return compressed(cpio.write(members), part.compression, work / "initramfs")


def _init(early: Sequence[tuple[str, bytes]]) -> list[cpio.Member]:
    """The stand-in's init, behind the loader of early modules where there are any."""
    own = program("standin").path.read_bytes()
    if not early:
        return [cpio.Member("init", own, stat.S_IFREG | 0o755)]
    names = [name for name, _ in early]
    return [
        cpio.Member("init", program("early").path.read_bytes(), stat.S_IFREG | 0o755),
        cpio.folder("bootwright"),
        cpio.Member(OWN_INIT, own, stat.S_IFREG | 0o755),
        cpio.Member(OWN_LIST, "".join(f"/{name}\n" for name in names).encode()),
        *(cpio.folder(folder) for folder in _above(names)),
        *(cpio.Member(name, data) for name, data in early),
    ]


def _early(
    kernel: KernelFiles,
    part: InitramfsPart,
    modules: ModuleFiles | None,
    gate: ModuleGate,
    progress: Progress,
) -> list[tuple[str, bytes]]:
    if modules is None:
        return []
    tree = modules.tree
    files = module_files.closure(modules, part.early, required=True, progress=progress)
    gate.check_files(files)
    folder = f"usr/lib/modules/{kernel.release}"
    return [
        (
            f"{folder}/{path.parent.relative_to(tree).as_posix()}/{module_files.plain_name(path)}",
            module_files.plain_bytes(path),
        )
        for path in files
    ]


def _above(names: Sequence[str]) -> list[str]:
    """The folders that hold these files, parents first: the kernel makes none by itself."""
    folders: set[str] = set()
    for name in names:
        parts = name.split("/")[:-1]
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return sorted(folders)


def _fill_root(
    root: Path,
    recipe: Recipe,
    part: InitramfsPart,
    kernel: KernelFiles,
    *,
    modules: ModuleFiles | None,
    gate: ModuleGate,
    progress: Progress,
) -> None:
    for name in _FOLDERS:
        (root / name).mkdir(parents=True)
    for name, target in _LINKS.items():
        (root / name).symlink_to(target)
    init = root / "usr/bin/init"
    shutil.copyfile(program("standin").path, init)
    init.chmod(0o755)
    for name in _NAMES_OF_INIT:
        (init.parent / name).hardlink_to(init)
    (root / "etc/os-release").write_text(os_release(recipe))
    for name in ("hosts", "resolv.conf"):
        (root / "etc" / name).write_text("")
    listing: list[str] = []
    if modules is not None and (part.load or part.modules):
        tree = modules.tree
        load = module_files.closure(modules, part.load, required=False, progress=progress)
        if "*" in part.modules:
            files = module_files.all_modules(tree)
        else:
            names = module_files.named(tree, part.modules)
            files = module_files.closure(modules, names, required=False, progress=progress)
        chosen = list(dict.fromkeys([*load, *files]))
        gate.check_files(chosen)
        plain = chosen if part.uncompressed else load
        module_files.copy_tree(tree, chosen, root, kernel.release, plain=plain)
        listing = [
            f"/usr/lib/modules/{kernel.release}/{path.parent.relative_to(tree).as_posix()}/"
            f"{module_files.plain_name(path)}\n"
            for path in load
        ]
    (root / "usr/lib/stand-in/modules").write_text("".join(listing))
    for place, given in sorted(part.files.items()):
        _copy_given(recipe.path(given), root / place.lstrip("/"))


def os_release(recipe: Recipe) -> str:
    """/etc/os-release of the stand-in; what Talos's says, with its true name (os-release(5))."""
    version = recipe.version
    return (
        'NAME="Talos stand-in (bootwright)"\n'
        "ID=talos-stand-in\n"
        f"VERSION_ID={version}\n"
        f'PRETTY_NAME="bootwright stand-in for Talos ({version})"\n'
    )


def _copy_given(source: Path, place: Path) -> None:
    if not source.exists():
        raise Missing(f"there is no {source}", hint="paths in a recipe are relative to the recipe's folder")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, place)
            place.chmod(0o755 if source.stat().st_mode & 0o111 else 0o644)
    except OSError as error:
        raise atomic.explained(error, place) from error


def with_files(archive: bytes, files: Mapping[str, Path]) -> bytes:
    """An initramfs with files and folders behind it, by absolute path: what comes last counts.

    The kernel unpacks one archive after another, each on a multiple of 4 bytes
    (Documentation/driver-api/early-userspace/buffer-format.rst, Linux 6.12). Raises `Missing`.
    """
    members: dict[str, cpio.Member] = {}
    for place, source in sorted(files.items()):
        if not source.exists():
            raise Missing(
                f"there is no {source}", hint="paths in a recipe are relative to the recipe's folder"
            )
        name = place.strip("/")
        for path in [source, *(sorted(source.rglob("*")) if source.is_dir() else ())]:
            below = path.relative_to(source).as_posix()
            inside = name if below == "." else f"{name}/{below}"
            if path.is_symlink():
                target = str(path.readlink()).encode(errors="surrogateescape")
                members[inside] = cpio.Member(inside, target, stat.S_IFLNK | 0o777)
            elif path.is_dir():
                members[inside] = cpio.folder(inside)
            else:
                mode = 0o755 if path.stat().st_mode & 0o111 else 0o644
                members[inside] = cpio.Member(inside, path.read_bytes(), stat.S_IFREG | mode)
    folders = [cpio.folder(folder) for folder in _above(list(members)) if folder not in members]
    return archive + bytes(-len(archive) % 4) + cpio.write([*folders, *members.values()])


def compressed(archive: bytes, kind: str, path: Path) -> Path:
    """`archive` compressed into `path`, the same bytes each time; `none` leaves it as it is."""
    if kind == "none":
        path.write_bytes(archive)
        return path
    if kind not in _COMPRESSORS:
        raise Missing(f"an initramfs cannot be compressed with {kind} here", hint="use xz, zstd or gzip")
    command = _COMPRESSORS[kind]
    program = tools.need(command[0], purpose="compress the initramfs")
    path.write_bytes(tools.run([program, *command[1:]], input_bytes=archive, timeout=900))
    return path
