"""The host's archive and package index configuration: the only thing of the host that a bare system gets.

Formats: apt-get(8) `indextargets`, apt-config(8) `dump`, pip's configuration files and `PIP_*` variables
(pip's user guide, "Configuration"), npm's `npmrc`.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from npm_settings import settings as npm_settings_of_host

_TARGETS = "$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(ORIGIN)|$(COMPONENT)"
# How the archive is reached and how old its indexes may be; nothing about what is fetched from it.
_SETTING = re.compile(
    r"Acquire::(https?::|ftp::|ForceIPv|Retries|Check-|Max-ValidTime|Min-ValidTime|Queue-Mode|Languages)"
    r'\S* "[^"]+";'
)
_NPM = ("registry", "proxy", "https-proxy", "noproxy")
_LOCAL = re.compile(r"(?:file://)?(/[^\s]+)")


class Unfit(Exception):
    """The host cannot make a bare system; the text is one line, with what to do."""


def archive_lines(suite: str, listing: str | None = None) -> list[str]:
    """sources.list(5) lines for `suite`, from those that the host has of the same archive.

    `listing` is the output of `apt-get indextargets` with `_TARGETS`; without it apt is asked. The
    host's own release, its updates and its security updates become those of `suite`; archives of other
    origins are left out. Raises `Unfit` where the host has read no index of Debian's.
    """
    if listing is None:
        listing = _output(["apt-get", "indextargets", "--format", _TARGETS, "Created-By: Packages"])
    components: dict[tuple[str, str], list[str]] = {}
    for line in listing.splitlines():
        address, release, codename, origin, component = (*line.split("|"), *[""] * 5)[:5]
        base = codename.split("-")[0]
        if origin != "Debian" or not base or release.partition("-")[2] not in {"", "updates", "security"}:
            continue
        kind = codename.partition("-")[2]
        entry = components.setdefault((address, f"{suite}-{kind}" if kind else suite), [])
        if component not in entry:
            entry.append(component)
    if not any(release == suite for _, release in components):
        raise Unfit("apt has read no index of a Debian archive: run `apt-get update`, as root, on Debian")
    return [f"deb {address} {release} {' '.join(names)}" for (address, release), names in components.items()]


def apt_settings(dump: str | None = None) -> str:
    """apt.conf(5) lines: proxies, and how the host's archive has to be read."""
    if dump is None:
        dump = _output(["apt-config", "dump"])
    return "".join(f"{line}\n" for line in dump.splitlines() if _SETTING.match(line))


def pip_settings(
    files: Iterable[Path] | None = None, environment: Mapping[str, str] | None = None
) -> configparser.RawConfigParser:
    """pip's settings of the host in one: its files in pip's order, and then the environment."""
    environment = os.environ if environment is None else environment
    merged = configparser.RawConfigParser()
    merged.add_section("global")
    for path in _pip_files(environment) if files is None else files:
        if path.is_file():
            merged.read(path, encoding="utf-8")
    for name, value in sorted(environment.items()):
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value:
            merged.set("global", name[4:].lower().replace("_", "-"), value)
    return merged


def local_paths(settings: configparser.RawConfigParser) -> list[Path]:
    """Files and folders of this machine that pip's settings name and that are there, whole folders first.

    A folder of wheels, an index below `file://`, a file of constraints, a certificate. An index in
    `…/simple` refers to files beside it, so the folder above comes along.
    """
    paths = set()
    for section in settings.sections():
        for _, value in settings.items(section):
            for match in _LOCAL.finditer(value) if not value.startswith(("http:", "https:")) else ():
                path = Path(match[1])
                paths.add(path.parent if path.name == "simple" and path.parent != Path("/") else path)
    return sorted(path for path in paths if path.exists() and path != Path("/"))


def npm_settings(settings: Mapping[str, str] | None = None) -> str:
    """npmrc lines: where the host's npm packages come from, and how that is reached; no passwords."""
    merged = npm_settings_of_host() if settings is None else settings
    return "".join(f"{name}={merged[name]}\n" for name in _NPM if merged.get(name))


def certificates() -> list[Path]:
    """Certificate authorities that were added to this machine by hand (update-ca-certificates(8))."""
    return sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))


def _pip_files(environment: Mapping[str, str]) -> list[Path]:
    home = Path(environment.get("HOME", "/root"))
    folders = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    shared = [Path(folder) / "pip/pip.conf" for folder in reversed(folders.split(":")) if folder]
    own = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    chosen = environment.get("PIP_CONFIG_FILE")
    files = [*shared, Path("/etc/pip.conf"), home / ".pip/pip.conf", own / "pip/pip.conf"]
    return [*files, Path(chosen)] if chosen and chosen != os.devnull else files


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unfit(f"{command[0]} could not be run ({error}): a Debian host is needed") from error
    if done.returncode:
        raise Unfit(f"{command[0]} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return done.stdout
