"""A boot as a job of KernelCI's pull labs, which fetch their jobs themselves.

The protocol has no published schema; its jobs are made by kernelci-core (`kernelci/runtime/pull_labs.py` and
its template, 2025) and read by kernelci/pullab_cloud. docs/schemas/pull-labs-job.schema.json was written
after both. It has no word for a disk image: what such an image starts is handed over in parts.
"""

from __future__ import annotations

from typing import Any

from bootwright.lab.jobs.parts import JobParts


def pull_labs_job(parts: JobParts, platform: str) -> dict[str, Any]:
    """The job definition, to be written as JSON."""
    tests = [
        {
            "id": f"bootwright-{test}",
            "type": "boot",
            "depends": [],
            "timeout_s": parts.seconds,
            "pre-commands": [],
            "post-commands": [],
        }
        for test in parts.tests
    ]
    files = {"kernel": parts.kernel, "ramdisk": parts.ramdisk, "dtb": parts.devicetree}
    named = {role: file for role, file in files.items() if file is not None}
    about = {name.replace(" ", "_"): text for name, text in parts.metadata.items()}
    environment: dict[str, Any] = {
        "platform": platform,
        "arch": "arm64",
        "console": {"method": "serial", "baud": 115200},
    }
    return {
        "artifacts": {role: parts.address(file) for role, file in named.items()},
        "tests": tests,
        "environment": environment,
        "parameters": {"kernel_arguments": " ".join(parts.arguments), **about},
        "integrity": {"sha256": {role: file.sha256 for role, file in named.items()}},
    }
