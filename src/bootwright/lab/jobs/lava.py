"""A boot as a LAVA job (LAVA 2023.01, lava_common/schemas, and its documentation of jobs).

Three kinds: a kernel with probes on LAVA's emulator, the same on a board by U-Boot and TFTP, and a disk image
that the laboratory writes to a board's card (`flasher`) and starts by switching the board on (`minimal`).
"""

from __future__ import annotations

import re
from typing import Any

from bootwright.lab.jobs.parts import MARK, Emulator, JobFile, JobParts, Milestone

QEMU = "qemu"
"""The device type whose jobs carry the emulator's own options."""
_ODD = re.compile(r"[^-_a-zA-Z0-9.]+")
_NAMED_GROUP = re.compile(r"\(\?P<\w+>")
_STARTED = r"Linux version \d"
_GAVE_UP = r"---\[ end Kernel panic"
"""kernel/panic.c, Linux 6.12: the last line of a kernel that gave up."""


def lava_job(parts: JobParts, device_type: str) -> dict[str, Any]:
    """The job definition, to be written as YAML."""
    context: dict[str, Any]
    if parts.image is not None:
        context, deploy, boot = {}, _flasher(parts, parts.image), {"method": "minimal", "reset": True}
    elif parts.emulator is not None:
        context, deploy = _machine(parts.emulator), _emulated(parts)
        boot = {"method": "qemu", "media": "tmpfs"}
    else:
        # The board's console is the laboratory's to name.
        words = [word for word in parts.arguments if not word.startswith("console=")]
        context, deploy = {"extra_kernel_args": " ".join(words)}, _by_network(parts)
        boot = {"method": "u-boot", "commands": "ramdisk"}
    seconds = parts.seconds
    test = _milestones(parts) if parts.milestones else {"monitors": [_monitor()]}
    job: dict[str, Any] = {
        "job_name": f"bootwright {parts.title}"[:200],
        "device_type": device_type,
        "visibility": "public",
        "priority": "medium",
        "timeouts": {
            "job": _timeout(3 * seconds),
            "action": _timeout(seconds),
            "connection": _timeout(seconds),
        },
        "context": context,
        "metadata": dict(parts.metadata),
        "actions": [
            {"deploy": {**deploy, "timeout": _timeout(seconds)}},
            {"boot": {**boot, "timeout": _timeout(seconds)}},
            {"test": {**test, "timeout": _timeout(seconds)}},
        ],
    }
    return job | ({"tags": list(parts.tags)} if parts.tags else {})


def _resource(parts: JobParts, file: JobFile) -> dict[str, Any]:
    return {"url": parts.address(file), "sha256sum": file.sha256}


def _machine(emulator: Emulator) -> dict[str, Any]:
    context: dict[str, Any] = {"arch": "arm64", "machine": emulator.machine}
    if emulator.cpu:
        context["cpu"] = emulator.cpu
    return context | ({"memory": emulator.memory} if emulator.memory is not None else {})


def _emulated(parts: JobParts) -> dict[str, Any]:
    arguments = " ".join(parts.arguments)
    words = {"kernel": f"-kernel {{kernel}} -append '{arguments}'", "ramdisk": "-initrd {ramdisk}"}
    files = {"kernel": parts.kernel, "ramdisk": parts.ramdisk}
    images = {
        role: {**_resource(parts, file), "image_arg": words[role]} for role, file in files.items() if file
    }
    return {"to": "tmpfs", "images": images}


def _by_network(parts: JobParts) -> dict[str, Any]:
    deploy: dict[str, Any] = {"to": "tftp"}
    if parts.kernel is not None:
        deploy["kernel"] = {**_resource(parts, parts.kernel), "type": "image"}
    if parts.ramdisk is not None:
        # Its init is the probe: nothing of the laboratory's is to be put into it.
        own = {"install_modules": False, "install_overlay": False}
        deploy["ramdisk"] = {**_resource(parts, parts.ramdisk), **own}
    if parts.devicetree is not None:
        deploy["dtb"] = _resource(parts, parts.devicetree)
    return deploy


def _flasher(parts: JobParts, image: JobFile) -> dict[str, Any]:
    return {"to": "flasher", "images": {"image": _resource(parts, image)}}


def _monitor() -> dict[str, Any]:
    return {
        "name": "bootwright",
        "start": f"{MARK}: KTAP version 1",
        "end": f"{MARK}: # bootwright: end",
        "pattern": f"{MARK}:   (?P<result>ok|not ok) [0-9]+ (?:- )?(?P<test_case_id>[^ #]+)",
        "fixupdict": {"ok": "pass", "not ok": "fail"},
    }


def _milestones(parts: JobParts) -> dict[str, Any]:
    """Nothing is sent: LAVA waits for each outcome's own lines, in turn; a kernel that gave up ends it."""
    steps: list[dict[str, Any]] = [
        {
            "name": _ODD.sub("-", milestone.outcome),
            "command": None,
            "wait_for_prompt": False,
            "successes": [{"message": _of_a_line(text)} for text in milestone.works],
            **_failures(milestone),
        }
        for milestone in parts.milestones
    ]
    kernel = {
        "name": "kernel",
        "command": None,
        "wait_for_prompt": False,
        "successes": [{"message": _STARTED}],
    }
    script = {"name": "milestones", "prompts": [_GAVE_UP], "script": [kernel, *steps]}
    return {"interactive": [script]}


def _failures(milestone: Milestone) -> dict[str, Any]:
    failures = [{"message": _of_a_line(text)} for text in milestone.fails]
    return {"failures": failures} if failures else {}


def _of_a_line(expression: str) -> str:
    """LAVA (pexpect) lets `.` match line ends, and shares names between the expressions of one step."""
    return f"(?m-s:{_NAMED_GROUP.sub('(?:', expression)})"


def _timeout(seconds: int) -> dict[str, int]:
    """A mapping of its own each time: YAML would name the same one by an anchor."""
    return {"seconds": seconds}
