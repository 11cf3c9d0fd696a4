"""What apt's own files and output say."""

from __future__ import annotations

from pathlib import Path

import pytest
from archive_kit import Opener

from bootwright.formats.sources.transport import Transport
from bootwright.foundation import tools
from bootwright.kernels.archive import apt
from bootwright.kernels.catalogue import Library


def test_sources_in_both_styles(tmp_path: Path) -> None:
    folder = tmp_path / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text(
        "# deb http://commented.example/debian trixie main\n"
        "deb http://one.example/debian/ trixie main\n"
        "deb-src [arch=arm64 signed-by=/usr/share/tiny-keyring.gpg] http://two.example/debian sid main\n"
        "deb [signed-by=/etc/keys/vendor.gpg] https://vendor.example/apt stable main\n"
        "deb cdrom:[Debian]/ trixie main\n"
    )
    (folder / "x.sources").write_text(
        "Types: deb\n# URIs: http://commented.example\nURIs: http://three.example/debian\n"
        "  http://one.example/debian\nSuites: trixie\nSigned-By: /usr/share/keyrings/tiny-keyring.pgp\n\n"
        "Types: deb\nURIs: http://off.example/debian\nEnabled: no\n\n"
        "Types: deb\nURIs: https://vendor.example/deb\nSigned-By: /usr/share/keyrings/vendor.gpg\n"
    )
    (folder / "x.list.save").write_text("deb http://saved.example/debian trixie main\n")
    assert apt.archives(["Tiny"], "tiny-keyring", root=tmp_path) == [
        "http://one.example/debian",
        "http://two.example/debian",
        "http://three.example/debian",
    ]
    assert apt.archives(["Tiny"], "tiny-keyring", root=tmp_path / "none") == []


def test_origin_decides_where_apt_has_read_its_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    said = b"http://a.example/x/|Tiny\nhttp://b.example/y/|Other\nhttp://a.example/x/|Tiny\nfile:/srv/|Tiny\n"
    monkeypatch.setattr(tools, "find", lambda name: Path("/usr/bin", name))
    monkeypatch.setattr(tools, "run", lambda *_, **__: said)
    assert apt.archives(["Tiny"], "tiny-keyring") == ["http://a.example/x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (
            'Acquire::http::Proxy "http://p.example:3142";\n',
            {"http": "http://p.example:3142", "https": "http://p.example:3142"},
        ),
        ('Acquire::http::Proxy::a.example "DIRECT";\n', {"http://a.example": None}),
        (
            'Acquire::https::Proxy "DIRECT";\nAcquire::http::Proxy "http://p";\n',
            {"https": None, "http": "http://p"},
        ),
        ('Acquire::http::Proxy "";\nAcquire::http::Timeout "5";\n', {}),
    ],
)
def test_proxies(text: str, expected: dict[str, str | None]) -> None:
    assert apt.read_proxies(text) == expected


def test_requests_go_through_apts_proxy(library: Opener, address: str) -> None:
    opened: Library = library(at="http://archive.invalid")
    opened._transport._ask_proxies = lambda: {"http": address}
    # The tiny server answers 404 to the absolute address a proxy is asked for: the request reached it.
    with pytest.raises(Exception, match="404"):
        opened.listed()


def test_a_proxy_of_an_unknown_kind() -> None:
    transport = Transport(proxies=lambda: {"http": "gopher://x"})
    with pytest.raises(Exception, match="proxy"):
        transport.small("http://archive.invalid/x", limit=10)
