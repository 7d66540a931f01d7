"""The same bytes to a worker directly and by way of another pool's worker: the same answers, to the byte.

The bytes are the cases of the conformance suite, each whole and cut in two. Each stream ends with the client's FIN, so
that the server has an end to come to whatever the bytes were.
"""

from __future__ import annotations

import random
import re
import socket
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conformance.casefile import Case, load
from tests.integration.server import ROOT, WAIT_S, Server
from tests.integration.workers.wire import Client, get

CASES = load()
WAYS = [("sync", "asgi"), ("asgi", "sync"), ("gthread", "gevent"), ("gevent", "gthread"), ("asgi", "asgi")]
APPS = {"sync": "wsgi", "gthread": "wsgi", "gevent": "wsgi", "asgi": "asgi"}
ENTRY = get("/the-entrance")
_varying = re.compile(rb"(?m)^date: [^\r]*\r\n", re.IGNORECASE)
_why = re.compile(rb"content-length: [0-9]+\r\n(connection: close\r\n\r\n[45][0-9]{2} [A-Za-z ]+): [^\n]*\n")
"""Of a refusal: which of its faults a stream is refused for may depend on how far it was read."""
_address = re.compile(rb'("client": )("127[^"]*"|\[[^]]*\])')


@dataclass(frozen=True, slots=True)
class Both:
    direct: Server
    by_way: Server


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    """What is no request for the entrance goes to the first pool; the connection is with the second."""
    first, second = request.param
    app = f"tests.conformance.echo:{APPS[second]}"
    entrance = f"entrance=tests.conformance.echo:{APPS[first]},class={first}"
    direct = Server(["-k", second, app], ROOT)
    by_way = Server(["-k", second, app, "--pool", entrance, "--route", "/the-entrance=entrance"], ROOT)
    try:
        direct.wait_ready()
        by_way.wait_ready(2)
        yield Both(direct, by_way)
    finally:
        direct.destroy()
        by_way.destroy()


def play(server: Server, pieces: list[bytes]) -> bytes:
    """Everything that is answered to these bytes, on a connection that has been to the entrance."""
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock)
        assert client.ask(ENTRY).status == 200
        try:
            for piece in pieces:
                client.send(piece)
            client.end()
        except OSError:  # refused already
            pass
        try:
            if pieces[0].startswith(ENTRY):
                client.hear()
            answers = _address.sub(rb"\1-", _varying.sub(b"", client.rest()))
            return _why.sub(rb"\1", answers)
        except ConnectionResetError:
            return b"(reset)"


@pytest.mark.parametrize("cut", ["whole", "in two", "behind others"])
def test_answers_are_the_same(both: Both, cut: str) -> None:
    different = []
    for case in CASES:
        pieces = _pieces(case, cut)
        direct, by_way = play(both.direct, pieces), play(both.by_way, pieces)
        if b"(reset)" in (direct, by_way):  # whether the answer arrives before the reset is the kernel's affair
            continue
        if direct != by_way:
            different.append(f"{case.id}\n  sent    {case.data[:200]!r}\n  direct  {direct!r}\n  by way  {by_way!r}")
    assert not different, f"{len(different)} of {len(CASES)}:\n" + "\n".join(different[:10])


def _pieces(case: Case, cut: str) -> list[bytes]:
    data = case.data
    if cut == "whole":
        return [data]
    if cut == "behind others":  # pipelined behind a request of the entrance and another
        return [ENTRY + get("/first") + data]
    at = random.Random(zlib.crc32(case.id.encode())).randint(1, max(1, len(data) - 1))
    return [data[:at], data[at:]]
