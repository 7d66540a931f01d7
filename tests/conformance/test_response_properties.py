"""Whatever an application answers, two clients of others read it as it was meant: h11 and http.client."""

from __future__ import annotations

import http.client
import io

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.http.request import Request
from hybrid.http1.response import Prefixes, Response

EXAMPLES = settings(max_examples=300, deadline=None, derandomize=True)
PREFIXES = Prefixes()
NAME = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=2, max_size=12).map(lambda name: "x" + name)
VALUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
STATUS = st.sampled_from([200, 201, 204, 205, 206, 301, 304, 400, 404, 418, 500, 503, 299, 999])


class _Wire:
    """What http.client wants of a socket."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.data)


@given(st.data())
@EXAMPLES
def test_clients_read_what_was_answered(data: st.DataObject) -> None:
    status = data.draw(STATUS)
    headers = data.draw(st.lists(st.tuples(NAME, VALUE), max_size=4))
    parts = data.draw(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
    request = Request()
    request.method = data.draw(st.sampled_from(["GET", "HEAD", "POST"]))
    request.version = data.draw(st.integers(0, 1))
    request.keep_alive = data.draw(st.booleans())
    request.headers = []
    request.wants_trailers = data.draw(st.booleans())
    content = b"".join(parts)
    given_headers = [(name.encode(), value.encode()) for name, value in headers]
    if data.draw(st.booleans()):
        given_headers.append((b"Content-Length", b"%d" % len(content)))
    given_headers += data.draw(
        st.lists(st.sampled_from([(b"Transfer-Encoding", b"gzip"), (b"Connection", b"close"), (b"Keep-Alive", b"1")]))
    )

    response = Response(request, PREFIXES)
    response.start(status, given_headers)
    last = len(parts) - 1
    with_trailers = data.draw(st.booleans())
    wire = b"".join(response.content(part, more=index < last or with_trailers) for index, part in enumerate(parts))
    if with_trailers:
        wire += response.trailers([("x-trailer", "1")])
    assert response.is_complete
    # What the next response would begin with: it must not be read as content of this one.
    follows = b"HTTP/1.1 500 next\r\n" if response.keep_alive else b""

    has_content = request.method != "HEAD" and status not in (204, 205, 304)
    expected = content if has_content else b""

    client = h11.Connection(h11.CLIENT)
    connection = b"keep-alive" if request.keep_alive else b"close"
    client.send(h11.Request(method=request.method, target="/", headers=[("Host", "a"), ("Connection", connection)]))
    client.send(h11.EndOfMessage())
    client.receive_data(wire + follows)
    if not response.keep_alive:
        client.receive_data(b"")
    head = client.next_event()
    assert isinstance(head, h11.Response)
    assert head.status_code == status
    for name, value in headers:
        assert (name.lower().encode(), value.encode()) in list(head.headers)
    read = b""
    while isinstance(event := client.next_event(), h11.Data):
        read += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert read == expected
    assert client.trailing_data[0] == follows

    other = http.client.HTTPResponse(_Wire(wire + follows), method=request.method)  # type: ignore[arg-type]
    other.begin()
    assert other.status == status
    assert other.read() == expected
