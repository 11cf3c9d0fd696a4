"""Wheels carry the programs that run in guests, compiled here: using them needs no compiler for arm64."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_CARRIED = "bootwright/data/probes"


class ProbesHook(BuildHookInterface[Any]):
    """Compiles `probes/` into the wheel; an editable install compiles them itself when it needs them."""

    PLUGIN_NAME = "custom"
    _room: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        try:
            from bootwright.foundation import guest
            from bootwright.foundation.errors import BootwrightError
        finally:
            sys.path.remove(str(root / "src"))
        self._room = tempfile.TemporaryDirectory(prefix="bootwright-")
        # What `probe export` cuts its programs out of.
        build_data["force_include"][str(root / "probes")] = f"{_CARRIED}/sources"
        for name in guest.PROGRAMS:
            try:
                built = guest.build_with_any(guest.sources_of(name, root / "probes"), root / "probes")
            except BootwrightError as error:
                raise SystemExit(f"the guest's {name} was not compiled: {error.message}") from error
            if built is None:
                raise SystemExit(
                    "a wheel carries the guest's programs, and no compiler for arm64 is installed:"
                    " install gcc-aarch64-linux-gnu, clang and lld, or zig"
                )
            binary, compiler = built
            output = Path(self._room.name) / name
            output.write_bytes(binary)
            build_data["force_include"][str(output)] = f"{_CARRIED}/{name}"
            told = f"{name}: {len(binary)} bytes, {hashlib.sha256(binary).hexdigest()}, {compiler}"
            self.app.display_info(told)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        if self._room is not None:
            self._room.cleanup()
