"""Boots as jobs of laboratories, held to LAVA's own schema, and results through kcidb-io's."""

import base64
import gzip
import hashlib
import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml
from command_kit import in_process
from hypothesis import example, given
from hypothesis import strategies as st
from image_kit import kernel_image
from isolate_kit import make_image
from status_kit import run_folder, status_of

from bootwright import api
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.lab.jobs.logs import lava_console
from bootwright.lab.jobs.results import kcidb_report, read_results
from bootwright.lab.probes.ktap import ProbeResult

SCHEMAS = Path(__file__).parents[2] / "docs/schemas"
LAVA_COMMON = Path("/usr/lib/python3/dist-packages/lava_common/__init__.py")
# LAVA's package is for the system's Python.
VALIDATE = "import sys, yaml; from lava_common.schemas import validate; validate(yaml.safe_load(sys.stdin))"
HOLD = ["/usr/bin/python3", "-c", VALIDATE]
LINES = [
    b'- {"dt": "2026-01-01T00:00:00", "lvl": "target", "msg": "[    0.0] Linux version 6.18"}\n',
    b"- {dt: 2026-01-01T00:00:00, lvl: target, msg: plain}",
    b'- {"lvl": "target", "msg": {"no": "text"}}',
    b"- {lvl: *a}",
]
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


KERNEL = kernel_image()
URL = "https://files.example.org/1"
FACTORS = {"kernel": "6.18.15", "page_size": "4K", "tree": "mainline", "dtb": "kernel", "talos": "1.12.1"}
BOARD_CELL = "rpi5-rev-1.1_4K_6.18.15_mainline_kernel"
STATUS = status_of({BOARD_CELL: {**FACTORS, "board": "rpi5-rev-1.1"}})


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    """The folder of a run of talos-rpi5 in which a cell of a board waits."""
    return run_folder(tmp_path, STATUS)


def bootwright(*words: object) -> subprocess.CompletedProcess[str]:
    return in_process(*map(str, words))


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return bootwright("probe", *words)


def held_by_lava(text: str) -> None:
    """LAVA's own schema takes it."""
    if not LAVA_COMMON.exists():
        pytest.skip("Debian's lava-common is not installed")
    held = subprocess.run(HOLD, input=text, capture_output=True, text=True, check=False)
    assert held.returncode == 0, held.stderr


def held_by_pull_labs(definition: object) -> None:
    jsonschema.validate(definition, json.loads((SCHEMAS / "pull-labs-job.schema.json").read_text()))


def lava_log(console: bytes) -> str:
    """As LAVA's dispatcher writes it: what it does itself, and what the board says."""
    lines = [{"dt": "2026-01-01T00:00:00", "lvl": "info", "msg": "start: 2.1 boot KTAP version 1"}]
    lines += [
        {"dt": "2026-01-01T00:00:01.5", "lvl": "target", "msg": text}
        for text in console.decode().splitlines()
    ]
    lines.append({"dt": "2026-01-01T00:00:09", "lvl": "results", "msg": {"case": "job", "result": "pass"}})
    return "".join(f"- {json.dumps(line)}\n" for line in lines)


@pytest.mark.download
@pytest.mark.parametrize("device", [("--device-type", "qemu"), ("--board", "raspberrypi-4")])
def test_a_lava_job_by_lavas_own_schema(tmp_path: Path, device: tuple[str, str]) -> None:
    if not LAVA_COMMON.exists():
        pytest.skip("Debian's lava-common is not installed")
    words = ["job", "--kernel", "debian-6.18-4k", "--lab", "lava", "--url", URL, "--quiet", *device]
    done = bootwright("bench", *words, "-o", tmp_path / "job")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "job/job.yaml").read_text()
    held_by_lava(text)
    broken = yaml.safe_load(text)
    if device[0] == "--board":
        assert broken["device_type"] == "bcm2711-rpi-4-b"
        assert broken["actions"][0]["deploy"]["dtb"]["url"] == f"{URL}/board.dtb"
        assert (tmp_path / "job/board.dtb").read_bytes()[:4] == b"\xd0\x0d\xfe\xed"
    del broken["timeouts"]
    refused = subprocess.run(HOLD, input=yaml.safe_dump(broken), capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert (tmp_path / "job/Image").stat().st_size > 10 << 20
    assert (tmp_path / "job/initramfs.cpio").stat().st_size > 1000


@pytest.mark.download
def test_a_pull_lab_job(tmp_path: Path) -> None:
    job = api.lab_job(kernel="debian-6.18-4k", lab="pull-labs", url=f"{URL}/", out=tmp_path)
    held_by_pull_labs(json.loads(job.path.read_text()))
    assert job.definition["environment"]["platform"] == "qemu-arm64"
    assert job.definition["artifacts"]["kernel"] == "https://files.example.org/1/Image"
    with pytest.raises(Refused, match="is no address"):
        api.lab_job(kernel="debian-6.18-4k", lab="lava", url="files", out=tmp_path)
    with pytest.raises(Refused, match="kind of laboratory"):
        api.lab_job(kernel="debian-6.18-4k", lab="lab", url=URL, out=tmp_path)
    with pytest.raises(Refused, match="not said what to boot"):
        api.lab_job(lab="lava", url=URL, out=tmp_path)


def booted_as(job: api.LabJob) -> bytes:
    """The console of what LAVA's qemu would run, run here: its options and the files that were written."""
    images = job.definition["actions"][0]["deploy"]["images"]
    append = images["kernel"]["image_arg"].split("-append ")[1].strip("'")
    context = job.definition["context"]
    words = ["qemu-system-aarch64", "-machine", context["machine"], "-cpu", context["cpu"]]
    words += ["-m", str(context["memory"]), "-nographic", "-nic", "none", "-no-reboot", "-append", append]
    words += ["-kernel", str(job.files[0]), "-initrd", str(job.files[1])]
    done = subprocess.run(words, capture_output=True, timeout=200, stdin=subprocess.DEVNULL, check=False)
    return done.stdout


@pytest.mark.boot
@pytest.mark.download
def test_an_emulated_cell_goes_out_as_a_job_and_comes_back_into_it(campaign: Path, tmp_path: Path) -> None:
    name = f"mounts/{api.get_kernel('debian-6.12-16k').name}"
    words = ["--run", campaign, "--lab", "lava", "--url", URL, "-o", tmp_path / "job", "--quiet"]
    done = bootwright("bench", "job", name, *words)
    assert done.returncode == 0, done.stderr
    assert f"then: bootwright observe {name} --results LOG" in done.stdout
    text = (tmp_path / "job/job.yaml").read_text()
    held_by_lava(text)
    definition = yaml.safe_load(text)
    assert definition["metadata"]["cell"] == name
    assert definition["metadata"]["page size"] == "16384"
    assert definition["context"]["cpu"] == "cortex-a76"  # the one that has 16K pages
    files = (tmp_path / "job/Image", tmp_path / "job/initramfs.cpio")
    console = booted_as(api.LabJob(definition, tmp_path / "job/job.yaml", files))
    monitor = definition["actions"][2]["test"]["monitors"][0]
    for key in ("start", "end"):
        assert monitor[key].encode() in console
    (tmp_path / "log.yaml").write_text(lava_log(console.replace(b"\r", b"")))
    taken = bootwright("observe", name, "--run", campaign, "--results", tmp_path / "log.yaml", "--json")
    assert taken.returncode == 1, taken.stderr + console.decode(errors="replace")[-2000:]
    answer = json.loads(taken.stdout)
    jsonschema.validate(answer, json.loads((SCHEMAS / "told.schema.json").read_text()))
    assert answer["outcomes"]["talos-mounts"] == "fails"  # before 6.13: open_tree of a detached mount
    assert answer["source"] == "emulated"
    assert answer["factors"]["board"] == "qemu-virt"
    assert [also["factors"]["talos"] for also in answer["also"]] == ["1.11.6"]
    again = bootwright("observe", name, "--run", campaign, "--results", tmp_path / "log.yaml", "--json")
    assert json.loads(again.stdout)["is_new"] is False
    # It is that cell's: another kernel's is refused, and a campaign weighs it as a boot of its own.
    other = bootwright(
        "observe", name.replace("16k", "4k"), "--run", campaign, "--results", tmp_path / "log.yaml"
    )
    assert other.returncode == 2
    assert "it says 6.12." in other.stderr
    weighed = bootwright(
        "investigate", "talos-rpi5", "--out", campaign, "--offline", "--quiet", "--max-download", 0
    )
    assert weighed.returncode in {0, 1, 3}, weighed.stderr
    status = json.loads(bootwright("status", campaign, "--json").stdout)
    assert status["emulated"][name]["talos-mounts"] == "fails"
    assert name in bootwright("status", campaign).stdout


def card(folder: Path) -> Path:
    """A card that U-Boot starts by extlinux.conf."""
    entry = b"DEFAULT a\nLABEL a\n LINUX /Image\n INITRD /i.img\n FDT /b.dtb\n APPEND ro quiet\n"
    files = {
        "/extlinux/extlinux.conf": entry,
        "/Image": KERNEL,
        "/i.img": b"archive",
        "/b.dtb": b"tree",
    }
    return make_image(folder / "card.raw", files, folder, 8 << 20)


BOARD_CONSOLE = b"""[    0.000000] Linux version 6.18.15 (x@y) (gcc 13) #1 SMP
[    4.100000] macb 1f00100000.ethernet end0: Link is Up - 1Gbps/Full - flow control off
udhcpc: lease of 192.0.2.7 obtained from 192.0.2.1, lease time 86400
[   10.000000] [talos] machine is running and ready {"component": "controller-runtime"}
"""


def test_a_cell_of_a_board_is_its_image_its_type_and_what_decides(campaign: Path, tmp_path: Path) -> None:
    image = card(tmp_path)
    words = ["--run", campaign, "--url", URL, "--quiet", "--image", image]
    done = bootwright("bench", "job", BOARD_CELL, *words, "--lab", "lava", "-o", tmp_path / "job")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "job/job.yaml").read_text()
    held_by_lava(text)
    definition = yaml.safe_load(text)
    assert definition["device_type"] == "bcm2712-rpi-5-b"
    assert definition["tags"] == ["rpi5-rev-1.1"]
    deploy = definition["actions"][0]["deploy"]["images"]["image"]
    digest = hashlib.sha256((tmp_path / "job/image.raw").read_bytes()).hexdigest()
    assert (deploy["url"], deploy["sha256sum"]) == (f"{URL}/image.raw", digest)
    assert (tmp_path / "job/image.raw").read_bytes() == image.read_bytes()
    (script,) = definition["actions"][2]["test"]["interactive"]
    steps = {step["name"]: step for step in script["script"]}
    assert list(steps) == ["kernel", "ethernet", "talos-mounts"]
    # As LAVA reads a console: pexpect's searches, each after the one before.
    rest = BOARD_CONSOLE.decode().replace("\n", "\r\n")
    for step in steps.values():
        assert step["command"] is None
        matches = [re.search(part["message"], rest, re.DOTALL) for part in step["successes"]]
        ends = [match.end() for match in matches if match is not None]
        assert ends, step["name"]
        rest = rest[min(ends) :]
    mounts = [part["message"] for part in steps["talos-mounts"]["failures"]]
    failed = "error: failed to opentree: invalid argument"
    assert any(re.search(message, failed, re.DOTALL) for message in mounts)

    (tmp_path / "log.yaml").write_text(lava_log(BOARD_CONSOLE))
    taken = bootwright("observe", BOARD_CELL, "--run", campaign, "--results", tmp_path / "log.yaml", "--json")
    assert taken.returncode == 0, taken.stderr
    assert json.loads(taken.stdout)["outcomes"] == {"ethernet": "works", "talos-mounts": "works"}


def test_a_cell_of_a_board_for_a_pull_lab(campaign: Path, tmp_path: Path) -> None:
    words = ["--run", campaign, "--url", URL, "--quiet", "--image", card(tmp_path)]
    # What a Pi's firmware starts of a card without its files is not known.
    refused = bootwright("bench", "job", BOARD_CELL, *words, "--lab", "pull-labs", "-o", tmp_path / "none")
    assert refused.returncode == 2
    assert "it is not known which kernel" in refused.stderr
    status = STATUS | {"names": {BOARD_CELL: {**FACTORS, "board": "a board of another kind"}}}
    (campaign / "status.json").write_text(json.dumps(status))
    words += ["--lab", "pull-labs", "--device-type", "some-board", "-o", tmp_path / "job"]
    done = bootwright("bench", "job", BOARD_CELL, *words)
    assert done.returncode == 0, done.stderr
    definition = json.loads((tmp_path / "job/job.json").read_text())
    held_by_pull_labs(definition)
    assert definition["artifacts"] == {
        "kernel": f"{URL}/Image",
        "ramdisk": f"{URL}/initramfs.cpio",
        "dtb": f"{URL}/board.dtb",
    }
    assert (tmp_path / "job/Image").read_bytes() == KERNEL
    assert (tmp_path / "job/board.dtb").read_bytes() == b"tree"
    assert definition["parameters"]["kernel_arguments"] == "ro quiet"
    assert [test["id"] for test in definition["tests"]] == ["bootwright-ethernet", "bootwright-talos-mounts"]
    # The lab's callback, with its log, or with nothing but how its tests ended.
    packed = base64.b64encode(gzip.compress(BOARD_CONSOLE)).decode()
    tests = {"bootwright-ethernet": {"status": "fail"}, "bootwright-talos-mounts": {"status": "error"}}
    for artifacts, outcomes in (
        ({}, {"ethernet": "fails"}),
        ({"log": f"base64:{packed}"}, {"ethernet": "works", "talos-mounts": "works"}),
    ):
        callback = {"tests": tests if not artifacts else {}, "artifacts": artifacts, "metadata": {}}
        (tmp_path / "callback.json").write_text(json.dumps(callback))
        taken = bootwright(
            "observe", BOARD_CELL, "--run", campaign, "--results", tmp_path / "callback.json", "--json"
        )
        assert json.loads(taken.stdout)["outcomes"] == outcomes, taken.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("bench", "job", "mounts/debian-6.18.15-4", "--lab", "lava"), "there is no kernel"),
        (("bench", "job", "chain/debian-6.18.15-4k", "--lab", "lava"), "has no cell"),
        (("bench", "job", "macb/debian-6.18.15-4k", "--lab", "lava"), "needs the network of machine"),
        (("bench", "job", BOARD_CELL, "--lab", "lava"), "no image was made"),
        (("bench", "job", BOARD_CELL, "--lab", "lava", "--probe", "all"), "is for --kernel"),
        (("observe", "mounts/debian-6.18.15-4k", "--outcome", "talos-mounts=works"), "is an emulated cell"),
    ],
)
def test_what_cannot_go_out(campaign: Path, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    more = ("--url", URL, "-o", tmp_path / "job") if words[0] == "bench" else ()
    done = bootwright(*words, *more, "--run", campaign)
    assert done.returncode == 2
    assert says in done.stderr


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


def test_results_are_taken_into_a_campaign(campaign: Path, tmp_path: Path) -> None:
    words = ["observe", BOARD_CELL, "--run", campaign, "--results", tmp_path / "log", "--json"]
    (tmp_path / "log").write_bytes(CONSOLE)
    done = bootwright(*words)
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["outcomes"] == {"talos-mounts": "fails"}
    # A laboratory's own tests, named after outcomes, decide these.
    named = CONSOLE.replace(b"Subtest: mounts", b"Subtest: cell").replace(b"ok 1 bind", b"ok 1 ethernet")
    (tmp_path / "log").write_bytes(named)
    assert json.loads(bootwright(*words).stdout)["outcomes"] == {"ethernet": "works"}
    (tmp_path / "log").write_bytes(CONSOLE.replace(b"talos-1.12-etc-hosts", b"other"))
    nothing = bootwright(*words)
    assert nothing.returncode == 2
    assert "no test that decides an outcome of the plan" in nothing.stderr


@given(st.lists(st.binary(max_size=60) | st.sampled_from(LINES), max_size=6))
def test_any_lines_are_a_log_of_lava_or_an_error(lines: list[bytes]) -> None:
    data = LINES[0] + b"\n".join(lines)
    try:
        console = lava_console(data, "log")
    except Malformed:
        return
    assert console is not None
    assert len(console) <= 3 * len(data)
