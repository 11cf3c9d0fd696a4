"""`bootwright boards` and the files it writes: real devicetrees of a real kernel, and bad input."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from bootwright import api
from bootwright.boards.architecture import ARCHITECTURES, architecture
from bootwright.boards.locate import locate
from bootwright.boards.model import BOARDS, Board, Find, Goal, Stepping, board
from bootwright.boards.written import board_file, described
from bootwright.cli.main import main
from bootwright.formats.devicetree.fdt import Tree, parse_fdt, read_fdt_file
from bootwright.foundation import tools
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.kernels.catalogue import open_library

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/boards.schema.json").read_text())
KERNEL = "debian-7.3-4k"


def compiled(body: str) -> Tree:
    source = f"/dts-v1/;\n/ {{ #address-cells = <1>; #size-cells = <1>; {body} }};\n"
    return parse_fdt(tools.run(["dtc", "-q", "-@", "-O", "dtb", "-"], input_bytes=source.encode()), "x.dtb")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["boards", *arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def dtb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        dtbs = open_library().get(KERNEL, modules=True).dtbs
    except (Missing, Refused) as error:
        pytest.skip(str(error))
    assert dtbs is not None
    path = tmp_path_factory.mktemp("dtb") / "rk3588s-nanopi-r6c.dtb"
    path.write_bytes(next(dtbs.rglob(path.name)).read_bytes())
    return path


def test_the_list_has_every_file_and_with_a_kernel_every_other_board(dtb: Path) -> None:
    alone = json.loads(run("list", "--json").stdout)
    jsonschema.validate(alone, SCHEMA)
    assert [candidate["id"] for candidate in alone["boards"]] == BOARDS.names()
    listed = api.list_boards(kernel=KERNEL)
    others = [candidate for candidate in listed if candidate.origin == "devicetree"]
    assert len(others) > 1000
    with_files = {candidate.id for candidate in listed} & set(BOARDS.names())
    assert "raspberrypi-5" in with_files
    assert "raspberrypi-500" not in with_files  # mainline has no devicetree of it
    assert "friendlyarm,nanopi-r6c" in {other.id for other in others}
    assert not {candidate.compatible[0] for candidate in others} & {
        candidate.compatible[0] for candidate in BOARDS.all().values()
    }
    assert "raspberrypi-5" in run("list").stdout


def test_a_board_with_a_file_is_shown_with_where_its_goals_are(dtb: Path) -> None:
    del dtb  # only for the kernel it is of
    shown = run("show", "raspberrypi-5", "--kernel", KERNEL, "--json")
    document = json.loads(shown.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["goals"]["ethernet"]["node"].endswith("/ethernet@40100000")
    text = run("show", "raspberrypi-5").stdout
    assert "console=ttyAMA10,115200" in text
    assert "bcm2712-d-rpi-5-b.dtb" in text


def test_the_only_stepping_of_a_board_is_shown_without_a_name(dtb: Path) -> None:
    shown = run("show", "rock-5b").stdout
    assert "any" not in shown.split()
    assert "rk3588-rock-5b.dtb" in shown


def test_a_devicetree_without_a_file_is_shown_and_its_file_written_and_used(
    dtb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = api.show_board(dtb, kernel=KERNEL)
    assert shown.origin == "devicetree"
    jsonschema.validate(shown.as_json(), SCHEMA)
    assert "made of the devicetree" in run("show", str(dtb), "--kernel", KERNEL).stdout
    by_name = api.show_board("friendlyarm,nanopi-r6c", kernel=KERNEL)
    assert by_name.board.goals == shown.board.goals
    made = api.check([KERNEL, str(dtb)]).judged[0]

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    done = run("add", str(dtb), "--kernel", KERNEL, "--name", "r6c")
    assert "wrote" in done.stdout
    path = tmp_path / "bootwright/boards/r6c.toml"
    written = BOARDS.load(path)
    assert [goal.name for goal in written.goals] == [goal.name for goal in shown.board.goals]
    tree = read_fdt_file(dtb)
    for goal in written.goals:
        mine = locate(tree, shown.board.goal(goal.name).find)
        assert mine is not None
        assert locate(tree, goal.find) is mine
    again = api.check([KERNEL, str(dtb)]).judged[0]
    assert again.board.id == "r6c"
    assert {n: g.verdict for n, g in again.goals.items()} == {n: g.verdict for n, g in made.goals.items()}
    with pytest.raises(Refused, match="which has a file: r6c"):
        api.add_board(dtb, kernel=KERNEL)
    before = path.read_text()
    with pytest.raises(Refused, match="exists"):
        api.add_board("friendlyarm,nanopi-r5c", kernel=KERNEL, name="r6c")
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("name", "dtb_name"),
    [
        ("friendlyarm,nanopi-r6s", "rk3588s-nanopi-r6s.dtb"),
        ("rk3588s-nanopi-r6s.dtb", "rk3588s-nanopi-r6s.dtb"),
        ("rk3588-rock-5b-pcie-ep.dtb", "rk3588-rock-5b-pcie-ep.dtb"),  # the board's, and none of its file
    ],
)
def test_check_takes_a_devicetree_of_a_board_with_a_file(dtb: Path, name: str, dtb_name: str) -> None:
    del dtb  # only for the kernel it is of
    (judged,) = api.check([KERNEL], boards=name, goals="ethernet").judged
    assert judged.dtb is not None
    assert judged.dtb.name == dtb_name
    assert set(judged.goals) >= {"ethernet"}


def test_the_command_that_add_prints_is_one_that_works(
    dtb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for asked in ("friendlyarm,nanopi-r6c", str(dtb)):
        done = run("add", asked, "--kernel", KERNEL, "--force")
        words = shlex.split(done.stdout.strip().rpartition("bootwright ")[2])
        assert ("friendlyarm,nanopi-r6c" in words, str(dtb) in words) == (False, asked == str(dtb))
        checked = CliRunner().invoke(main, words, standalone_mode=False)
        assert checked.return_value == 0, checked.output


def test_names_and_files_that_are_not_right_are_one_line(dtb: Path, tmp_path: Path) -> None:
    wrong: Sequence[tuple[bytes, str]] = (
        (b"", "expected a devicetree header"),
        (dtb.read_bytes()[:2000], "found the end of the data"),
        (b"junk" * 99, "expected devicetree magic"),
    )
    out = tmp_path / "board.toml"
    for content, message in wrong:
        bad = tmp_path / "bad.dtb"
        bad.write_bytes(content)
        with pytest.raises(Malformed, match=message):
            api.show_board(bad)
        with pytest.raises(Malformed, match=message):
            api.add_board(bad, output=out)
        with pytest.raises(Malformed, match=message):
            api.check([KERNEL, str(bad)])
    with pytest.raises(Missing, match="cannot read"):
        api.check([KERNEL, str(tmp_path / "none.dtb")])
    with pytest.raises(Refused, match="is no name for a board"):
        api.add_board(dtb, kernel=KERNEL, name="../x", output=out)
    with pytest.raises(Refused) as caught:
        api.show_board("friendlyarm,nanopi-r6", kernel=KERNEL)
    assert "nanopi-r6s" in str(caught.value.hint)
    with pytest.raises(Refused):
        api.show_board("rasberrypi-5")
    assert not out.exists()


RISC_V = """cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { device_type = "cpu"; reg = <0>;
    compatible = "sifive,u74", "riscv"; riscv,isa = "rv64imafdc"; }; };"""


def test_a_devicetree_of_another_architecture_is_refused(tmp_path: Path) -> None:
    tree = compiled(f'compatible = "acme,board"; {RISC_V}')
    machine = architecture(tree)
    assert machine is not None
    assert machine.id == "riscv"
    path = tmp_path / "riscv.dtb"
    path.write_bytes(tree.blob)
    for call in (
        lambda: api.show_board(path),
        lambda: api.check([KERNEL, str(path)]),
        lambda: api.predict(KERNEL, path),
    ):
        with pytest.raises(Refused, match="for arm64, found one for RISC-V"):
            call()
    for name, compatible in (("arm", "arm,cortex-a8"), ("mips", "mti,interaptiv"), ("arc", "snps,archs38")):
        other = compiled(f'cpus {{ cpu@0 {{ device_type = "cpu"; compatible = "{compatible}"; }}; }};')
        known = architecture(other)
        assert known is not None
        assert known.id == name
    for compatible in ("arm,cortex-a53", "arm,armv8", "nvidia,tegra210-denver", "acme,unheard-of"):
        assert architecture(compiled(f'cpus {{ cpu@0 {{ compatible = "{compatible}"; }}; }};')) is None
    assert architecture(compiled("")) is None
    assert all(machine.source for machine in ARCHITECTURES.all().values())


def test_no_devicetree_of_a_real_arm64_kernel_is_taken_for_another_architecture_s(dtb: Path) -> None:
    del dtb
    dtbs = open_library().get(KERNEL, modules=True).dtbs
    assert dtbs is not None
    for path in sorted(dtbs.rglob("*.dtb"))[::23]:
        assert architecture(read_fdt_file(path)) is None, path


def test_nodes_are_described_by_what_lasts() -> None:
    tree = compiled(
        """aliases { ethernet0 = &e; }; chosen { stdout-path = &s; };
        e: ethernet@1 { compatible = "a,mac"; }; s: serial@2 { compatible = "a,uart"; };
        usb@3 { compatible = "a,usb"; }; mmc@4 { compatible = "a,mmc"; }; mmc@5 { compatible = "a,mmc"; };
        bus@6 { x { compatible = "a,x"; }; }; bus@7 { x { compatible = "a,x"; }; };"""
    )
    finds = {node.path: described(tree, node) for node in tree.nodes if "compatible" in node}
    assert finds["/ethernet@1"] == Find(alias="ethernet0")
    assert finds["/serial@2"] == Find(stdout=True)
    assert finds["/usb@3"] == Find(compatible="a,usb")
    assert finds["/mmc@5"] == Find(compatible="a,mmc", unit_address="5")
    assert finds["/bus@7/x"] == Find(path="/bus@7/x")


def _as_read(text: str) -> str:
    """As text of a devicetree is read: formats/devicetree/node.py."""
    return text.encode("ascii", "backslashreplace").decode()


@given(st.text(max_size=60), st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_devicetree_says_of_itself_a_board_file_reads_back(
    name: str, compatible: str, note: str
) -> None:
    tree = parse_fdt(_PLAIN.blob, "x.dtb")
    name, compatible, note = (
        text.encode("ascii", "backslashreplace").decode() for text in (name, compatible, note)
    )
    goal = Goal("usb", (Find(path="/usb@3"),), note=note)
    made = Board("x", name, (compatible,), "s", (Stepping("any", "x.dtb"),), goals=(goal,))
    try:
        text = board_file(made, tree, "x.dtb")
    except BootwrightError:
        return  # an empty name is no name
    from bootwright.foundation.knowledge import parse_table

    table = parse_table(text.encode(), "x")
    assert (table["name"], table["compatible"], table["goal"]["usb"].get("note", "")) == (
        name,
        [compatible],
        note,
    )


_PLAIN = compiled('usb@3 { compatible = "a,usb"; };')


def test_a_path_finds_a_node() -> None:
    assert locate(_PLAIN, [Find(path="/usb@3")]) is _PLAIN.root.child("usb")
    assert locate(_PLAIN, [Find(path="/usb@4")]) is None
    assert board("rock64").goal("usb").kind == "usb"
