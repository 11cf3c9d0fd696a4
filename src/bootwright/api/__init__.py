"""The public interface: one typed function behind every command (docs/api.md).

    from bootwright.api import check

    check("debian-6.18.15-4k", boards="raspberrypi-5", goals="ethernet").verdict

Bad input raises a `BootwrightError` (`Malformed`, `Refused`, `Missing`, `ToolFailed`) with a `message` and a
`hint`. Nothing is printed: `progress=bootwright.foundation.progress.Lines()` reports what takes long. A name
is imported when it is first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bootwright.api.bench.jobs import LabJob, lab_job
    from bootwright.api.bench.many import BenchAll, bench_all
    from bootwright.api.bench.running import BenchRun, bench_run
    from bootwright.api.boards.added import AddedBoard, add_board
    from bootwright.api.boards.known import KnownBoard, ShownBoard, list_boards, show_board
    from bootwright.api.booting import Booted, boot
    from bootwright.api.campaigning import CampaignStatus, ToldCell, observe_cell, status
    from bootwright.api.cards.flashing import FlashInterrupted, FlashReport, flash, list_disks
    from bootwright.api.cards.observing import ObservedCard, observe
    from bootwright.api.cards.preparing import PreparedCard, prepare
    from bootwright.api.checking import Checked, check, check_all_devicetrees, check_matrix
    from bootwright.api.devicetrees import (
        Devicetrees,
        fetch_devicetrees,
        get_devicetrees,
        list_devicetrees,
    )
    from bootwright.api.diagnosis import Diagnosed, diagnose, follow
    from bootwright.api.images import boot_image, compose_image, image_manifest, swap_image, verify_image
    from bootwright.api.inspection import Compared, ComparedGoal, Inspected, diff, inspect
    from bootwright.api.investigation import Investigated, decide_recorded, investigate
    from bootwright.api.isolation import AwaitedReport, Isolation, isolate
    from bootwright.api.kernels import (
        KernelFactsFile,
        get_kernel,
        kernel_messages,
        list_kernels,
        write_kernel_facts,
    )
    from bootwright.api.nodes.factory import ForetoldImage, talos
    from bootwright.api.nodes.upgrading import UpgradeForetold, upgrade_check
    from bootwright.api.nodes.waiting import Waited, wait
    from bootwright.api.prediction import Predicted, predict
    from bootwright.api.probes.probing import export_probe, list_probe_steps
    from bootwright.api.probes.results import ProbeResults, read_probe_results
    from bootwright.api.probes.surveying import Surveyed, SurveyedKernel, survey
    from bootwright.api.serving import serve
    from bootwright.api.tracing import TracedError, trace_error
    from bootwright.api.upstream.drafting import Draft, draft_report
    from bootwright.api.upstream.watching import Watched, list_upstreams, watch_upstream
    from bootwright.api.workshop.bisecting import Bisected, bisect_commits, bisect_releases
    from bootwright.api.workshop.building import build_kernel, configure_kernel
    from bootwright.api.workshop.minimising import FewestPatches, minimise_patches
    from bootwright.api.workshop.packaging import kernel_recipe
    from bootwright.api.workshop.patching import PatchSeries, kernel_patches
    from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused, ToolFailed
    from bootwright.foundation.verdict import Verdict

_HOME = {
    "BenchAll": "bootwright.api.bench.many",
    "bench_all": "bootwright.api.bench.many",
    "BenchRun": "bootwright.api.bench.running",
    "bench_run": "bootwright.api.bench.running",
    "AddedBoard": "bootwright.api.boards.added",
    "KnownBoard": "bootwright.api.boards.known",
    "ShownBoard": "bootwright.api.boards.known",
    "add_board": "bootwright.api.boards.added",
    "list_boards": "bootwright.api.boards.known",
    "show_board": "bootwright.api.boards.known",
    "Booted": "bootwright.api.booting",
    "boot": "bootwright.api.booting",
    "CampaignStatus": "bootwright.api.campaigning",
    "ToldCell": "bootwright.api.campaigning",
    "observe_cell": "bootwright.api.campaigning",
    "status": "bootwright.api.campaigning",
    "Checked": "bootwright.api.checking",
    "check": "bootwright.api.checking",
    "check_all_devicetrees": "bootwright.api.checking",
    "check_matrix": "bootwright.api.checking",
    "Devicetrees": "bootwright.api.devicetrees",
    "fetch_devicetrees": "bootwright.api.devicetrees",
    "get_devicetrees": "bootwright.api.devicetrees",
    "list_devicetrees": "bootwright.api.devicetrees",
    "Diagnosed": "bootwright.api.diagnosis",
    "diagnose": "bootwright.api.diagnosis",
    "follow": "bootwright.api.diagnosis",
    "ForetoldImage": "bootwright.api.nodes.factory",
    "talos": "bootwright.api.nodes.factory",
    "FlashInterrupted": "bootwright.api.cards.flashing",
    "FlashReport": "bootwright.api.cards.flashing",
    "flash": "bootwright.api.cards.flashing",
    "list_disks": "bootwright.api.cards.flashing",
    "boot_image": "bootwright.api.images",
    "compose_image": "bootwright.api.images",
    "image_manifest": "bootwright.api.images",
    "swap_image": "bootwright.api.images",
    "verify_image": "bootwright.api.images",
    "Compared": "bootwright.api.inspection",
    "ComparedGoal": "bootwright.api.inspection",
    "Inspected": "bootwright.api.inspection",
    "diff": "bootwright.api.inspection",
    "inspect": "bootwright.api.inspection",
    "Investigated": "bootwright.api.investigation",
    "decide_recorded": "bootwright.api.investigation",
    "investigate": "bootwright.api.investigation",
    "AwaitedReport": "bootwright.api.isolation",
    "Isolation": "bootwright.api.isolation",
    "isolate": "bootwright.api.isolation",
    "KernelFactsFile": "bootwright.api.kernels",
    "get_kernel": "bootwright.api.kernels",
    "write_kernel_facts": "bootwright.api.kernels",
    "kernel_messages": "bootwright.api.kernels",
    "list_kernels": "bootwright.api.kernels",
    "Predicted": "bootwright.api.prediction",
    "predict": "bootwright.api.prediction",
    "LabJob": "bootwright.api.bench.jobs",
    "ProbeResults": "bootwright.api.probes.results",
    "lab_job": "bootwright.api.bench.jobs",
    "read_probe_results": "bootwright.api.probes.results",
    "export_probe": "bootwright.api.probes.probing",
    "list_probe_steps": "bootwright.api.probes.probing",
    "serve": "bootwright.api.serving",
    "TracedError": "bootwright.api.tracing",
    "trace_error": "bootwright.api.tracing",
    "ObservedCard": "bootwright.api.cards.observing",
    "PreparedCard": "bootwright.api.cards.preparing",
    "observe": "bootwright.api.cards.observing",
    "prepare": "bootwright.api.cards.preparing",
    "Surveyed": "bootwright.api.probes.surveying",
    "SurveyedKernel": "bootwright.api.probes.surveying",
    "survey": "bootwright.api.probes.surveying",
    "UpgradeForetold": "bootwright.api.nodes.upgrading",
    "upgrade_check": "bootwright.api.nodes.upgrading",
    "Waited": "bootwright.api.nodes.waiting",
    "wait": "bootwright.api.nodes.waiting",
    "Draft": "bootwright.api.upstream.drafting",
    "draft_report": "bootwright.api.upstream.drafting",
    "Watched": "bootwright.api.upstream.watching",
    "list_upstreams": "bootwright.api.upstream.watching",
    "watch_upstream": "bootwright.api.upstream.watching",
    "Bisected": "bootwright.api.workshop.bisecting",
    "bisect_commits": "bootwright.api.workshop.bisecting",
    "bisect_releases": "bootwright.api.workshop.bisecting",
    "FewestPatches": "bootwright.api.workshop.minimising",
    "minimise_patches": "bootwright.api.workshop.minimising",
    "PatchSeries": "bootwright.api.workshop.patching",
    "kernel_patches": "bootwright.api.workshop.patching",
    "build_kernel": "bootwright.api.workshop.building",
    "kernel_recipe": "bootwright.api.workshop.packaging",
    "configure_kernel": "bootwright.api.workshop.building",
    "BootwrightError": "bootwright.foundation.errors",
    "Malformed": "bootwright.foundation.errors",
    "Missing": "bootwright.foundation.errors",
    "Refused": "bootwright.foundation.errors",
    "ToolFailed": "bootwright.foundation.errors",
    "Verdict": "bootwright.foundation.verdict",
}

__all__ = [
    "AddedBoard",
    "AwaitedReport",
    "BenchAll",
    "BenchRun",
    "Bisected",
    "Booted",
    "BootwrightError",
    "CampaignStatus",
    "Checked",
    "Compared",
    "ComparedGoal",
    "Devicetrees",
    "Diagnosed",
    "Draft",
    "FewestPatches",
    "FlashInterrupted",
    "FlashReport",
    "ForetoldImage",
    "Inspected",
    "Investigated",
    "Isolation",
    "KernelFactsFile",
    "KnownBoard",
    "LabJob",
    "Malformed",
    "Missing",
    "ObservedCard",
    "PatchSeries",
    "Predicted",
    "PreparedCard",
    "ProbeResults",
    "Refused",
    "ShownBoard",
    "Surveyed",
    "SurveyedKernel",
    "ToldCell",
    "ToolFailed",
    "TracedError",
    "UpgradeForetold",
    "Verdict",
    "Waited",
    "Watched",
    "add_board",
    "bench_all",
    "bench_run",
    "bisect_commits",
    "bisect_releases",
    "boot",
    "boot_image",
    "build_kernel",
    "check",
    "check_all_devicetrees",
    "check_matrix",
    "compose_image",
    "configure_kernel",
    "decide_recorded",
    "diagnose",
    "diff",
    "draft_report",
    "export_probe",
    "fetch_devicetrees",
    "flash",
    "follow",
    "get_devicetrees",
    "get_kernel",
    "image_manifest",
    "inspect",
    "investigate",
    "isolate",
    "kernel_messages",
    "kernel_patches",
    "kernel_recipe",
    "lab_job",
    "list_boards",
    "list_devicetrees",
    "list_disks",
    "list_kernels",
    "list_probe_steps",
    "list_upstreams",
    "minimise_patches",
    "observe",
    "observe_cell",
    "predict",
    "prepare",
    "read_probe_results",
    "serve",
    "show_board",
    "status",
    "survey",
    "swap_image",
    "talos",
    "trace_error",
    "upgrade_check",
    "verify_image",
    "wait",
    "watch_upstream",
    "write_kernel_facts",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for; type checkers read the imports
    """Import what is exported when it is first asked for."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The exported names."""
    return sorted(__all__)
