"""What a log cannot say, and how to make the next one say it."""

from __future__ import annotations

from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.model import SERIOUS, STAGES, Finding, Gap, Severity

MORE_KERNEL = "ignore_loglevel printk.devkmsg=on"
"""Every kernel message on the console, and those of user space without rate limit."""
_BEGINNINGS = frozenset({"@kernel/start", "@kernel/version"})
"""The first words of a kernel: arm64 and RISC-V say one more before their banner."""
_NOTHING_KNOWN = (
    "capture the serial console from power-on, or take dmesg; where there is no console tell what the screen "
    "and the lights show: bootwright observe --help"
)


def gaps_of(state: BootState, findings: tuple[Finding, ...]) -> tuple[Gap, ...]:
    """Gaps of one boot, the most useful first."""
    suspects = [finding for finding in findings if finding.severity is not Severity.HARMLESS]
    gaps = [
        Gap(f"why: {finding.title}", f"boot with {finding.kernel_arguments}")
        for finding in suspects[:3]
        if finding.kernel_arguments
    ]
    if "@kernel/quiet" in state.tallies:
        gaps.append(
            Gap(
                "the kernel's messages below the console level (`quiet` or `loglevel=` was set)",
                f"boot without `quiet`, with {MORE_KERNEL}, or paste the output of dmesg",
            )
        )
    if "@talos/talos" in state.tallies and suspects:
        gaps.append(
            Gap(
                "the first four errors of each Talos controller, which the console does not show",
                "run `talosctl dmesg` and `talosctl logs controller-runtime` against the node",
            )
        )
    if state.rank >= STAGES.index("kernel") and state.tallies.keys().isdisjoint(_BEGINNINGS):
        gaps.append(
            Gap(
                "how the boot began: the log starts after the kernel did",
                "capture the serial console from power-on, or take `dmesg` before its buffer wraps "
                "(log_buf_len=4M)",
            )
        )
    if state.cut and not any(finding.severity in SERIOUS for finding in suspects):
        gaps.append(
            Gap(
                f"how it went on: {state.cut}",
                "capture from power-on until nothing more comes; a kernel that dies early speaks "
                "with earlycon ignore_loglevel",
            )
        )
    elif state.rank in {STAGES.index("boot-loader"), STAGES.index("kernel")} and not suspects:
        gaps.append(
            Gap(
                f"what came after: the log ends in the stage `{state.stage}`",
                "keep capturing, and boot with earlycon ignore_loglevel",
            )
        )
    elif STAGES.index("devices") <= state.rank < STAGES.index("init") and not suspects:
        gaps.append(
            Gap(
                f"whether the system came up: the log ends in the stage `{state.stage}`",
                f"capture until the login prompt, and boot with {MORE_KERNEL}",
            )
        )
    if not gaps and state.rank < 0 and not findings:
        what = (
            "the log is empty" if state.last_line < state.first_line else "nothing in it is known of a boot"
        )
        gaps.append(Gap(f"anything of the machine: {what}", _NOTHING_KNOWN))
    return tuple(gaps)
