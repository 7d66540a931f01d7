"""The access log format: every atom, and nothing from outside that could forge or break a line."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping

import pytest

from hybrid.logs import atoms
from hybrid.logs.atoms import clean, clean_text, compile_format, user


class Asked:
    """A request as the access log sees it."""

    def __init__(self, **fields: object) -> None:
        self.method = "GET"
        self.target = b"/a%20b?x=1"
        self.path = b"/a%20b"
        self.query = b"x=1"
        self.version = 1
        self.headers: list[tuple[bytes, bytes]] = [(b"user-agent", b"curl/8"), (b"referer", b"http://r/")]
        for name, value in fields.items():
            setattr(self, name, value)


def line(
    text: str,
    *,
    client: str = "10.0.0.1",
    answer: list[tuple[bytes, bytes]] | None = None,
    environ: Mapping[str, object] | None = None,
    **fields: object,
) -> str:
    return compile_format(text).render(Asked(**fields), 200, 1234, 1.234567, client, answer, environ, "[now]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%(h)s", "10.0.0.1"),
        ("%(l)s", "-"),
        ("%(u)s", "-"),
        ("%(t)s", "[now]"),
        ("%(r)s", "GET /a%20b?x=1 HTTP/1.1"),
        ("%(m)s", "GET"),
        ("%(U)s", "/a%20b"),
        ("%(q)s", "x=1"),
        ("%(H)s", "HTTP/1.1"),
        ("%(s)s", "200"),
        ("%(B)s", "1234"),
        ("%(b)s", "1234"),
        ("%(f)s", "http://r/"),
        ("%(a)s", "curl/8"),
        ("%(T)s", "1"),
        ("%(M)s", "1234"),
        ("%(D)s", "1234567"),
        ("%(L)s", "1.234567"),
        ("%(p)s", f"<{os.getpid()}>"),
        ("%({user-agent}i)s", "curl/8"),
        ("%({User-Agent}i)s", "curl/8"),
        ("%({x-request-id}i)s", "-"),
        ("%({content-type}o)s", "text/html"),
        ("%({x}o)s", "-"),
        ("%({wsgi.url_scheme}e)s", "http"),
        ("%({remote_user}e)s", "me"),
        ("%({nothing}e)s", "-"),
        ("%(z)s", "-"),
        ("plain 100%% {braces} 'quotes' \\ \n", "plain 100% {braces} 'quotes' \\ \n"),
        ("", ""),
        ("%(s)5s|%(m)-6s|%(D)d|%(B)010d", "  200|GET   |1234567|0000001234"),
    ],
    ids=lambda text: text.replace(str(os.getpid()), "pid"),
)
def test_atom(text: str, expected: str) -> None:
    environ = {"wsgi.url_scheme": "http", "REMOTE_USER": "me"}
    assert line(text, answer=[(b"Content-Type", b"text/html")], environ=environ) == expected + "\n"


def test_http_1_0() -> None:
    assert line("%(r)s|%(H)s", version=0) == "GET /a%20b?x=1 HTTP/1.0|HTTP/1.0\n"


def test_what_is_missing_is_a_dash() -> None:
    assert line("%(h)s %(f)s %(a)s %({x}o)s %({y}e)s", client="", headers=[]) == "- - - - -\n"


def test_of_several_fields_the_last_counts() -> None:
    assert line("%(a)s", headers=[(b"user-agent", b"one"), (b"user-agent", b"two")]) == "two\n"


def test_one_field_may_be_used_twice() -> None:
    assert line("%(a)s %({user-agent}i)s") == "curl/8 curl/8\n"


def test_what_the_line_needs_is_known() -> None:
    assert not compile_format("%(r)s %(a)s").needs_response_headers
    assert compile_format("%({x}o)s").needs_response_headers
    assert compile_format("%({x}e)s").needs_environ
    assert compile_format("%(z)s %(foo)s").unknown == ("z", "foo")


@pytest.mark.parametrize("text", ["%", "%(h", "%h", "%(h)", "50% of", "%(h)s %q", "%(h)c"])
def test_stray_percent_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no atom such as"):
        compile_format(text)


# -- nothing from outside breaks a line ------------------------------------------------------------


def test_quotes_backslashes_and_control_bytes_are_escaped() -> None:
    assert line('"%(a)s"', headers=[(b"user-agent", b'a"b\\c\r\nd\x00\x1b[31m\xff')]) == (
        '"a\\"b\\\\c\\x0d\\x0ad\\x00\\x1b[31m\\xff"\n'
    )


@pytest.mark.parametrize("atom", ["r", "U", "q", "m", "h", "f", "a", "u", "{x}i", "{x}o", "{x}e"])
def test_no_atom_lets_a_new_line_through(atom: str) -> None:
    evil = b'x\n"forged'
    credentials = b"Basic " + base64.b64encode(evil + b":secret")
    text = line(
        f"%({atom})s",
        client=evil.decode(),
        method=evil.decode(),
        target=evil,
        path=evil,
        query=evil,
        headers=[(name, evil) for name in (b"referer", b"user-agent", b"x")] + [(b"authorization", credentials)],
        answer=[(b"x", evil)],
        environ={"x": evil.decode()},
    )
    assert 'x\\x0a\\"forged' in text
    assert text.count("\n") == 1


def test_percent_in_a_value_is_only_text() -> None:
    assert line("%(r)s", target=b"/%(h)s%d%n") == "GET /%(h)s%d%n HTTP/1.1\n"


def test_names_in_the_format_are_only_names() -> None:
    assert line("%({'] or boom[0] #}i)s %({\"+x}e)s %({\\}o)s", environ={}) == "- - -\n"


def test_clean_returns_harmless_text_unchanged() -> None:
    assert clean(b"Mozilla/5.0 (X11)") == "Mozilla/5.0 (X11)"
    assert clean_text("caf\u00e9") == "caf\\xc3\\xa9"
    assert clean(None) == "-"
    assert clean(b"") == ""


@pytest.mark.parametrize(
    ("authorization", "name"),
    [
        (None, "-"),
        (b"Basic " + base64.b64encode(b"ann:secret"), "ann"),
        (b"basic  " + base64.b64encode(b"ann:"), "ann"),
        (b"Basic !!!", "-"),
        (b"Basic " + base64.b64encode(b"no-colon"), "-"),
        (b"Basic " + base64.b64encode(b":secret"), "-"),
        (b"Bearer abc", "-"),
        (b"Basic", "-"),
    ],
)
def test_user_is_that_of_basic_credentials_and_never_the_password(authorization: bytes | None, name: str) -> None:
    assert user(authorization) == name


def test_what_is_remembered_is_of_the_value_alone() -> None:
    """The second line comes from memory: it must not differ from the first, nor from that of another value."""
    render = compile_format('"%(r)s" %(U)s "%(a)s" %({x}o)s').render

    def one(path: bytes, agent: bytes) -> str:
        asked = Asked(target=path, path=path, query=b"", headers=[(b"user-agent", agent)])
        return render(asked, 200, 1, 0.1, "c", [(b"x", agent)], None, "")

    quoted = '"GET /a\\"b HTTP/1.1" /a\\"b "x\\\\y" x\\\\y\n'
    assert one(b'/a"b', b"x\\y") == quoted
    assert one(b"/ab", b"xy") == '"GET /ab HTTP/1.1" /ab "xy" xy\n'
    assert one(b'/a"b', b"x\\y") == quoted


def test_memory_of_values_is_bounded() -> None:
    render = compile_format("%(a)s %(U)s").render
    for number in range(2000):
        agent = b"agent %d" % number + b"x" * (number % 400)
        asked = Asked(path=b"/%d" % number, headers=[(b"user-agent", agent)])
        assert render(asked, 200, 1, 0.1, "c", None, None, "") == f"{agent.decode()} /{number}\n"
    assert sum(map(len, atoms._KNOWN)) <= atoms._MOST_KNOWN * atoms._LONGEST_KNOWN
    assert len(atoms._KNOWN) <= atoms._MOST_KNOWN
