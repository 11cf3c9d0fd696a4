"""Isolating in real images: mixtures are made as files, faults are planted in every kind of part.

What a mixture "does" is told here by looking at its files, so that twelve faults take seconds; one real boot
test is at the end.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import boot_disk_kit
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isolate_kit import MIB, SIZE, Files, blob, make_image, read_image

from bootwright.formats.archives import cpio
from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation import tools
from bootwright.foundation.errors import Refused
from bootwright.foundation.run_folder import Store
from bootwright.foundation.verdict import Verdict
from bootwright.isolate.dtb import TreeMix
from bootwright.isolate.hunks import mix_arguments, mix_lines
from bootwright.isolate.images import ImageHybrids
from bootwright.isolate.lab import StoredLab, Tried
from bootwright.isolate.model import Isolated, Source, Waiting
from bootwright.isolate.search import isolate

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/isolate.schema.json").read_text())

BOARD = """/dts-v1/;
/ {
    model = "MODEL"; compatible = "raspberrypi,5-model-b";
    #address-cells = <1>; #size-cells = <1>;
    pinctrl@7d504100 { compatible = "brcm,bcm2712d0-pinctrl"; reg = <0x7d504100 SIZE>; EXTRA };
    serial@7d001000 { compatible = "arm,pl011"; reg = <0x7d001000 0x200>; status = "okay"; };
};
"""
OVERLAY = '/dts-v1/; /plugin/; / { fragment@0 { target-path = "/"; __overlay__ { NAME; }; }; };'
CONFIG = "arm_64bit=1\nenable_uart=1\nkernel=u-boot.bin\n[pi5]\nenable_uart=0\n[all]\ndtoverlay=one\n"
MENU = (
    'set timeout=1\nmenuentry "TITLE" {\n'
    "  linux /vmlinuz console=ttyAMA0 root=/dev/vda2 quiet\n  initrd /initramfs\n}\n"
)


def archive(*modules: str, note: bytes = b"") -> bytes:
    members = [cpio.Member(f"lib/modules/6.18.5/{name}.ko", name.encode() * 50) for name in modules]
    return cpio.write([cpio.Member("init", b"#!/init"), *members, cpio.Member("note", note)])


def random_bytes(seed: str, size: int = 20_000) -> bytes:
    return random.Random(seed).randbytes(size)


def good_files() -> Files:
    return {
        "/EFI/BOOT/BOOTAA64.EFI": b"MZ" + random_bytes("grub"),
        "/grub/grub.cfg": MENU.replace("TITLE", "Old").encode(),
        "/vmlinuz": b"Linux version 6.18.5 4K " + random_bytes("kernel"),
        "/initramfs": archive("virtio_net", "macb", "rp1_pci"),
        "/bcm2712-rpi-5-b.dtb": blob(BOARD, MODEL="Pi 5", SIZE="0x20", EXTRA=""),
        "/bcm2712-d-rpi-5-b.dtb": blob(BOARD, MODEL="Pi 5", SIZE="0x20", EXTRA=""),
        "/overlays/one.dtbo": blob(OVERLAY, NAME="one"),
        "/overlays/two.dtbo": blob(OVERLAY, NAME="two"),
        "/config.txt": CONFIG.encode(),
        "/start4.elf": random_bytes("start"),
        "/fixup4.dat": random_bytes("fixup", 500),
        "/u-boot.bin": random_bytes("u-boot"),
    }


def with_noise(files: Files) -> Files:
    """Harmless differences in every part: another build of the same."""
    return files | {
        "/EFI/BOOT/BOOTAA64.EFI": b"MZ" + random_bytes("grub 2"),
        "/grub/grub.cfg": MENU.replace("TITLE", "New").replace("quiet", "loglevel=7 pti=on").encode(),
        "/vmlinuz": b"Linux version 6.18.5 4K " + random_bytes("kernel 2"),
        "/initramfs": archive("virtio_net", "macb", "rp1_pci", note=b"another build"),
        "/bcm2712-rpi-5-b.dtb": blob(BOARD, MODEL="Pi 5 B", SIZE="0x20", EXTRA=""),
        "/bcm2712-d-rpi-5-b.dtb": blob(BOARD, MODEL="Pi 5 D", SIZE="0x20", EXTRA='label = "x";'),
        "/overlays/two.dtbo": blob(OVERLAY, NAME="two-b"),
        "/config.txt": CONFIG.replace("[pi5]\n", "arm_boost=1\n[pi5]\nusb_max_current_enable=1\n").encode(),
        "/start4.elf": random_bytes("start 2"),
        "/u-boot.bin": random_bytes("u-boot 2"),
    }


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    return make_image(folder / "good.img", good_files(), folder)


def tree_value(data: bytes | None, path: str, name: str) -> bytes:
    node = parse_fdt(data or b"", "blob").node(path)
    return node.properties.get(name, b"") if node else b""


PINS = "/pinctrl@7d504100"
D0 = "/bcm2712-d-rpi-5-b.dtb"

Fault = tuple[str, Callable[[Files], Files], Callable[[Files], bool], set[str]]

FAULTS: list[Fault] = [
    (
        "wrong DTB",
        lambda f: f | {D0: blob(BOARD, MODEL="Pi 5 D", SIZE="0x30", EXTRA='label = "x";')},
        lambda f: tree_value(f[D0], PINS, "reg")[-1:] == b"\x30",
        {f"dtb: bcm2712-d-rpi-5-b.dtb: {PINS}: reg"},
    ),
    (
        "missing module",
        lambda f: f | {"/initramfs": archive("virtio_net", "rp1_pci", note=b"another build")},
        lambda f: b"macb.ko" not in f["/initramfs"],
        {"initramfs: module macb"},
    ),
    (
        "wrong console",
        lambda f: f | {"/grub/grub.cfg": f["/grub/grub.cfg"].replace(b"ttyAMA0", b"ttyS9")},
        lambda f: b"console=ttyAMA0" not in f["/grub/grub.cfg"],
        {"command line: console=ttyAMA0 → console=ttyS9"},
    ),
    (
        "bad argument",
        lambda f: f | {"/grub/grub.cfg": f["/grub/grub.cfg"].replace(b" pti=on", b" pti=on mem=8M")},
        lambda f: b"mem=8M" in f["/grub/grub.cfg"],
        {"command line: +mem=8M"},
    ),
    (
        "missing overlay",
        lambda f: {name: data for name, data in f.items() if name != "/overlays/one.dtbo"},
        lambda f: "/overlays/one.dtbo" not in f,
        {"overlays: one.dtbo"},
    ),
    (
        "config.txt line",
        lambda f: f | {"/config.txt": f["/config.txt"].replace(b"u-boot.bin", b"nothing.bin")},
        lambda f: b"kernel=u-boot.bin" not in f["/config.txt"],
        {"config.txt: kernel=u-boot.bin → kernel=nothing.bin"},
    ),
    (
        "truncated initramfs",
        lambda f: f | {"/initramfs": f["/initramfs"][:300]},
        lambda f: b"TRAILER!!!" not in f["/initramfs"],
        {"initramfs"},
    ),
    (
        "kernel before 6.15",
        lambda f: f | {"/vmlinuz": f["/vmlinuz"].replace(b"6.18.5", b"6.12.9")},
        lambda f: b"6.12.9" in f["/vmlinuz"],
        {"kernel"},
    ),
    (
        "wrong granule",
        lambda f: f | {"/vmlinuz": f["/vmlinuz"].replace(b" 4K ", b" 16K ")},
        lambda f: b" 16K " in f["/vmlinuz"],
        {"kernel"},
    ),
    (
        "missing DTB file",
        lambda f: {name: data for name, data in f.items() if name != "/bcm2712-rpi-5-b.dtb"},
        lambda f: "/bcm2712-rpi-5-b.dtb" not in f,
        {"dtb: bcm2712-rpi-5-b.dtb"},
    ),
    (
        "corrupted kernel",
        lambda f: f | {"/vmlinuz": bytes(1000) + f["/vmlinuz"][1000:]},
        lambda f: not f["/vmlinuz"].startswith(b"Linux"),
        {"kernel"},
    ),
    (
        "wrong root",
        lambda f: f | {"/grub/grub.cfg": f["/grub/grub.cfg"].replace(b"/dev/vda2", b"/dev/sda9")},
        lambda f: b"root=/dev/vda2" not in f["/grub/grub.cfg"],
        {"command line: root=/dev/vda2 → root=/dev/sda9"},
    ),
]

PAIR: Fault = (
    "pair",
    lambda f: (
        f
        | {
            "/config.txt": f["/config.txt"].replace(b"kernel=u-boot.bin", b"kernel=loader.bin"),
            "/grub/grub.cfg": f["/grub/grub.cfg"].replace(b"console=ttyAMA0", b"console=tty0"),
        }
    ),
    lambda f: b"kernel=loader.bin" in f["/config.txt"] and b"console=tty0" in f["/grub/grub.cfg"],
    {
        "config.txt: kernel=u-boot.bin → kernel=loader.bin",
        "command line: console=ttyAMA0 → console=tty0",
    },
)


def lab(
    hybrids: ImageHybrids, store: Store, attempt: Callable[[Path, float | None], Tried] | None
) -> StoredLab:
    return StoredLab(
        store=store,
        hybrids=hybrids,
        good=hybrids.good,
        bad=hybrids.bad,
        everything=frozenset(element.name for element in hybrids.elements()),
        complete=hybrids.complete,
        about={"goal": "test"},
        attempt=attempt,
        source=Source.EMULATED,
    )


def found(good: Path, fault: Fault, path: Path) -> tuple[Isolated, ImageHybrids]:
    _, plant, fails, _ = fault
    bad = make_image(path / "bad.img", plant(with_noise(good_files())), path)

    def attempt(image: Path, _: float | None) -> Tried:
        verdict = Verdict.FAILS if fails(read_image(image)) else Verdict.WORKS
        return Tried(verdict, "", b"", {})

    hybrids = ImageHybrids(good, bad, path)
    with Store(path / "run") as store:
        return isolate(hybrids, lab(hybrids, store, attempt)), hybrids


def leaves(hybrids: ImageHybrids) -> int:
    def count(name: str) -> int:
        element = next(candidate for candidate in (*hybrids.elements(), *inner) if candidate.name == name)
        below = hybrids.inside(element)
        inner.extend(below)
        return sum(count(part.name) for part in below) if below else 1

    inner: list = []  # type: ignore[type-arg]
    return sum(count(element.name) for element in hybrids.elements())


def test_twelve_planted_faults_are_found_with_few_boots(good: Path, tmp_path: Path) -> None:
    before = good.read_bytes()
    excess = {}
    for fault in FAULTS:
        work_folder = tmp_path / fault[0].replace(" ", "-")
        work_folder.mkdir()
        result, hybrids = found(good, fault, work_folder)
        assert result.culprit == fault[3], fault[0]
        assert result.mended is Verdict.WORKS, fault[0]
        assert not hybrids.notes
        excess[fault[0]] = result.boots - (2 * math.log2(leaves(hybrids)) + 3)
        assert not list((work_folder / "run/images").iterdir())
    assert statistics.median(excess.values()) <= 0, excess
    assert good.read_bytes() == before


def test_a_planted_pair_is_found_and_the_command_mends_it(good: Path, tmp_path: Path) -> None:
    result, hybrids = found(good, PAIR, tmp_path)
    assert result.culprits == (frozenset(PAIR[3]),)
    assert result.mended is Verdict.WORKS
    command = hybrids.mend(result.culprit).split()
    assert command[:4] == ["bootwright", "image", "swap", str(tmp_path / "bad.img")]
    mended = tmp_path / "mended.img"
    subprocess.run(
        [sys.executable, "-m", "bootwright", *command[1:-1], mended], check=True, capture_output=True
    )
    files, wanted = read_image(mended), with_noise(good_files())
    assert not PAIR[2](files)
    assert files["/config.txt"] == wanted["/config.txt"]
    assert files["/grub/grub.cfg"] == wanted["/grub/grub.cfg"]
    assert files["/vmlinuz"] == wanted["/vmlinuz"]


def test_a_mixture_has_exactly_what_was_chosen(good: Path, tmp_path: Path) -> None:
    bad_files = with_noise(good_files())
    bad = make_image(tmp_path / "bad.img", bad_files, tmp_path)
    hybrids = ImageHybrids(good, bad, tmp_path)
    hybrids.build(frozenset({"kernel", "command line: +pti=on", "overlays"}), tmp_path / "mix.img")
    expected = good_files() | {name: bad_files[name] for name in ("/vmlinuz", "/overlays/two.dtbo")}
    mixed = read_image(tmp_path / "mix.img")
    assert mixed["/grub/grub.cfg"].count(b"pti=on") == 1
    assert b"quiet" in mixed["/grub/grub.cfg"]
    assert b"loglevel" not in mixed["/grub/grub.cfg"]
    expected["/grub/grub.cfg"] = mixed["/grub/grub.cfg"]
    assert mixed == expected
    hybrids.build(frozenset(element.name for element in hybrids.elements()), tmp_path / "all.img")
    assert read_image(tmp_path / "all.img") == bad_files
    with pytest.raises(Refused):
        hybrids.build(frozenset(), tmp_path / "none.img")


def test_what_cannot_be_mixed_is_told(good: Path, tmp_path: Path) -> None:
    """Bytes in a partition without a file system: the bad image is not the mixture of everything."""
    for name, content in (("one.img", b"a"), ("two.img", b"b")):
        path = tmp_path / name
        path.write_bytes(good.read_bytes())
        with path.open("r+b") as file:
            file.truncate(SIZE + 4 * MIB)
        table = (
            f"label: gpt\nstart=2048, size={(SIZE - 2 * MIB) // 512}, type=uefi, name=EFI\n"
            f"start={SIZE // 512}, size=2048, name=META\n"
        )
        tools.run(["sfdisk", "--quiet", "--no-tell-kernel", "--wipe=never", path], input_bytes=table.encode())
        with path.open("r+b") as file:
            file.seek(SIZE)
            file.write(content)
    hybrids = ImageHybrids(tmp_path / "one.img", tmp_path / "two.img", tmp_path)
    assert not hybrids.complete
    assert any("META" in note for note in hybrids.notes)
    with Store(tmp_path / "run") as store, pytest.raises(Refused, match="do not differ"):
        isolate(hybrids, lab(hybrids, store, None))


def test_an_interrupted_isolation_goes_on_where_it_stopped(good: Path, tmp_path: Path) -> None:
    _, plant, fails, culprit = FAULTS[3]
    bad = make_image(tmp_path / "bad.img", plant(with_noise(good_files())), tmp_path)
    tried: list[Files] = []

    def attempt(image: Path, _: float | None) -> Tried:
        if len(tried) % 3 == 2:
            tried.append({})
            raise KeyboardInterrupt
        files = read_image(image)
        assert files not in tried
        tried.append(files)
        return Tried(Verdict.FAILS if fails(files) else Verdict.WORKS, "", b"console", {})

    result = None
    for _ in range(9):
        hybrids = ImageHybrids(good, bad, tmp_path)
        try:
            with Store(tmp_path / "run") as store:
                result = isolate(hybrids, lab(hybrids, store, attempt))
        except KeyboardInterrupt:
            continue
        break
    assert result is not None
    assert result.culprit == culprit
    assert result.boots == len([files for files in tried if files])


def test_on_the_bench_a_person_reports(good: Path, tmp_path: Path) -> None:
    """Each call ends with an image to try; what the person says decides; days may lie between.

    Before each call the same one is killed somewhere on its way: nothing is lost, and no report counts twice.
    """
    chance = random.Random(1)
    _, plant, fails, culprit = FAULTS[5]
    bad = make_image(tmp_path / "bad.img", plant(with_noise(good_files())), tmp_path)
    arguments = [
        "--good",
        good,
        "--bad",
        bad,
        "--until",
        "link up",
        "--on",
        "bench",
        "--out",
        tmp_path / "out",
    ]
    report: list[str | Path] = []
    images = 0
    for _ in range(20):
        command = [sys.executable, "-m", "bootwright", "isolate", *arguments, *report, "--json"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Its time-out kills it with SIGKILL.
            subprocess.run(command, capture_output=True, check=False, timeout=chance.uniform(0.2, 0.9))
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode in {0, 3}, ran.stderr
        document = json.loads(ran.stdout)
        jsonschema.validate(document, SCHEMA)
        if ran.returncode == 0:
            break
        images += 1
        image = Path(document["waiting"]["image"])
        failed = fails(read_image(image))
        report = ["--report", "fails" if failed else "works"]
        if images % 2:
            (tmp_path / "log").write_text("booting\n" + ("" if failed else "eth0: link up\n"))
            report = ["--console", tmp_path / "log"]
        report += ["--of", image.name]
    assert document["culprit"] == sorted(culprit)
    sources = [step["source"] for step in document["steps"]]
    assert set(sources) == {"given", "reported", "bench"}
    assert sources.count("given") == 2  # nobody booted the two images for this
    assert document["boots"] == images
    command = [sys.executable, "-m", "bootwright", "isolate", *arguments]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "the good image itself: works (your --good)" in text
    assert text.count("(you, with --report)") == images // 2
    assert text.count("(the console log: ") == images - images // 2
    assert f"{images} boots reported for " in text
    assert "2 answers by naming the images" in text
    assert Path(document["proof"][0]["fails"]).is_file()
    assert fails(read_image(Path(document["proof"][0]["fails"])))


def test_one_difference_needs_no_boot_and_claims_none(good: Path, tmp_path: Path) -> None:
    _, plant, _, _ = FAULTS[4]
    bad = make_image(tmp_path / "bad.img", plant(good_files()), tmp_path)
    command = [sys.executable, "-m", "bootwright", "isolate", "--good", good, "--bad", bad]
    command += ["--until", "login", "--on", "bench", "--out", tmp_path / "out", "--quiet"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "nothing else differs: that is the good image itself, which you say works" in ran.stdout
    assert "\n0 boots for " in ran.stdout


def test_an_empty_console_log_is_no_answer(good: Path, tmp_path: Path) -> None:
    bad = make_image(tmp_path / "bad.img", with_noise(good_files()), tmp_path)
    command = [sys.executable, "-m", "bootwright", "isolate", "--good", good, "--bad", bad]
    command += ["--until", "login", "--on", "bench", "--out", tmp_path / "out", "--quiet"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 3
    for name, data in (("empty", b"\n \n"), ("disk", bytes(510) + b"\x55\xaaEFI PART" + bytes(4096))):
        (tmp_path / name).write_bytes(data)
        ran = subprocess.run([*command, "--console", tmp_path / name], capture_output=True, check=False)
        assert ran.returncode == 2
        assert len(ran.stderr.splitlines()) == 2


def test_a_report_without_a_question_is_refused(good: Path, tmp_path: Path) -> None:
    bad = make_image(tmp_path / "bad.img", with_noise(good_files()), tmp_path)
    hybrids = ImageHybrids(good, bad, tmp_path)
    with Store(tmp_path / "run") as store:
        bench = lab(hybrids, store, None)
        with pytest.raises(Refused, match="no image is waiting"):
            bench.report(Verdict.WORKS, Source.REPORTED, "", b"")
        with pytest.raises(Waiting):
            bench.answer(frozenset({"kernel"}))
        with pytest.raises(Refused, match="is not the image waiting"):
            bench.report(Verdict.WORKS, Source.REPORTED, "", b"", "other.img")
        bench.about = {"goal": "another"}
        with pytest.raises(Refused, match="another isolation"):
            bench.report(Verdict.WORKS, Source.REPORTED, "", b"")


# The pieces.

WORDS = st.lists(
    st.sampled_from(["a", "b=1", "b=2", "c", "d=x", "[pi5]", "[all]", "", "# note"]), max_size=12
)


@given(good=WORDS, bad=WORDS, data=st.data())
def test_hunks_give_both_ends_and_anything_between(
    good: list[str], bad: list[str], data: st.DataObject
) -> None:
    for mix in (mix_arguments(good, bad), mix_lines(good, bad)):
        names = [hunk.name for hunk in mix.hunks]
        assert len(set(names)) == len(names)
        assert mix.choose(frozenset()) == good
        assert sorted(mix.choose(frozenset(names))) == sorted(bad)
        some = frozenset(data.draw(st.sets(st.sampled_from(names)))) if names else frozenset()
        assert set(mix.choose(some)) <= {*good, *bad}


def test_a_setting_under_its_filter_has_the_filter_in_its_name() -> None:
    mix = mix_lines(["[pi5]", "enable_uart=0", "[all]"], ["[pi5]", "enable_uart=1", "[all]", "x=1"])
    assert [hunk.name for hunk in mix.hunks] == ["[pi5] enable_uart=0 → enable_uart=1", "[all] +x=1"]
    # Taking the old line away and adding the new one are one change.
    mix = mix_lines(["initramfs a followkernel"], ["initramfs a,b followkernel"])
    assert [hunk.name for hunk in mix.hunks] == ["initramfs a followkernel → initramfs a,b followkernel"]


def test_a_tree_of_a_choice_reads_as_it_was_chosen() -> None:
    """dtc takes what is written, and both ends are the trees themselves."""
    good = parse_fdt(blob(BOARD, MODEL="A", SIZE="0x20", EXTRA="old { x; };"), "good")
    bad = parse_fdt(blob(BOARD, MODEL="B", SIZE="0x30", EXTRA='label = "x"; new { y { z = <1>; }; };'), "bad")
    mix = TreeMix(good, bad)
    assert mix.comparable
    assert mix.names == [
        "/: model", f"{PINS}: reg", f"{PINS}: label", f"-{PINS}/old", f"+{PINS}/new",
    ]  # fmt: skip

    def source(data: bytes) -> bytes:
        return tools.run(["dtc", "-q", "-s", "-I", "dtb", "-O", "dts"], input_bytes=data)

    assert source(mix.blob(frozenset())) == source(good.blob)
    assert source(mix.blob(frozenset(mix.names))) == source(bad.blob)
    some = parse_fdt(mix.blob(frozenset({f"{PINS}: reg", f"+{PINS}/new"})), "some")
    assert some.model == "A"
    assert tree_value(some.blob, PINS, "reg")[-1:] == b"\x30"
    assert some.node(f"{PINS}/new/y") is not None
    assert some.node(f"{PINS}/old") is not None


def test_trees_whose_phandles_name_other_nodes_are_not_mixed() -> None:
    first = "/dts-v1/; / { a: a {}; b: b {}; c { x = <&a>; }; };"
    other = "/dts-v1/; / { a: a {}; b: b {}; c { x = <&b>; y = <&a>; }; };"
    mix = TreeMix(parse_fdt(blob(first), "one"), parse_fdt(blob(other), "other"))
    assert not mix.comparable


def test_file_bytes_are_what_was_written(good: Path) -> None:
    assert FileBytes(good).size == SIZE
    assert read_image(good) == good_files()


@pytest.mark.boot
@pytest.mark.download
def test_a_bad_argument_is_found_by_real_boots(tmp_path: Path) -> None:
    """GRUB, a real kernel and the guest's init; the bad image's init does not exist, among other changes."""
    from bootwright.foundation.errors import Missing
    from bootwright.kernels.boot_parts import boot_part
    from bootwright.kernels.catalogue import open_library
    from bootwright.lab.machines.firmware import firmware
    from bootwright.lab.probes.initramfs import build
    from bootwright.lab.probes.probe import init

    try:
        loader = firmware("uboot").name
    except Missing:
        loader = firmware("aavmf").name
    kernel = open_library().get("debian-6.12-4k")
    early = tmp_path / "early.cfg"
    early.write_text("search --no-floppy --set=root --file /vmlinuz\nset prefix=($root)/grub\n")
    modules = ["part_gpt", "fat", "normal", "configfile", "search", "search_fs_file", "linux", "boot", "gzio"]
    tools.run(
        ["grub-mkimage", "-O", "arm64-efi", "-d", boot_part("grub-arm64-efi").folder, "-p", "/grub",
         "-c", early, "-o", tmp_path / "grub.efi", *modules]
    )  # fmt: skip
    plain = f"{boot_disk_kit.ARGUMENTS} quiet"
    menu = (
        "set timeout=0\nmenuentry x {\n  linux /vmlinuz ARGUMENTS bootwright.probe=mounts "
        "bootwright.mark=bw1\n  initrd /initramfs\n}\n"
    )
    files = {
        "/EFI/BOOT/BOOTAA64.EFI": (tmp_path / "grub.efi").read_bytes(),
        "/grub/grub.cfg": menu.replace("ARGUMENTS", plain).encode(),
        "/vmlinuz": kernel.image.read_bytes(),
        "/initramfs": build(init())[0].read_bytes(),
        "/config.txt": CONFIG.encode(),
    }
    bad_menu = menu.replace("ARGUMENTS", f"{plain} loglevel=4 rdinit=/nothing").encode()
    bad_files = files | {"/grub/grub.cfg": bad_menu, "/config.txt": b"# other\n" + files["/config.txt"]}
    images = {}
    for name, contents in (("good", files), ("bad", bad_files)):
        images[name] = make_image(tmp_path / f"{name}.img", contents, tmp_path, size=100 * MIB)
    ran = subprocess.run(
        [sys.executable, "-m", "bootwright", "isolate", "--good", images["good"], "--bad", images["bad"],
         "--until", "ktap", "--firmware", loader, "--memory", "512", "--out", tmp_path / "out", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["culprit"] == ["command line: +rdinit=/nothing"]
    assert document["mended"] == "works"
    assert {step["source"] for step in document["steps"]} == {"emulated"}
