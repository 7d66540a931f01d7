"""The TLS context of a worker, made from the settings. Every worker makes its own, so a reload reads the files again.

It is made before the worker changes user: a key that only root may read need not be given to anybody else.
"""

from __future__ import annotations

import ssl
from typing import Final

from hybrid.errors import SettingsError
from hybrid.settings import Settings

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """None when the settings want no TLS. Raises SettingsError naming the file or value that cannot be used."""
    hook = settings.hooks.ssl_context
    if hook is None:
        return _default_context(settings) if settings.certfile else None
    context = hook(settings, lambda: _default_context(settings))
    if not isinstance(context, ssl.SSLContext):
        raise SettingsError(f"hook ssl_context returned {type(context).__name__}, expected ssl.SSLContext")
    return context


def _default_context(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.tls_min_version]
    # A client that may ask for new keys at will makes us work at will. TLS 1.3 has no renegotiation.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    if settings.certfile:
        _load_certificate(context, settings)
    if settings.ca_certs:
        _load_authorities(context, settings)
    context.verify_mode = ssl.VerifyMode(settings.cert_reqs)
    if settings.ciphers:
        try:
            context.set_ciphers(settings.ciphers)
        except ssl.SSLError:
            raise SettingsError(
                f"setting ciphers: OpenSSL knows no cipher in {settings.ciphers!r}; expected a list such as"
                " ECDHE+AESGCM:!SHA (`openssl ciphers` explains one)"
            ) from None
    return context


def _load_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    _check_readable("certfile", settings.certfile)
    if settings.keyfile:
        _check_readable("keyfile", settings.keyfile)
    was_asked = False

    def password() -> str:
        nonlocal was_asked  # without a callback OpenSSL would ask at the terminal, and wait
        was_asked = True
        return settings.keyfile_password

    key = f"setting keyfile: {settings.keyfile}" if settings.keyfile else f"setting certfile: {settings.certfile}"
    try:
        context.load_cert_chain(settings.certfile, settings.keyfile or None, password)
    except ssl.SSLError as error:
        reason = error.reason or ""
        if reason == "KEY_VALUES_MISMATCH":
            problem = f"{key}: the key does not belong to the certificate in {settings.certfile}"
        elif was_asked and not settings.keyfile_password:
            problem = f"{key}: the key is encrypted; give --keyfile-password"
        elif was_asked:
            problem = f"setting keyfile_password: it does not open the key in {settings.keyfile or settings.certfile}"
        elif not _has(settings.certfile, b"CERTIFICATE-----"):
            problem = f"setting certfile: {settings.certfile}: there is no certificate in PEM format in this file"
        elif not _has(settings.keyfile or settings.certfile, b"PRIVATE KEY-----"):
            problem = f"{key}: there is no private key in PEM format in this file"
            if not settings.keyfile:
                problem += "; give --keyfile if it is in another"
        else:
            detail = reason.lower().replace("_", " ") or "OpenSSL gives no reason"
            problem = f"setting certfile: {settings.certfile}: cannot be used ({detail})"
        raise SettingsError(problem) from None


def _load_authorities(context: ssl.SSLContext, settings: Settings) -> None:
    _check_readable("ca_certs", settings.ca_certs)
    try:
        context.load_verify_locations(settings.ca_certs)
    except ssl.SSLError:
        raise SettingsError(
            f"setting ca_certs: {settings.ca_certs}: there is no usable certificate in PEM format in this file"
        ) from None


def _check_readable(name: str, path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise SettingsError(f"setting {name}: cannot read {path}: {(error.strerror or '').lower()}") from None


def _has(path: str, mark: bytes) -> bool:
    with open(path, "rb") as file:
        return mark in file.read(1 << 20)
