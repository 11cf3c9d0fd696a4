"""The Check tab: the page says of an image what the command line says, and the picture shows the chain."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from disk_kit import make_fat
from isolate_kit import blob
from site_kit import NEEDS_A_BROWSER, READY, chromium, made, package, served, shown_as, wait_for

from bootwright import api
from bootwright.browser import check as tab
from bootwright.browser.asked import board_meant, revision_or_stepping
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.foundation.progress import Silent
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.predict.kernel.facts_file import write_facts
from bootwright.predict.model import Answer, Evidence, GoalVerdict, Link
from bootwright.report.checked.chain_picture import chain_picture, stations

BOARD = '/dts-v1/; / { compatible = "raspberrypi,5-model-b", "brcm,bcm2712"; };'
SVG = "{http://www.w3.org/2000/svg}"


def link(node: str, needs: str, answer: Answer) -> Link:
    return Link(node, needs, answer, Evidence("kernel & driver", "rule"), reason="why <this>")


def goal(*chain: Link, broken: Link | None) -> GoalVerdict:
    worst = min((part.answer for part in chain), default=Answer.YES)
    return GoalVerdict("ethernet", worst.verdict, "/soc/eth", chain, broken, (), ())


def test_a_chain_is_a_box_for_each_device_in_order_with_the_first_broken_one_marked() -> None:
    broken = link('/soc/<pcie> & "x"', "supplier: clocks", Answer.NO)
    chain = (
        link("/", "kernel", Answer.YES),
        link("/soc/clk", "device", Answer.YES),
        link("/soc/clk", "driver clk-own", Answer.YES),
        broken,
        link("/soc/eth", "driver " + "n" * 80, Answer.UNKNOWN),
    )
    drawn = ElementTree.fromstring(chain_picture("ether<net", goal(*chain, broken=broken)))  # noqa: S314
    boxes = drawn.findall(f"{SVG}g")
    assert [box.get("class") for box in boxes] == ["works", "works", "fails broken", "unknown"]
    texts = ["".join(box.itertext()) for box in boxes]
    assert "kernel" in texts[0]
    assert "clk-own" in texts[1]
    assert '<pcie> & "x"' in texts[2]
    assert texts[3].rstrip().endswith("…")
    assert "first broken at /soc/<pcie>" in (drawn.get("aria-label") or "")
    assert len(drawn.findall(f"{SVG}path")) == len(boxes) - 1


def test_what_breaks_a_goal_without_a_chain_is_in_the_picture() -> None:
    broken = link("/", "devicetree", Answer.NO)
    assert [(station.node, station.is_broken) for station in stations(goal(broken=broken))] == [("/", True)]


def test_the_one_field_takes_a_revision_code_or_a_stepping() -> None:
    assert revision_or_stepping("raspberrypi-5", "d0") == (None, "d0")
    assert revision_or_stepping("raspberrypi-5", "Revision\t: e04171") == ("e04171", None)
    assert revision_or_stepping("", "") == (None, None)
    assert revision_or_stepping("raspberrypi-5", " D0 ") == (None, "d0")
    assert revision_or_stepping("", "D0") == (None, "d0")
    with pytest.raises(Refused):
        revision_or_stepping("raspberrypi-55", "d0")


def test_a_board_is_found_by_its_name() -> None:
    assert board_meant("Raspberry Pi 5") == board_meant("RASPBERRYPI-5") == "raspberrypi-5"
    assert board_meant("Raspberry Pi") == "Raspberry Pi"
    assert board_meant("bcm2712-rpi-5-b.dtb") == "bcm2712-rpi-5-b.dtb"


@pytest.mark.parametrize("name", ["board.dtb", "card/board.dtb", "noext"])
def test_devicetrees_alone_ask_for_a_kernel(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(blob(BOARD))
    page = {"has_kernels": True, "may_add_kernel": True}
    assert tab.answer(page, [path], Silent()) == {"needs_kernel": True}
    with pytest.raises(Refused, match="no kernel is among the files") as raised:
        tab.answer({"has_kernels": True}, [path], Silent())
    assert "choose one under" in (raised.value.hint or "")
    with pytest.raises(Refused) as raised:
        tab.answer({}, [path], Silent())
    assert (raised.value.hint or "").startswith("pick a kernel")


def test_an_image_without_its_kernel_is_given_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("boot").mkdir()
    Path("boot/bcm2712-rpi-5-b.dtb").write_bytes(blob(BOARD))
    make_fat(Path("part.img"), Path("boot"), 16, 16 << 20)
    with pytest.raises(Refused, match="no kernel is among the files"):
        tab.answer({"has_kernels": True, "may_add_kernel": True}, [Path("part.img")], Silent())


def test_a_folder_is_one_artifact() -> None:
    assert tab.given([Path("./card/config.txt"), Path("./card/overlays/x.dtbo"), Path("./b.dtb")]) == (
        "./card",
        "./b.dtb",
    )


def test_without_a_file_it_says_what_to_give() -> None:
    with pytest.raises(Refused, match="nothing to check"):
        tab.answer({}, [], Silent())


def test_without_storage_on_disk_a_large_file_is_not_expanded_in_memory(tmp_path: Path) -> None:
    content = os.urandom(17 << 20)
    # Nothing in it repeats, so nothing is looked for.
    barely = {"id": lzma.FILTER_LZMA2, "dict_size": 4096, "mf": lzma.MF_HC3, "depth": 1, "nice_len": 3}
    packed = {
        "a.gz": gzip.compress(content, 0),
        "one.xz": lzma.compress(content, filters=[barely]),
    }
    for name, data in packed.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(Refused, match=f"{name} would have to be expanded in memory"):
            tab.answer({"on_disk": False}, [tmp_path / name], Silent())
    (tmp_path / "plain").write_bytes(content)
    with pytest.raises(BootwrightError) as raised:
        tab.answer({"on_disk": False}, [tmp_path / "plain"], Silent())
    assert "in memory" not in str(raised.value), "it is read where it lies"


@cache
def kernel(name: str) -> Kernel:
    try:
        return open_library().get(name, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")


def kernels_here() -> list[str]:
    """The kernel that the page is made with, where it is here."""
    try:
        return [api.get_kernel("debian-6.18-4k", modules=True, offline=True).name]
    except BootwrightError:
        return []


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2.2 GB, of which 50 MB are there: a real kernel, its modules in the initramfs, GRUB."""
    path = tmp_path_factory.mktemp("image") / "talos.raw"
    api.compose_image("talos-standin-grub", path, kernel=kernel("debian-6.18-4k").name)
    return path


def command(image: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bootwright", "check", f"./{image.name}", "--json", "-q", *options],
        cwd=image.parent, capture_output=True, check=False,
    )  # fmt: skip
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.download
def test_python_answers_as_the_command(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(image.parent)
    request = {"board": "raspberrypi-5", "revision": " e04171 "}
    answered = tab.answer(request, [Path(image.name)], Silent())
    assert answered["check"] == command(image, "--board", "raspberrypi-5", "--revision", "e04171")
    assert answered["verdict"] == Verdict.FAILS.value
    (pictures,) = answered["pictures"]
    assert pictures.keys() == answered["check"]["goals"].keys()
    for svg in pictures.values():
        assert ElementTree.fromstring(svg).tag == f"{SVG}svg"  # noqa: S314


@pytest.mark.download
def test_an_images_kernel_is_known_by_the_facts_beside_the_page(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = kernel("debian-6.18-4k")
    facts = f"{here.name}.facts"
    (tmp_path / facts).write_bytes(write_facts(here))
    (tmp_path / image.name).symlink_to(image)
    expected = command(image, "--board", "raspberrypi-5", "--revision", "e04171")
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    files = [Path(image.name)]
    asked: dict[str, Any] = {"board": "raspberrypi-5", "revision": "e04171"}
    without = tab.answer(asked, files, Silent())["check"]["goals"]
    assert without["os-start"]["verdict"] == "unknown"
    others = {**asked, "images": {"other": "0" * 64}}
    assert tab.answer(others, files, Silent())["check"]["goals"] == without
    asked["images"] = {"other": "0" * 64, here.name: here.image_sha256}
    assert tab.answer(asked, files, Silent()) == {"needs_facts": here.name}
    known = tab.answer({**asked, "facts": facts}, [Path(facts), *files], Silent())
    verdicts = {name: judged["verdict"] for name, judged in known["check"]["goals"].items()}
    assert verdicts == {name: judged["verdict"] for name, judged in expected["goals"].items()}
    assert verdicts["os-start"] == "works"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with (
        served(made(tmp_path_factory.mktemp("made") / "site", *kernels_here())) as address,
        chromium(tmp_path_factory.mktemp("profile")) as driver,
    ):
        driver.get(f"{address}#check")
        wait_for(driver, READY)
        yield driver


def ask(browser: Any, files: list[Path], **fields: str) -> None:  # noqa: ANN401
    browser.execute_script("document.getElementById('check-clear').click()")
    browser.find_element("id", "check-files").send_keys("\n".join(map(str, files)))
    for name, value in fields.items():
        browser.execute_script(f"document.getElementById('check-{name}').value = arguments[0]", value)
    browser.execute_script("document.getElementById('check-form').requestSubmit()")
    wait_for(browser, "document.querySelector('#check-result > *')", seconds=240)


@pytest.mark.download
@pytest.mark.browser
@NEEDS_A_BROWSER
def test_the_page_answers_as_the_command(browser: Any, image: Path) -> None:  # noqa: ANN401
    # The facts beside the page say how the image's kernel was built, as the catalogue does here.
    expected = command(image, "--board", "raspberrypi-5", "--revision", "e04171")
    assert expected["goals"]["os-start"]["verdict"] == "works"
    ask(browser, [image], board="raspberrypi-5", revision="e04171")
    shown = browser.execute_script(
        "return [...document.querySelectorAll('#check-result article')].map((goal) => ["
        "goal.dataset.goal, goal.querySelector('.chip').textContent,"
        "goal.querySelector('svg.chain') ? goal.querySelectorAll('svg.chain g').length : 0, goal.innerText])"
    )
    assert {name: verdict for name, verdict, _, _ in shown} == {
        name: judged["verdict"] for name, judged in expected["goals"].items()
    }
    for name, _, boxes, text in shown:
        judged = expected["goals"][name]
        assert boxes >= len({part["node"] for part in judged["chain"]})
        for words in (judged["first_broken"] or {}).values():
            assert " ".join(words.split()) in " ".join(text.split())


@pytest.mark.browser
@NEEDS_A_BROWSER
def test_what_is_damaged_is_one_clear_error(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    damaged = tmp_path / "board.dtb"
    damaged.write_bytes(b"\xd0\x0d\xfe\xed\0\0\0\x40" + bytes(20))
    ask(browser, [damaged], board="", revision="")
    alert = browser.find_element("css selector", "#check-result [role=alert]").text
    assert "board.dtb" in alert
    assert "Traceback" not in alert


@pytest.mark.download
@pytest.mark.browser
@NEEDS_A_BROWSER
def test_devicetrees_alone_are_checked_against_the_kernel_of_the_page(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    name = kernel("debian-6.18-4k").name
    without_ending = tmp_path / "noext"
    without_ending.write_bytes(blob(BOARD))
    ask(browser, [without_ending], board="Raspberry Pi 5", revision="D0")
    shown = browser.find_element("id", "check-result").text
    assert "Raspberry Pi 5, stepping d0" in shown
    assert f"{name}, noext" in shown
    browser.execute_script("document.getElementById('check-kernel').value = ''")
    ask(browser, [without_ending])
    assert (
        "choose one under “Kernel, for devicetrees alone”" in browser.find_element("id", "check-result").text
    )
    browser.execute_script("document.getElementById('check-kernel').value = 'automatic'")


def choose(browser: Any, name: str) -> None:  # noqa: ANN401
    browser.execute_script(
        "const tab = document.getElementById(arguments[0]); tab.click(); tab.focus()", f"tab-{name}"
    )
    wait_for(browser, f"!document.getElementById('{name}').hidden")


@pytest.mark.browser
@NEEDS_A_BROWSER
def test_the_ask_tab_by_keyboard(browser: Any) -> None:  # noqa: ANN401
    """From the tabs on, with no mouse: arrows choose the tab, Tab goes on, Enter asks."""
    from selenium.webdriver.common.keys import Keys

    choose(browser, "check")
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element.get_attribute("id") == "tab-ask"
    while browser.switch_to.active_element.get_attribute("id") != "ask-board":
        browser.switch_to.active_element.send_keys(Keys.TAB)
    browser.switch_to.active_element.send_keys("Raspberry Pi 5")
    browser.switch_to.active_element.send_keys(Keys.TAB, "e04171")
    led = browser.find_element("id", "ask-led")
    led.send_keys("4+3", Keys.ENTER)
    shown = wait_for(browser, "document.querySelector('#ask-seen')?.innerText", seconds=120)
    assert "RP1" in shown
    assert browser.switch_to.active_element.get_attribute("id") == "ask-result", "a reader goes on there"


def ask_about(browser: Any, **fields: str) -> str:  # noqa: ANN401
    """What the Ask tab shows."""
    choose(browser, "ask")
    browser.execute_script("document.getElementById('ask-form').reset()")
    browser.execute_script("document.getElementById('ask-result').replaceChildren()")
    for name, value in fields.items():
        browser.execute_script(f"document.getElementById('ask-{name}').value = arguments[0]", value)
    browser.execute_script("document.getElementById('ask-form').requestSubmit()")
    shown: str = wait_for(browser, "document.getElementById('ask-result').innerText", seconds=120)
    return shown


@pytest.mark.browser
@NEEDS_A_BROWSER
def test_the_ask_tab_says_why_and_gives_no_address_of_what_fails(browser: Any) -> None:  # noqa: ANN401
    shown = ask_about(browser, board="raspberrypi-5", revision="e04171", system="talos", version="1.9.0")
    assert "the factory has the overlay rpi_5 for Raspberry Pi 5 from Talos Linux 1.12.3 on" in shown
    assert "metal-arm64" not in shown
    shown = ask_about(browser, revision="e04171", system="talos", version="1.12.6")
    assert shown.startswith("Raspberry Pi 5, stepping d0")
    assert shown.index("Give the image factory this schematic") < shown.index("v1.12.6/metal-arm64")
    assert "bootwright" not in shown, "nothing to type"


@pytest.mark.browser
@NEEDS_A_BROWSER
def test_what_stops_the_boot_is_said_to_fail_in_the_words_of_the_page(browser: Any) -> None:  # noqa: ANN401
    shown = ask_about(browser, board="raspberrypi-5", led="4+3", lights="off", address="none", system="talos")
    assert "fails the boot stops: RP1" in " ".join(shown.split())
    assert "the tab “Check an image”" in shown
    assert "What you saw goes before what follows" in shown
    assert "“Status LED”" in ask_about(browser, board="raspberrypi-5", led="nonsense")


@pytest.mark.browser
@NEEDS_A_BROWSER
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
@pytest.mark.parametrize("tab_name", ["check", "ask"])
def test_the_tabs_are_accessible_and_fit(browser: Any, tab_name: str, width: int, scheme: str) -> None:  # noqa: ANN401
    axe = package("axe-core")["axe.min.js"].decode()
    shown_as(browser, width, scheme)
    choose(browser, tab_name)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_script(axe)
    violations = browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run().then(({ violations }) => done(violations.map((rule) => [rule.id, rule.nodes[0].html])))"
    )
    assert violations == []
    assert browser.get_log("browser") == [], "the policy holds"
