"""npm packages without npm: pinned by a lock file, fetched from the registry that npm is configured for.

The lock file is npm's own (package-lock.json, version 3) without addresses; a package is what its `integrity`
says (Subresource Integrity, SHA-512), and is kept in the cache by that.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import ssl
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from attrs import frozen

from bootwright.foundation.cache import NPM
from bootwright.foundation.errors import Malformed, Missing
from npm_settings import settings

_MOST_BYTES = 64 << 20
_MOST_EXPANDED = 256 << 20


@frozen
class Pin:
    """One package of the lock file."""

    name: str
    version: str
    integrity: str
    """`sha512-` and the digest in base64."""


def pins(lock: Path) -> dict[str, Pin]:
    """Name → package, of a package-lock.json; raises `Malformed`."""
    try:
        packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
        rows = {path.rpartition("node_modules/")[2]: row for path, row in packages.items() if path}
        locked = {name: Pin(name, row["version"], row["integrity"]) for name, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(str(lock), None, "npm's package-lock.json, version 3", str(error)[:200]) from error
    for pin in locked.values():
        if not pin.integrity.startswith("sha512-"):
            raise Malformed(f"{lock}: {pin.name}", None, "a sha512 integrity", pin.integrity[:60])
    return locked


def files_of(pin: Pin) -> dict[str, bytes]:
    """Path → content of a package's regular files. Raises `Missing` and `Malformed`."""
    data = tarball(pin)
    files: dict[str, bytes] = {}
    total = 0
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive:
            path = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            content = archive.extractfile(member) if member.isfile() else None
            if content is None or ".." in path.parts:
                continue
            total += member.size
            if total > _MOST_EXPANDED:
                raise Malformed(pin.name, None, f"at most {_MOST_EXPANDED} bytes", "more")
            files[str(path)] = content.read()
    return files


def tarball(pin: Pin) -> bytes:
    """The package as the registry has it, from the cache where it is there."""
    expected = base64.b64decode(pin.integrity.removeprefix("sha512-"))
    path = NPM.folder() / f"{expected.hex()[:64]}.tgz"
    try:
        data = NPM.read(path)
    except OSError:
        data = b""
    if hashlib.sha512(data).digest() == expected:
        return data
    data = _fetched(pin)
    if hashlib.sha512(data).digest() != expected:
        raise Malformed(
            f"{pin.name} {pin.version} of the npm registry", None, pin.integrity, "other bytes",
            hint="the registry is not to be trusted, or site/package-lock.json pins another package",
        )  # fmt: skip
    NPM.write(path, data)
    return data


def _fetched(pin: Pin) -> bytes:
    import httpx

    configured = settings()
    registry = configured.get("registry")
    if not registry:
        raise Missing(
            f"{pin.name} {pin.version} is not in the cache, and no npm registry is configured",
            hint="put `registry=ADDRESS` into ~/.npmrc or set npm_config_registry; an installed npm has one",
        )
    address = f"{registry.rstrip('/')}/{pin.name}/-/{pin.name.rpartition('/')[2]}-{pin.version}.tgz"
    authorities = configured.get("cafile") or None
    try:
        context = ssl.create_default_context(cafile=authorities)
        with (
            httpx.Client(
                verify=context,
                follow_redirects=True,
                timeout=60,
                proxy=configured.get("https-proxy") or configured.get("proxy") or None,
                headers=_authorization(registry, configured),
            ) as client,
            client.stream("GET", address) as response,
        ):
            response.raise_for_status()
            pieces, total = [], 0
            for piece in response.iter_bytes():
                total += len(piece)
                if total > _MOST_BYTES:
                    raise Malformed(address, None, f"at most {_MOST_BYTES} bytes", "more")
                pieces.append(piece)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Missing(
            f"cannot fetch {pin.name} {pin.version} from the npm registry: {error}",
            hint="check the network and npm's settings (npm config list)",
        ) from error
    return b"".join(pieces)


def _authorization(registry: str, configured: Mapping[str, str]) -> dict[str, str]:
    """What a registry that wants a token is told: `//HOST/PATH/:_authToken=…` of the settings."""
    place = registry.partition(":")[2].rstrip("/")
    token = configured.get(f"{place}/:_authToken")
    return {"Authorization": f"Bearer {token}"} if token else {}
