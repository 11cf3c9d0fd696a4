"""What stands between a machine and its network: cards, modules, modems, access points, addresses, daemons.

The lines have the forms of the kernel's and the daemons' messages; names, addresses and times are made up.
Each failure has the line beside it that heals it, or that is no failure at all.
"""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Outcome
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
UP = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    1.900000] Run /sbin/init as init process\n"
    "[    4.000000] r8169 0000:09:00.0 eth9: Link is Up - 1Gbps/Full\n"
    "[    9.000000] systemd[1]: Startup finished in 3s (kernel) + 6s (userspace) = 9s.\n"
)
NM = "NetworkManager[6]: <info>  [1780000000.1] device (wlan4): "
CAN = "mcp251x spi1.0 can4: spi transfer failed: ret = -110"
COND = "r8169 0000:08:00.0 eth8: rtl_eriar_cond == 1 (loop: 100, delay: 100)."
WAKE = "iwlwifi 0000:07:00.0: Failed to wake NIC for hcmd"
LOOP = "br7: received packet on {} with own address as source address (addr:02:00:00:00:00:07, vlan:0)"
LIMITED = "net_ratelimit: 917 callbacks suppressed"
MODEM = "ModemManager[6]: <wrn> [modem3] modem couldn't be initialized: "
POD = (
    'kubelet[6]: E0301 10:00:00.000000 6 pod_workers.go:1] "Error syncing pod" err="failed to set up '
    'network: plugin type=\\"bridge\\" failed (add): no IP addresses available in range set"'
)
READ = "ax88179_178a 2-9:1.0 eth4: Failed to read reg index 0x0002: -71"
HEALED = {
    "bond-down": (
        ["bond3: now running without any active interface!"],
        ["bond3: active interface up!"],
    ),
    "address-conflict": (
        ["systemd-networkd[6]: eth4: Dropping address 192.0.2.7/24, as an address conflict was detected."],
        ["systemd-networkd[6]: eth4: DHCPv4 address 192.0.2.9/24 via 192.0.2.1"],
    ),
    "modem-failed": (
        [f"{MODEM}Couldn't check unlock status: Transaction timed out"],
        ["ModemManager[6]: <msg> [modem4] state changed (enabling -> enabled)"],
    ),
    "modem-not-connected": (
        ["ModemManager[6]: <wrn> [modem3/bearer0] connection attempt #2 failed: Network registration denied"]
        * 3,
        ["ModemManager[6]: <msg> [modem3] state changed (connecting -> connected)"],
    ),
    "access-point-failed": (
        ["hostapd[6]: wlan4: Unable to setup interface."],
        ["hostapd[6]: wlan4: AP-ENABLED"],
    ),
    "connection-failed": (
        [f"{NM}state change: config -> failed (reason 'ssid-not-found', managed-type: 'full')"] * 3,
        [f"{NM}Activation: successful, device activated."],
    ),
    "wifi-wrong-key": (
        [f"{NM}state change: need-auth -> failed (reason 'no-secrets', managed-type: 'full')"],
        [f"{NM}Activation: successful, device activated."],
    ),
    "sfp-module-refused": (
        ["sfp sfp-p9: module persistently indicates fault, disabling"],
        ["sfp sfp-p9: module ACME             QUUX-1           rev A    sn 7                dc 260101"],
    ),
    "bluetooth-dead": (
        ["Bluetooth: hci4: Reading Intel version information failed (-110)"],
        ["Bluetooth: hci4: Device booted in 17219 usecs"],
    ),
    "can-controller-silent": ([CAN] * 3, ["mcp251x spi1.0 can4: MCP2515 successfully initialized."]),
    "network-card-given-up": (
        [COND] * 4,
        ["r8169 0000:08:00.0 eth8: Link is Up - 1Gbps/Full - flow control off"],
    ),
    "wifi-dead": ([WAKE] * 3, ["wlan4: associated"]),
    "ppp-failed": (["pppd[6]: Timeout waiting for PADO packets"], ["pppd[7]: local  IP address 192.0.2.7"]),
    "router-role-lost": (
        ["Keepalived_vrrp[6]: (QUUX) Entering FAULT STATE"],
        ["Keepalived_vrrp[6]: (QUUX) Entering BACKUP STATE"],
    ),
    "pod-network-failed": (
        [POD] * 5,
        ['containerd[6]: level=info msg="RunPodSandbox for &Quux{Name:a} returns sandbox id \\"0a\\""'],
    ),
}


def of(lines: list[str], before: str = UP) -> Diagnosis:
    text = "".join(f"[  {900 + number}.000000] {line}\n" for number, line in enumerate(lines))
    return diagnose_bytes((before + text).encode(), "log", KNOWLEDGE)


@pytest.mark.parametrize("signature", HEALED)
def test_the_last_word_counts(signature: str) -> None:
    bad, good = HEALED[signature]
    failed = of(bad)
    assert failed.outcome is Outcome.DEGRADED
    assert failed.blamed is not None
    assert failed.blamed.finding.signature == signature
    assert of([*bad, *good]).outcome is Outcome.BOOT_OK
    if signature != "connection-failed":
        assert of([*good, *bad]).outcome is Outcome.DEGRADED


@pytest.mark.parametrize(
    ("signature", "lines"),
    [
        ("network-loop", [LOOP.format("eth4"), LIMITED] * 3),
        ("switch-not-found", ["qca8k 4a000000.mdio:11: Switch id detected 0 but expected 13"]),
        (
            "sfp-module-refused",
            [
                "ixgbe 0000:08:00.0: failed to load because an unsupported SFP+ or QSFP module type was "
                "detected."
            ],
        ),
        (
            "network-card-given-up",
            ["ice 0000:08:00.0: Firmware recovery mode detected. Limiting functionality."],
        ),
        (
            "ethernet-probe-failed",
            ["mlx5_core 0000:08:00.0: probe with driver mlx5_core failed with error -110"],
        ),
        ("ethernet-probe-failed", ["tg3 0000:08:00.0: probe with driver tg3 failed with error -5"]),
        ("network-table-full", ["nf_conntrack: nf_conntrack: table full, dropping packet"] * 3),
        ("network-table-full", ["neighbour: arp_cache: neighbor table overflow!"] * 3),
        ("libvirt-not-started", ["libvirtd[6]: Failed to autostart network 'quux': internal error: zork"]),
        ("network-card-given-up", ["hns3 0000:08:00.0: Reset fail!"]),
        ("network-card-given-up", ["mlx4_core 0000:08:00.0: Failed to reset HCA, aborting"]),
        ("network-card-given-up", ["bnxt_en 0000:08:00.0 eth8: Firmware not responding, status: 0x81"]),
        ("device-troubled", [READ] * 4),
        (
            "can-controller-silent",
            ["gs_usb 1-9:1.0: probe with driver gs_usb failed with error -110"],
        ),
        (
            "wifi-dead",
            ["mwifiex_sdio mmc4:0001:1: mwifiex_cmd_timeout_func: Timeout cmd id = 0x6, act = 0x0"],
        ),
        ("wifi-dead", ["b43-phy4 ERROR: Microcode not responding"]),
        (
            "wireless-probe-failed",
            ["mhi-pci-generic 0000:08:00.0: probe with driver mhi-pci-generic failed with error -110"],
        ),
        (
            "wifi-wrong-key",
            [
                'wpa_supplicant[6]: wlan4: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="quux" auth_failures=2 '
                "duration=20 reason=AUTH_FAILED"
            ],
        ),
        ("wifi-wrong-key", ["iwd[6]: 4-Way handshake failed for ifindex: 4, reason: 15"] * 2),
        (
            "docker-container-failed",
            [
                'dockerd[6]: time="2026-03-01T10:00:00Z" level=error msg="failed to start container" '
                'container=0a error="bind: address already in use"'
            ],
        ),
        (
            "service-died",
            [
                "systemd[1]: Started named.service - Quux.",
                "named[66]: /etc/quux.conf:7: unknown option 'zork'",
                "systemd[1]: named.service: Main process exited, code=exited, status=1/FAILURE",
                "systemd[1]: named.service: Failed with result 'exit-code'.",
            ],
        ),
    ],
)
def test_it_is_to_blame_though_another_card_works(signature: str, lines: list[str]) -> None:
    diagnosis = of(lines)
    assert diagnosis.outcome is Outcome.DEGRADED
    assert diagnosis.blamed is not None
    assert diagnosis.blamed.finding.signature == signature


@pytest.mark.parametrize(
    "lines",
    [
        [
            "bond3: (slave eth4): Releasing active interface",
            "bond3: now running without any active interface!",
        ],
        [LOOP.format("eth4")],
        [LOOP.format("wlan4"), LIMITED] * 3,
        [f"{MODEM}Couldn't check unlock status: SIM not inserted"],
        [COND],
        ["nf_conntrack: nf_conntrack: table full, dropping packet"],
        [
            f"{NM}state change: ip-check -> activated (reason 'none', managed-type: 'full')",
            *[f"{NM}state change: config -> failed (reason 'ssid-not-found', managed-type: 'full')"] * 3,
        ],
        [POD] * 2,
        [READ, "usb 2-9: USB disconnect, device number 4"],
        [CAN],
        [WAKE, "iwlwifi 0000:07:00.0: loaded firmware version 89"],
        ["iwd[6]: 4-Way handshake failed for ifindex: 4, reason: 15"],
        [f"{NM}state change: config -> failed (reason 'ssid-not-found', managed-type: 'full')"],
        ["IPv6: eth9: IPv6 duplicate address fe80::7 used by 02:00:00:00:00:07 detected!"],
        [
            'dockerd[6]: time="2026-03-01T10:00:00Z" level=error msg="Handler for POST /v1.47/containers/'
            'quux/start returned error: bind: address already in use"'
        ],
        ["hostapd[6]: wlan4: STA 02:00:00:00:00:09 IEEE 802.11: did not acknowledge authentication response"],
        # One of the processor's own: nothing may be plugged in there.
        ["quux-dwmac 4a000000.ethernet: probe with driver quux-dwmac failed with error -110"],
        [
            "systemd[1]: Stopping named.service - Quux...",
            "systemd[1]: named.service: Failed with result 'exit-code'.",
        ],
    ],
)
def test_what_passes_or_is_meant_is_no_failure(lines: list[str]) -> None:
    assert of(lines).outcome is Outcome.BOOT_OK


def test_a_refused_certificate_is_the_reason_of_a_login_that_fails() -> None:
    diagnosis = of(
        [
            "wpa_supplicant[6]: wlan4: CTRL-EVENT-EAP-TLS-CERT-ERROR reason=4 depth=0 subject='/CN=quux' "
            "err='certificate has expired'",
            'wpa_supplicant[6]: wlan4: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="quux" auth_failures=1 '
            "duration=10 reason=AUTH_FAILED",
        ]
    )
    assert diagnosis.blamed is not None
    assert "(certificate has expired)" in diagnosis.blamed.finding.cause


def test_a_tunnel_that_was_not_made_is_missed_by_what_should_have_made_it() -> None:
    diagnosis = of(
        [
            "systemd[1]: Starting wg-quick@wg7.service - Quux...",
            "wg-quick[61]: [#] ip link add wg7 type wireguard",
            "wg-quick[62]: Error: Unknown device type.",
            'wg-quick[63]: Cannot find device "wg7"',
            "systemd[1]: wg-quick@wg7.service: Main process exited, code=exited, status=1/FAILURE",
            "systemd[1]: Failed to start wg-quick@wg7.service - Quux.",
        ]
    )
    assert diagnosis.blamed is not None
    assert diagnosis.blamed.finding.signature == "service-failed"
    assert "Unknown device type" in diagnosis.blamed.finding.cause
