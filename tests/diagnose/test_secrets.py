"""Secrets are struck out, in every form that their files show, and nothing else is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bootwright import api
from bootwright.cli.main import main
from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.secrets import SECRETS, Example, Secrets
from bootwright.foundation.places import DATA

EXAMPLES = [(form.name, example) for form in SECRETS.all().values() for example in form.example]
LOG = b"""\
[    0.000000] Linux version 6.12.30 (build@forge) #1 SMP
[    0.000000] Kernel command line: root=PARTUUID=1234-02 smsc95xx.macaddr=B8:27:EB:0A:0B:0C rootwait
[    1.000000] systemd[1]: Hostname set to <attic-pi>.
[    2.000000] usb 2-1: SerialNumber: 50026B7784A1
[    3.000000] VFS: Unable to mount root fs on unknown-block(0,0)
[    3.100000] Kernel panic - not syncing: VFS: on attic-pi B8:27:EB:0A:0B:0C 50026B7784A1
"""
SECRET = ("B8:27:EB:0A:0B:0C", "attic-pi")


@pytest.mark.parametrize(("form", "example"), EXAMPLES)
def test_an_example_is_struck_out_as_its_file_says(form: str, example: Example) -> None:
    assert Secrets().struck_out(example.log) == example.struck


def test_a_file_shows_what_is_struck_out_and_what_stays() -> None:
    for form in SECRETS.all().values():
        assert {example.log == example.struck for example in form.example} == {True, False}, form.name


def test_nothing_of_a_diagnosis_holds_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(LOG)
    plain = json.dumps(api.diagnose(path).as_json())
    struck = json.dumps(api.diagnose(path, redact=True).as_json())
    assert all(secret in plain for secret in SECRET)
    assert not any(secret in struck for secret in SECRET)
    assert "[host name 1]" in struck
    assert "[MAC address 1]" in struck


def test_the_command_strikes_them_out_of_all_that_it_writes(tmp_path: Path) -> None:
    log, page = tmp_path / "attic-pi.log", tmp_path / "page.html"
    log.write_bytes(LOG)
    arguments = ["diagnose", "--redact", "--all", "--html", str(page), str(log)]
    result = CliRunner().invoke(main, arguments, standalone_mode=False)
    assert result.return_value == 1
    for text in (result.output, page.read_text(encoding="utf-8")):
        assert not any(secret in text for secret in SECRET)


def test_a_users_own_form_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bootwright" / "secrets"
    folder.mkdir(parents=True)
    (folder / "labels.toml").write_text(
        'shown = "asset tag"\nsource = "labels"\npatterns = [\'\\bASSET-(?P<secret>\\d{6})\\b\']\n'
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    from bootwright.diagnose import secrets

    secrets._forms.cache_clear()
    try:
        assert Secrets().struck_out("shelf ASSET-123456") == "shelf ASSET-[asset tag 1]"
    finally:
        secrets._forms.cache_clear()


@given(st.text(max_size=300))
def test_any_text_can_be_struck_out_and_a_second_time_changes_nothing(text: str) -> None:
    once = Secrets().struck_out(text)
    assert Secrets().struck_out(once) == once


@given(st.binary(min_size=6, max_size=6), st.permutations(range(5)))
def test_a_mac_address_has_one_number_in_every_spelling(address: bytes, order: list[int]) -> None:
    digits = address.hex()
    if digits in {"0" * 12, "f" * 12} or digits.isdigit():
        return
    pairs = [digits[at : at + 2] for at in range(0, 12, 2)]
    identifier = [f"{address[0] ^ 2:02x}", *pairs[1:3], "ff", "fe", *pairs[3:]]
    groups = [first + second for first, second in zip(identifier[::2], identifier[1::2], strict=True)]
    spellings = [
        ":".join(pairs),
        "-".join(pairs).upper(),
        f"enx{digits}",
        digits,
        "fe80::" + ":".join(groups),
    ]
    log = " ".join(spellings[at] for at in order)
    struck = Secrets().struck_out(log)
    assert struck.replace("enx", "").split(" ") == ["[MAC", "address", "1]"] * 5


@given(st.text(st.characters(exclude_characters='"\\\n[', codec="utf-8"), min_size=4, max_size=40))
def test_of_a_quoted_password_nothing_stays(password: str) -> None:
    if password.lower() in SECRETS.get("tokens").harmless:
        return
    struck = Secrets().struck_out(f'psk="{password}" {{"wifi_password":"{password}"}}')
    assert struck == 'psk="[token 1]" {"wifi_password":"[token 1]"}'


@given(
    st.lists(
        st.sampled_from(["d8:3a:dd:01:02:03", "Serial: 10000000abcdef01", "eth0", "\n", " "]), max_size=12
    )
)
def test_no_address_stays(parts: list[str]) -> None:
    assert "d8:3a:dd:01:02:03" not in Secrets().struck_out(" ".join(parts))


@pytest.mark.parametrize("name", ["no-root", "rp1-endpoint"])
def test_a_diagnosis_stays_what_it_was(name: str) -> None:
    for log in sorted((DATA / "signatures" / name / "golden").glob("*/console.log")):
        plain = diagnose_bytes(log.read_bytes())
        struck = Secrets().without(plain)
        assert struck.outcome == plain.outcome
        for before, after in zip(plain.boots, struck.boots, strict=True):
            assert [finding.signature for finding in after.findings] == [
                finding.signature for finding in before.findings
            ]
            assert [finding.severity for finding in after.findings] == [
                finding.severity for finding in before.findings
            ]


def test_numbered_lines_are_those_of_the_diagnosis() -> None:
    import io

    from bootwright.diagnose.reading.numbered import numbered_lines

    compared = 0
    for log in sorted((DATA / "signatures").glob("*/golden/*/console.log"))[::5]:
        data = log.read_bytes()
        shown = dict(numbered_lines(io.BytesIO(data).read))
        for boot in diagnose_bytes(data).boots:
            for line in (line for finding in boot.findings for line in finding.lines):
                # Of a line that a terminal wrapped, the number may be that of a later piece.
                text = shown[max(number for number in shown if number <= line.number)]
                assert re.sub(r"\s+", " ", line.text[:60]).strip() in re.sub(r"\s+", " ", text)
                compared += 1
    assert compared > 100
