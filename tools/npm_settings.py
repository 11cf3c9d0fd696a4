"""How npm is configured on this machine, read as npm reads it (its documentation, "npmrc" and "config").

`npm_config_…` variables count more than the user's `.npmrc`, that more than the global file. Where nothing
names a registry and npm is installed, it is asked for the one it has.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_GLOBAL = (Path("/usr/local/etc/npmrc"), Path("/usr/etc/npmrc"), Path("/etc/npmrc"))
"""`PREFIX/etc/npmrc` of the usual prefixes, and Debian's own place; later ones count more."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")


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
    for name, value in sorted(environment.items()):
        if name.lower().startswith("npm_config_") and value:
            merged[name[11:].lower().replace("_", "-")] = value
    if not merged.get("registry") and (registry := _of_npm()):
        merged["registry"] = registry
    return merged


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
