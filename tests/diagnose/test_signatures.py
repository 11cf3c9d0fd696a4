"""Every signature folder is well-formed and its golden logs give what they should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Severity
from bootwright.diagnose.reading.patterns import compile_pattern
from bootwright.diagnose.signatures.knowledge import load
from bootwright.diagnose.signatures.model import Signature
from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import DATA

KNOWLEDGE = load()
GOLDEN = sorted(
    [
        *(DATA / "signatures").glob("*/golden/*/expected.json"),
        *(DATA / "gallery").glob("golden/*/expected.json"),
    ]
)


def check(diagnosis: Diagnosis, expected: dict[str, Any], signature: str) -> None:
    """The form of expected.json is told in docs/signatures.md."""
    everything = [finding for boot in diagnosis.boots for finding in boot.findings]
    serious = [finding for finding in everything if finding.severity in {Severity.FATAL, Severity.DEGRADING}]
    assert diagnosis.outcome.value == expected["outcome"], [finding.signature for finding in serious]
    assert diagnosis.boots[-1].stage == expected["stage"]
    raises = {known.name for known in KNOWLEDGE.signatures if known.raises}
    if signature != "gallery" and signature not in raises:
        assert signature in {finding.signature for finding in everything}
    if "root" in expected:
        assert serious[0].signature == expected["root"]
        assert any(expected["proof"] in line.text for line in serious[0].lines)
    else:
        assert not serious
    for word in expected.get("cause", []):
        named = (
            serious[0]
            if serious
            else next(finding for finding in everything if finding.signature == signature)
        )
        assert word in named.cause


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parts[-4]}-{path.parts[-2]}")
@pytest.mark.parametrize("use_re2", [True, False], ids=["re2", "python"])
def test_golden(path: Path, use_re2: bool) -> None:
    expected = json.loads(path.read_text(encoding="utf-8"))
    data = (path.parent / "console.log").read_bytes()
    signature = "gallery" if "gallery" in path.parts[-4:-2] else path.parts[-4]
    watched = expected.get("watched", False)
    diagnosis = diagnose_bytes(data, "console.log", KNOWLEDGE, use_re2=use_re2, watched=watched)
    check(diagnosis, expected, signature)


def test_there_are_golden_logs() -> None:
    assert len(GOLDEN) > 60


def test_every_event_is_used() -> None:
    used: set[str] = set()
    for signature in KNOWLEDGE.signatures:
        for rule in (signature.rule, *(case.rule for case in signature.cases)):
            used |= {*rule.triggers, *rule.also, *rule.without, *rule.without_later, *rule.without_earlier}
    own = {pattern.name for signature in KNOWLEDGE.signatures for pattern in signature.patterns}
    assert own - used == set()


def test_every_pattern_runs_in_both_engines() -> None:
    for pattern in KNOWLEDGE.patterns:
        compile_pattern(pattern.expression, use_re2=True)
        compile_pattern(pattern.expression, use_re2=False)


@pytest.mark.parametrize("signature", KNOWLEDGE.signatures, ids=lambda known: known.name)
def test_signature_tells_what_a_user_needs(signature: Signature) -> None:
    assert signature.cause.endswith((".", "}", "?"))
    assert signature.remedy
    assert signature.limits
    assert signature.sources


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title = 1", "title.*text"),
        ("[events]\na = '''x+'''", "literal bytes"),
        ("[events]\na = '''(foo'''", "regular expression"),
        ("severity = 'bad'", "one of"),
        ("explains = ['nobody']", "names of signatures"),
        ("remedi = 'x'", "the key `remedi`"),
        ("x = ", "TOML"),
    ],
)
def test_a_bad_signature_is_named(tmp_path: Path, text: str, expected: str) -> None:
    folder = tmp_path / "signatures" / "mine"
    folder.mkdir(parents=True)
    good = (DATA / "signatures" / "kernel-taint" / "signature.toml").read_text(encoding="utf-8")
    head = text.split("=", maxsplit=1)[0].strip()
    if text.startswith("[events]"):
        good = good.replace("[events]\n", text + "\n")
    else:
        good = text + "\n" + "\n".join(line for line in good.splitlines() if not line.startswith(head))
    (folder / "signature.toml").write_text(good, encoding="utf-8")
    with pytest.raises(Malformed, match=expected):
        load(tmp_path)


def test_a_reference_to_nothing_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "signatures" / "mine"
    folder.mkdir(parents=True)
    good = (DATA / "signatures" / "kernel-taint" / "signature.toml").read_text(encoding="utf-8")
    (folder / "signature.toml").write_text(good.replace('["taint"]', '["absent"]'), encoding="utf-8")
    with pytest.raises(Malformed, match="mine/absent"):
        load(tmp_path)
