"""What tools/bare-machine takes from the host and makes of output. Making systems is its own run."""

from __future__ import annotations

import configparser
import os
import subprocess
from pathlib import Path

import pytest

from bare_machine import host, results
from bare_machine.host import Unfit
from bare_machine.results import Step

ROOT = Path(__file__).parents[2]
LISTING = """\
http://one.example/debian/|bookworm|bookworm|Debian|main
http://one.example/debian/|bookworm|bookworm|Debian|contrib
http://one.example/debian/|bookworm-updates|bookworm-updates|Debian|main
http://two.example/security/|bookworm-security|bookworm-security|Debian|main
http://three.example/other|bookworm|bookworm|Vendor|main
"""


def test_the_hosts_archive_serves_another_release() -> None:
    assert host.archive_lines("trixie", LISTING) == [
        "deb http://one.example/debian/ trixie main contrib",
        "deb http://one.example/debian/ trixie-updates main",
        "deb http://two.example/security/ trixie-security main",
    ]


@pytest.mark.parametrize("listing", ["", "$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(ORIGIN)|$(COMPONENT)\n"])
def test_without_an_index_that_apt_has_read_it_says_what_to_do(listing: str) -> None:
    with pytest.raises(Unfit, match="apt-get update"):
        host.archive_lines("trixie", listing)


def test_settings_of_the_archive_come_along_and_others_do_not() -> None:
    dump = (
        'Acquire "";\nAcquire::http::Proxy "http://proxy.example:3142";\n'
        'Acquire::Check-Valid-Until "false";\n'
        'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";\nAPT::Install-Recommends "1";\n'
        'Acquire::https::Proxy "";\n'
    )
    kept = host.apt_settings(dump).splitlines()
    assert kept == [
        'Acquire::http::Proxy "http://proxy.example:3142";',
        'Acquire::Check-Valid-Until "false";',
    ]


def test_pips_settings_are_merged_in_pips_order(tmp_path: Path) -> None:
    wheels, index = tmp_path / "wheels", tmp_path / "index" / "simple"
    wheels.mkdir()
    index.mkdir(parents=True)
    shared, own = tmp_path / "shared.conf", tmp_path / "own.conf"
    shared.write_text("[global]\ntimeout = 10\nfind-links = /nowhere\n")
    own.write_text(f"[global]\ntimeout = 20\nextra-index-url = file://{index} https://index.example/simple\n")
    merged = host.pip_settings(
        [shared, tmp_path / "none", own],
        {"PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": "/dev/null", "PATH": "x"},
    )
    assert dict(merged.items("global")) == {
        "timeout": "20",
        "find-links": str(wheels),
        "extra-index-url": f"file://{index} https://index.example/simple",
    }
    # An index refers to files beside its folder; what is not there is no place to show.
    assert host.local_paths(merged) == [index.parent, wheels]


def test_npms_registry_comes_along_and_no_token() -> None:
    settings = {
        "registry": "https://npm.example/",
        "proxy": "",
        "//npm.example/:_authToken": "x",
        "audit": "false",
    }
    assert host.npm_settings(settings) == "registry=https://npm.example/\n"


def test_an_index_on_the_network_is_no_folder() -> None:
    settings = configparser.RawConfigParser()
    settings.read_string("[global]\nindex-url = https://index.example/usr/share\n")
    assert host.local_paths(settings) == []


def test_output_is_tallied_and_the_line_to_run_found() -> None:
    output = (
        "= 3 passed in 1.00s =\nmore\n"
        "===== 8 failed, 2296 passed, 2 skipped, 3 warnings in 1380.84s (0:23:00) ======\n"
        "  sudo apt-get update && sudo apt-get install --no-install-recommends git make\n"
    )
    assert results.tally(output) == "8 failed, 2296 passed, 2 skipped, 3 warnings"
    assert results.install_line(output) == (
        "sudo apt-get update && sudo apt-get install --no-install-recommends git make"
    )
    assert results.tally("nothing") == ""
    assert results.install_line("nothing") is None


def step(status: int = 0, expected: int = 0, tests: str = "", suite: str = "trixie") -> Step:
    return Step(suite, "root", "make test", status, expected, 65.2, tests)


def test_a_step_is_good_when_it_ended_as_it_must() -> None:
    assert step(tests="5 passed, 1 skipped").good
    assert step(2, 2).good
    assert not step(2).good
    assert not step(0, 2).good
    assert not step(tests="1 error, 4 passed").good


def test_results_replace_the_last_ones_of_their_suite(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    marks = (ROOT / "docs" / "bare-machine.md").read_text()
    start, end = (
        next(line for line in marks.splitlines() if line.startswith(word)) for word in ("<!-- r", "<!-- e")
    )
    page.write_text(f"before\n{start}\n{end}\nafter\n")
    results.keep(page, "trixie", [step()], "first")
    results.keep(page, "bookworm", [step(suite="bookworm"), step(1, suite="bookworm")], "second")
    results.keep(page, "trixie", [step(tests="7 passed")], "third")
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "first" not in text
    assert [line for line in text.splitlines() if line.startswith(("| book", "| trix", "- "))] == [
        "| bookworm | root | `make test` | 0 | 1 min 05 s |  |",
        "| bookworm | root | `make test` | 1 **wrong** | 1 min 05 s |  |",
        "| trixie | root | `make test` | 0 | 1 min 05 s | 7 passed |",
        "- bookworm: second",
        "- trixie: third",
    ]
    page.write_text("no place")
    with pytest.raises(ValueError, match="no place for results"):
        results.keep(page, "trixie", [], "")


@pytest.mark.parametrize("arguments", [[], ["sid"], ["trixie", "--as", "nobody"], ["trixie", "extra"]])
def test_wrong_use_is_one_error(arguments: list[str]) -> None:
    done = subprocess.run(
        [ROOT / "tools" / "bare-machine", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert "Traceback" not in done.stderr
