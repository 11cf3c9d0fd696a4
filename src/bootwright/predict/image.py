"""What an image, a package or a URL holds for `check`: its kernel, modules, devicetrees, operating system.

The artifact is read by `artifacts.explore`; what the predictor needs as files (the bare Image, the module
tree, the blobs) is put into the cache under names made of content.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from attrs import define, field

from bootwright.artifacts.arm64_image import KernelImage, unwrapped
from bootwright.artifacts.bytesource import ByteSource
from bootwright.artifacts.config_txt import ConfigTxt
from bootwright.artifacts.explore import Explorer
from bootwright.artifacts.explore_files import ModuleTree
from bootwright.artifacts.facts import Item
from bootwright.artifacts.kernel_config import KernelConfig
from bootwright.foundation.atomic import explained, write_bytes, write_text
from bootwright.foundation.errors import Missing
from bootwright.foundation.places import cache_dir
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel

_PIECE = 1 << 20


@define
class Contents:
    """What was found."""

    kernel: Kernel | None = None
    dtbs: dict[str, Path] = field(factory=dict)
    os: dict[str, Version] = field(factory=dict)
    initramfs_modules: frozenset[str] | None = None
    config_txt: ConfigTxt | None = None
    overlays: dict[str, Path] = field(factory=dict)
    """Overlays that config.txt names, by name without `.dtbo`."""
    notes: list[str] = field(factory=list)


def contents(artifact: str, progress: Progress, *, blobs: Collection[str]) -> Contents:
    """Look into an artifact; of devicetrees, only those whose file name is in `blobs` are taken out.

    Raises what `artifacts.explore` raises.
    """
    item = Explorer(progress=progress).artifact(artifact)
    found = Contents()
    found.kernel = _kernel(item, found, artifact, progress)
    for each in item.of_kind("devicetree"):
        name = PurePosixPath(each.name).name
        if each.source is not None and (name in blobs or each is item):
            found.dtbs.setdefault(name, _kept(each.source, "dtbs", name))
    _firmware(item, found)
    for each in item.of_kind("os-release"):
        identity, version = each.fact("id"), each.fact("version_id")
        parsed = Version.parse(str(version)) if version is not None else None
        if isinstance(identity, str) and parsed is not None:
            found.os.setdefault(identity, parsed)
    for each in item.of_kind("initramfs"):
        trees = [child.detail for child in each.children if isinstance(child.detail, ModuleTree)]
        if trees:
            found.initramfs_modules = frozenset(name for tree in trees for name in tree.names)
    return found


def _firmware(item: Item, found: Contents) -> None:
    """config.txt, and the overlays it names."""
    for each in item.of_kind("config-txt"):
        if isinstance(each.detail, ConfigTxt) and found.config_txt is None:
            found.config_txt = each.detail
    if found.config_txt is None:
        return
    wanted = {overlay_name(setting.value) for setting in found.config_txt.values("dtoverlay")}
    for each in item.of_kind("overlay"):
        name = PurePosixPath(each.name).stem
        if each.source is not None and name in wanted:
            found.overlays.setdefault(name, _kept(each.source, "overlays", f"{name}.dtbo"))


def overlay_name(value: str) -> str:
    """The overlay that a `dtoverlay=` names: what precedes its parameters."""
    return value.partition(",")[0].strip()


def _kernel(item: Item, found: Contents, artifact: str, progress: Progress) -> Kernel | None:
    images = [each for each in item.of_kind("kernel") if isinstance(each.detail, KernelImage) and each.source]
    trees = {
        each.detail.release: each
        for each in item.of_kind("modules")
        if isinstance(each.detail, ModuleTree) and each.detail.files and each.files is not None
    }
    if not images:
        return None
    chosen = next((one for one in images if _release(one) in trees), images[0])
    if len({_release(one) for one in images}) > 1:
        found.notes.append(f"{artifact} holds {len(images)} kernels; {chosen.name} is checked")
    assert chosen.source is not None  # noqa: S101 - selected above
    release = _release(chosen)
    image, digest = _bare(chosen.source)
    config = _config(item, digest)
    tree = trees.get(release)
    if tree is None:
        found.notes.append(f"{artifact} holds no modules of {release}")
    return Kernel(
        name=PurePosixPath(artifact).name,
        version=_version(release),
        release=release,
        page_size=getattr(chosen.detail, "page_size", None) or 0,
        image=image,
        image_sha256=digest,
        config=config,
        modules=_modules(tree, digest, progress) if tree is not None else None,
        dtbs=None,
        provenance={"file": artifact, "path": chosen.name},
    )


def _release(item: Item) -> str:
    return str(getattr(item.detail, "release", None) or "unknown")


def _version(release: str) -> Version:
    numbers = release.partition("+")[0].partition("-")[0]
    return Version.parse(numbers) or Version(release, ((0,), 0))


def _bare(source: ByteSource) -> tuple[Path, str]:
    image = unwrapped(source)[0]
    data = image.read(0, len(image))
    digest = hashlib.sha256(data).hexdigest()
    path = cache_dir() / "given" / "images" / digest
    if not path.is_file():
        write_bytes(path, data)
    return path, digest


def _kept(source: ByteSource, folder: str, name: str) -> Path:
    data = source.read(0, len(source))
    path = cache_dir() / "given" / folder / hashlib.sha256(data).hexdigest()[:32] / name
    if not path.is_file():
        write_bytes(path, data)
    return path


def _config(item: Item, digest: str) -> Path | None:
    for each in item.of_kind("kernel-config"):
        if isinstance(each.detail, KernelConfig):
            path = cache_dir() / "given" / "configs" / digest
            lines = [f"{name}={value}" for name, value in each.detail.options.items()]
            lines += [f"# {name} is not set" for name in sorted(each.detail.unset)]
            write_text(path, "\n".join(lines) + "\n")
            return path
    return None


def _modules(item: Item, digest: str, progress: Progress) -> Path:
    """The tree's files, taken out once: a kernel and its modules are built together."""
    tree, files = item.detail, item.files
    if not isinstance(tree, ModuleTree) or files is None:
        raise Missing(f"{item.name} holds no modules", hint="give them with --modules")
    listing = "\n".join(sorted(f"{entry.path} {entry.size}" for entry in tree.files))
    key = hashlib.sha256(f"{digest}\n{listing}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    place = cache_dir() / "given" / "modules" / key
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
    try:
        with progress.step(f"take out {len(tree.files)} modules of {tree.release}"):
            for number, entry in enumerate(tree.files):
                # A flat folder with a number: names from an image are no paths of this machine.
                name = PurePosixPath(entry.path).name
                _write(files.open(entry), work / f"{number // 500}" / name)
            for name in tree.tables:
                if name.startswith("modules.builtin"):
                    table = next((one for one in _tables(item, name)), None)
                    if table is not None:
                        _write(table, work / name)
        work.rename(place)
    except OSError as error:
        if place.is_dir():
            return place  # another process was quicker
        raise explained(error, place) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def _tables(item: Item, name: str) -> Iterable[ByteSource]:
    from bootwright.artifacts.filesystem import lookup

    if item.files is not None:
        entry = lookup(item.files, f"{item.name}/{name}")
        if entry is not None:
            yield item.files.open(entry)


def _write(source: ByteSource, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        for at in range(0, len(source), _PIECE):
            file.write(source.read(at, min(_PIECE, len(source) - at)))
        os.fchmod(file.fileno(), 0o644)
