"""`bootwright upstream watch` as a user runs it, over repositories on this machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from history_kit import History
from hypothesis import given
from hypothesis import strategies as st

from bootwright.cli.main import main
from bootwright.foundation.errors import Malformed
from bootwright.investigate.plans.further import (
    Further,
    FurtherKernel,
    FurtherRelease,
    parse_further,
    read_further,
    with_further,
)
from bootwright.investigate.plans.plan_file import load_plan
from bootwright.upstream.watch.seen import parse_seen, read_seen

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/upstream-watch.schema.json").read_text())
PLAN = """\
schema = "bootwright/plan/1"
name = "small"
title = "Mounts"
question = "Do they work?"

[wanted]

[factor.os]
levels = ["1.0", "1.1"]
[factor.kernel]
levels = ["6.12", "6.18"]
fact = "version"

[outcome.mounts]
goal = true

[[touches]]
outcome = "mounts"
calls = ["open_tree"]
paths = { mine = ["etc/"] }

[[report]]
id = "r"
factors = { os = "1.0", kernel = "6.12" }
outcomes = { mounts = "fails" }
"""
_C = (
    "SYSCALL_DEFINE1(open_tree, int, fd)\n{\n\treturn 0;\n}\n\n"
    "SYSCALL_DEFINE1(umount, int, fd)\n{\n\treturn 1;\n}\n"
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(PLAN)
    return tmp_path  # type: ignore[return-value]


@pytest.fixture
def history(place: Path) -> History:
    return History.start(place / "mine", {"fs/namespace.c": _C, "etc/hosts": "a\n", "README.md": "a\n"})


def watch(*arguments: str) -> Result:
    return CliRunner().invoke(
        main,
        ["upstream", "watch", "small.toml", "--upstream", "linux", *arguments],
        standalone_mode=False,
    )


def look(where: str, *arguments: str) -> tuple[int, dict]:
    result = watch("--repository", f"linux={where}", "--quiet", "--json", *arguments)
    assert result.exception is None, result.exception
    document = json.loads(result.stdout)
    jsonschema.validate(document, SCHEMA)
    return result.return_value, document


def touching(document: dict) -> list[str]:
    [upstream] = document["upstreams"]
    return [commit["subject"] for branch in upstream["branches"] for commit in branch["touching"]]


def test_from_look_to_look(place: Path, history: History) -> None:
    status, document = look("mine")
    assert status == 0
    assert document["upstreams"][0]["first_look"]
    silent = watch("--repository", "linux=mine", "--quiet")
    assert (silent.return_value, silent.stdout, silent.stderr) == (0, "", "")

    history.commit("open_tree: another", {"fs/namespace.c": _C.replace("return 0", "return 2")})
    history.commit(
        "umount: another", {"fs/namespace.c": _C.replace("0", "2").replace("return 1", "return 3")}
    )
    history.commit("words", {"README.md": "b\n"})
    status, document = look("mine", "--peek")
    assert (status, touching(document)) == (1, ["open_tree: another"])
    assert document["upstreams"][0]["branches"][0]["commits"] == 3
    shown = watch("--repository", "linux=mine", "--quiet")
    assert shown.return_value == 1
    assert "open_tree: another" in shown.stdout
    assert "mounts: code: fs/namespace.c: open_tree()" in shown.stdout
    status, document = look("mine")
    assert (status, touching(document)) == (0, [])


def test_since_a_commit(place: Path, history: History) -> None:
    history.commit("open_tree: another", {"fs/namespace.c": _C.replace("return 0", "return 2")})
    status, document = look("mine", "--since", "linux=base", "--peek")
    assert (status, touching(document)) == (1, ["open_tree: another"])
    assert not read_seen(place / "out" / "small").branches


def test_by_address_it_is_mirrored_and_then_needs_no_network(place: Path, history: History) -> None:
    address = f"file://{place}/mine"
    assert look(address)[0] == 0
    history.commit("open_tree: another", {"fs/namespace.c": _C.replace("return 0", "return 2")})
    assert look(address, "--offline")[0] == 0
    status, document = look(address)
    assert (status, touching(document)) == (1, ["open_tree: another"])


def test_an_address_that_does_not_answer_leaves_the_rest(place: Path, history: History) -> None:
    result = watch("--repository", f"linux=file://{place}/nothing", "--quiet")
    assert result.return_value == 3
    assert "not looked at: linux: cannot fetch file://" in result.stderr


def test_a_history_that_was_rewritten(place: Path, history: History) -> None:
    history.commit("one", {"a": "1"})
    assert look("mine")[0] == 0
    history.git("reset", "-q", "--hard", "base")
    history.commit("open_tree: another", {"fs/namespace.c": _C.replace("return 0", "return 2")})
    status, document = look("mine")
    assert (status, touching(document)) == (1, ["open_tree: another"])
    history.git("reset", "-q", "--hard", "base")
    history.commit("two", {"a": "2"})
    history.git("reflog", "expire", "--expire=now", "--all")
    history.git("gc", "-q", "--prune=now")
    status, document = look("mine")
    assert status == 0
    assert document["upstreams"][0]["lost"]


def test_a_repository_of_ones_own_and_the_paths_that_the_plan_names(place: Path, history: History) -> None:
    arguments = [
        "upstream",
        "watch",
        "small.toml",
        "--repository",
        "mine=mine",
        "--quiet",
        "--json",
        "--offline",
    ]
    runner = CliRunner()
    runner.invoke(main, arguments, standalone_mode=False)
    history.commit("etc: hosts", {"etc/hosts": "b\n"})
    result = runner.invoke(main, arguments, standalone_mode=False)
    [own] = [upstream for upstream in json.loads(result.stdout)["upstreams"] if upstream["name"] == "mine"]
    assert [commit["subject"] for branch in own["branches"] for commit in branch["touching"]] == [
        "etc: hosts"
    ]


def test_a_copy_of_a_change_on_another_branch_is_named_once(place: Path, history: History) -> None:
    arguments = ("--repository", "linux=mine", "--quiet")
    (place / ".bootwright" / "upstreams").mkdir(parents=True)
    (place / ".bootwright" / "upstreams" / "linux.toml").write_text(
        'title = "Linux"\nrepository = "https://example.org/linux.git"\nbranches = ["main", "stable-*"]\n'
    )
    watch(*arguments)
    history.checkout("base", new="stable-1")
    history.commit("open_tree: another", {"fs/namespace.c": _C.replace("return 0", "return 2")})
    history.checkout("main")
    history.git("cherry-pick", "stable-1")
    result = watch(*arguments)
    assert result.stdout.count("open_tree: another") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "linuks=v6"), "linux"),
        (("--since", "linux"), "linux=v6.18"),
        (("--repository", "linux=mine", "--since", "linux=nothing"), "no commit"),
        (("--repository", "linux=small.toml"), "no folder"),
        (("--outcome", "mount"), "mounts"),
        (("--peek", "--investigate"), "--peek"),
    ],
)
def test_bad_input(place: Path, history: History, arguments: tuple[str, ...], words: str) -> None:
    result = watch("--offline", *arguments)
    assert result.exception is not None
    hint = getattr(result.exception, "hint", "") or ""
    assert words in f"{result.exception} {hint} {getattr(result.exception, 'message', '')}"


@given(
    st.binary(max_size=200) | st.sampled_from([b"{}", b'{"schema": "bootwright/upstream-seen/1"}', b"[1]"])
)
def test_any_bytes_are_what_was_seen_or_an_error(data: bytes) -> None:
    for parse in (parse_seen, parse_further):
        try:
            parse(data, "x.json")
        except Malformed as error:
            message = error.message
        else:
            continue
        assert message.startswith("x.json")


def test_what_came_since_adds_runs_and_levels() -> None:
    plan = load_plan("talos-rpi5")
    further = Further(
        [
            FurtherKernel("debian-7.9.1-4k", "debian", "7.9.1", 4096),
            FurtherKernel("debian-7.9.1-64k", "debian", "7.9.1", 65536),
        ],
        [FurtherRelease("Talos 1.12.99", "x", {"kernel": "6.18.99", "page_size": "4K", "talos": "1.12.1"})],
    )
    more = with_further(plan, further)
    only = {experiment.name: experiment.only for experiment in more.experiment}
    assert "debian-7.9.1-4k" in only["chain"]
    assert "debian-7.9.1-4k" in only["macb"]
    assert "debian-7.9.1-4k" not in only["macb-16K"]
    assert not any("debian-7.9.1-64k" in names for names in only.values())
    bench = next(experiment for experiment in more.experiment if experiment.source == "bench")
    assert bench.levels["kernel"][-1] == "6.18.99"
    assert more.release[-1].name == "Talos 1.12.99"
    assert with_further(plan, Further()) == plan
    assert read_further(Path("/nonexistent")) == Further()


_CONSTANTS = 'const DefaultKernelVersion = "{}-talos"\n'
_MOUNT = 'package mount\n\nfunc Clone(fd int) {{\n\tunix.OpenTree(fd, "", {})\n}}\n'


def test_a_new_release_stands_for_the_plans_where_what_matters_is_the_same(place: Path) -> None:
    constants, mount = "pkg/machinery/constants/constants.go", "internal/pkg/mount/v3/mount.go"
    history = History.start(
        place / "talos", {constants: _CONSTANTS.format("6.18.42"), mount: _MOUNT.format(1)}
    )
    history.git("tag", "v1.12.11")
    history.commit("linux", {constants: _CONSTANTS.format("6.18.99"), "a": "1"})
    history.git("tag", "v1.12.98")
    history.commit("mount", {mount: _MOUNT.format(2)})
    history.git("tag", "v1.12.99")
    history.git("tag", "v1.99.0")
    arguments = ["upstream", "watch", "talos-rpi5", "--upstream", "talos", "--repository", "talos=talos"]
    arguments += ["--outcome", "talos-mounts", "--offline", "--json", "--quiet"]
    result = CliRunner().invoke(main, arguments, standalone_mode=False)
    assert result.exception is None, result.exception
    assert result.return_value == 1
    document = json.loads(result.stdout)
    jsonschema.validate(document, SCHEMA)
    known = {release["version"]: release for release in document["releases"]}
    assert list(known) == ["1.12.98", "1.12.99", "1.99.0"]
    assert known["1.12.98"]["factors"] == {
        "talos": "1.12.1",
        "dtb": "overlay",  # as in the release before it
        "kernel": "6.18.99",
        "page_size": "4K",
        "tree": "mainline",
    }
    assert known["1.12.99"]["factors"] is None
    assert known["1.12.99"]["because"] == "what a question touches differs from 1.12.11"
    assert known["1.99.0"]["because"].startswith("a release of another series")
    more = with_further(load_plan("talos-rpi5"), read_further(place / "out/talos-rpi5"))
    assert more.release[-1].factors["kernel"] == "6.18.99"


def test_steps_of_a_campaign(place: Path, history: History) -> None:
    task = """
[[task]]
id = "1"
priority = "P0"
title = "Watch, and write a report"
hypothesis = "It is known upstream."
success = "both are done"
hours = 1.0
needs = ["network"]
steps = [
  "bootwright upstream watch small.toml --run RUN --upstream linux --repository linux=mine --offline",
  "bootwright upstream draft linux small.toml --run RUN",
]
[[task.criterion]]
by = "steps"
"""
    (place / "small.toml").write_text(PLAN + task)
    (place / "seen.csv").write_text(
        "id,source,factor:os,factor:kernel,outcome:mounts\na,bench,1.0,6.18,fails\n"
    )
    runner = CliRunner()
    arguments = [
        "investigate",
        "small.toml",
        "--observations",
        "seen.csv",
        "--offline",
        "--quiet",
        "--out",
        "run",
    ]
    result = runner.invoke(main, arguments, standalone_mode=False)
    assert result.exception is None, result.exception
    campaign = json.loads((place / "run/status.json").read_text())
    [row] = campaign["tasks"]
    assert (row["state"], [step["status"] for step in row["steps"]]) == ("done", [0, 0])
    assert read_seen(place / "run").branches["linux"]
