"""`bootwright probe job`: a boot with probes as a job of a laboratory."""

from __future__ import annotations

from pathlib import Path

import click

_EPILOG = """\b
Examples:
  bootwright probe job debian-6.18-4k --lab lava --url https://files.example.org/1 -o job
  bootwright probe job debian-6.18-16k --probe all --lab lava --device-type bcm2711-rpi-4-b \\
      --url https://files.example.org/2 -o job
  bootwright probe job debian-6.18-4k --lab pull-labs --device-type qemu-arm64 \\
      --url https://files.example.org/3 -o job

Exit status: 0, or 2 for bad input.
"""


@click.command(name="job", epilog=_EPILOG)
@click.argument("kernel")
@click.option("--lab", required=True, metavar="KIND", help="lava, or pull-labs (KernelCI's).")
@click.option("--url", required=True, metavar="ADDRESS", help="Where the files of FOLDER will be fetched.")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Gets the kernel, the initramfs and the job.",
)
@click.option(
    "--probe", "probes", multiple=True, default=("mounts",), show_default=True, help="As `bootwright boot`."
)
@click.option("--machine", default="virt", show_default=True, help="As `bootwright boot`.")
@click.option(
    "--device-type",
    default="qemu",
    show_default=True,
    metavar="NAME",
    help="LAVA's device type (any but qemu boots by U-Boot and TFTP), or the pull lab's platform.",
)
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(
    *,
    kernel: str,
    lab: str,
    url: str,
    out: Path,
    probes: tuple[str, ...],
    machine: str,
    device_type: str,
    quiet: bool,
) -> int:
    """Write a boot of KERNEL with probes as a job of a laboratory, with the files that it needs.

    The job's results come as KTAP on its console: `bootwright probe results LOG` reads them.
    """
    from bootwright import api
    from bootwright.cli._parts.values import printable
    from bootwright.foundation.progress import Lines, Silent

    job = api.probe_job(
        kernel,
        lab=lab,
        url=url,
        out=out,
        probes=probes,
        machine=machine,
        device_type=device_type,
        progress=Silent() if quiet else Lines(),
    )
    click.echo(printable(f"{job.path}"))
    for path in job.files:
        click.echo(printable(f"{path}  to be put under {url}"))
    return 0
