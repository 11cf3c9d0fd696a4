"""What prediction reads of a kernel, as one small file: for where its Image and modules cannot be.

A zip file (compressed by LZMA) whose comment says what it is: the kernel's name and numbers, the drivers that
are built in, the index of its modules, its configuration, the overlays that drivers carry, and the walks
through probe functions that were made so far. A walk that is not in it is not made: that driver's code then
counts as code that cannot be followed.
"""

from __future__ import annotations

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

from attrs import asdict, frozen

from bootwright.formats.kernel import built_in_store
from bootwright.formats.modules import module_index
from bootwright.foundation.cache import GIVEN_CONFIGS
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.structure import structure
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel
from bootwright.predict.kernel.drivers import KernelFacts, driver_named, kernel_facts
from bootwright.predict.kernel.own_overlays import carried_overlays
from bootwright.predict.probing import probes
from bootwright.predict.probing.probes import Probes

_MARK = b"bootwright kernel facts 1"
_MOST_BYTES = 64 << 20
"""Of the file, and of all its parts once expanded; a kernel of Debian's has 0.6 and 5 MB."""
_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every part: the same facts give the same bytes."""
_OVERLAYS = "overlays/"


@frozen
class _Head:
    """The part `kernel.json`."""

    name: str
    version: str
    release: str
    page_size: int
    image_sha256: str
    modules: str
    """Names the content of the modules' tree; empty without modules."""


def write_facts(kernel: Kernel) -> bytes:
    """The file of a kernel that is here whole, with the walks that were made of it so far.

    Raises `Missing` where it has no modules, and `Refused` where it would not take them.
    """
    facts = kernel_facts(kernel)
    if facts.modules is None or facts.probes is None:
        raise Missing(f"{kernel.name} is here without its modules", hint="bootwright kernels fetch --modules")
    refusal = facts.checks.whole_tree() if facts.checks is not None else None
    if refusal is not None:
        raise Refused(f"{kernel.name} does not take its modules: {refusal.reason}", hint=refusal.remedy)
    head = _Head(
        kernel.name,
        str(kernel.version),
        kernel.release,
        kernel.page_size,
        kernel.image_sha256,
        facts.modules.identity,
    )
    parts = {
        "kernel.json": json.dumps(asdict(head)).encode(),
        "built_in.json": built_in_store.packed(facts.built_in),
        "modules.shelf": facts.modules.packed(),
        "walks.shelf": facts.probes.packed(),
    }
    if kernel.config is not None:
        parts["config"] = kernel.config.read_bytes()
    for module, blobs in carried_overlays(facts).items():
        parts |= {f"{_OVERLAYS}{module}/{number}.dtbo": blob for number, blob in enumerate(blobs)}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_LZMA) as file:
        file.comment = _MARK
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_LZMA
            file.writestr(entry, content)
    return written.getvalue()


def is_facts_file(path: Path) -> bool:
    """Whether a file says that it is one."""
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                return False
            file.seek(-len(_MARK), 2)
            return file.read() == _MARK
    except (OSError, ValueError):
        return False


def kernel_of_facts(path: Path) -> Kernel:
    """The kernel whose facts a file holds; raises `Malformed`."""
    parts = _parts(path)
    head = _head(parts, path)
    config = None
    if "config" in parts:
        content = parts["config"]
        config = GIVEN_CONFIGS.kept(f"{head.image_sha256}-{zlib.crc32(content):08x}", lambda: content)
    return Kernel(
        name=head.name,
        version=Version.parse(head.version) or Version(head.version, ((0,), 0)),
        release=head.release,
        page_size=head.page_size,
        image=path,
        image_sha256=head.image_sha256,
        config=config,
        modules=None,
        dtbs=None,
        facts=path,
        provenance={"file": str(path)},
    )


def config_of_facts(image_sha256: str) -> Path | None:
    """The configuration of the kernel with that Image, where its facts were read before; else None."""
    return next(iter(sorted(GIVEN_CONFIGS.folder().glob(f"{image_sha256}-*"))), None)


def read_facts(path: Path, *, config: Path | None) -> KernelFacts:
    """The facts in a file, with the kernel's configuration as a file. Raises `Malformed`."""
    parts = _parts(path)
    head = _head(parts, path)
    built_in = built_in_store.unpacked(parts.get("built_in.json", b""))
    modules = module_index.unpacked(parts.get("modules.shelf", b""), head.modules)
    walks = probes.unpacked(parts.get("walks.shelf", b""))
    if built_in is None or modules is None or walks is None:
        raise Malformed(
            str(path), None, "kernel facts of this version", "others, or damaged ones",
            hint="write them again: bootwright kernels facts",
        )  # fmt: skip
    return KernelFacts(
        name=head.name,
        release=head.release,
        version=Version.parse(head.version),
        built_in=built_in,
        modules=modules,
        probes=Probes(
            identity=head.image_sha256,
            image=path,
            built_in=partial(driver_named, built_in),
            modules=modules,
            tree=None,
            of_node=built_in.of_node,
            given=walks,
        ),
        config_file=config,
        page_size=head.page_size,
        image_sha256=head.image_sha256,
        carried=dict(_carried(parts)),
    )


def _carried(parts: dict[str, bytes]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    modules = {
        name.removeprefix(_OVERLAYS).rpartition("/")[0] for name in parts if name.startswith(_OVERLAYS)
    }
    for module in sorted(modules):
        place = f"{_OVERLAYS}{module}/"
        yield module, tuple(content for name, content in parts.items() if name.startswith(place))


def _head(parts: dict[str, bytes], path: Path) -> _Head:
    try:
        document = json.loads(parts["kernel.json"])
    except (KeyError, ValueError, RecursionError) as error:
        raise Malformed(str(path), None, "the part kernel.json", str(error)[:200]) from error
    return structure(document, _Head, f"{path}: kernel.json")


@lru_cache(maxsize=4)
def _parts_of(path: Path, changed: int, size: int) -> dict[str, bytes]:  # noqa: ARG001 - the file's state
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
        total = sum(entry.file_size for entry in entries)
        if total > _MOST_BYTES:
            raise Malformed(str(path), None, f"at most {_MOST_BYTES} bytes expanded", f"{total}")
        parts: dict[str, bytes] = {}
        for entry in entries:
            with file.open(entry) as part:
                parts[entry.filename] = part.read(entry.file_size)
        return parts


def _parts(path: Path) -> dict[str, bytes]:
    try:
        status = path.stat()
        if status.st_size > _MOST_BYTES:
            raise Malformed(str(path), None, f"at most {_MOST_BYTES} bytes", f"{status.st_size}")
        return _parts_of(path, status.st_mtime_ns, status.st_size)
    except FileNotFoundError as error:
        raise Missing(f"there is no file {path}", hint="check the name") from error
    except (
        zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError, NotImplementedError,
        RuntimeError, KeyError,
    ) as error:  # fmt: skip
        raise Malformed(str(path), None, "kernel facts", str(error)[:200] or type(error).__name__) from error
