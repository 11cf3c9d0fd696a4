"""Where real devicetrees lie: beside the checkout, or where `$BOOTWRIGHT_DEVICETREES` says.

They are other people's work and no part of the repository; tests that need them are skipped without.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(
    os.environ.get("BOOTWRIGHT_DEVICETREES") or Path(__file__).resolve().parents[3] / "shared" / "devicetrees"
)
"""One folder for each release of a kernel tree, with its `.dtb` files and `overlays/`."""
MISSING = f"no devicetrees in {FOLDER}; set BOOTWRIGHT_DEVICETREES"


def releases() -> list[Path]:
    """The folders there, by name; empty where there are none."""
    return sorted(path for path in FOLDER.iterdir() if path.is_dir()) if FOLDER.is_dir() else []
