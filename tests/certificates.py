"""Certificates for tests, made by the openssl command: an authority, and what it signs."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, in PEM files."""

    cert: Path
    key: Path


class Authority:
    """Signs with keys on an elliptic curve, because those are made at once."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.name = name
        self.cert = folder / f"{name}.crt"
        self._key = folder / f"{name}.key"
        _openssl(
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-subj", f"/CN=Test authority {name}", "-keyout", self._key, "-out", self.cert,
        )  # fmt: skip

    def issue(self, name: str, *, common_name: str = "localhost", password: str = "") -> Certificate:
        """A certificate for localhost and 127.0.0.1, or for a client; with a password on its key."""
        files = Certificate(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        request = self.folder / f"{name}.csr"
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(
            # Python 3.13 verifies strictly: every certificate says whose it is and what it is for.
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nkeyUsage=digitalSignature\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        secret = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        _openssl(
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
            *secret, "-subj", f"/CN={common_name}", "-keyout", files.key, "-out", request,
        )  # fmt: skip
        _openssl(
            ["x509", "-req", "-days", "2", "-CAcreateserial"],
            "-in", request, "-CA", self.cert, "-CAkey", self._key, "-extfile", extensions, "-out", files.cert,
        )  # fmt: skip
        return files

    def client_context(self, client: Certificate | None = None) -> ssl.SSLContext:
        """For a client that believes this authority only."""
        context = ssl.create_default_context(cafile=str(self.cert))
        if client is not None:
            context.load_cert_chain(client.cert, client.key)
        return context


def _openssl(command: list[str], *arguments: str | Path) -> None:
    subprocess.run(["openssl", *command, *map(str, arguments)], check=True, capture_output=True, timeout=20)
