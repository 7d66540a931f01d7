import pytest

from hybrid.arbiter.address import Address, Inet, Inherited, Unix, parse_address
from hybrid.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", Inet("127.0.0.1", 8000)),
        ("0.0.0.0", Inet("0.0.0.0", 8000)),
        ("localhost", Inet("localhost", 8000)),
        (":9000", Inet("0.0.0.0", 9000)),
        ("localhost:0", Inet("localhost", 0)),
        ("[::1]:8000", Inet("::1", 8000)),
        ("[::]", Inet("::", 8000)),
        ("::1", Inet("::1", 8000)),
        ("tcp://127.0.0.1:80", Inet("127.0.0.1", 80)),
        ("http://127.0.0.1:80", Inet("127.0.0.1", 80)),
        ("unix:/run/web.sock", Unix("/run/web.sock")),
        ("unix:///run/web.sock", Unix("/run/web.sock")),
        ("unix:web.sock", Unix("web.sock")),
        ("unix:@web", Unix("@web")),
        ("fd://3", Inherited(3)),
    ],
)
def test_every_form_of_an_address(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "nothing in it"),
        ("8000", "did you mean :8000?"),
        ("host:http", "'http' is not a port number"),
        ("host:65536", "not a port number"),
        ("host:²", "not a port number"),
        ("[::1:80", "in brackets"),
        ("[::1]80", "in brackets"),
        ("unix:", "wants a path"),
        ("unix:@", "wants a path"),
        ("fd://stdin", "number of an open file descriptor"),
    ],
)
def test_what_is_no_address_is_explained(text: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_address(text)
    assert hint in str(caught.value)
    assert "expected HOST:PORT" in str(caught.value)


@pytest.mark.parametrize("text", ["127.0.0.1:8000", "[::1]:80", "unix:/run/a.sock", "unix:@a", "fd://4"])
def test_an_address_is_shown_as_it_is_written(text: str) -> None:
    assert str(parse_address(text)) == text
