"""The TLS context that settings make, and what is said about files that cannot be used."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from hybrid.contract.tls import tls_context
from hybrid.errors import SettingsError
from hybrid.settings import Settings
from hybrid.settings.hooks import Hooks
from tests.certificates import Authority, Certificate


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Certificate:
    return authority.issue("server")


@pytest.fixture(scope="module")
def locked(authority: Authority) -> Certificate:
    return authority.issue("locked", password="sesame")


def with_files(certificate: Certificate, **more: object) -> Settings:
    return replace(Settings(), certfile=str(certificate.cert), keyfile=str(certificate.key), **more)


def made(settings: Settings) -> ssl.SSLContext:
    context = tls_context(settings)
    assert context is not None
    return context


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """The client's end of a connection between the two, without a socket."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    for _ in range(6):
        for end in (ours, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    try:
        theirs.read(1)
    except ssl.SSLWantReadError:
        pass
    return ours


def test_without_a_certificate_there_is_no_tls() -> None:
    assert tls_context(Settings()) is None


def test_a_client_that_believes_the_authority_connects_and_gets_http_1_1(
    authority: Authority, server: Certificate
) -> None:
    client = authority.client_context()
    client.set_alpn_protocols(["h2", "http/1.1"])
    connection = handshake(made(with_files(server)), client)
    assert connection.version() == "TLSv1.3"
    assert connection.selected_alpn_protocol() == "http/1.1"


def test_key_may_stand_in_the_certificate_file(authority: Authority, server: Certificate, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(server.cert.read_bytes() + server.key.read_bytes())
    assert handshake(made(replace(Settings(), certfile=str(both))), authority.client_context()).version()


def test_oldest_version_is_1_2_unless_told_otherwise(authority: Authority, server: Certificate) -> None:
    assert made(with_files(server)).minimum_version is ssl.TLSVersion.TLSv1_2
    client = authority.client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(made(with_files(server)), client).version() == "TLSv1.2"
    with pytest.raises(ssl.SSLError):
        handshake(made(with_files(server, tls_min_version="1.3")), client)


def test_ciphers_are_those_of_the_setting(authority: Authority, server: Certificate) -> None:
    client = authority.client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    context = made(with_files(server, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"))
    used = handshake(context, client).cipher()
    assert used is not None
    assert used[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"


def test_password_opens_the_key(authority: Authority, locked: Certificate) -> None:
    assert handshake(made(with_files(locked, keyfile_password="sesame")), authority.client_context()).version()


def test_client_certificate_is_asked_for_and_checked(authority: Authority, server: Certificate) -> None:
    context = made(with_files(server, ca_certs=str(authority.cert), cert_reqs=2))
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(context, authority.client_context())
    assert handshake(context, authority.client_context(authority.issue("client", common_name="Ada"))).version()


def test_hook_makes_the_context_and_may_begin_with_ours(server: Certificate) -> None:
    seen: list[object] = []

    def ssl_context(config: object, default: object) -> ssl.SSLContext:
        seen.append(config)
        context: ssl.SSLContext = default()  # type: ignore[operator]
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    settings = with_files(server, hooks=Hooks(ssl_context=ssl_context))
    assert made(settings).minimum_version is ssl.TLSVersion.TLSv1_3
    assert seen == [settings]


def test_hook_that_returns_something_else_is_named(server: Certificate) -> None:
    settings = with_files(server, hooks=Hooks(ssl_context=lambda config, default: None))
    with pytest.raises(SettingsError, match=r"hook ssl_context returned NoneType, expected ssl\.SSLContext"):
        tls_context(settings)


def refused(settings: Settings) -> str:
    with pytest.raises(SettingsError) as caught:
        tls_context(settings)
    return str(caught.value)


def test_missing_files_are_named(server: Certificate, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    gone = f"cannot read {missing}: no such file or directory"
    assert refused(replace(Settings(), certfile=missing)) == f"setting certfile: {gone}"
    assert refused(replace(with_files(server), keyfile=missing)) == f"setting keyfile: {gone}"
    assert refused(with_files(server, ca_certs=missing)) == f"setting ca_certs: {gone}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission_is_named(server: Certificate, tmp_path: Path) -> None:
    secret = tmp_path / "secret.key"
    secret.touch(0)
    assert "permission denied" in refused(replace(with_files(server), keyfile=str(secret)))


def test_files_with_something_else_in_them_are_named(server: Certificate, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("hello\n")
    assert "there is no certificate in PEM format" in refused(replace(with_files(server), certfile=str(other)))
    assert "there is no private key in PEM format" in refused(replace(with_files(server), keyfile=str(other)))
    assert "give --keyfile if it is in another" in refused(replace(with_files(server), keyfile=""))
    assert "there is no usable certificate" in refused(with_files(server, ca_certs=str(other)))


def test_key_of_another_certificate_is_said(authority: Authority, server: Certificate) -> None:
    other = authority.issue("other")
    assert "does not belong to the certificate" in refused(replace(with_files(server), keyfile=str(other.key)))


def test_wrong_and_missing_passwords_are_told_apart_and_never_shown(locked: Certificate) -> None:
    assert "the key is encrypted; give --keyfile-password" in refused(with_files(locked))
    said = refused(with_files(locked, keyfile_password="simsalabim"))
    assert said.startswith("setting keyfile_password: it does not open the key")
    assert "simsalabim" not in said


def test_unknown_ciphers_are_said(server: Certificate) -> None:
    assert "'ROT13'" in refused(with_files(server, ciphers="ROT13"))
