"""Boots as jobs of laboratories, held to LAVA's own schema, and results through kcidb-io's."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from bootwright import api
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.lab.jobs.results import kcidb_report, read_results
from bootwright.lab.probes.ktap import ProbeResult

SCHEMAS = Path(__file__).parents[2] / "docs/schemas"
LAVA_COMMON = Path("/usr/lib/python3/dist-packages/lava_common/__init__.py")
# LAVA's package is for the system's Python.
VALIDATE = "import sys, yaml; from lava_common.schemas import validate; validate(yaml.safe_load(sys.stdin))"
HOLD = ["/usr/bin/python3", "-c", VALIDATE]
CONSOLE = b"""[    0.1] Linux version 6.18.15
[    5.3] bwab12: KTAP version 1
[    5.3] bwab12: # bootwright: release 6.18.15+deb13-arm64
[    5.3] bwab12: # bootwright: page_size 4096
[    5.3] bwab12: 1..1
[    5.3] bwab12:   KTAP version 1
[    5.3] bwab12:   # Subtest: mounts
[    5.3] bwab12:   1..3
[    5.3] bwab12:   ok 1 bind
[    5.3] bwab12:   not ok 2 talos-1.12-etc-hosts # open_tree: EINVAL
[    5.3] bwab12:   ok 3 swap # SKIP no swap
[    5.3] bwab12: not ok 1 mounts
[    5.3] bwab12: # bootwright: end
"""


def command(*words: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "bootwright", "probe", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.download
@pytest.mark.parametrize("device_type", ["qemu", "bcm2711-rpi-4-b"])
def test_a_lava_job_by_lavas_own_schema(tmp_path: Path, device_type: str) -> None:
    if not LAVA_COMMON.exists():
        pytest.skip("Debian's lava-common is not installed")
    words = ["job", "debian-6.18-4k", "--lab", "lava", "--url", "https://files.example.org/1", "--quiet"]
    done = command(*words, "--device-type", device_type, "-o", tmp_path / "job")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "job/job.yaml").read_text()
    held = subprocess.run(HOLD, input=text, capture_output=True, text=True, check=False)
    assert held.returncode == 0, held.stderr
    broken = yaml.safe_load(text)
    del broken["timeouts"]
    refused = subprocess.run(HOLD, input=yaml.safe_dump(broken), capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert (tmp_path / "job/Image").stat().st_size > 10 << 20
    assert (tmp_path / "job/initramfs.cpio").stat().st_size > 1000


@pytest.mark.download
def test_a_pull_lab_job(tmp_path: Path) -> None:
    job = api.probe_job(
        "debian-6.18-4k",
        lab="pull-labs",
        url="https://files.example.org/1/",
        out=tmp_path,
        device_type="qemu-arm64",
    )
    schema = json.loads((SCHEMAS / "pull-labs-job.schema.json").read_text())
    jsonschema.validate(json.loads(job.path.read_text()), schema)
    assert job.definition["artifacts"]["kernel"] == "https://files.example.org/1/Image"
    with pytest.raises(Refused, match="is no address"):
        api.probe_job("debian-6.18-4k", lab="lava", url="files", out=tmp_path)
    with pytest.raises(Refused, match="kind of laboratory"):
        api.probe_job("debian-6.18-4k", lab="lab", url="https://x.example", out=tmp_path)


@pytest.mark.boot
@pytest.mark.download
def test_a_job_boots_as_its_own_arguments_say(tmp_path: Path) -> None:
    """What LAVA's qemu would run, run here: its options, the files that were written, KTAP read back."""
    job = api.probe_job("debian-6.18-4k", lab="lava", url="https://files.example.org/1", out=tmp_path)
    images = job.definition["actions"][0]["deploy"]["images"]
    append = images["kernel"]["image_arg"].split("-append ")[1].strip("'")
    context = job.definition["context"]
    words = ["qemu-system-aarch64", "-machine", context["machine"], "-cpu", context["cpu"], "-m", "512"]
    words += [
        "-nographic",
        "-nic",
        "none",
        "-no-reboot",
        "-kernel",
        str(job.files[0]),
        "-initrd",
        str(job.files[1]),
    ]
    done = subprocess.run(
        [*words, "-append", append],
        capture_output=True,
        timeout=200,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    (tmp_path / "console.log").write_bytes(done.stdout)
    read = command("results", tmp_path / "console.log", "--json")
    assert read.returncode == 0, read.stderr + done.stdout.decode(errors="replace")[-2000:]
    document = json.loads(read.stdout)
    jsonschema.validate(document, json.loads((SCHEMAS / "probe-results.schema.json").read_text()))
    monitor = job.definition["actions"][2]["test"]["monitors"][0]
    for name in ("start", "end"):
        assert monitor[name].encode() in done.stdout


def test_results_there_and_back_through_kcidb(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(CONSOLE)
    done = command("results", log, "--kcidb", "mylab")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert [row["status"] for row in report["tests"]] == ["PASS", "FAIL", "SKIP"]
    assert report["tests"][1]["path"] == "boot.bootwright.mounts.talos-1_12-etc-hosts"
    (tmp_path / "report.json").write_text(done.stdout)
    back = api.read_probe_results(tmp_path / "report.json")
    assert back.result == api.read_probe_results(log).result
    assert back.verdict is Verdict.FAILS
    assert "not ok   mounts/talos-1.12-etc-hosts  open_tree EINVAL" in command("results", log).stdout
    bad = command("results", log, "--kcidb", "My Lab")
    assert bad.returncode == 2
    assert "a report by kcidb-io's schema" in bad.stderr


@pytest.mark.parametrize(
    "data", [b"", b"nothing", b"{}", b"[]", b"{", b'{"version": {"major": 5, "minor": 3}}']
)
def test_what_holds_no_results(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_results(data, "log")


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda data: CONSOLE + data))
@example(CONSOLE.replace(b"\n", b"\r\n"))
def test_any_bytes(data: bytes) -> None:
    try:
        result = read_results(data, "log")
    except BootwrightError:
        return
    assert isinstance(result, ProbeResult)
    kcidb_report(result, "mylab")


def test_results_are_taken_into_a_campaign(tmp_path: Path) -> None:
    factors = {"kernel": "6.18.15", "page_size": "4K", "tree": "mainline", "dtb": "kernel", "talos": "1.12.1"}
    status = {
        **dict.fromkeys(("title", "question", "source", "written_at"), "x"),
        **{key: [] for key in ("decision", "tasks", "points", "cells", "told")},
        "plan": "talos-rpi5",
        "plan_from": "talos-rpi5",
        "verdict": "unknown",
        "decided": False,
        "assume_no_board": False,
        "schema": "bootwright/status/1",
        "names": {"cell": {**factors, "board": "rpi5-rev-1.0"}},
    }
    (tmp_path / "status.json").write_text(json.dumps(status))
    words = ["observe", "cell", "--run", tmp_path, "--results", tmp_path / "log", "--json"]
    line = [sys.executable, "-m", "bootwright", *map(str, words)]
    (tmp_path / "log").write_bytes(CONSOLE)
    done = subprocess.run(line, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["outcomes"] == {"talos-mounts": "fails"}
    (tmp_path / "log").write_bytes(CONSOLE.replace(b"talos-1.12-etc-hosts", b"other"))
    nothing = subprocess.run(line, capture_output=True, text=True, timeout=200, check=False)
    assert nothing.returncode == 2
    assert "no test that decides an outcome of the plan" in nothing.stderr
