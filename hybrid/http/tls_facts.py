"""What an application may be told of the TLS under a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import ssl

_VERSIONS: Final = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_SHORT: Final = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
"""The names of attributes in RFC 4514 section 3; others go by OpenSSL's."""


class TlsFacts(NamedTuple):
    """Of one connection."""

    version: str
    """"TLSv1.3"."""
    cipher: str
    client_certificate: str = ""
    """In PEM, if the client gave one and it was checked."""
    client_name: str = ""
    """Its subject, as in RFC 4514: "CN=Ada,O=Example"."""

    @property
    def version_number(self) -> int | None:
        """0x0304 for TLS 1.3."""
        return _VERSIONS.get(self.version)


def facts_of(connection: ssl.SSLSocket | ssl.SSLObject) -> TlsFacts:
    """After the handshake."""
    cipher = connection.cipher()
    version, name = connection.version() or "", cipher[0] if cipher else ""
    certificate = connection.getpeercert(binary_form=True)
    if not certificate:
        return TlsFacts(version, name)
    from ssl import DER_cert_to_PEM_cert

    subject = (connection.getpeercert() or {}).get("subject", ())
    return TlsFacts(version, name, DER_cert_to_PEM_cert(certificate), distinguished_name(subject))


def distinguished_name(subject: Any) -> str:
    """The text of a subject as `getpeercert()` gives it, the last part first. RFC 4514 section 2."""
    return ",".join(
        "+".join(f"{_SHORT.get(name, name)}={_escaped(value)}" for name, value in part) for part in reversed(subject)
    )


def _escaped(value: str) -> str:
    text = "".join("\\" + letter if letter in '"+,;<>\\' else letter for letter in value).replace("\0", "\\00")
    if text[:1] in ("#", " "):
        text = "\\" + text
    if len(text) > 1 and text[-1] == " ":
        text = text[:-1] + "\\ "
    return text
