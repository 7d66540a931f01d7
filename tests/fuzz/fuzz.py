"""Coverage-guided fuzzing of everything that reads bytes of strangers. See README.md.

python -m tests.fuzz.fuzz receiver|proxies [libFuzzer options or files]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hybrid.http", "hybrid.http1", "tests.conformance.playing"]):
    from hybrid.errors import ProtocolError
    from hybrid.http.forwarded import find_client, parse_forwarded, parse_node, split_list
    from hybrid.http.limits import Limits
    from hybrid.http1.fields_h11 import H11Fields
    from hybrid.http1.fields_httptools import HttptoolsFields
    from hybrid.http1.head import HeadParser
    from hybrid.http1.proxy_protocol import Proxied, ProxyDecoder
    from tests.conformance.playing import Connection, Outcome, play

from tests.conformance.casefile import load

WORK = Path(__file__).parents[2] / "build" / "fuzz"
# Small limits are reached by short inputs.
LIMITS = Limits(request_line=60, fields=6, field_size=40, head=160, body=200, pipelined=8)
TOKENS = (
    b"GET", b"POST", b"OPTIONS *", b"CONNECT", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n", b"\r\n\r\n", b"Host: a",
    b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: upgrade", b"keep-alive",
    b"Upgrade: ", b"Expect: 100-continue", b"Proxy-Connection: close", b"X_Y: z", b"http://", b"[::1]", b"0\r\n\r\n",
    b"5;a=b\r\nhello\r\n", b"for=", b"proto=https", b'"', b"unknown", b"PROXY TCP4 ", b"PROXY UNKNOWN",
    b"\r\n\r\n\x00\r\nQUIT\n",
)  # fmt: skip


def summary(outcome: Outcome) -> object:
    """Which error is found first may depend on what has arrived, whether there is one may not."""
    return outcome.seen, "refused" if isinstance(outcome.end, int) else outcome.end


def receiver(data: bytes) -> None:
    """The first two bytes say where to split."""
    step, other_step = (data[0] % 17 + 1, data[1] % 5 + 1) if len(data) > 1 else (1, 1)
    stream = data[2:]
    whole = play([stream], HttptoolsFields(), LIMITS)
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert summary(whole) == summary(play(pieces, HttptoolsFields(), LIMITS)), "a split changed the verdict"
    h11 = play([stream], H11Fields(), LIMITS)
    assert (whole.seen, whole.end) == (h11.seen, h11.end), "httptools and h11 differ"
    parser = HeadParser(HttptoolsFields(), LIMITS)
    one, other = Connection(parser, LIMITS), Connection(parser, LIMITS)
    for at in range(0, len(stream), other_step):
        one.feed(stream[at : at + other_step])
        other.feed(stream[at : at + other_step])
    assert summary(one.outcome) == summary(other.outcome) == summary(whole), "two connections touched each other"


def proxies(data: bytes) -> None:
    try:
        parse_forwarded(data)
    except ProtocolError:
        pass
    chain = split_list(data)
    node, depth = find_client(chain, lambda host: host.startswith("1"))
    assert 0 <= depth < len(chain)
    assert node is None or (parse_node(node[0]) is not None and 0 <= node[1] <= 65535)
    whole = _decode([data])
    pieces = [data[at : at + 3] for at in range(0, len(data), 3)]
    assert whole == _decode(pieces), "a split changed the verdict"


def _decode(pieces: list[bytes]) -> Proxied | str | None:
    decoder = ProxyDecoder("auto")
    for index, piece in enumerate(pieces):
        try:
            proxied = decoder.feed(piece)
        except ProtocolError:
            return "refused"
        if proxied is not None:
            return Proxied(proxied.client, proxied.server, proxied.rest + b"".join(pieces[index + 1 :]))
    return None


def main() -> None:
    name, *options = sys.argv[1:]
    target = {"receiver": receiver, "proxies": proxies}[name]
    corpus = WORK / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(load()):
        if len(case.data) < 1000:
            (corpus / f"case-{number}").write_bytes(b"\x02\x00" + case.data)
    dictionary = WORK / "tokens.txt"
    escaped = ("".join(f"\\x{byte:02x}" for byte in token) for token in TOKENS)
    dictionary.write_text("".join(f'"{token}"\n' for token in escaped))
    if not any(os.path.isfile(option) for option in options):
        options.append(str(corpus))
    atheris.Setup([sys.argv[0], f"-dict={dictionary}", f"-artifact_prefix={WORK}/", "-max_len=1000", *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
