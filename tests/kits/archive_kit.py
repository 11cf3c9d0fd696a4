"""A package archive of the tests' own: signed by a key made here, served on loopback."""

from __future__ import annotations

import datetime
import hashlib
import io
import lzma
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import zstandard

from bootwright.kernels.catalogue import Library

RELEASE = "6.12.1+deb13-arm64"
NEWER = "6.19.2+deb13-arm64-16k"
CONFIG = "# Linux/arm64\nCONFIG_ARM64=y\nCONFIG_PAGE_SHIFT={shift}\nCONFIG_MACB=m\n# CONFIG_X is not set\n"

SOURCE = """
name = "debian"
title = "Tiny"
source = "https://example.org/"
always = true
origins = ["Tiny"]
keyrings = ["{keyring}"]
keyring_package = "tiny-keyring"
suites = ["stable", "backports"]
component = "main"
architecture = "arm64"
release = ["{{version}}+deb*-{{flavour}}"]
[flavours]
arm64 = 4096
arm64-16k = 16384
[[layout]]
before = "6.19"
boot = ["linux-image-{{release}}"]
modules = ["linux-image-{{release}}"]
front_share = 0.5
[[layout]]
since = "6.19"
boot = ["linux-binary-{{release}}", "linux-base-{{release}}"]
modules = ["linux-binary-{{release}}", "linux-base-{{release}}", "linux-modules-{{release}}"]
[paths]
image = ["boot/vmlinuz-{{release}}", "usr/lib/modules/{{release}}/vmlinuz"]
config = ["boot/config-{{release}}", "usr/lib/modules/{{release}}/config"]
dtbs = ["usr/lib/linux-image-{{release}}/", "usr/lib/modules/{{release}}/dtb/"]
modules = ["usr/lib/modules/{{release}}/"]
"""


def make_image(release: str, pages: int, size: int = 300_000) -> bytes:
    """An arm64 Image by booting.rst: header, banner, noise that does not compress."""
    flags = {0: 0, 4096: 1, 16384: 2, 65536: 3}[pages] << 1 | 8
    header = b"MZ" + bytes(6) + struct.pack("<QQQ", 0, size + 4096, flags) + bytes(24) + b"ARM\x64"
    header += struct.pack("<I", 64) + b"PE\0\0"
    banner = f"Linux version {release} (builder@example) (gcc 14.2) #1 SMP Tiny 1\n\0".encode()
    noise = b"".join(hashlib.sha256(f"{release}{i}".encode()).digest() for i in range(size // 32))
    return (header + bytes(4096) + noise[: size // 2] + banner + noise)[:size]


def make_deb(
    package: str,
    version: str,
    files: dict[str, bytes],
    *,
    sums: bool = True,
    links: dict[str, str] | None = None,
    zstd: bool = False,
) -> bytes:
    """A package by deb(5), made with Python's own tarfile and lzma; `zstd` as Ubuntu compresses."""

    def tarball(members: dict[str, bytes], linked: dict[str, str]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name, data in members.items():
                info = tarfile.TarInfo(f"./{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            for name, target in linked.items():
                info = tarfile.TarInfo(f"./{name}")
                info.type, info.linkname = tarfile.SYMTYPE, target
                tar.addfile(info)
        if zstd:
            return zstandard.ZstdCompressor().compress(buffer.getvalue())
        return lzma.compress(buffer.getvalue(), preset=0)

    ending = "zst" if zstd else "xz"
    md5sums = "".join(
        f"{hashlib.md5(data, usedforsecurity=False).hexdigest()}  {name}\n" for name, data in files.items()
    )
    control = f"Package: {package}\nVersion: {version}\nArchitecture: arm64\nDescription: x\n more\n"
    parts = {
        "debian-binary": b"2.0\n",
        f"control.tar.{ending}": tarball(
            {"control": control.encode()} | ({"md5sums": md5sums.encode()} if sums else {}), {}
        ),
        f"data.tar.{ending}": tarball(files, links or {}),
    }
    out = b"!<arch>\n"
    for name, data in parts.items():
        out += f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out


class Signer:
    """A key made for the test run."""

    def __init__(self) -> None:
        self._signed: dict[str, bytes] = {}
        self.now = datetime.datetime.now(datetime.UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
        # The path of an agent's socket must be short (sun_path has 108 bytes).
        self.home = Path(tempfile.mkdtemp(prefix="bw-gpg-"))
        self._gpg("--quick-gen-key", "Tiny Archive <tiny@example.org>", "ed25519", "sign", "never")
        self.keyring = self.home / "tiny.gpg"
        self.keyring.write_bytes(self._gpg("--export"))

    def _gpg(self, *arguments: str, data: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--passphrase", ""]
        return subprocess.run([*command, *arguments], input=data, capture_output=True, check=True).stdout

    def clear_sign(self, text: str) -> bytes:
        if text not in self._signed:
            self._signed[text] = self._gpg("--clearsign", data=text.encode())
        return self._signed[text]

    def detach_sign(self, text: str) -> bytes:
        return self._gpg("--detach-sign", data=text.encode())

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False)
        shutil.rmtree(self.home, ignore_errors=True)


class Archive:
    """Files by path, served; `faults` maps the end of a path to what goes wrong with it."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, Callable[[Handler, bytes], bool]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.sent = 0
        self.packages: dict[str, list[dict[str, str]]] = {"stable": [], "backports": []}

    def add(self, suite: str, package: str, version: str, data: bytes, **changed: str) -> str:
        path = f"pool/main/l/linux/{package}_{version}_arm64.deb"
        self.files[path] = data
        fields = {
            "Package": package,
            "Version": version,
            "Architecture": "arm64",
            "Description": "a kernel\n with a second line",
            "Filename": path,
            "Size": str(len(data)),
            "SHA256": hashlib.sha256(data).hexdigest(),
        }
        self.packages[suite].append({**fields, **changed})
        return path

    def publish(self, *, detached: bool = False, **release: str) -> None:
        for suite, packages in self.packages.items():
            paragraphs = ["".join(f"{k}: {v}\n" for k, v in fields.items()) for fields in packages]
            plain = "\n".join(paragraphs).encode()
            packed = lzma.compress(plain)
            index = "main/binary-arm64/Packages"
            fields = {
                "Origin": "Tiny",
                "Label": "Tiny",
                "Suite": suite,
                "Codename": suite,
                "Date": self.signer.now,
                **release,
            }
            text = "".join(f"{key}: {value}\n" for key, value in fields.items() if value) + "SHA256:\n"
            for name, data in ((index, plain), (f"{index}.xz", packed)):
                text += f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n"
            base = f"dists/{suite}"
            if detached:
                self.files[f"{base}/Release"] = text.encode()
                self.files[f"{base}/Release.gpg"] = self.signer.detach_sign(text)
            else:
                self.files[f"{base}/InRelease"] = self.signer.clear_sign(text)
            self.files[f"{base}/{index}.xz"] = packed

    def asked(self, end: str) -> list[str | None]:
        """The Range header of each request for a path that ends so."""
        return [ranged for path, ranged in self.requests if path.endswith(end)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: Archive

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        self.archive.requests.append((path, self.headers.get("Range")))
        data = self.archive.files.get(path)
        if data is None:
            self.send_error(404)
            return
        for end, fault in self.archive.faults.items():
            if path.endswith(end) and fault(self, data):
                return
        self.answer(data)

    def answer(self, data: bytes, *, etag: str | None = None, cut: int | None = None) -> None:
        """Serve `data`; with `cut`, close the connection after so many bytes of the body."""
        etag = etag or f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        ranged = self.headers.get("Range")
        start, end = 0, len(data)
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if ranged and self.headers.get("If-Range", etag) == etag:
            first, _, last = ranged.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1, len(data)) if last else len(data)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        body = data[start:end] if cut is None else data[start:end][:cut]
        try:
            self.wfile.write(body)
            self.archive.sent += len(body)
        except OSError:
            self.close_connection = True
        if cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that stop early, or are killed, are what the tests are about."""


Opener = Callable[..., Library]
