"""What the system's own apt knows: archives' addresses and proxies. Nothing is changed, nothing needs root.

Formats: apt-get(8) `indextargets`, apt-config(8) `dump`, sources.list(5) in both its styles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bootwright.foundation import tools
from bootwright.foundation.errors import ToolFailed

_TARGET = "$(REPO_URI)|$(ORIGIN)"
_ONE_LINE = re.compile(r"deb(?:-src)?\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s")
_PROXY = re.compile(r'Acquire::(?P<scheme>https?)::Proxy(?:::(?P<host>[^\s"]+))? "(?P<proxy>[^"]*)";')


def archives(origins: Iterable[str], keyring_package: str, root: Path = Path("/")) -> list[str]:
    """Addresses (no trailing slash) of archives that may be the one with these origins; most likely first.

    From `apt-get indextargets` where apt has read its indexes; otherwise from the sources files, without
    those that name another keyring than `keyring_package`'s. Empty where there is no apt.
    """
    addresses = _known_archives(set(origins)) if root == Path("/") else None
    if addresses is None:
        addresses = list(_written_archives(root / "etc/apt", keyring_package))
    return _addresses(addresses)


def certain_archives(origins: Iterable[str]) -> list[str]:
    """Those of them that apt has read an index of, so that it knows whose they are."""
    return _addresses(_known_archives(set(origins)) or [])


def _addresses(uris: Iterable[str]) -> list[str]:
    addresses = [uri.rstrip("/") for uri in uris if uri.startswith(("http://", "https://"))]
    return list(dict.fromkeys(addresses))


def proxies() -> Mapping[str, str | None]:
    """apt's proxies: `scheme` or `scheme://host` → address, or None for "no proxy"."""
    program = tools.find("apt-config")
    if program is None:
        return {}
    try:
        text = tools.run([program, "dump"], timeout=20).decode("utf-8", "replace")
    except ToolFailed:
        return {}
    return read_proxies(text)


def read_proxies(text: str) -> dict[str, str | None]:
    """The proxies in the output of `apt-config dump`."""
    proxies: dict[str, str | None] = {}
    for match in _PROXY.finditer(text):
        proxy = match["proxy"].strip()
        if proxy:
            scheme = match["scheme"]
            key = f"{scheme}://{match['host'].rstrip(':')}" if match["host"] else scheme
            proxies[key] = None if proxy == "DIRECT" else proxy
    # apt.conf(5): https falls back to the proxy of http.
    if "http" in proxies:
        proxies.setdefault("https", proxies["http"])
    return proxies


def _known_archives(origins: set[str]) -> list[str] | None:
    """None when apt has read no index (`apt-get update` never ran), or is not there."""
    program = tools.find("apt-get")
    if program is None:
        return None
    try:
        text = tools.run([program, "indextargets", "--format", _TARGET, "Created-By: Packages"], timeout=20)
    except ToolFailed:
        return None
    lines = [line.partition("|") for line in text.decode("utf-8", "replace").splitlines()]
    # Without an index that was read, the origin is empty or the format's own words.
    if not any(origin and not origin.startswith("$(") for _, _, origin in lines):
        return None
    return [uri for uri, _, origin in lines if origin in origins]


def _written_archives(folder: Path, keyring_package: str) -> Iterator[str]:
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if path.suffix == ".sources":
            yield from _deb822(text, keyring_package)
        elif path.suffix == ".list":
            for line in text.splitlines():
                match = _ONE_LINE.match(line.strip() + " ")
                if match and _fits(match["options"] or "", keyring_package):
                    yield match["uri"]


def _deb822(text: str, keyring_package: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        last = ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace() and last:
                fields[last] += " " + line.strip()
            elif ":" in line:
                key, _, value = line.partition(":")
                last = key.strip().lower()
                fields[last] = value.strip()
        if fields.get("enabled", "yes").lower() in {"no", "false", "0"}:
            continue
        if _fits(f"signed-by={fields['signed-by']}" if "signed-by" in fields else "", keyring_package):
            yield from fields.get("uris", "").split()


def _fits(options: str, keyring_package: str) -> bool:
    match = re.search(r"signed-by=(\S+)", options, re.IGNORECASE)
    return match is None or Path(match[1]).name.startswith(keyring_package)
