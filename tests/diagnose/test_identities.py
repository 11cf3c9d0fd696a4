"""What a finding says of a device behind its address."""

from __future__ import annotations

import pytest

from bootwright.diagnose.closer.identities import words_for
from bootwright.diagnose.engine import diagnose_bytes

LINES = [
    b"[    0.2] pci 0000:01:00.0: [8086:2723] type 00 class 0x028000 PCIe Endpoint",
    b"[    0.2] pci 0000:02:00.0: [10de:1381] type 00 class 0x030000",
    b"[    0.3] pci 0000:03:00.0: [1234:5678] type 00 class 0xff0000",
    b"[    1.0] usb 1-1.2: New USB device found, idVendor=0bda, idProduct=8153, bcdDevice=31.00",
    b"[    1.0] usb 1-1.2: Product: USB 10/100/1000 LAN",
    b"[    1.5] ata2.00: ATA-11: Example Disk 870, EX01, max UDMA/133",
    b"[    1.6] acme-vendor 0000:03:00.0: started",
    b"[    2.0] r8152 1-1.2:1.0 eth1: v1.12.13",
    b"[    3.0] iwlwifi 0000:01:00.0: loaded firmware version 72",
]


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("0000:01:00.0", ("iwlwifi", "wireless")),
        ("01:00.0", ("iwlwifi", "wireless")),  # as messages of the IOMMU have it
        ("0000:02:00.0", ("display",)),
        ("0000:03:00.0", ()),  # no module that is known, no class with a name
        ("1-1.2", ("r8152", "network", "USB 10/100/1000 LAN")),
        ("1-1.20", ()),
        ("ata2.00", ("Example Disk 870",)),
        ("ata2", ("Example Disk 870",)),
        ("eth", ()),  # too short to be looked for
        ("nothing-here", ()),
    ],
)
def test_words_for_a_device(device: str, words: tuple[str, ...]) -> None:
    assert words_for(device, LINES) == words


def test_a_finding_says_what_is_at_the_address() -> None:
    lost = "Unable to change power state from D0 to D3hot, device inaccessible"
    log = b"\n".join(
        [
            b"[    0.0] Linux version 6.12.1 (a@b) #1 SMP",
            *LINES,
            f"[   99.0] pci_bus_x 0000:01:00.0: {lost}".encode(),
            f"[   99.1] pcieport 0000:02:00.0: {lost}".encode(),
        ]
    )
    (boot,) = diagnose_bytes(log, "log").boots
    causes = " ".join(finding.cause for finding in boot.findings if finding.signature == "pcie-device-lost")
    assert "0000:01:00.0 (iwlwifi, wireless)" in causes
    assert "0000:02:00.0 (display)" in causes
    facts = [dict(finding.facts) for finding in boot.findings if finding.signature == "pcie-device-lost"]
    assert {entry["device"] for entry in facts} <= {
        "0000:01:00.0",
        "0000:02:00.0",
        "0000:01:00.0, 0000:02:00.0",
    }


def test_a_word_that_the_sentence_has_is_not_said_twice() -> None:
    log = b"\n".join(
        [
            b"[    0.0] Linux version 6.12.1 (a@b) #1 SMP",
            *LINES,
            *(
                b"[   %d.0] iwlwifi 0000:01:00.0: Failed to start RT ucode: -5" % second
                for second in range(9, 14)
            ),
        ]
    )
    (boot,) = diagnose_bytes(log, "log").boots
    causes = [finding.cause for finding in boot.findings if "0000:01:00.0" in finding.cause]
    assert causes
    assert all("(iwlwifi" not in cause for cause in causes if cause.startswith("iwlwifi says"))
    assert any(cause.startswith("iwlwifi says") for cause in causes)
