"""npm packages without npm: pinned by a lock file, fetched from the registry that npm is configured for.

The lock file is npm's own (package-lock.json, version 3) without addresses; a package is what its `integrity`
says (Subresource Integrity, SHA-512), and is kept in the cache by that. Settings as npm reads them
(npm's documentation, "npmrc"): `npm_config_…` variables, the user's `.npmrc`, the global one; where npm is
installed and nothing is configured, it is asked which registry it uses.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import ssl
import subprocess
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath

from attrs import frozen

from bootwright.foundation.cache import NPM
from bootwright.foundation.errors import Malformed, Missing

_MOST_BYTES = 64 << 20
_MOST_EXPANDED = 256 << 20
_GLOBAL = (Path("/usr/local/etc/npmrc"), Path("/usr/etc/npmrc"), Path("/etc/npmrc"))
"""`PREFIX/etc/npmrc` of the usual prefixes, and Debian's own place; later ones count more."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")


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
    registry = configured.get("registry") or _of_npm()
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


def settings(
    environment: Mapping[str, str] | None = None, files: tuple[Path, ...] | None = None
) -> dict[str, str]:
    """npm's settings in one: the global files, the user's, the environment; keys as in the files."""
    environment = os.environ if environment is None else environment
    if files is None:
        lowered = {name.lower(): value for name, value in environment.items()}
        own = lowered.get("npm_config_userconfig") or str(Path(environment.get("HOME", "/")) / ".npmrc")
        chosen = lowered.get("npm_config_globalconfig")
        files = (*((Path(chosen),) if chosen else _GLOBAL), Path(own))
    merged: dict[str, str] = {}
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            name, equals, value = line.partition("=")
            if equals and line.strip()[0] not in "#;":
                value = _VARIABLE.sub(lambda match: environment.get(match[1], match[0]), value)
                merged[name.strip()] = value.strip().strip("\"'")
    for name, value in environment.items():
        if name.lower().startswith("npm_config_") and value:
            merged[name[11:].lower().replace("_", "-")] = value
    return merged


def _authorization(registry: str, configured: Mapping[str, str]) -> dict[str, str]:
    """What a registry that wants a token is told: `//HOST/PATH/:_authToken=…` of the settings."""
    place = registry.partition(":")[2].rstrip("/")
    token = configured.get(f"{place}/:_authToken")
    return {"Authorization": f"Bearer {token}"} if token else {}


@cache
def _of_npm() -> str | None:
    """The registry that an installed npm would use."""
    if shutil.which("npm") is None:
        return None
    try:
        done = subprocess.run(
            ["npm", "config", "get", "registry"],
            capture_output=True, text=True, check=False, timeout=60, cwd="/",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    address = done.stdout.strip()
    return address if done.returncode == 0 and address.startswith(("http://", "https://")) else None
