"""`bootwright upstream draft`: what a run has seen, as a report to upstream."""

import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from history_kit import History
from hypothesis import given
from hypothesis import strategies as st

from bootwright.cli.main import main
from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed
from bootwright.foundation.verdict import Verdict
from bootwright.upstream.draft.mail import mail
from bootwright.upstream.draft.maintainers import read_maintainers, recipients
from bootwright.upstream.draft.report import Report, compose
from bootwright.upstream.draft.run_facts import Cell, RunFacts, parse_run
from bootwright.upstream.presets import UPSTREAMS

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/upstream-draft.schema.json").read_text())
PLAN = """\
schema = "bootwright/plan/1"
name = "small"
title = "A board's Ethernet"
question = "Which kernel?"

[wanted]

[factor.kernel]
label = "kernel version"
levels = ["6.12", "6.17", "6.18"]
fact = "version"
[factor.cable]
label = "cable"
levels = ["short", "long"]

[outcome.net]
goal = true
label = "the network works"

[[touches]]
outcome = "net"
calls = ["open_tree"]
"""
ROWS = """\
id,source,factor:kernel,factor:cable,outcome:net
a,bench,6.17,short,works
b,bench,6.18,short,fails
c,bench,6.18,long,fails
d,bench,6.17,long,works
"""
MAINTAINERS = """\
List of maintainers
===================

	M: *Mail* patches to: FullName <address@domain>

FILESYSTEMS (VFS)
M:	Ada Example <ada@example.org>
# a remark
R:	Bob Example <bob@example.org>
L:	linux-fsdevel@example.org (moderated)
F:	fs/*
X:	fs/other.c

MOUNTS
M:	Cy Example <cy@example.org>
N:	name.pace

OTHERS
M:	No One <no@example.org>
F:	drivers/

THE REST
M:	The Chief <torvalds@example.org>
L:	linux-kernel@example.org
F:	*
F:	*/
"""
_C = "SYSCALL_DEFINE1(open_tree, int, fd)\n{\n\treturn 0;\n}\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(PLAN)
    (tmp_path / "seen.csv").write_text(ROWS)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), standalone_mode=False)


@pytest.fixture
def seen(place: Path) -> Path:
    done = run("investigate", "small.toml", "--observations", "seen.csv", "--offline", "--quiet")
    assert done.exception is None, done.exception
    return place


def draft(target: str, *arguments: str) -> Result:
    result = run("upstream", "draft", target, "small.toml", *arguments)
    assert result.exception is None, result.exception
    return result


def test_a_regression_by_the_kernels_rules(seen: Path) -> None:
    result = draft("linux")
    assert result.return_value == 0
    head, _, body = result.stdout.partition("\n\n")
    assert "Subject: [REGRESSION] the network works: fails, Linux 6.18" in head
    assert "regressions@lists.linux.dev" in head
    assert "\n\n#regzbot introduced: v6.17..v6.18\n" in body
    assert "- kernel version: works with 6.17, fails with 6.18" in body
    assert re.search(r"^- cable: .*\n?.*\((?:a|b|c|d), (?:a|b|c|d)\)$", body, re.MULTILINE)
    assert re.search(r"^b +6\.18 +short +fails +bench", body, re.MULTILINE)
    assert "only this differs: kernel version" in " ".join(body.split())
    prose = [line for line in body.split("\n") if not re.match(r"(?:cell|a|b|c|d) ", line)]
    assert max(map(len, prose)) <= 75
    assert "before you send it: who to write to" in result.stderr


def test_an_issue_in_markdown(seen: Path) -> None:
    text = draft("talos").stdout
    assert text.startswith("# the network works: fails, Linux 6.18\n")
    assert "| b | 6.18 | short | fails | bench |" in text
    assert "regzbot" not in text


def test_a_fix_is_no_regression(place: Path) -> None:
    (place / "seen.csv").write_text(
        ROWS.replace("6.17", "6.x").replace("6.18", "6.17").replace("6.x", "6.18")
    )
    assert (
        run("investigate", "small.toml", "--observations", "seen.csv", "--offline", "--quiet").exception
        is None
    )
    result = draft("linux")
    assert "REGRESSION" not in result.stdout
    assert "regzbot" not in result.stdout
    assert re.search(r"6\.18 works \([ad]\): mainline has no bug to report", result.stderr)


def test_the_tree_says_whom_to_write_to_and_what_happened(seen: Path) -> None:
    history = History.start(
        seen / "linux", {"fs/namespace.c": _C, "fs/other.c": "a\n", "MAINTAINERS": MAINTAINERS}
    )
    history.git("tag", "v6.17")
    history.commit("fs: open_tree refuses more", {"fs/namespace.c": _C.replace("return 0", "return -EINVAL")})
    history.commit("fs: others", {"fs/other.c": "b\n"})
    history.git("tag", "v6.18")
    result = draft("linux", "--repository", "linux")
    assert "To: Ada Example <ada@example.org>, Bob Example <bob@example.org>, Cy Example" in result.stdout
    assert "Cc: linux-fsdevel@example.org, linux-kernel@example.org, regressions@" in result.stdout
    assert "- 1 of 2 commits in v6.17..v6.18 touch what it is about:" in result.stdout
    assert '("fs: open_tree refuses more")' in result.stdout
    document = json.loads(draft("linux", "--repository", "linux", "--json").stdout)
    jsonschema.validate(document, SCHEMA)
    assert [commit["subject"] for commit in document["history"]] == ["fs: open_tree refuses more"]


def test_the_history_of_the_call_that_failed(seen: Path) -> None:
    """A boot's evidence names the call: its own commits are told, not those that stand around it."""
    path = seen / "out/small/result.json"
    result = json.loads(path.read_text())
    for cell in result["cells"]:
        if cell["outcomes"].get("net") == "fails":
            cell["evidence"]["tests"] = [
                {"name": "mounts/a", "ok": False, "call": "open_tree", "errno": "EINVAL"}
            ]
    path.write_text(json.dumps(result))
    history = History.start(
        seen / "linux", {"fs/namespace.c": _C + "static int other(void)\n{\n\treturn 1;\n}\n"}
    )
    history.git("tag", "v6.17")
    history.commit("fs: others", {"fs/namespace.c": _C + "static int other(void)\n{\n\treturn 2;\n}\n"})
    history.commit("fs: open_tree refuses more", {"fs/namespace.c": _C.replace("return 0", "return -EINVAL")})
    history.git("tag", "v6.18")
    text = draft("linux", "--repository", "linux").stdout
    assert "- open_tree() (fs/namespace.c): 2 commits\n" in text
    assert '("fs: open_tree refuses more"), v6.18: definition changed' in " ".join(text.split())
    document = json.loads(draft("linux", "--repository", "linux", "--json").stdout)
    jsonschema.validate(document, SCHEMA)
    (past,) = document["pasts"]
    assert [change["subject"] for change in past["changes"]] == ["fs: open_tree refuses more", "base"]


def test_a_cover_letter(seen: Path) -> None:
    history = History.start(seen / "linux", {"fs/namespace.c": _C})
    history.commit("fs: mounts: one", {"fs/namespace.c": _C + "\n"})
    history.commit("fs: mounts: two", {"fs/namespace.c": _C})
    history.git("format-patch", "-q", "-o", str(seen / "series"), "base")
    result = draft("linux", "--series", "series", "--base", "0123456789ab")
    assert "Subject: [PATCH 0/2] fs: mounts: 2 changes" in result.stdout
    assert "Ada Example (2):\n  fs: mounts: one\n  fs: mounts: two\n" in result.stdout
    assert " fs/namespace.c | +1 -1\n" in result.stdout
    assert result.stdout.endswith("base-commit: 0123456789ab\n")


def test_nothing_failed(place: Path) -> None:
    (place / "seen.csv").write_text(ROWS.replace("fails", "works"))
    assert (
        run("investigate", "small.toml", "--observations", "seen.csv", "--offline", "--quiet").exception
        is None
    )
    result = draft("linux")
    assert (result.return_value, result.stdout) == (3, "")
    assert "nothing was seen to fail" in result.stderr
    jsonschema.validate(json.loads(draft("linux", "--json").stdout), SCHEMA)


def test_into_a_file_once(seen: Path) -> None:
    assert draft("linux", "-o", "report.txt").stdout == ""
    assert (seen / "report.txt").read_text().startswith("To: ")
    again = run("upstream", "draft", "linux", "small.toml", "-o", "report.txt")
    assert "exists" in str(again.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("linux", "small.toml", "--run", "nowhere"), "there is no result"),
        (("linux", "small.toml", "--outcome", "nat"), "net"),
        (("linux", "small.toml", "--repository", "nowhere"), "no folder"),
        (("linux", "small.toml", "--series", "nowhere"), "no folder"),
        (("linux", "small.toml", "--base", "x"), "--series"),
    ],
)
def test_bad_input(seen: Path, arguments: tuple[str, ...], words: str) -> None:
    error = run("upstream", "draft", *arguments).exception
    hint = getattr(error, "hint", "") or ""
    assert words in f"{error} {getattr(error, 'message', '')} {hint}"


def test_maintainers_by_file() -> None:
    sections = read_maintainers(MAINTAINERS)
    addresses = [recipient.address for recipient in recipients(sections, ["fs/other.c"])]
    assert addresses == ["linux-kernel@example.org"]
    addresses = [recipient.address for recipient in recipients(sections, ["fs/deeper/a.c"])]
    assert addresses == ["linux-kernel@example.org"]
    addresses = [recipient.address for recipient in recipients(sections, ["drivers/a/b.c"])]
    assert addresses[0] == "No One <no@example.org>"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_result_or_an_error(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_run(data, "result.json", "net", version_factors=(), mending={})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["cells", "outcomes", "decision", "goals", "factors", "title", "evidence"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_a_result_or_an_error(value: object) -> None:
    document = {**(value if isinstance(value, dict) else {}), "schema": "bootwright/result/2"}
    try:
        parse_run(json.dumps(document).encode(), "result.json", "net", version_factors=(), mending={})
    except Malformed as error:
        message = error.message
    else:
        return
    assert message.startswith("result.json")


@given(st.text(alphabet=st.sampled_from(list("MLRFXNK: \t\n*/[]ab#"))))
def test_any_text_is_a_list_of_maintainers(text: str) -> None:
    recipients(read_maintainers(text), ["a/b"])


@pytest.mark.boot
@pytest.mark.download
def predicted(name: str, kernel: str, dtb: str, verdict: str, source: str) -> Cell:
    """A cell of a prediction, with a devicetree of `source`."""
    titles = {"kernel": "the kernel's package", "raspberrypi-firmware": "the stand-in " + "of a vendor " * 9}
    return Cell(
        name,
        {"kernel": kernel, "dtb": dtb},
        "predicted",
        Verdict(verdict),
        {
            "kernel": f"debian-{kernel}-4k",
            "board": "raspberrypi-5",
            "stepping": "d0",
            "devicetree": "a.dtb",
            "devicetree_from": titles.get(source, "those of a folder"),
            "devicetree_source": source,
        },
    )


def facts_of(*cells: Cell) -> RunFacts:
    labels = {"kernel": "kernel version", "dtb": "devicetree source"}
    return RunFacts("title", "net", labels, cells, (), (), True, (), {}, ("kernel",))


def report_of(*cells: Cell) -> Report:
    report = compose(facts_of(*cells), UPSTREAMS.get("linux"), {}, steps=(), program_of={})
    assert report is not None
    return report


OWN = (
    predicted("own-old", "6.18.15", "kernel", "fails", "kernel"),
    predicted("own-new", "7.3.4", "kernel", "works", "kernel"),
)
VENDORS = predicted("vendor-new", "7.3.4", "firmware", "fails", "raspberrypi-firmware")


def test_what_fails_with_the_kernel_s_own_devicetree_is_reported_first() -> None:
    report = report_of(*OWN, VENDORS)
    assert report.subject == "net: fails, Linux 6.18.15"
    assert report.reproducer == "bootwright check debian-6.18.15-4k --board raspberrypi-5 --stepping d0"
    assert any("7.3.4 works (own-new): mainline has no bug" in note for note in report.notes)
    assert not any("not the kernel's own" in note for note in report.notes)


@pytest.mark.parametrize(
    ("source", "reproducer"),
    [
        (
            "raspberrypi-firmware",
            "bootwright devicetrees fetch raspberrypi-firmware\nbootwright check debian-7.3.4-4k "
            "--devicetrees raspberrypi-firmware --board raspberrypi-5 --stepping d0",
        ),
        (
            "my folder",
            "bootwright check debian-7.3.4-4k --devicetrees 'my folder' --board raspberrypi-5 --stepping d0",
        ),
        ("", ""),  # a stand-in that nobody else has: the kernel's own would show something else
    ],
)
def test_the_reproducer_has_the_devicetree_of_the_cell(source: str, reproducer: str) -> None:
    report = report_of(OWN[1], predicted("vendor-new", "7.3.4", "firmware", "fails", source))
    assert report.reproducer == reproducer
    assert any("the devicetree is not the kernel's own" in note for note in report.notes)
    assert all(f"  {command}" in mail(report).split("\n") for command in reproducer.split("\n") if command)


def test_lines_of_a_mail_are_short() -> None:
    text = mail(report_of(OWN[1], VENDORS))
    rest = [line for line in text.split("\n") if "bootwright" not in line and "own-" not in line]
    assert max(len(line) for line in rest if "predicted" not in line) <= 75


def test_what_boots_have_shown_and_the_program_that_shows_it(place: Path) -> None:
    experiment = """
[[experiment]]
name = "mounts"
source = "emulated"
machine = "virt"
probe = ["mounts"]
kernels = "debian"
only = ["debian-6.12-4k"]
set = { cable = "short" }
[[experiment.yields]]
outcome = "net"
tests = ["mounts/talos-1.12-etc-hosts"]
"""
    (place / "small.toml").write_text(PLAN + experiment)
    assert run("investigate", "small.toml", "--quiet").exception is None
    watch = ("upstream", "watch", "small.toml", "--upstream", "linux", "--quiet")
    assert run(*watch).return_value == 0
    # At the last look the archive's list did not have the newer kernel.
    seen = json.loads((place / "out/small/upstream.json").read_text())
    newer = max(name for name in seen["kernels"]["debian"] if re.fullmatch(r"debian-6\.18\.\d+-4k", name))
    seen["kernels"]["debian"].remove(newer)
    (place / "out/small/upstream.json").write_text(json.dumps(seen))
    looked = run(*watch, "--investigate")
    assert looked.return_value == 1
    assert f"kernel {newer}: cells with it are possible now\nworks: what is wanted" in looked.stdout
    document = json.loads(draft("linux", "--json").stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["subject"].startswith("open_tree: EINVAL: the network works: fails, Linux 6.12.")
    result = json.loads((place / "out/small/result.json").read_text())
    for cell in result["cells"]:
        assert cell["evidence"]["kernel_sha256"] in document["text"]
    source = place / document["program"]["name"]
    source.write_text(document["program"]["text"])
    compiler = tools.need("aarch64-linux-gnu-gcc", purpose="build the program")
    subprocess.run(
        [str(compiler), "-static", "-Wall", "-Werror", "-o", "program", str(source)], check=True, cwd=place
    )
