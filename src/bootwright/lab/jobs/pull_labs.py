"""A boot with probes as a job of KernelCI's pull labs, which fetch their jobs themselves.

The protocol has no published schema; its jobs are made by kernelci-core (`kernelci/runtime/pull_labs.py` and
its template, 2025) and read by kernelci/pullab_cloud. docs/schemas/pull-labs-job.schema.json was written
after both.
"""

from __future__ import annotations

from typing import Any

from bootwright.lab.jobs.parts import SECONDS, JobParts


def pull_labs_job(parts: JobParts, platform: str) -> dict[str, Any]:
    """The job definition, to be written as JSON."""
    planned = parts.planned
    tests = [
        {
            "id": f"bootwright-{probe}",
            "type": "boot",
            "depends": [],
            "timeout_s": SECONDS,
            "pre-commands": [],
            "post-commands": [],
        }
        for probe in parts.probes
    ]
    return {
        "artifacts": {"kernel": parts.kernel_url, "ramdisk": parts.ramdisk_url},
        "tests": tests,
        "environment": {
            "platform": platform,
            "arch": "arm64",
            "console": {"method": "serial", "baud": 115200},
        },
        "parameters": {"kernel_arguments": " ".join(planned.kernel_arguments)},
        "integrity": {
            "sha256": {"kernel": planned.kernel.image_sha256, "ramdisk": planned.archive_sha256},
        },
    }
