"""Debian's docker-registry on loopback, a client that pushes to it, and images like those Talos publishes."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from attrs import define

OCI = "application/vnd.oci.image"
_CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def tarball(files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """A layer's archive. Names are taken as they are, hostile ones too."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return buffer.getvalue()


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@define
class Blob:
    data: bytes
    media_type: str

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": digest_of(self.data), "size": len(self.data)}


def layer(files: Mapping[str, bytes], how: str = "gzip", *, links: Mapping[str, str] | None = None) -> Blob:
    plain = tarball(files, links=links)
    if how == "gzip":
        return Blob(gzip.compress(plain, 1, mtime=0), f"{OCI}.layer.v1.tar+gzip")
    if how == "zstd":
        return Blob(zstandard.ZstdCompressor().compress(plain), f"{OCI}.layer.v1.tar+zstd")
    return Blob(plain, f"{OCI}.layer.v1.tar")


@define
class Image:
    """An image for one platform, as documents and blobs."""

    manifest: bytes
    blobs: list[Blob]
    platform: dict[str, str]

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def size(self) -> int:
        """Bytes of its layers."""
        return sum(len(blob.data) for blob in self.blobs[1:])


def image(layers: Sequence[Blob], architecture: str = "arm64", **labels: str) -> Image:
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    blob = Blob(json.dumps(config).encode(), f"{OCI}.config.v1+json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": blob.descriptor,
        "layers": [blob.descriptor for blob in layers],
    }
    return Image(
        json.dumps(manifest).encode(), [blob, *layers], {"os": "linux", "architecture": architecture}
    )


def index(images: Sequence[Image]) -> bytes:
    """An index of several platforms, with an attestation of none as build tools add it."""
    manifests = [
        {
            "mediaType": f"{OCI}.manifest.v1+json",
            "digest": listed_image.digest,
            "size": len(listed_image.manifest),
            "platform": listed_image.platform,
        }
        for listed_image in images
    ]
    return json.dumps(
        {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": manifests}
    ).encode()


@define
class RunningRegistry:
    """docker-registry with its storage in `root`."""

    host: str
    root: Path

    def push(self, name: str, tag: str, what: Image | Sequence[Image]) -> str:
        """Push an image, or several under an index; returns the digest of what the tag names."""
        images = [what] if isinstance(what, Image) else list(what)
        with httpx.Client(base_url=f"http://{self.host}", trust_env=False) as client:
            for listed_image in images:
                for blob in listed_image.blobs:
                    self._push_blob(client, name, blob)
                self._put(client, name, listed_image.digest, listed_image.manifest, f"{OCI}.manifest.v1+json")
            if isinstance(what, Image):
                body, kind = what.manifest, f"{OCI}.manifest.v1+json"
            else:
                body, kind = index(images), f"{OCI}.index.v1+json"
            self._put(client, name, tag, body, kind)
        return digest_of(body)

    def reference(self, name: str, tag: str) -> str:
        return f"oci://{self.host}/{name}:{tag}"

    def blob_file(self, digest: str) -> Path:
        """Where the registry keeps a blob, for tests that damage it."""
        value = digest.removeprefix("sha256:")
        return self.root / "docker/registry/v2/blobs/sha256" / value[:2] / value / "data"

    def _push_blob(self, client: httpx.Client, name: str, blob: Blob) -> None:
        begun = client.post(f"/v2/{name}/blobs/uploads/")
        begun.raise_for_status()
        where = httpx.URL(begun.headers["location"])
        where = where.copy_merge_params({"digest": digest_of(blob.data)})
        client.put(where, content=blob.data).raise_for_status()

    def _put(self, client: httpx.Client, name: str, which: str, body: bytes, kind: str) -> None:
        answer = client.put(f"/v2/{name}/manifests/{which}", content=body, headers={"Content-Type": kind})
        answer.raise_for_status()


@contextlib.contextmanager
def running_registry(root: Path) -> Iterator[RunningRegistry]:
    """Start docker-registry on a free port of loopback; skips the test where it is not installed."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = root / "config.yml"
    config.write_text(_CONFIG.format(root=root / "storage", port=port))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(config)],
            stdout=log,
            stderr=log,
            env={**environment, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None:
                pytest.fail(f"docker-registry ended: {(root / 'log').read_text()[-500:]}")
            time.sleep(0.05)
        yield RunningRegistry(f"127.0.0.1:{port}", root / "storage")
    finally:
        process.terminate()
        process.wait(timeout=10)
