"""A certificate for 127.0.0.1 that nobody trusts, for the questions about TLS. Made once, with openssl."""

from __future__ import annotations

import subprocess

from benchmarks.process import ServerFailed
from benchmarks.servers import CERTIFICATE, KEY


def make() -> None:
    """Make it where `{certificate}` and `{key}` of the commands say, unless it is there. Raises ServerFailed."""
    if CERTIFICATE.exists() and KEY.exists():
        return
    CERTIFICATE.parent.mkdir(parents=True, exist_ok=True)
    wanted = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1", "-days", "3650"]
    command = ["openssl", "req", "-x509", "-nodes", *wanted, "-keyout", str(KEY), "-out", str(CERTIFICATE)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerFailed(f"openssl, which makes the certificate, is missing or failed: {error}") from error
