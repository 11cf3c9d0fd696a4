"""What runs before the kernel: U-Boot and the EEPROM are read, or an error is raised."""

from __future__ import annotations

from contextlib import suppress

from bootwright.formats.programs.eeprom import is_eeprom, read_eeprom, read_told
from bootwright.formats.programs.u_boot import is_u_boot, read_u_boot
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed


def one_input(data: bytes) -> None:
    """Both formats, and what a board says of its EEPROM as text."""
    source = Bytes(data, "input")
    if is_u_boot(source, data[:512]):
        assert read_u_boot(source).version
    with suppress(Malformed):
        read_u_boot(source)
    is_eeprom(source, data[:512])
    with suppress(Malformed):
        assert read_eeprom(source).boot_order != ()
    firmware = read_told(data.decode("utf-8", "replace"))
    assert firmware is None or firmware.made is not None or firmware.settings is not None


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
