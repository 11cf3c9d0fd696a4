"""Any appended signature names its signer, or is refused."""

from __future__ import annotations

import contextlib
import struct

from bootwright.foundation.errors import Malformed
from bootwright.images.module_signature import MAGIC, signer_serial


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as a module, with and without a trailer that fits."""
    trailer = struct.pack(">BBBBBxxxI", 0, 0, 2, 0, 0, len(data)) + MAGIC
    for module in (data, data + MAGIC, data + trailer):
        with contextlib.suppress(Malformed):
            serial = signer_serial(module, "fuzz")
            assert serial is None or serial in module


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
