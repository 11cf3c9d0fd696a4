"""Fuzz the match tables and the references between nodes: `python fuzz/fuzz_match_tables.py CORPUS`."""

from __future__ import annotations

from bootwright.formats.kernel.match_tables import amba_table, c_string, name_table, of_table, pci_table


def one_input(data: bytes) -> None:
    """Decode every kind of table at every alignment that structures have."""
    for at in range(0, min(len(data), 64), 4):
        for of in of_table(data, at) or ():
            assert "\0" not in of.compatible
        for pci in pci_table(data, at) or ():
            assert 0 <= pci.device <= 0xFFFFFFFF
        for stride in (32, 40):
            assert all(name_table(data, at, stride=stride) or ("a name",))
        for identity, mask in amba_table(data, at) or ():
            assert identity & mask == identity
        text = c_string(data, at)
        assert text is None or text.isprintable()


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
