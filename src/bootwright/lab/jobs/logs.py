"""Consoles in the logs that laboratories hand out: a LAVA job's log, and the callback of a pull lab.

A LAVA log (`lavacli jobs logs --raw`, lava_dispatcher/log.py, LAVA 2023.01) is YAML, an entry a line:
`- {"dt": "2026-01-01T00:00:00", "lvl": "target", "msg": "[    0.0] Linux version …"}`; what the board said
has the level `target` (`feedback` while LAVA waits for something else). The callback (kernelci-core,
kernelci/runtime/pull_labs.py, 2025) is JSON with `artifacts.log`, as text or in base64, gzip inside or not.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from bootwright.foundation.errors import Malformed

MOST_BYTES = 64 << 20
_ENTRY = re.compile(rb"- ?\{[^\n]*\blvl\b")
_DEVICE = frozenset({"target", "feedback"})
_BASE64 = "base64:"
_GZIP = b"\x1f\x8b"
_MOST_LINE = 1 << 20


def lava_console(data: bytes, where: str) -> bytes | None:
    """What the board said in a LAVA job's log; None where it is no such log. Raises `Malformed`."""
    if _ENTRY.match(data.lstrip()[:4096]) is None:
        return None
    return b"".join(_said(data, where))


def _said(data: bytes, where: str) -> Iterator[bytes]:
    offset = 0
    for line in data.splitlines(keepends=True):
        entry = _entry(line, where, offset)
        offset += len(line)
        if entry.get("lvl") in _DEVICE:
            message = entry.get("msg")
            if isinstance(message, str):
                yield message.encode(errors="replace") + b"\n"


def _entry(line: bytes, where: str, offset: int) -> Mapping[str, Any]:
    """One entry; the newest may be cut short where a log was taken while the job ran."""
    text = line.strip()
    if not text.startswith(b"-"):
        return {}
    if len(text) > _MOST_LINE:
        raise Malformed(where, offset, f"lines of at most {_MOST_LINE >> 20} MiB", "more")
    body = text[1:].strip()
    try:
        entry = json.loads(body)  # as LAVA writes them: JSON is YAML, and read a hundred times as fast
    except (ValueError, RecursionError):
        try:
            entry = yaml.safe_load(body)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            if not line.endswith(b"\n"):
                return {}
            raise Malformed(where, offset, "an entry of a LAVA job's log", "another text") from error
    return entry if isinstance(entry, dict) else {}


def callback_console(document: Mapping[str, Any], where: str) -> bytes | None:
    """The log in the callback of a pull lab; None where it has none. Raises `Malformed`."""
    artifacts = document.get("artifacts")
    log = artifacts.get("log") if isinstance(artifacts, dict) else None
    if not isinstance(log, str) or not log:
        return None
    if not log.startswith(_BASE64):
        return log.encode(errors="replace")
    try:
        data = base64.b64decode(log.removeprefix(_BASE64), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"{where}: artifacts.log", None, "base64", "another text") from error
    if not data.startswith(_GZIP):
        return data
    expansion = zlib.decompressobj(wbits=31)  # gzip
    try:
        expanded = expansion.decompress(data, MOST_BYTES + 1)
    except zlib.error as error:
        raise Malformed(f"{where}: artifacts.log", None, "gzip", "damaged data") from error
    if len(expanded) > MOST_BYTES:
        raise Malformed(f"{where}: artifacts.log", None, f"at most {MOST_BYTES >> 20} MiB", "more")
    return expanded


def callback_tests(document: Mapping[str, Any]) -> Mapping[str, bool | None]:
    """Test → whether it passed, of the callback of a pull lab; None where it was not decided."""
    tests = document.get("tests")
    if not isinstance(tests, dict):
        return {}
    known = {"ok": True, "pass": True, "fail": False}
    return {
        str(name): known.get(str(test.get("status")))
        for name, test in tests.items()
        if isinstance(test, dict)
    }
