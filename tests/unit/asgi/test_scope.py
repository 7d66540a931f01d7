"""Scopes: what an ASGI application is told of a request."""

from __future__ import annotations

import pytest

from hybrid.asgi import Scope, Scopes
from hybrid.asgi.extensions import ALWAYS, HTTP_1_1, TRAILERS
from hybrid.asgi.scope import decoded, mounted
from hybrid.http.peer import Peer
from hybrid.http.request import Request

PEER = Peer(client=("203.0.113.7", 40001), server=("192.0.2.1", 8000))


def request(target: bytes = b"/", *, method: str = "GET", version: int = 1, root_path: str = "") -> Request:
    made = Request()
    made.method, made.version, made.forwarded, made.wants_trailers = method, version, False, False
    made.path, _, made.query = target.partition(b"?")
    made.headers = [(b"host", b"example.org")]
    made.head = b""
    made.client, made.server, made.scheme, made.root_path = PEER.client, PEER.server, PEER.scheme, root_path
    return made


def scope_of(made: Request, scopes: Scopes | None = None) -> Scope:
    scopes = scopes or Scopes()
    return scopes.http(scopes.template(PEER, made.root_path), made)


def test_scope_has_every_key_of_the_specification() -> None:
    assert scope_of(request(b"/a%20b?c=%20d")) == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=%20d",
        "root_path": "",
        "headers": [(b"host", b"example.org")],
        "client": ("203.0.113.7", 40001),
        "server": ("192.0.2.1", 8000),
        "state": {},
        "extensions": {name: {} for name in (*ALWAYS, *HTTP_1_1)},
    }


def test_method_is_upper_case_and_version_is_text() -> None:
    scope = scope_of(request(method="purge", version=0))
    assert (scope["method"], scope["http_version"]) == ("PURGE", "1.0")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"//x", "//x"),
        (b"*", "*"),
        (b"/%C3%A9", "/\u00e9"),
        (b"/\xc3\xa9", "/\u00e9"),
        (b"/a%2Fb", "/a/b"),
        (b"/%00", "/\0"),
        (b"/a+b", "/a+b"),
        (b"/%", "/%"),
        (b"/%zz", "/%zz"),
        (b"/%ff", "/\ufffd"),
        (b"/\xff", "/\ufffd"),
    ],
)
def test_path_is_percent_decoded_utf8_and_never_an_error(raw: bytes, path: str) -> None:
    assert decoded(raw) == path


@pytest.mark.parametrize(
    ("path", "is_stripped", "expected"),
    [
        ("/api/x", False, ("/api/x", "/api")),
        ("/api", False, ("/api", "/api")),
        ("/apix", False, ("/apix", "")),
        ("/api/api", False, ("/api/api", "/api")),
        ("/other", False, ("/other", "/api")),
        ("/x", True, ("/api/x", "/api")),
        ("/api", True, ("/api/api", "/api")),
        ("/", True, ("/api/", "/api")),
        ("*", True, ("*", "/api")),
    ],
)
def test_path_includes_the_root_path_whatever_the_proxy_does(
    path: str, is_stripped: bool, expected: tuple[str, str]
) -> None:
    assert mounted(path, "/api", is_stripped=is_stripped) == expected


def test_root_path_comes_from_the_request_and_loses_its_slash() -> None:
    scope = scope_of(request(b"/x", root_path="/api/"), Scopes(is_stripped=True))
    assert (scope["path"], scope["raw_path"], scope["root_path"]) == ("/api/x", b"/x", "/api")


def test_a_proxy_field_stays_since_a_scope_is_no_environment() -> None:
    """Dangerous is the variable HTTP_PROXY that CGI makes of it: see the WSGI environ."""
    made = request()
    made.headers.append((b"proxy", b"http://evil.example"))
    assert (b"proxy", b"http://evil.example") in scope_of(made)["headers"]


def test_state_is_a_shallow_copy_for_each_request() -> None:
    shared = ["pool"]
    scopes = Scopes(state={"shared": shared})
    first, second = scope_of(request(), scopes), scope_of(request(), scopes)
    first["state"]["mine"] = 1
    assert second["state"] == {"shared": shared}
    assert second["state"]["shared"] is shared
    assert scopes.state == {"shared": shared}


def test_nothing_mutable_is_shared_between_requests() -> None:
    scopes = Scopes()
    template = scopes.template(PEER, "")
    first, second = scopes.http(template, request()), scopes.http(template, request())
    for key in ("asgi", "headers", "state", "extensions"):
        assert first[key] is not second[key], key


def test_forwarded_request_speaks_of_its_client_not_of_the_proxy() -> None:
    made = request()
    made.forwarded = True
    made.client, made.scheme, made.server = ("198.51.100.1", 0), "https", ("example.org", 443)
    scope = scope_of(made)
    assert (scope["client"], scope["scheme"], scope["server"]) == (("198.51.100.1", 0), "https", ("example.org", 443))


def test_extension_is_offered_only_to_a_client_that_can_take_it() -> None:
    assert set(scope_of(request(version=0))["extensions"]) == set(ALWAYS)
    assert TRAILERS not in scope_of(request())["extensions"]
