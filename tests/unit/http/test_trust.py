"""Which peers a list of addresses, networks and words includes."""

from __future__ import annotations

import pytest

from hybrid.errors import SettingsError
from hybrid.http.trust import TrustedPeers


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("127.0.0.1, ::1", ["127.0.0.1", "::1", "::ffff:127.0.0.1"], ["127.0.0.2", "::2", None]),
        ("10.1.0.0/16", ["10.1.2.3", "::ffff:10.1.2.3"], ["10.2.0.1", "::10.1.2.3"]),
        ("2001:db8::/32", ["2001:db8::1"], ["2001:db9::1", "10.0.0.1"]),
        ("private", ["10.0.0.1", "172.20.0.1", "192.168.9.9", "127.0.0.9"], ["8.8.8.8", "172.32.0.1", None]),
        ("private", ["fd00::1", "fe80::1%eth0", "::1"], ["2001:db8::1"]),
        ("unix", [None], ["127.0.0.1"]),
        ("*", [None, "8.8.8.8", "2001:db8::1"], []),
        ("", [], [None, "127.0.0.1"]),
    ],
)
def test_who_is_included(text: str, inside: list[str | None], outside: list[str | None]) -> None:
    peers = TrustedPeers(text)
    for _ in range(2):  # the second time from memory
        assert [host for host in inside if not peers.includes(host)] == []
        assert [host for host in outside if peers.includes(host)] == []


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "1.2.3", "all"])
def test_a_wrong_item_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match=text.replace(".", r"\.")):
        TrustedPeers(f"127.0.0.1,{text}")


def test_what_is_no_address_is_not_included() -> None:
    assert not TrustedPeers("private").includes("testclient")
