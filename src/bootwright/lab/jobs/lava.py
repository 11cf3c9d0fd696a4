"""A boot with probes as a LAVA job (LAVA 2023.01, lava_common/schemas, and its documentation of jobs)."""

from __future__ import annotations

from typing import Any

from bootwright.lab.jobs.parts import MARK, SECONDS, JobParts

QEMU = "qemu"
"""The device type whose jobs carry the emulator's own options; others boot by U-Boot and TFTP."""


def lava_job(parts: JobParts, device_type: str) -> dict[str, Any]:
    """The job definition, to be written as YAML."""
    planned = parts.planned
    arguments = " ".join(planned.kernel_arguments)
    kernel: dict[str, Any] = {"url": parts.kernel_url, "sha256sum": planned.kernel.image_sha256}
    ramdisk: dict[str, Any] = {"url": parts.ramdisk_url, "sha256sum": planned.archive_sha256}
    if device_type == QEMU:
        kernel["image_arg"] = f"-kernel {{kernel}} -append '{arguments}'"
        ramdisk["image_arg"] = "-initrd {ramdisk}"
        context: dict[str, Any] = {"arch": "arm64", "machine": planned.target.machine.split(",")[0]}
        if planned.processor.model:
            context["cpu"] = planned.processor.model
        deploy = {"to": "tmpfs", "images": {"kernel": kernel, "ramdisk": ramdisk}, "timeout": _timeout()}
        boot: dict[str, Any] = {"method": "qemu", "media": "tmpfs", "timeout": _timeout()}
    else:
        # The board's console is the laboratory's to name.
        words = [word for word in planned.kernel_arguments if not word.startswith("console=")]
        context = {"extra_kernel_args": " ".join(words)}
        kernel["type"] = "image"
        # Its init is the probe: nothing of the laboratory's is to be put into it.
        ramdisk |= {"install_modules": False, "install_overlay": False}
        deploy = {"to": "tftp", "kernel": kernel, "ramdisk": ramdisk, "timeout": _timeout()}
        boot = {"method": "u-boot", "commands": "ramdisk", "timeout": _timeout()}
    monitor = {
        "name": "bootwright",
        "start": f"{MARK}: KTAP version 1",
        "end": f"{MARK}: # bootwright: end",
        "pattern": f"{MARK}:   (?P<result>ok|not ok) [0-9]+ (?:- )?(?P<test_case_id>[^ #]+)",
        "fixupdict": {"ok": "pass", "not ok": "fail"},
    }
    return {
        "job_name": parts.name[:200],
        "device_type": device_type,
        "visibility": "public",
        "priority": "medium",
        "timeouts": {"job": _timeout(3), "action": _timeout(), "connection": _timeout()},
        "context": context,
        "metadata": {"kernel": planned.kernel.name, "release": planned.kernel.release},
        "actions": [
            {"deploy": deploy},
            {"boot": boot},
            {"test": {"monitors": [monitor], "timeout": _timeout()}},
        ],
    }


def _timeout(times: int = 1) -> dict[str, int]:
    """A mapping of its own each time: YAML would name the same one by an anchor."""
    return {"seconds": times * SECONDS}
