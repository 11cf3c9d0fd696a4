from __future__ import annotations

import importlib.util
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bootwright.foundation.verdict import Verdict
from bootwright.lab.probes.judge import verdict
from bootwright.lab.probes.ktap import ProbeTest, parse


def one_input(data: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz" / "fuzz_ktap.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.one_input(data)


MARK = "bw12ab"
# As a boot prints it (written by hand after real ones, with other kernel messages between).
REPORT = """\
[    0.000000] Kernel command line: console=ttyAMA0 bootwright.probe=mounts bootwright.mark=bw12ab
[    0.600000]     KTAP version 1
[    0.600001]     # Subtest: kunit-of-the-kernel
[    0.600002]     ok 1 never-ours
[    1.245696] bw12ab: KTAP version 1
[    1.247115] bw12ab: # bootwright: release 6.12.107+deb13-arm64
[    1.247556] bw12ab: # bootwright: page_size 4096
[    1.247905] bw12ab: 1..2
[    1.249457] bw12ab:   KTAP version 1
[    1.249672] bw12ab:   # Subtest: mounts
[    1.249912] bw12ab:   1..3
[    1.302945] bw12ab:   not ok 1 talos-1.12-etc-hosts # open_tree: EINVAL
[    1.302946] ok 2 forged-by-a-driver
[    1.311205][    T1] bw12ab:   ok 2 refuses # mount_setattr: EINVAL
[    1.318079] bw12ab:   ok 3 swap # SKIP module loop is not here
[    1.320000] bw12ab: not ok 1 mounts
[    1.320001] bw12ab:   KTAP version 1
[    1.320002] bw12ab:   # Subtest: filesystems
[    1.320003] bw12ab:   1..2
[    1.320004] SQUASHFS error: whatever
[    1.320005] bw12ab:   # kernel: Page size > filesystem block size (4096).
[    1.320006] bw12ab:   not ok 1 squashfs-4K # mount: 524
[    1.320007] bw12ab:   not ok 2 other # read-back: done
[    1.320008] bw12ab: not ok 2 filesystems
[    1.462852] bw12ab: # bootwright: end
[    1.465468] reboot: Power down
""".replace("\n", "\r\n").encode()


def test_the_report_is_told_from_the_kernels_own_words() -> None:
    result = parse(REPORT, MARK)
    assert result.release == "6.12.107+deb13-arm64"
    assert result.page_size == 4096
    assert result.complete
    assert result.tests == (
        ProbeTest("mounts", "talos-1.12-etc-hosts", False, "open_tree", "EINVAL", ""),
        ProbeTest("mounts", "refuses", True, "mount_setattr", "EINVAL", ""),
        ProbeTest("mounts", "swap", None, None, None, "module loop is not here"),
        ProbeTest(
            "filesystems",
            "squashfs-4K",
            False,
            "mount",
            "524",
            "kernel: Page size > filesystem block size (4096).",
        ),
        ProbeTest("filesystems", "other", False, "read-back", None, ""),
    )
    assert verdict(result) is Verdict.FAILS


def test_a_report_with_another_mark_is_not_ours() -> None:
    result = parse(REPORT, "bw12ac")
    assert result.tests == ()
    assert result.release is None
    assert not result.complete
    assert verdict(result) is Verdict.UNKNOWN


def test_a_report_cut_anywhere_is_never_complete() -> None:
    end = REPORT.index(b"bootwright: end")
    for cut in range(0, end + len(b"bootwright: en"), 7):
        assert not parse(REPORT[:cut], MARK).complete


def test_a_lost_line_is_never_complete() -> None:
    lines = REPORT.splitlines(keepends=True)
    ours = [index for index, line in enumerate(lines) if b"bw12ab: " in line]
    optional = (b"KTAP version", b"# kernel", b"release", b"page_size")
    needed = [index for index in ours if not any(word in lines[index] for word in optional)]
    assert len(needed) == 13
    for index in needed:
        assert not parse(b"".join(lines[:index] + lines[index + 1 :]), MARK).complete, lines[index]


def test_a_test_that_was_skipped_leaves_the_verdict_unknown() -> None:
    lines = ["  # Subtest: a", "  1..1", "  ok 1 x # SKIP nothing", "ok 1 a", "1..1", "# bootwright: end"]
    text = "".join(f"m: {line}\n" for line in lines).encode()
    assert verdict(parse(text, "m")) is Verdict.UNKNOWN


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    one_input(data)


@given(st.lists(st.sampled_from(REPORT.split(b"\r\n")), max_size=40), st.binary(max_size=20))
def test_any_order_of_lines(lines: list[bytes], noise: bytes) -> None:
    plain = [line.partition(b"bw12ab: ")[2] for line in lines]
    one_input(b"\n".join([*plain, noise]))
