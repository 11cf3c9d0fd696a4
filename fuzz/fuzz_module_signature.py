"""Any appended signature names its signer, or is refused; any image yields certificates, or none."""

from __future__ import annotations

import contextlib
import struct

from bootwright.formats.signing.kernel_keys import Certificate, RsaKey, certificates
from bootwright.formats.signing.module_signature import MAGIC, read_signature
from bootwright.foundation.errors import Malformed

_SIGNER = Certificate(b"", b"", None, "fuzz", RsaKey((1 << 1023) + 7, 65537))


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as a module, with and without a trailer that fits, and as a kernel image."""
    trailer = struct.pack(">BBBBBxxxI", 0, 0, 2, 0, 0, len(data)) + MAGIC
    for module in (data, data + MAGIC, data + trailer):
        with contextlib.suppress(Malformed):
            signature = read_signature(module, "fuzz")
            if signature is not None:
                assert signature.serial in module
                assert signature.fits(module, _SIGNER) is not True
    for certificate in certificates(data):
        assert certificate.serial in data


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
