"""Make the page in the browser: a folder of files that any web server can serve (docs/site.md).

usage: tools/make_site.py [--out FOLDER] [--run FOLDER]... [--kernel NAME]...

What it is made of: `site/` (page, styles, scripts), `src/bootwright` and the libraries that it needs as one
archive, results of plans' runs (those in `out/`, where `--run` names no others), the facts of some kernels
(those of `KERNELS` that are on this machine, where `--kernel` names no others), and the npm packages that
`site/package-lock.json` pins by hash. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bootwright.api.kernels import get_kernel
from bootwright.foundation.errors import EXIT_BAD_INPUT, BootwrightError
from bootwright.investigate.plans.plan_file import PLANS
from site_parts.build import build

KERNELS = ("debian-6.12-4k", "debian-6.18-4k", "debian-7.3-4k")
"""Of Debian's stable release, and the series that Talos and Debian's backports have."""
ROOT = Path(__file__).resolve().parents[1]


def is_here(name: str) -> bool:
    """Whether a kernel is on this machine with its modules, so that nothing has to be fetched."""
    try:
        get_kernel(name, modules=True, offline=True)
    except BootwrightError:
        return False
    return True


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Make the page in the browser.")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "site", metavar="FOLDER")
    parser.add_argument("--run", type=Path, action="append", metavar="FOLDER", help="of a plan's run")
    parser.add_argument("--kernel", action="append", metavar="NAME", help="whose facts go along")
    given = parser.parse_args(arguments)
    kernels = given.kernel if given.kernel is not None else [name for name in KERNELS if is_here(name)]
    runs = given.run
    if runs is None:
        runs = [
            place.parent for name in PLANS.names() if (place := ROOT / "out" / name / "result.json").is_file()
        ]
    try:
        built = build(ROOT, given.out, runs, kernels)
    except BootwrightError as error:
        print(f"make_site: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return EXIT_BAD_INPUT
    print(f"{given.out}: {built.files} files, {built.compressed / 1e6:.1f} MB compressed to load the page")
    names = ", ".join(kernels) or "no kernel: bootwright kernels fetch --modules debian-7.3-4k brings one"
    print(f"devicetrees are checked against {names}")
    print(f"look at it: bootwright serve {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
