"""Results to and from others: KTAP on a console, what laboratories hand out, and reports for kcidb."""

from __future__ import annotations

import json
import re
from importlib import import_module
from typing import Any

from attrs import frozen

from bootwright.foundation.errors import Malformed, Missing
from bootwright.lab.jobs.logs import MOST_BYTES, callback_console, callback_tests, lava_console
from bootwright.lab.probes.ktap import ProbeResult, ProbeTest, parse

_MARKED = re.compile(rb"(?:^|[\s\]])([A-Za-z0-9]{1,32}): KTAP version 1")
_PATH = "boot.bootwright"
"""Where tests of probes are in the tree of tests."""
_ODD = re.compile(r"[^A-Za-z0-9_-]+")
_STATUS = {True: "PASS", False: "FAIL", None: "SKIP"}
_OK = {"PASS": True, "FAIL": False}
CELL = "cell"
"""The group of tests that are named after outcomes of a plan, and decide these."""
_JOB_TEST = "bootwright-"


def read_results(data: bytes, where: str) -> ProbeResult:
    """The results in a console with KTAP, a LAVA job's log, a pull lab's callback, or a report for kcidb.

    Raises `Malformed`.
    """
    handed = read_handed(data, where)
    if handed.result is not None:
        return handed.result
    raise Malformed(
        where,
        None,
        "a console with `KTAP version 1` of a probe, or a report for kcidb",
        "neither",
        hint="the console of `bootwright boot`, or of a job of `bootwright bench job`",
    )


@frozen
class Handed:
    """What a laboratory handed out."""

    console: bytes | None
    """What the board or machine said; None in a report."""
    result: ProbeResult | None
    """What tests told; None where there are none."""
    is_wrapped: bool = False
    """Whether the console was taken out of a laboratory's own log."""


def read_handed(data: bytes, where: str) -> Handed:
    """Anything that comes back from a laboratory; raises `Malformed`."""
    if len(data) > MOST_BYTES:
        raise Malformed(where, MOST_BYTES, "at most 64 MiB", "more")
    if data.lstrip()[:1] == b"{":
        document = _json(data, where)
        if "version" in document or "tests" not in document:
            return Handed(None, _of_kcidb(document, where))
        return _of_callback(document, where)
    console = lava_console(data, where)
    if console is None:
        return Handed(data, _ktap(data))
    return Handed(console, _ktap(console), is_wrapped=True)


def _ktap(console: bytes) -> ProbeResult | None:
    mark = _MARKED.search(console)
    return parse(console, mark[1].decode()) if mark is not None else None


def _of_callback(document: dict[str, Any], where: str) -> Handed:
    """Tests that its job named after outcomes count where no probe spoke."""
    console = callback_console(document, where)
    result = _ktap(console) if console is not None else None
    if result is None:
        tests = tuple(
            ProbeTest(CELL, name.removeprefix(_JOB_TEST), passed, None, None, "")
            for name, passed in callback_tests(document).items()
            if name.startswith(_JOB_TEST)
        )
        result = ProbeResult(None, None, tests, complete=True, diagnostics=()) if tests else None
    return Handed(console, result, is_wrapped=True)


def _json(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(where, None, "JSON", str(error)[:200]) from error
    if not isinstance(document, dict):
        raise Malformed(where, None, "a JSON object", type(document).__name__)
    return document


def kcidb_report(result: ProbeResult, origin: str, *, kernel_sha256: str = "") -> dict[str, Any]:
    """A report for KernelCI's database, checked by kcidb-io's own schema.

    Of the sources nothing is known but the release: the checkout has no commit. Raises `Missing` without
    kcidb-io, `Malformed` for an origin that is none.
    """
    release = result.release or "unknown"
    build = f"{origin}:{release}:{kernel_sha256[:16]}" if kernel_sha256 else f"{origin}:{release}"
    facts = {"release": release, "page_size": result.page_size, "complete": result.complete}
    report: dict[str, Any] = {
        "version": {"major": 5, "minor": 3},
        "checkouts": [{"id": f"{origin}:{release}", "origin": origin}],
        "builds": [
            {
                "id": build,
                "origin": origin,
                "checkout_id": f"{origin}:{release}",
                "architecture": "aarch64",
                "misc": facts | ({"image_sha256": kernel_sha256} if kernel_sha256 else {}),
            }
        ],
        "tests": [
            {
                "id": f"{build}:{test.group}:{test.name}",
                "origin": origin,
                "build_id": build,
                "path": ".".join([_PATH, _ODD.sub("_", test.group), _ODD.sub("_", test.name)]),
                "status": _STATUS[test.ok],
                "misc": {
                    "group": test.group,
                    "name": test.name,
                    "call": test.call,
                    "errno": test.errno,
                    "detail": test.detail,
                },
            }
            for test in result.tests
        ],
    }
    _check(report, f"a report of origin {origin!r}")
    return report


def _check(report: Any, where: str) -> None:  # noqa: ANN401 - any JSON
    try:
        schema = import_module("kcidb_io").schema.LATEST
    except ImportError as error:
        raise Missing("kcidb-io is not installed", hint="pip install 'bootwright[kernelci]'") from error
    if not isinstance(report, dict) or not schema.is_compatible(report):
        raise Malformed(where, None, "a report for kcidb", "another document")
    try:
        schema.validate(schema.upgrade(report))
    except Exception as error:  # jsonschema's, which is not ours to import
        reason = str(getattr(error, "message", error)).splitlines()[0][:200]
        raise Malformed(where, None, "a report by kcidb-io's schema", reason) from error


def _of_kcidb(report: dict[str, Any], where: str) -> ProbeResult:
    _check(report, where)
    facts: dict[str, Any] = next((build.get("misc", {}) for build in report.get("builds", [])), {})
    tests = []
    for row in report.get("tests", []):
        path, misc = str(row.get("path", "")), row.get("misc", {})
        if not path.startswith(f"{_PATH}."):
            continue
        group, _, name = path.removeprefix(f"{_PATH}.").partition(".")
        tests.append(
            ProbeTest(
                group=_text(misc.get("group")) or group,
                name=_text(misc.get("name")) or name,
                ok=_OK.get(row.get("status")),
                call=_text(misc.get("call")),
                errno=_text(misc.get("errno")),
                detail=_text(misc.get("detail")) or "",
            )
        )
    if not tests:
        raise Malformed(where, None, f"tests under {_PATH}", "none")
    size = facts.get("page_size")
    return ProbeResult(
        release=_text(facts.get("release")),
        page_size=size if isinstance(size, int) and not isinstance(size, bool) else None,
        tests=tuple(tests),
        complete=facts.get("complete") is True,
        diagnostics=(),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
