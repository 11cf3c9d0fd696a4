"""Wheels carry the guest's init, compiled here, so that using them needs no compiler for arm64."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_CARRIED = "bootwright/data/probes/init"


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
            from bootwright.foundation.errors import BootwrightError
            from bootwright.lab import probe
        finally:
            sys.path.remove(str(root / "src"))
        sources = sorted((root / "probes").glob("*.[ch]"))
        try:
            built = probe.build_with_any(sources)
        except BootwrightError as error:
            raise SystemExit(f"the guest's init was not compiled: {error.message}") from error
        if built is None:
            raise SystemExit(
                "a wheel carries the guest's init, and no compiler for arm64 is installed:"
                " install gcc-aarch64-linux-gnu, clang and lld, or zig"
            )
        binary, compiler = built
        self._room = tempfile.TemporaryDirectory(prefix="bootwright-")
        output = Path(self._room.name) / "init"
        output.write_bytes(binary)
        build_data["force_include"][str(output)] = _CARRIED
        self.app.display_info(f"init: {len(binary)} bytes, {hashlib.sha256(binary).hexdigest()}, {compiler}")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        if self._room is not None:
            self._room.cleanup()
