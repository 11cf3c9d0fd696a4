"""A plan walked to its decision, as a user does it: `investigate`, `observe CELL`, `status`."""

import contextlib
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from command_kit import in_process
from hypothesis import given
from hypothesis import strategies as st

from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Silent
from bootwright.foundation.run_folder import Store
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.campaign.model import parse_status
from bootwright.investigate.campaign.steps import StepResult, Steps
from bootwright.investigate.campaign.told import keep_told, make_told, observations_of, parse_told, read_told
from bootwright.investigate.plans.plan_file import load_plan
from bootwright.investigate.plans.tasks import words

ROOT = Path(__file__).resolve().parents[2]
STATUS = json.loads((ROOT / "docs/schemas/status.schema.json").read_text(encoding="utf-8"))
TOLD = json.loads((ROOT / "docs/schemas/told.schema.json").read_text(encoding="utf-8"))
WORKS = ("--outcome", "ethernet=works", "--outcome", "talos-mounts=works")
DARK = ("--outcome", "ethernet=fails", "--outcome", "talos-mounts=works")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plan walked as far as it goes without a board.

    The kernel traces of task 4 are recorded beforehand, as if they had been run: they take a minute each, and
    the tests of `kernel trace` run them.
    """
    folder = tmp_path_factory.mktemp("campaign") / "run"
    done = in_process("investigate", "talos-rpi5", "--out", str(folder), "--quiet")
    assert done.returncode == 0, done.stderr
    (task,) = (task for task in load_plan("talos-rpi5").task if task.id == "4")
    with Store(folder) as store:
        steps = Steps(store, {}, Silent())
        for step in task.steps:
            steps.keep(words(step), StepResult(step, 0, 60.0, "recorded by a test"))
    return folder


Told = tuple[str, tuple[str, ...]]
Story = Callable[..., dict[str, Any]]


@pytest.fixture
def story(begun: Path, tmp_path: Path) -> Story:
    """Tell what boards did in cells `REVISION KERNEL [DEVICETREES]`, weigh it, and return the status."""

    def told(*rows: Told, options: tuple[str, ...] = ()) -> dict[str, Any]:
        folder = tmp_path / "run"
        if not folder.exists():
            shutil.copytree(begun, folder)
        for cell, outcomes in rows:
            revision, kernel, *trees = cell.split()
            name = f"rpi5-rev-{revision}_4K_{kernel}_mainline_{trees[0] if trees else 'kernel'}"
            observed = in_process("observe", name, "--run", str(folder), "--json", *outcomes)
            assert observed.returncode in {0, 1}, observed.stderr
            jsonschema.validate(json.loads(observed.stdout), TOLD)
        walked = in_process("investigate", "talos-rpi5", "--out", str(folder), "--quiet", *options)
        assert walked.returncode in {0, 1, 3}, walked.stderr
        shown = in_process("status", str(folder), "--json")
        assert shown.returncode == walked.returncode
        document: dict[str, Any] = json.loads(shown.stdout)
        jsonschema.validate(document, STATUS)
        return document

    return told


def kernel(document: dict[str, Any], board: str) -> str:
    """What the decision says to use on a board."""
    (line,) = (line for line in document["decision"] if line.startswith(f"{board}: "))
    return str(line)


def reported(folder: Path) -> str:
    """The report of the story in `folder`, as text."""
    return (folder / "run/report.md").read_text(encoding="utf-8").replace("\n", " ")


def states(document: dict[str, Any]) -> dict[str, str]:
    return {task["id"]: task["state"] for task in document["tasks"]}


@pytest.mark.boot
@pytest.mark.download
def test_without_a_word_from_a_board_cells_wait(begun: Path) -> None:
    shown = in_process("status", str(begun), "--json")
    document = json.loads(shown.stdout)
    jsonschema.validate(document, STATUS)
    assert len(document["tasks"]) == 11
    assert not document["decided"]
    assert document["source"] == "predicted"
    by_id = {task["id"]: task for task in document["tasks"]}
    assert by_id["1"]["state"] == by_id["2"]["state"] == by_id["3"]["state"] == "waiting"
    assert by_id["4"]["state"] == "closed"
    assert by_id["4"]["belief"] == "refuted"
    assert any("rpi5-rev-1.1" in needed for needed in by_id["1"]["waits_for"])
    # What is ready made, and takes no longer, comes before what has to be made. It has other devicetrees than
    # what is predicted to work, and is not said to.
    cells = {cell["name"]: cell for cell in document["cells"]}
    for revision, stepping, made in (("1.0", "c0", "6.18.15"), ("1.1", "d0", "7.")):
        ready = cells[f"rpi5-rev-{revision}_4K_6.18.32_mainline_overlay"]
        assert ready["expects"]["ethernet"] == "unknown"
        first, *then = ready["commands"]  # which prints how to flash what it found
        assert first.startswith("bootwright prepare talos --version 1.12.8 --board raspberrypi-5 --stepping")
        assert first.endswith(stepping)
        assert [command.split()[1] for command in then] == ["observe"]
        assert ready["lacks"] == ""
        assert "ready made" in ready["why"]
        (best,) = [cell for name, cell in cells.items() if name.startswith(f"rpi5-rev-{revision}_4K_{made}")]
        assert best["expects"]["ethernet"] == "works (predicted)"
        assert list(cells).index(ready["name"]) < list(cells).index(best["name"])
    assert not any(point["holds"] for point in document["points"])
    text = in_process("status", str(begun)).stdout
    assert "Next: rpi5-rev-1.0_4K_6.18.32_mainline_overlay" in text
    drawn = (begun / "plan.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - written just now


@pytest.mark.boot
@pytest.mark.download
def test_assuming_no_board_it_is_decided_in_one_command(story: Story) -> None:
    document = story(options=("--assume-no-board",))
    assert document["decided"]
    assert document["verdict"] == "works"
    assert document["source"] == "predicted"
    assert document["cells"] == []
    assert "kernel 6.18.15" in kernel(document, "rpi5-rev-1.0")
    assert "kernel 7." in kernel(document, "rpi5-rev-1.1")
    assert [point["id"] for point in document["points"] if point["holds"]] == ["use-it"]


@pytest.mark.boot
@pytest.mark.download
def test_story_mainline_devicetrees_work_on_both(story: Story) -> None:
    document = story(("1.0 6.18.15", WORKS), ("1.1 6.18.15", (*WORKS, "--minutes", "30")))
    assert document["decided"]
    assert document["source"] == "bench"
    for board in ("rpi5-rev-1.0", "rpi5-rev-1.1"):
        assert "kernel 6.18.15" in kernel(document, board)
        assert "seen to work on a board" in kernel(document, board)
    assert states(document)["2"] == "done"
    assert states(document)["1"] == "not needed"
    by_id = {task["id"]: task for task in document["tasks"]}
    assert by_id["3"]["says"].startswith("no difference")
    assert by_id["2"]["hours_told"] == 0.5
    assert [point["id"] for point in document["points"] if point["holds"]] == ["use-it"]


@pytest.mark.boot
@pytest.mark.download
def test_story_only_revision_1_1_fails(story: Story, tmp_path: Path) -> None:
    document = story(
        ("1.0 6.18.15", WORKS), ("1.1 6.18.15", DARK), ("1.1 6.18.32", DARK), ("1.1 7.3.4", DARK)
    )
    assert document["decided"]
    assert document["verdict"] == "fails"
    assert "kernel 6.18.15" in kernel(document, "rpi5-rev-1.0")
    assert "nothing works" in kernel(document, "rpi5-rev-1.1")
    assert kernel(document, "rpi5-rev-1.1").endswith("rpi5-rev-1.0 works")
    holds = [point["id"] for point in document["points"] if point["holds"]]
    assert "use-it" not in holds
    assert "look-deeper" in holds
    assert "contribute" not in holds, "MS_BIND mends the mounts, and those work"
    assert "3 were seen to fail" in kernel(document, "rpi5-rev-1.1")
    assert "predicted to fail" in kernel(document, "rpi5-rev-1.1")
    assert states(document)["1"] == "refuted"
    by_id = {task["id"]: task for task in document["tasks"]}
    assert by_id["3"]["says"].startswith("it differs")
    assert by_id["4"]["state"] == "done"
    assert [step["status"] for step in by_id["4"]["steps"]] == [0, 0]
    assert by_id["1"]["belief"] == "weakened", "6.19 or later was tried alone, and fails too"
    # Which link fails there nobody knows yet: that is the next step.
    assert by_id["6"]["state"] == "waiting"
    (cell,) = document["cells"]
    assert cell["name"].startswith("rpi5-rev-1.1_")
    assert cell["tasks"] == ["6"]
    assert cell["commands"][0].split()[1:3] == ["image", "swap"]
    assert "initcall_debug" in cell["commands"][0]
    assert cell["commands"][-1].startswith(f"bootwright observe {cell['name']} ")
    log = tmp_path / "console.log"
    log.write_text(
        f"[    0.000000] Linux version {cell['factors']['kernel']}-talos (x@y) (gcc 14) #1 SMP\n"
        "[    0.000000] Machine model: Raspberry Pi 5 Model B Rev 1.1\n"
        "[    1.100000] SError Interrupt on CPU1, code 0x00000000be000011 -- SError\n"
        "[    1.100000] pc : brcmstb_pinconf_set+0x5c/0xb8\n"
        "[    1.200000] Kernel panic - not syncing: Asynchronous SError Interrupt\n"
    )
    named = story((f"1.1 {cell['factors']['kernel']}", ("--log", str(log), *DARK)))
    assert named["cells"] == []
    assert {task["id"]: task["state"] for task in named["tasks"]}["6"] == "done"


@pytest.mark.boot
@pytest.mark.download
def test_what_is_still_to_tell_of_a_cell_is_asked_until_it_was_told(story: Story, tmp_path: Path) -> None:
    document = story(("1.0 6.18.15", ("--lights", "on", "--address", "192.168.1.44")))
    first = document["cells"][0]
    assert first["name"] == "rpi5-rev-1.0_4K_6.18.15_mainline_kernel"
    assert first["how"].startswith("still to tell: Talos mounts its files over /etc")
    assert "Ethernet" not in first["how"]
    assert "not yet all of it on a board" in kernel(document, "rpi5-rev-1.0")
    assert "rpi5-rev-1.0: works (in part on a board)" in reported(tmp_path).replace("\\", "")
    asked = in_process(
        "observe", first["name"], "--run", str(tmp_path / "run"), "--outcome", "ethernet=works"
    )
    assert "still to tell: Talos mounts its files over /etc" in asked.stdout
    assert "machine is running and ready" in asked.stdout.replace("\n    ", " ")
    rest = in_process(
        "observe", first["name"], "--run", str(tmp_path / "run"), "--outcome", "talos-mounts=works"
    )
    assert "still to tell" not in rest.stdout
    assert "seen to work on a board" in kernel(story(), "rpi5-rev-1.0")


@pytest.mark.boot
@pytest.mark.download
def test_what_a_board_showed_to_fail_is_not_proposed_again(story: Story, tmp_path: Path) -> None:
    """The release that nothing known speaks against is one no more where a board fails with it."""
    assert "--version 1.12.8" in (story(("1.0 6.18.15", WORKS)) and reported(tmp_path))
    story(("1.1 6.18.32 overlay", DARK))
    assert "--version 1.12.8 --board raspberrypi-5 --stepping d0" not in reported(tmp_path)
    assert "--version 1.12.9 --board raspberrypi-5 --stepping d0" in reported(tmp_path)
    story(("1.1 6.18.32", DARK))
    assert "known to mend it" not in reported(tmp_path)
    document = story(("1.1 7.3.4", WORKS))
    assert "kernel 7.3.4" in kernel(document, "rpi5-rev-1.1")
    story(("1.1 6.18.32 overlay", (*WORKS, "--by", "another")))
    assert "--version 1.12.8 --board raspberrypi-5 --stepping d0" not in reported(tmp_path)


@pytest.mark.boot
@pytest.mark.download
def test_story_nothing_works_on_6_18_but_a_later_kernel_does(story: Story) -> None:
    document = story(
        *(
            (f"{revision} {version}", DARK)
            for revision in ("1.0", "1.1")
            for version in ("6.18.15", "6.18.32")
        ),
        ("1.0 7.3.4", WORKS),
        ("1.1 7.3.4", WORKS),
    )
    assert document["decided"]
    assert document["source"] == "bench"
    for board in ("rpi5-rev-1.0", "rpi5-rev-1.1"):
        assert "kernel 7.3.4" in kernel(document, board)
    assert states(document)["1"] == "done"


@pytest.mark.boot
@pytest.mark.download
def test_story_two_boards_contradict_each_other(story: Story, tmp_path: Path) -> None:
    cell = "1.0 6.18.15"
    document = story((cell, (*WORKS, "--by", "mine")), (cell, (*DARK, "--by", "my neighbour's")))
    assert not document["decided"]
    assert len(document["told"]) == 2
    assert "6.18.15" not in kernel(document, "rpi5-rev-1.0").replace("6.18.15_", "")
    first = document["cells"][0]
    assert first["name"] == "rpi5-rev-1.0_4K_6.18.15_mainline_kernel"
    assert "look again" in first["why"]
    assert first["told"] == {"ethernet works": 1, "ethernet fails": 1, "talos-mounts works": 2}
    assert first["expects"]["ethernet"] == "unknown"
    again = "Boards contradict each other about page size 4K; kernel version 6.18.15"
    assert "contradicts itself about rpi5-rev-1.0" in reported(tmp_path)
    assert again in reported(tmp_path)
    # A cell beside it that works makes the one outvoted neither true nor false: 16K is no conclusion of it.
    document = story((cell, (*WORKS, "--by", "a third")), ("1.1 6.18.32", WORKS))
    assert document["cells"][0]["name"] == "rpi5-rev-1.0_4K_6.18.15_mainline_kernel"
    assert "page_size 4K" in kernel(document, "rpi5-rev-1.0")
    assert again in reported(tmp_path)
    assert "Not with page size 4K" not in reported(tmp_path)
    document = story(options=("--noise", "0.05"))
    assert "kernel 6.18.15" in kernel(document, "rpi5-rev-1.0")
    assert "seen to work on a board" in kernel(document, "rpi5-rev-1.0")
    assert "Boards contradict each other" not in reported(tmp_path)


@pytest.mark.boot
@pytest.mark.download
def test_the_same_log_told_twice_counts_once(begun: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(begun, folder)
    log = ROOT / "src/bootwright/data/signatures/rp1-endpoint/golden/firmware-devicetree/console.log"
    name = "rpi5-rev-1.0_4K_6.18.6_mainline_firmware"
    first = json.loads(in_process("observe", name, "--run", str(folder), "--log", str(log), "--json").stdout)
    again = json.loads(in_process("observe", name, "--run", str(folder), "--log", str(log), "--json").stdout)
    assert (first["is_new"], again["is_new"]) == (True, False)
    assert first["outcomes"]["ethernet"] == "fails"
    assert first["cause"]
    assert len(read_told(folder)) == 1
    shown = json.loads(in_process("status", str(folder), "--json").stdout)
    assert shown["not_weighed"] == [first["id"]]


@pytest.mark.boot
@pytest.mark.download
def test_a_run_of_another_text_of_the_plan_says_what_to_do(begun: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(begun, tmp_path / "run")
    with Store(folder) as store:
        store.put("plan", "0" * 64)
    for kept in ("talos-rpi5", ""):  # what was begun before the plan's name was kept beside it
        with Store(folder) as store:
            store.put("plan name", kept)
        refused = in_process("investigate", "talos-rpi5", "--out", str(folder), "--quiet")
        assert refused.returncode == 2
        assert "was begun with another text of the plan talos-rpi5" in refused.stderr
        assert (
            "start over with --fresh: what was booted here is booted again, what people told stays"
            in refused.stderr
        )
    with Store(folder) as store:
        store.put("plan name", "cards")
    refused = in_process("investigate", "talos-rpi5", "--out", str(folder), "--quiet")
    assert "holds a run of the plan cards, not of talos-rpi5" in refused.stderr


@pytest.mark.boot
@pytest.mark.download
def test_a_cell_that_is_none_is_one_line_with_the_nearest(begun: Path) -> None:
    done = in_process("observe", "rpi5-rev-1.0_4K_6.18.15_mainline_kernal", "--run", str(begun), *WORKS)
    assert done.returncode == 2
    assert "did you mean rpi5-rev-1.0_4K_6.18.15_mainline_kernel" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_campaign_is_one_line(tmp_path: Path) -> None:
    done = in_process("status", str(tmp_path / "nothing"))
    assert done.returncode == 2
    assert "no campaign" in done.stderr


def test_told_is_kept_once_and_numbered_where_it_contradicts(tmp_path: Path) -> None:
    answer = make_told("cell", {"board": "a"}, {"boots": Verdict.WORKS}, logs=[b"log"])
    assert keep_told(tmp_path, answer, [b"log"])
    assert not keep_told(tmp_path, answer, [b"log"])
    other = make_told("cell", {"board": "a"}, {"boots": Verdict.FAILS}, by="b")
    assert keep_told(tmp_path, other)
    assert [seen.repeat for seen in observations_of(read_told(tmp_path))] == [1, 2]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_damaged_files_are_refused(data: bytes) -> None:
    for parse in (parse_told, parse_status):
        with pytest.raises(BootwrightError):
            parse(data, "file.json")


def one_input(data: bytes) -> None:
    path = ROOT / "fuzz" / "fuzz_campaign_files.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.one_input(data)


@given(data=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_of_a_campaigns_files(data: bytes) -> None:
    one_input(data)


@given(st.data())
def test_any_slip_in_what_was_told_is_read_or_refused(data: st.DataObject) -> None:
    answer = make_told("cell", {"board": "a"}, {"boots": Verdict.WORKS}, note="n", by="b")
    document = {name: getattr(answer, name) for name in type(answer).__slots__ if not name.startswith("__")}
    document[data.draw(st.sampled_from(sorted(document)))] = data.draw(JSON)
    with contextlib.suppress(BootwrightError):
        parse_told(json.dumps(document).encode(), "told.json")
