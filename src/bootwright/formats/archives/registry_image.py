"""A container image in a registry: the one for arm64, its layers fetched when they are read.

OCI Image Specification 1.1 (image-index, manifest, config) and the older forms of docker's registries
(manifest list and manifest, version 2). What is fetched is held to its digest and kept by it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import field, frozen

from bootwright.formats.archives.archive_tree import Member
from bootwright.formats.archives.oci import OciImage, manifest_of
from bootwright.formats.archives.tar_index import tar_members
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.download import Download
from bootwright.formats.sources.registry import (
    Document,
    Registry,
    check_blob,
    json_object,
    read_reference,
)
from bootwright.formats.sources.spool import spool_checked, spooled
from bootwright.formats.sources.streams import CHUNK, Decompressed, Stream, compression
from bootwright.formats.sources.transport import ADDRESS_HINT, Transport
from bootwright.formats.sources.url import open_ranges
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.progress import Progress, Silent

PLATFORM = ("linux", "arm64")
"""What is chosen from an image of several (`os` and `architecture` as Go names them)."""

_NO_PLATFORM = "unknown/unknown"
"""What build tools write for attestations."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_LAYERS = 512
_MOST_SIZE = 64 << 30
_MOST_WHOLE = 8 << 20
"""Bytes; a layer up to this is fetched whole even where it could be read in parts, and so verified."""


@frozen
class Descriptor:
    """What a manifest says of something else (descriptor.md)."""

    media_type: str
    digest: str
    size: int
    platform: tuple[str, str]
    """Its `os` and `architecture`, empty where it does not say."""


@frozen(eq=False)
class RegistryImage:
    """An image of a registry, and what reading it has taken."""

    image: OciImage
    digest: str
    """Of the manifest for arm64."""
    layers: tuple[Descriptor, ...]
    registry: Registry = field(repr=False)
    in_part: list[str] = field(factory=list)
    """Digests of the layers that parts of were read, which their digests then do not verify."""
    received_before: int = 0
    """What its transport had received when it was opened."""

    @property
    def size(self) -> int:
        """Bytes of all layers as the registry has them."""
        return sum(layer.size for layer in self.layers)

    @property
    def fetched(self) -> int:
        """Bytes that came over the network so far, manifests included."""
        return self.registry.received - self.received_before


def open_image(
    text: str, *, limit: int, progress: Progress | None = None, transport: Transport | None = None
) -> RegistryImage:
    """The image that `oci://HOST/NAME:TAG` names, of several platforms that for arm64; no layer is fetched.

    `limit` bounds what each layer may expand to, in bytes. Raises `Refused` for a reference of another form
    and where there is no image for arm64, `Missing` where the registry does not have it or cannot be
    reached, `Malformed` for what is no image or not what its digest says.
    """
    reference = read_reference(text)
    registry = Registry(reference, transport or Transport(hint=ADDRESS_HINT))
    received_before = registry.received
    with (progress or Silent()).step(f"ask {reference.host} for {reference.name}"):
        document = _for_platform(registry, registry.document(reference.digest or reference.tag or ""))
        where = f"{reference}: {document.digest[:19]}"
        config, listed = read_manifest(document.body, where, document.media_type)
        source = registry.small_blob(config.digest, config.size)
        described = json_object(source.read(0, source.size), f"{where}: config")
    layers = tuple(layer for layer in listed if "tar" in layer.media_type)
    others = [layer for layer in listed if layer not in layers]
    manifest = manifest_of(
        document.digest,
        (reference.tag,) if reference.tag else (),
        described,
        tuple(layer.digest for layer in layers),
    )
    in_part: list[str] = []
    image = OciImage(
        name=str(reference),
        layout="registry",
        manifests=(manifest,),
        problems=tuple(f"a layer of {other.media_type!r} is no archive, and not read" for other in others),
        layers=_RegistryLayers(registry, {layer.digest: layer for layer in layers}, limit, in_part),
    )
    return RegistryImage(image, document.digest, layers, registry, in_part, received_before)


def _for_platform(registry: Registry, document: Document) -> Document:
    """The document itself where it is a manifest; of an index the manifest for arm64."""
    listed = read_index(document.body, f"{registry.reference}: {document.digest[:19]}")
    if listed is None:
        return document
    chosen = next((listing for listing in listed if listing.platform == PLATFORM), None)
    if chosen is None:
        others = sorted(
            {"/".join(listing.platform) for listing in listed if any(listing.platform)} - {_NO_PLATFORM}
        )
        raise Refused(
            f"{registry.reference} has no image for {'/'.join(PLATFORM)}",
            hint=f"it is for {', '.join(others) or 'no platform'} only; choose another tag or repository",
        )
    return registry.document(chosen.digest)


def read_index(body: bytes, where: str) -> list[Descriptor] | None:
    """What an index lists; None for a document that is none. Raises `Malformed`."""
    manifests = json_object(body, where).get("manifests")
    if not isinstance(manifests, list):
        return None
    if len(manifests) > _MOST_LAYERS:
        raise Malformed(where, None, f"at most {_MOST_LAYERS} manifests", str(len(manifests)))
    return [descriptor(entry, f"{where}: manifests") for entry in manifests]


def read_manifest(body: bytes, where: str, media_type: str = "") -> tuple[Descriptor, list[Descriptor]]:
    """The configuration and the layers, lowest first, of an image's manifest; raises `Malformed`.

    `media_type` is what the registry calls it, for the error.
    """
    manifest = json_object(body, where)
    layers = manifest.get("layers")
    if not isinstance(layers, list):
        said = str(manifest.get("mediaType") or media_type or "another document")[:100]
        schema = manifest.get("schemaVersion")
        of = f" of schema version {schema!r:.20}" if schema not in (None, 2) else ""
        raise Malformed(
            where,
            None,
            "the manifest of an image",
            f"{said!r}{of}",
            hint="schema version 1 is not read; push the image again with a newer tool" if of else None,
        )
    if len(layers) > _MOST_LAYERS:
        raise Malformed(where, None, f"at most {_MOST_LAYERS} layers", str(len(layers)))
    config = descriptor(manifest.get("config"), f"{where}: config")
    return config, [descriptor(layer, f"{where}: layers") for layer in layers]


def descriptor(value: object, where: str) -> Descriptor:
    """A descriptor; raises `Malformed` for one without a SHA-256 digest and a size."""
    described: dict[str, Any] = value if isinstance(value, dict) else {}
    digest, size = described.get("digest"), described.get("size")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise Malformed(where, None, "a descriptor with a sha256 digest", repr(digest)[:100])
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MOST_SIZE:
        raise Malformed(where, None, f"a size of at most {_MOST_SIZE} bytes", repr(size)[:40])
    platform = described.get("platform")
    said = platform if isinstance(platform, dict) else {}
    return Descriptor(
        str(described.get("mediaType", ""))[:200],
        digest,
        size,
        (str(said.get("os", "")), str(said.get("architecture", ""))),
    )


@frozen
class _RegistryLayers:
    """See `formats.archives.oci.Layers`."""

    registry: Registry
    layers: dict[str, Descriptor]
    limit: int
    in_part: list[str]

    def members(self, layer: str, progress: Progress | None) -> Iterable[Member]:
        """The members of a layer: of the cache, else fetched into it and verified.

        Of a large one that is not compressed only the headers, and later the files that are read.
        """
        described = self.layers[layer]
        key = described.digest.removeprefix("sha256:")
        name = f"{self.registry.reference}: {described.digest[:19]}"
        known = spooled(key, name)
        if known is None and described.media_type.endswith(".tar") and described.size > _MOST_WHOLE:
            address = f"{self.registry.reference.address}/blobs/{described.digest}"
            ranges = open_ranges(self.registry, address, described.size, identity=described.digest)
            if ranges is not None:
                self.in_part.append(layer)
                return tar_members(ranges)
        if known is None or known.size > self.limit:
            known = self._fetch(described, key, name, progress or Silent())
        return tar_members(known)

    def _fetch(self, layer: Descriptor, key: str, name: str, progress: Progress) -> ByteSource:
        with self.registry.alone(layer.digest, progress):
            # Whoever held it may just have brought it.
            return spooled(key, name) or self._fetch_alone(layer, key, name, progress)

    def _fetch_alone(self, layer: Descriptor, key: str, name: str, progress: Progress) -> ByteSource:
        title = f"fetch layer {layer.digest[7:19]} of {self.registry.reference.name}"
        with progress.step(title), self.registry.blob(layer.digest, layer.size) as stream:

            def check() -> None:
                stream.drain()
                check_blob(stream, layer.digest, layer.size, name)

            with forgotten_where_wrong(stream):
                chunks = expanded(_Shown(stream, progress, layer.size), name, self.limit)
                source = spool_checked(chunks, check, key=key, name=name, progress=Silent())
            stream.discard()
        return source


@contextlib.contextmanager
def forgotten_where_wrong(stream: Download) -> Iterator[None]:
    """What came and turns out wrong would be wrong again: it is not kept for the next time."""
    try:
        yield
    except (Malformed, Refused):
        stream.discard()
        raise


def expanded(stream: Stream, where: str, limit: int) -> Iterator[bytes]:
    """The bytes of a layer's archive, whose compression is told by its first bytes; raises `Malformed`."""
    first = b""
    while len(first) < 6 and (piece := stream.read(CHUNK)):
        first += piece
    kind = compression(first)
    whole: Stream = _Before(first, stream)
    if kind is not None:
        whole = Decompressed(whole, kind, where, limit=limit)
    total = 0
    while piece := whole.read(CHUNK):
        total += len(piece)
        if total > limit:
            raise Malformed(where, None, f"at most {limit} bytes expanded", "more")
        yield piece


class _Before:
    """Bytes that were read already, and then the stream they came from."""

    def __init__(self, first: bytes, stream: Stream) -> None:
        self._first = first
        self._stream = stream

    def read(self, size: int) -> bytes:
        """See `Stream.read`."""
        if not self._first:
            return self._stream.read(size)
        data, self._first = self._first[:size], self._first[size:]
        return data


class _Shown:
    """A stream that reports how far it was read."""

    def __init__(self, stream: Download, progress: Progress, size: int) -> None:
        self._stream = stream
        self._progress = progress
        self._size = size

    def read(self, size: int) -> bytes:
        """See `Stream.read`."""
        data = self._stream.read(size)
        self._progress.advance(self._stream.position / 1e6, self._size / 1e6, "MB")
        return data
