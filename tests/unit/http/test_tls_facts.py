"""The subject of a client's certificate as text. RFC 4514."""

from __future__ import annotations

from hybrid.http.tls_facts import TlsFacts, distinguished_name


def test_last_part_comes_first_with_short_names() -> None:
    subject = ((("countryName", "DE"),), (("organizationName", "Example"),), (("commonName", "Ada"),))
    assert distinguished_name(subject) == "CN=Ada,O=Example,C=DE"


def test_parts_of_several_attributes_are_joined() -> None:
    assert distinguished_name(((("commonName", "Ada"), ("userId", "7")),)) == "CN=Ada+UID=7"


def test_what_could_look_like_another_part_is_escaped() -> None:
    assert distinguished_name(((("commonName", 'Ada, O=Root+x "#"'),),)) == r"CN=Ada\, O=Root\+x \"#\""
    assert distinguished_name(((("commonName", "#1 "),),)) == r"CN=\#1\ "


def test_version_has_its_number() -> None:
    assert TlsFacts("TLSv1.3", "").version_number == 0x0304
    assert TlsFacts("TLSv9", "").version_number is None
