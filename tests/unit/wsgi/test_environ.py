"""The WSGI environ: PEP 3333, "environ Variables"."""

from __future__ import annotations

import io
from typing import Any

import pytest

from hybrid.http.peer import Peer
from hybrid.wsgi import Environs, FileWrapper
from tests.unit.wsgi.requests import PEER, request


def environ_of(*args: str, peer: Peer = PEER, **options: Any) -> dict[str, Any]:
    """The environ of a request with this line and these fields."""
    host = options.pop("host", "example.org")
    root_path = options.get("root_path", "")
    settings = {"errors": io.StringIO(), "is_multithread": False, "is_multiprocess": False, **options}
    environs = Environs(**settings)
    return environs.of(request(*args, peer=peer, root_path=root_path, host=host), environs.template(peer))


def test_every_required_key_is_there() -> None:
    environ = environ_of("GET /a/b?x=1 HTTP/1.1")
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "x=1",
        "RAW_URI": "/a/b?x=1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "50312",
        "HTTP_HOST": "example.org",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
    }
    assert {key: environ[key] for key in expected} == expected
    assert environ["SERVER_SOFTWARE"].startswith("hybrid/")
    assert environ["wsgi.input"].read() == b""


def test_it_is_a_plain_dict_of_native_strings() -> None:
    environ = environ_of("GET /caf%C3%A9?\xe9 HTTP/1.1", "X-Name: \xe9")
    assert type(environ) is dict
    assert all(type(value) is str for key, value in environ.items() if "." not in key)


def test_each_request_gets_a_dict_of_its_own() -> None:
    environs = Environs(errors=io.StringIO(), is_multithread=False, is_multiprocess=False)
    template = environs.template(PEER)
    first = environs.of(request(), template)
    first["app.key"] = first["REQUEST_METHOD"] = "changed"
    second = environs.of(request(), template)
    assert "app.key" not in second
    assert second["REQUEST_METHOD"] == "GET"


@pytest.mark.parametrize(
    ("target", "path_info"),
    [
        ("/", "/"),
        ("/a%20b", "/a b"),
        ("/caf%C3%A9", "/caf\xc3\xa9"),
        ("/a%2Fb", "/a/b"),
        ("/%00", "/\x00"),
        ("/a+b", "/a+b"),
        ("//x", "//x"),
        ("/%zz", "/%zz"),
        ("/caf\xe9", "/caf\xe9"),
        ("http://other.example/p?q", "/p"),
    ],
)
def test_path_info_is_decoded_bytes_as_latin_1(target: str, path_info: str) -> None:
    environ = environ_of(f"GET {target} HTTP/1.1")
    assert environ["PATH_INFO"] == path_info
    assert environ["RAW_URI"] == target


def test_asterisk_form() -> None:
    assert environ_of("OPTIONS * HTTP/1.1")["PATH_INFO"] == "*"


def test_an_empty_query_is_an_empty_string() -> None:
    environ = environ_of("GET /a? HTTP/1.1")
    assert (environ["QUERY_STRING"], environ["RAW_URI"]) == ("", "/a?")


def test_the_query_is_not_decoded() -> None:
    assert environ_of("GET /?a=%20&b=%C3%A9 HTTP/1.1")["QUERY_STRING"] == "a=%20&b=%C3%A9"


def test_content_fields_have_no_http_prefix() -> None:
    environ = environ_of("POST / HTTP/1.1", "Content-Type: text/plain", "Content-Length: 3")
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/plain", "3")
    assert not any(key.startswith("HTTP_CONTENT") for key in environ)


def test_repeated_fields_are_joined() -> None:
    environ = environ_of("GET / HTTP/1.1", "Accept: a", "Cookie: x=1", "Accept: b", "Cookie: y=2")
    assert (environ["HTTP_ACCEPT"], environ["HTTP_COOKIE"]) == ("a,b", "x=1; y=2")


def test_the_proxy_field_does_not_become_http_proxy() -> None:
    assert "HTTP_PROXY" not in environ_of("GET / HTTP/1.1", "Proxy: http://evil.example")


def test_a_name_with_an_underscore_is_not_taken_for_one_with_a_dash() -> None:
    environ = environ_of("GET / HTTP/1.1", "X_Forwarded_User: root")
    assert "HTTP_X_FORWARDED_USER" not in environ


def test_no_field_can_replace_a_variable_of_the_server() -> None:
    environ = environ_of("GET / HTTP/1.1", "Remote-Addr: 1.2.3.4", "Path-Info: /x", "Wsgi.Input: no")
    assert (environ["REMOTE_ADDR"], environ["PATH_INFO"]) == ("192.0.2.7", "/")


def test_nothing_of_the_process_environment_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "x")
    assert "SECRET_KEY" not in environ_of()


def test_http_1_0() -> None:
    assert environ_of("GET / HTTP/1.0")["SERVER_PROTOCOL"] == "HTTP/1.0"


@pytest.mark.parametrize(
    ("target", "script_name", "path_info"),
    [
        ("/api/x", "/api", "/x"),
        ("/api", "/api", ""),
        ("/api/", "/api", "/"),
        ("/apix", "/api", "/apix"),
        ("/api/api", "/api", "/api"),
        ("/other", "/api", "/other"),
        ("/%61pi/x", "/api", "/x"),
    ],
)
def test_root_path_is_taken_off_where_the_proxy_leaves_it_on(target: str, script_name: str, path_info: str) -> None:
    environ = environ_of(f"GET {target} HTTP/1.1", root_path="/api")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)


def test_root_path_is_only_told_where_the_proxy_strips_it() -> None:
    environ = environ_of("GET /api/x HTTP/1.1", root_path="/api", is_root_stripped=True)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/api", "/api/x")


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [("example.org", "example.org", "80"), ("example.org:8080", "example.org", "8080"), ("[::1]:81", "[::1]", "81")],
)
def test_on_a_unix_socket_the_host_field_names_the_server(host: str, name: str, port: str) -> None:
    peer = Peer(client=None, server=("/run/app.sock", None))
    environ = environ_of("GET / HTTP/1.1", peer=peer, host=host)
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, port)
    assert environ["REMOTE_ADDR"] == ""
    assert "REMOTE_PORT" not in environ


def amended(root_path: str = "/api", is_root_stripped: bool = False, **changes: object) -> dict[str, Any]:
    """The environ of a request of which a proxy has said what the connection does not say."""
    environs = Environs(
        errors=io.StringIO(), is_multithread=False, is_multiprocess=False, is_root_stripped=is_root_stripped
    )
    found = request("GET /api/x HTTP/1.1", root_path=root_path)
    for name, value in changes.items():
        setattr(found, name, value)
    return environs.of(found, environs.template(PEER))


def test_what_a_proxy_says_of_the_client_is_used() -> None:
    environ = amended(client=("198.51.100.1", 4), scheme="https", server=("127.0.0.1", 443))
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("198.51.100.1", "4")
    assert (environ["wsgi.url_scheme"], environ["SERVER_PORT"]) == ("https", "443")


def test_a_scheme_from_an_unmarked_field_is_used() -> None:
    assert amended(root_path="", scheme="https")["wsgi.url_scheme"] == "https"


@pytest.mark.parametrize(("is_stripped", "path_info"), [(False, "/x"), (True, "/api/x")])
def test_a_prefix_from_a_proxy_is_the_script_name(is_stripped: bool, path_info: str) -> None:
    environ = amended(is_root_stripped=is_stripped)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/api", path_info)


def test_a_flag_tells_of_threads_and_processes() -> None:
    environ = environ_of(is_multithread=True, is_multiprocess=True)
    assert (environ["wsgi.multithread"], environ["wsgi.multiprocess"]) == (True, True)
