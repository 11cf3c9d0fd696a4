"""Every signature folder is well-formed and its golden logs give what they should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.knowledge import load
from bootwright.diagnose.model import Diagnosis, Severity
from bootwright.diagnose.scanner import compile_pattern
from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import DATA

KNOWLEDGE = load()
GOLDEN = sorted((DATA / "signatures").glob("*/golden/*/expected.json"))


def check(diagnosis: Diagnosis, expected: dict[str, object], signature: str) -> None:
    """The form of expected.json is told in docs/signatures.md."""
    boot = diagnosis.boots[-1]
    serious = [
        finding
        for each in diagnosis.boots
        for finding in each.findings
        if finding.severity in {Severity.FATAL, Severity.DEGRADING}
    ]
    everything = [finding for each in diagnosis.boots for finding in each.findings]
    assert diagnosis.outcome.value == expected["outcome"]
    assert any(finding.signature == signature for finding in everything)
    if "stage" in expected:
        assert boot.stage == expected["stage"]
    if "root" in expected:
        assert serious[0].signature == expected["root"]
        assert any(str(expected["proof"]) in line.text for line in serious[0].lines)
        for word in expected.get("cause", []):  # type: ignore[attr-defined]
            assert word in serious[0].cause
    else:
        assert not serious


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parts[-4]}-{path.parts[-2]}")
@pytest.mark.parametrize("use_re2", [True, False], ids=["re2", "python"])
def test_golden(path: Path, use_re2: bool) -> None:
    expected = json.loads(path.read_text(encoding="utf-8"))
    data = (path.parent / "console.log").read_bytes()
    check(diagnose_bytes(data, "console.log", KNOWLEDGE, use_re2=use_re2), expected, path.parts[-4])


def test_every_pattern_runs_in_both_engines() -> None:
    for pattern in KNOWLEDGE.patterns:
        compile_pattern(pattern.expression, use_re2=True)
        compile_pattern(pattern.expression, use_re2=False)


@pytest.mark.parametrize("signature", KNOWLEDGE.signatures, ids=lambda each: each.name)
def test_signature_tells_what_a_user_needs(signature: object) -> None:
    from bootwright.diagnose.signatures import Signature

    assert isinstance(signature, Signature)
    assert signature.cause.endswith((".", "}", "?"))
    assert signature.remedy
    assert signature.sources


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title = 1", "text in `title`"),
        ("[events]\na = '''x+'''", "literal bytes"),
        ("[events]\na = '''(foo'''", "regular expression"),
        ("severity = 'bad'", "one of"),
        ("x = ", "TOML"),
    ],
)
def test_a_bad_signature_is_named(tmp_path: Path, text: str, expected: str) -> None:
    folder = tmp_path / "signatures" / "mine"
    folder.mkdir(parents=True)
    good = (DATA / "signatures" / "kernel-panic" / "signature.toml").read_text(encoding="utf-8")
    head = text.split("=", maxsplit=1)[0].strip()
    if text.startswith("[events]"):
        good = good.replace("[events]\n", text + "\n")
    else:
        good = text + "\n" + "\n".join(line for line in good.splitlines() if not line.startswith(head))
    (folder / "signature.toml").write_text(good, encoding="utf-8")
    with pytest.raises(Malformed, match=expected):
        load(tmp_path)
