"""The same bytes to a server of every worker class and parser, and whether they agree on what comes of them.

python -m tests.fuzz.live_differential [--cases 2000] [--seed 1] [--tls] [--only sync,asgi]

Cases are those of tests/conformance, changed, joined and split; the client half-closes, or waits for the deadlines,
or asks for an end. Compared are the answers, what the application says that it saw, and how the connection ends. What
differs is asked again, since a deadline on a busy machine is no difference, and then printed; any is a defect, for then
the class changes what a client gets. Nor may a worker keep descriptors, or log a failure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.certificates import Authority
from tests.conformance.casefile import load
from tests.integration.server import ROOT, Server

WAYS = {
    "sync": ("sync", "wsgi", "httptools"),
    "sync-h11": ("sync", "wsgi", "h11"),
    "gthread": ("gthread", "wsgi", "httptools"),
    "gthread-h11": ("gthread", "wsgi", "h11"),
    "gevent": ("gevent", "wsgi", "httptools"),
    "gevent-h11": ("gevent", "wsgi", "h11"),
    "asgi": ("asgi", "asgi", "httptools"),
    "asgi-h11": ("asgi", "asgi", "h11"),
    "bridge": ("asgi", "wsgi", "httptools"),
}
OPTIONS = (
    "--first-byte-timeout", "1", "--header-timeout", "1", "--body-timeout", "1", "--keep-alive", "1",
    "--limit-request-body", "100000", "--limit-pipelined", "8",
)  # fmt: skip
AT_ONCE = 24
PATIENCE_S = 8
LAZY = 8
"""Descriptors that a worker may open with its first requests."""
PROBE = b"GET /probe HTTP/1.1\r\nHost: example\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n"
TOKENS = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"\x80", b"\xff", b"%00", b"%2F", b"//",
    b"?", b"#", b"*", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"GET ", b"HEAD ", b"OPTIONS * ", b"CONNECT a:80 ",
    b"http://example/", b"0\r\n\r\n", b"5\r\nhello\r\n", b" folded\r\n", b"Z" * 9000, b"Host: example\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length: +5\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n",
    b"Connection: Upgrade\r\n", b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\n", b"TE: trailers\r\n",
    b"X_Y: z\r\n", b"X-Y: z\r\n", b"Proxy: a\r\n", b"X-Forwarded-For: 1.2.3.4\r\n", b"X-Forwarded-Proto: https\r\n",
    b'Forwarded: for="[::1]:4";proto=https\r\n', b"Cookie: a=b\r\n", b"Cookie: c\r\n",
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
)  # fmt: skip
PATHS = (b"/unread", b"/part", b"/parts", b"/slow", b"/slow", b"/%61?b=%62", b"/a;b", b"//c", b"/\xc3\xa4")


@dataclass(frozen=True, slots=True)
class Case:
    pieces: tuple[bytes, ...]
    end: str
    """half: the client ends its side; hold: it does not, and the deadlines have the word."""


def cases(seed: int, number: int) -> Iterator[Case]:
    chance = random.Random(seed)
    small = [case for case in load() if len(case.data) < 20_000]
    seeds, valid = [case.data for case in small], [case.data for case in small if not case.status]
    for _ in range(number):
        # Mostly of those that are valid, for there is nothing after a refusal.
        chosen = [
            chance.choice(valid if chance.random() < 0.8 else seeds) for _ in range(chance.choice((1, 1, 2, 3, 5)))
        ]
        data = b"".join(_changed(chance, one, seeds) for one in chosen)
        data += chance.choice((b"", PROBE, LAST, PROBE + LAST))
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 0, 1, 2, 4))))
        edges = [0, *cuts, len(data)]
        pieces = tuple(data[a:b] for a, b in pairwise(edges) if a < b)
        yield Case(pieces, "hold" if chance.random() < 0.1 else "half")


def _changed(chance: random.Random, data: bytes, seeds: list[bytes]) -> bytes:
    if chance.random() < 0.4:
        data = re.sub(rb"^([A-Z]+) / ", lambda found: found[1] + b" " + chance.choice(PATHS) + b" ", data)
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        at = chance.randrange(len(data) + 1)
        lines = data.split(b"\r\n")
        line = chance.randrange(len(lines))
        match chance.randrange(9):
            case 0:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case 1 | 2:
                data = data[:at] + chance.choice(TOKENS) + data[at:]
            case 3:
                data = data[:at] + data[at + chance.choice((1, 1, 2, 10)) :]
            case 4 | 5:  # a whole line more, somewhere behind the first
                lines.insert(max(1, line), chance.choice(TOKENS).removesuffix(b"\r\n"))
                data = b"\r\n".join(lines)
            case 6:
                lines.insert(line, lines[chance.randrange(len(lines))])
                data = b"\r\n".join(lines)
            case 7:
                del lines[line]
                data = b"\r\n".join(lines)
            case 8:
                other = chance.choice(seeds)
                data = data[:at] + other[chance.randrange(len(other) + 1) :]
    return data


async def ask(server: Server, case: Case, tls: ssl.SSLContext | None) -> tuple[bytes, str]:
    """All that came, and how it ended: closed, reset, or open (which is a server that forgot it)."""
    if tls is not None:
        return await _ask_tls(server, case, tls)
    loop = asyncio.get_running_loop()
    received = b""
    with socket.socket() as connection:  # no stream of asyncio: that drops what has come when a reset follows
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", server.port))
        try:
            for piece in case.pieces:
                await loop.sock_sendall(connection, piece)
                await asyncio.sleep(0.001)
            if case.end == "half":
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it may have refused by now; what it has said is still to be read
        try:
            async with asyncio.timeout(PATIENCE_S):
                while more := await loop.sock_recv(connection, 65536):
                    received += more
            return received, "closed"
        except TimeoutError:
            return received, "open"
        except OSError:
            return received, "reset"


async def _ask_tls(server: Server, case: Case, tls: ssl.SSLContext) -> tuple[bytes, str]:
    """The same, but without the end of one side."""
    reader, writer = await asyncio.open_connection("localhost", server.port, ssl=tls)
    received = b""
    try:
        async with asyncio.timeout(PATIENCE_S):
            for piece in case.pieces:
                writer.write(piece)
                await asyncio.sleep(0.001)
            while more := await reader.read(65536):
                received += more
        return received, "closed"
    except TimeoutError:
        return received, "open"
    except OSError:
        return received, "reset"
    finally:
        writer.transport.abort()


_alarming = r"(?m)^.*(?:Traceback|\[ERROR\]|CRITICAL|Error: ).*$"
_varying = re.compile(rb"date: [^\r]*\r\n", re.IGNORECASE)


def answers(received: bytes) -> list[str]:
    """The final answers in what was received: status, fields and content, as far as they come."""
    found = []
    rest = _varying.sub(b"", received)
    while rest:
        head, end, rest = rest.partition(b"\r\n\r\n")
        match = re.match(rb"HTTP/1\.1 (\d+) ", head)
        if not end or not match:
            found.append(f"broken {(head + end + rest)[:200]!r}")
            break
        if match[1] == b"100":  # not sent where the body is there by then, which is for the network to say
            continue
        fields = sorted(line.lower() for line in head.split(b"\r\n")[1:])
        content = b""
        length = next((int(line[16:]) for line in fields if line.startswith(b"content-length: ")), None)
        if length is not None and not rest.startswith(b"HTTP/1.1 "):  # one to HEAD has none
            content, rest = rest[:length], rest[length:]
        elif b"transfer-encoding: chunked" in fields and not rest.startswith(b"HTTP/1.1 "):
            content, rest = _chunks(rest)
        elif length is None and b"connection: close" in fields and int(match[1]) >= 200:
            content, rest = rest, b""
        if b'"headers"' in content:
            try:
                seen = json.loads(content)
            except ValueError:
                pass
            else:
                if "transfer-encoding" in seen["headers"]:  # a spooled one has a length, one that streams has none
                    seen["headers"].pop("content-length", None)
                seen["headers"].pop("proxy", None)  # not given to WSGI, where it would become HTTP_PROXY
                fields = [line for line in fields if not line.startswith(b"content-length")]
                found.append(f"{int(match[1])} {fields} {json.dumps(seen, sort_keys=True)}")
                continue
        if content.startswith(match[1] + b" ") and int(match[1]) >= 400:
            # A refusal. What it says in words is the parser's, and which of several mistakes is met first.
            fields = [line for line in fields if not line.startswith(b"content-length")]
            content = b"(words)"
        found.append(f"{int(match[1])} {fields} {content!r}")
    return found


def _chunks(rest: bytes) -> tuple[bytes, bytes]:
    content = b""
    while match := re.match(rb"([0-9a-f]+)\r\n", rest, re.IGNORECASE):
        size, rest = int(match[1], 16), rest[match.end() :]
        content, rest = content + rest[:size], rest[size:].removeprefix(b"\r\n")
        if not size:
            return content + b"(whole)", rest
    return content + b"(cut)", rest


async def verdicts(servers: dict[str, Server], case: Case, tls: ssl.SSLContext | None) -> dict[str, list[str]]:
    """By way: the answers, and how it ended."""
    found = await asyncio.gather(*(ask(server, case, tls) for server in servers.values()))
    return {way: [*answers(received), ended] for way, (received, ended) in zip(servers, found, strict=True)}


def agree(found: dict[str, list[str]]) -> bool:
    """Do all say the same? An answer to a body that nobody wants may be out before its end is seen to be malformed."""
    if len(set(map(tuple, found.values()))) == 1:
        return True
    for said in zip(*found.values(), strict=False):
        if len(set(said)) > 1:
            answered = [one for one in said if one.startswith("200 ")]
            return all('"path": "/unread"' in one or '"path": "/part"' in one for one in answered) and all(
                re.match("4|200 ", one) for one in said
            )
    return False


async def run(servers: dict[str, Server], seed: int, number: int, tls: ssl.SSLContext | None) -> int:
    permits = asyncio.Semaphore(AT_ONCE)
    differing: list[int] = []
    seen: dict[str, int] = {}

    async def one(index: int, case: Case) -> None:
        async with permits:
            for _ in range(3):
                found = await verdicts(servers, case, tls)
                if agree(found):
                    key = " ".join(said.partition(" ")[0] for said in next(iter(found.values())))
                    seen[key] = seen.get(key, 0) + 1
                    return
        differing.append(index)
        print(f"--- case {index} of seed {seed}, {case.end}: {case.pieces}"[:3000])
        for verdict in sorted(set(map(tuple, found.values()))):
            print(f"  {', '.join(way for way in found if tuple(found[way]) == verdict)}:")
            print("    " + "\n    ".join(verdict)[:3000])

    async with asyncio.TaskGroup() as group:
        for index, case in enumerate(cases(seed, number)):
            await permits.acquire()
            permits.release()
            group.create_task(one(index, case))
            await asyncio.sleep(0)
    for key, count in sorted(seen.items(), key=lambda item: -item[1])[:25]:
        print(f"{count:6} x {key}")
    print(f"{number} cases of seed {seed} to {len(servers)} servers: {len(differing)} differ {sorted(differing)[:40]}")
    return len(differing)


def descriptors(server: Server) -> int:
    """How many the first worker has open."""
    return len(os.listdir(f"/proc/{server.wait_ready()[0]}/fd"))


def leaks(servers: dict[str, Server], before: dict[str, int]) -> list[str]:
    """Who keeps descriptors of connections that are all gone."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and any(descriptors(servers[way]) > before[way] + LAZY for way in servers):
        time.sleep(0.1)
    return [
        f"{way}: {descriptors(server) - before[way]} descriptors more than before"
        for way, server in servers.items()
        if descriptors(server) > before[way] + LAZY
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--only", default=",".join(WAYS))
    parser.add_argument("options", nargs="*", help="of the servers, behind --")
    given = parser.parse_args()
    with ExitStack() as stack:
        options = [*OPTIONS, *given.options]
        tls = None
        if given.tls:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            authority = Authority(folder)
            certificate = authority.issue("server")
            options += ["--certfile", str(certificate.cert), "--keyfile", str(certificate.key)]
            tls = authority.client_context()
        servers = {}
        for way in given.only.split(","):
            worker, application, http = WAYS[way]
            command = ["-k", worker, "--http", http, *options, f"tests.fuzz.mirror:{application}"]
            servers[way] = Server(command, ROOT)
            stack.callback(servers[way].destroy)
            servers[way].wait_ready()
        before = {way: descriptors(server) for way, server in servers.items()}
        differing = asyncio.run(run(servers, given.seed, given.cases, tls))
        noise = leaks(servers, before)
        noise += [f"{way}: {line}" for way in servers for line in re.findall(_alarming, servers[way].log.text)]
        print("\n".join(noise[:40]))
        return min(1, differing + len(noise))


if __name__ == "__main__":
    sys.exit(main())
