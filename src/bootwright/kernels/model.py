"""What a kernel of the catalogue is, once it is here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation.versions import Version


@frozen
class Listed:
    """A kernel that can be had: a line of `bootwright kernels list`."""

    name: str
    """Catalogue name, such as `debian-6.12.107-16k`."""
    version: Version
    page_size: int
    """Bytes: 4096, 16384 or 65536, as the package's flavour declares it."""
    flavour: str
    """The package's flavour, such as `arm64-16k`."""
    source: str
    """The kernel source it comes from (a file of `data/kernels/`), or `added` for a user's own."""
    download_bytes: int
    """What fetching it to boot it would take; 0 when cached."""
    modules_bytes: int
    """What fetching it with all its modules would take; 0 when cached, and when there are none."""
    cached: bool
    modules_cached: bool
    image_size: int = field(default=0, kw_only=True)
    """Bytes that fetching it to boot it takes where nothing is cached; 0 for a kernel of the user's own."""
    whole_size: int = field(default=0, kw_only=True)
    """Bytes that fetching it with its modules takes where nothing is cached."""
    suite: str = ""
    """The archive's suite it is in; empty when it has left the archive, and for a user's own."""

    def as_json(self) -> dict[str, object]:
        """An entry of `kernels` in docs/schemas/kernels.schema.json."""
        return {
            "name": self.name,
            "version": str(self.version),
            "page_size": self.page_size,
            "flavour": self.flavour,
            "source": self.source,
            "suite": self.suite or None,
            "download_bytes": self.download_bytes,
            "modules_bytes": self.modules_bytes,
            "cached": self.cached,
            "modules_cached": self.modules_cached,
        }


@frozen
class Kernel:
    """A kernel on this machine, ready to boot. Paths are in the cache and never change content."""

    name: str
    version: Version
    release: str
    """`uname -r`, as the image's banner says."""
    page_size: int
    """Bytes, read from the arm64 Image header (flags, bits 1-2), or from the config where the header
    leaves it unspecified."""
    image: Path
    """An arm64 Image (uncompressed), as the boot loader would start it."""
    image_sha256: str
    config: Path | None
    modules: Path | None
    """The folder that holds `kernel/`, `modules.order`, … (`/lib/modules/RELEASE`), or None when only the
    image was fetched."""
    dtbs: Path | None
    """The folder with the package's devicetree blobs, or None when it was not fetched."""
    facts: Path | None = field(default=None, kw_only=True)
    """A file of facts (predict/kernel/facts_file.py) in place of Image and modules, which are not here."""
    provenance: Mapping[str, str] = field(factory=dict)
    """Where it came from and what was verified: package, version, sha256, archive, `verified` …"""

    def as_json(self) -> dict[str, object]:
        """An entry of `kernels` in the document of `kernels fetch`, with paths as texts."""
        return {
            "name": self.name,
            "version": str(self.version),
            "release": self.release,
            "page_size": self.page_size,
            "image": str(self.image),
            "image_sha256": self.image_sha256,
            "config": str(self.config) if self.config else None,
            "modules": str(self.modules) if self.modules else None,
            "dtbs": str(self.dtbs) if self.dtbs else None,
            "provenance": dict(self.provenance),
        }
