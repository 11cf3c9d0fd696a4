"""Container images: OCI layouts and `docker save` archives, as directories or tars.

OCI Image Specification 1.1 (image-layout, image-index, manifest, layer); the older docker form is a
`manifest.json` with `Config`, `RepoTags` and `Layers`. Digests of blobs are verified when they are read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from bootwright.formats.archives.archive_tree import ArchiveTree, Member
from bootwright.formats.archives.tar_index import tar_members
from bootwright.formats.filesystems.filesystem import MAX_ENTRIES, EntryKind, FileSystem, lookup, read_small
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.compressed import expand
from bootwright.formats.sources.spool import digest
from bootwright.formats.sources.streams import compression_of
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.progress import Progress

_MAX_JSON = 8 << 20
_MAX_MANIFESTS = 256
_MAX_NESTED = 4
_MAX_LAYERS = 512


@frozen
class Manifest:
    """One image: a platform's configuration and layers."""

    digest: str
    title: str
    """A tag where it has one, else the platform."""
    architecture: str | None
    os: str | None
    created: str | None
    names: tuple[str, ...]
    labels: Mapping[str, str] = field(factory=dict)
    layers: tuple[str, ...] = ()
    """The layers, lowest first: paths in the layout, or digests in a registry."""


class Layers(Protocol):
    """Where the layers of an image are."""

    def members(self, layer: str, progress: Progress | None) -> Iterable[Member]:
        """What one layer holds, deletions as the files they are stored as; raises `Malformed`."""
        ...


@frozen
class LayeredFiles:
    """What layers make together."""

    tree: ArchiveTree
    left: tuple[str, ...] = ()
    """The lower layers that were not read, lowest first."""


@frozen
class OciImage:
    """A layout with its images."""

    name: str
    layout: str
    """`oci`, `docker` or `registry`."""
    manifests: tuple[Manifest, ...]
    problems: tuple[str, ...]
    layers: Layers = field(repr=False)

    def files(
        self,
        manifest: Manifest,
        *,
        enough: Callable[[ArchiveTree], bool] | None = None,
        progress: Progress | None = None,
    ) -> LayeredFiles:
        """What the layers make together, deletions (`.wh.` files) applied; raises `Malformed`.

        They are read from the top, whose files hide those below, until `enough` says that nothing more is
        asked of the image.
        """
        read: list[list[Member]] = []
        for layer in reversed(manifest.layers):
            read.append(list(self.layers.members(layer, progress)))
            if sum(map(len, read)) > MAX_ENTRIES:
                raise Refused(f"{self.name}: more than {MAX_ENTRIES} members in its layers")
            left = manifest.layers[: len(manifest.layers) - len(read)]
            if left and enough is not None and enough(self._tree(manifest, read)):
                return LayeredFiles(self._tree(manifest, read), left)
        return LayeredFiles(self._tree(manifest, read))

    def _tree(self, manifest: Manifest, read: Sequence[Sequence[Member]]) -> ArchiveTree:
        members: dict[str, Member] = {}
        for layer in reversed(read):
            _apply(members, layer)
        return ArchiveTree(f"{self.name}:{manifest.title}", "oci", members.values())


@frozen
class _LayoutLayers:
    """The layers of a layout's files."""

    files: FileSystem
    limit: int

    def members(self, layer: str, progress: Progress | None) -> Iterable[Member]:
        """See `Layers`."""
        source = _blob(self.files, layer)
        if compression_of(source):
            source = expand(source, limit=self.limit, progress=progress)
        return tar_members(source)


def is_oci(files: FileSystem) -> bool:
    """Whether a tree is an OCI layout or what `docker save` writes."""
    return any(lookup(files, path) is not None for path in ("/oci-layout", "/manifest.json")) and (
        lookup(files, "/index.json") is not None or lookup(files, "/manifest.json") is not None
    )


def read_oci(files: FileSystem, *, limit: int) -> OciImage:
    """The images of a layout; raises `Malformed`. `limit` bounds what each layer may expand to, in bytes."""
    problems: list[str] = []
    index = read_small(files, "/index.json", _MAX_JSON)
    if index is not None:
        document = _object(index, f"{files.name}:/index.json")
        manifests = tuple(_from_index(files, document, problems, 0))
        return OciImage(files.name, "oci", manifests, tuple(problems), _LayoutLayers(files, limit))
    listing = read_small(files, "/manifest.json", _MAX_JSON)
    if listing is None:
        raise Malformed(files.name, None, "index.json or manifest.json", "neither")
    where = f"{files.name}:/manifest.json"
    entries = _json(listing, where)
    if not isinstance(entries, list):
        raise Malformed(where, 0, "a list of images", type(entries).__name__)
    listed_images: list[Manifest] = []
    for entry in entries[:_MAX_MANIFESTS]:
        if not isinstance(entry, dict):
            raise Malformed(where, 0, "an object for each image", type(entry).__name__)
        layers = tuple(str(layer) for layer in _list(entry, "Layers"))
        names = tuple(str(tag) for tag in _list(entry, "RepoTags"))
        config = _config(files, str(entry.get("Config", "")), problems)
        listed_images.append(manifest_of(str(entry.get("Config", "")), names, config, layers))
    return OciImage(files.name, "docker", tuple(listed_images), tuple(problems), _LayoutLayers(files, limit))


def _from_index(
    files: FileSystem, document: dict[str, Any], problems: list[str], depth: int
) -> Iterator[Manifest]:
    if depth > _MAX_NESTED:
        problems.append("indexes nested too deeply")
        return
    for descriptor in _list(document, "manifests")[:_MAX_MANIFESTS]:
        if not isinstance(descriptor, dict):
            problems.append("a manifest descriptor that is no object")
            continue
        digest_ = str(descriptor.get("digest", ""))
        path = _path_of(digest_)
        entry = lookup(files, path) if path else None
        if path is None or entry is None or entry.kind is not EntryKind.FILE:
            problems.append(f"the manifest {digest_ or '(none)'} is not in the layout")
            continue
        manifest = _object(_verified(files, path, digest_), f"{files.name}:{path}")
        if "manifests" in manifest:
            yield from _from_index(files, manifest, problems, depth + 1)
            continue
        annotations = descriptor.get("annotations")
        tag = annotations.get("org.opencontainers.image.ref.name") if isinstance(annotations, dict) else None
        described = manifest.get("config")
        config_digest = str(described.get("digest", "")) if isinstance(described, dict) else ""
        config = _config(files, _path_of(config_digest) or "", problems)
        layers = [
            path
            for layer in _list(manifest, "layers")[:_MAX_LAYERS]
            if isinstance(layer, dict) and (path := _path_of(str(layer.get("digest", ""))))
        ]
        yield manifest_of(digest_, (str(tag),) if tag else (), config, tuple(layers))


def manifest_of(
    digest_: str, names: tuple[str, ...], config: dict[str, Any], layers: tuple[str, ...]
) -> Manifest:
    """An image by its configuration (config.md) and layers."""
    inner = config.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    platform = "/".join(str(config[key]) for key in ("os", "architecture") if config.get(key))
    return Manifest(
        digest=digest_,
        title=names[0] if names else platform or digest_[:19],
        architecture=_text(config, "architecture"),
        os=_text(config, "os"),
        created=_text(config, "created"),
        names=names,
        labels={str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
        layers=layers,
    )


def _config(files: FileSystem, path: str, problems: list[str]) -> dict[str, Any]:
    data = read_small(files, path, _MAX_JSON) if path else None
    if data is None:
        problems.append(f"the configuration {path or '(none)'} is not in the layout")
        return {}
    return _object(data, f"{files.name}:{path}")


def _blob(files: FileSystem, path: str) -> ByteSource:
    entry = lookup(files, path)
    if entry is None or entry.kind is not EntryKind.FILE:
        raise Malformed(files.name, None, f"the layer {path}", "none", hint="the layout is incomplete")
    source = files.open(entry)
    parts = path.strip("/").split("/")
    if parts[:2] == ["blobs", "sha256"] and digest(source) != parts[2]:
        raise Malformed(source.name, None, f"sha256:{parts[2]}", "other bytes", hint="fetch it again")
    return source


def _verified(files: FileSystem, path: str, digest_: str) -> bytes:
    data = read_small(files, path, _MAX_JSON) or b""
    algorithm, _, value = digest_.partition(":")
    if algorithm in {"sha256", "sha512"} and hashlib.new(algorithm, data).hexdigest() != value:
        raise Malformed(f"{files.name}:{path}", None, digest_, "other bytes", hint="fetch it again")
    return data


def _path_of(digest_: str) -> str | None:
    algorithm, colon, value = digest_.partition(":")
    if not colon or not algorithm.isalnum() or not value.isalnum():
        return None
    return f"/blobs/{algorithm}/{value}"


def _apply(members: dict[str, Member], layer: Iterable[Member]) -> None:
    """Put one layer over the others (layer.md, "Whiteouts"): deletions act on the layers below only."""
    added: dict[str, Member] = {}
    for member in layer:
        path = "/".join(part for part in member.name.split("/") if part not in {"", "."})
        folder, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            _drop(members, folder, keep_itself=True)
        elif name.startswith(".wh."):
            _drop(members, f"{folder}/{name[4:]}" if folder else name[4:], keep_itself=False)
        else:
            added[path] = member
    members.update(added)


def _drop(members: dict[str, Member], path: str, *, keep_itself: bool) -> None:
    below = f"{path}/" if path else ""
    for known in [member for member in members if member.startswith(below)]:
        del members[known]
    if not keep_itself:
        members.pop(path, None)


def _json(data: bytes, where: str) -> Any:  # noqa: ANN401  (JSON)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(where, 0, "JSON", str(error)[:100]) from error


def _object(data: bytes, where: str) -> dict[str, Any]:
    document = _json(data, where)
    if not isinstance(document, dict):
        raise Malformed(where, 0, "a JSON object", type(document).__name__)
    return document


def _list(document: dict[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _text(document: dict[str, Any], key: str) -> str | None:
    value = document.get(key)
    return value if isinstance(value, str) else None
