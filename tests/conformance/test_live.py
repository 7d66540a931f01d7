"""Every case over a socket, against a running server for each worker class and each parser back end."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from tests.conformance.casefile import Case, load

CASES = load()
ROOT = Path(__file__).parents[2]
SERVERS = [(worker, parser) for worker in ("sync", "gthread", "gevent", "asgi") for parser in ("httptools", "h11")]
PROBE = b"GET /the-next-request HTTP/1.1\r\nHost: example\r\n\r\n"
TIMEOUT_S = 20.0
_listening = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)").search


class Server:
    """One running server, and what it has logged."""

    def __init__(self, worker: str, parser: str) -> None:
        self.worker = worker
        app = "tests.conformance.echo:" + ("asgi" if worker == "asgi" else "wsgi")
        command = [sys.executable, "-m", "hybrid", "-b", "127.0.0.1:0", "-k", worker, "--http", parser, app]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("HYBRID_")}
        self._process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)
        self.log: list[str] = []
        self._port = 0
        self._has_port = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._has_port.wait(TIMEOUT_S) or not self._port:
            self.stop()
            pytest.fail(f"{' '.join(command)} does not listen:\n{''.join(self.log)}")

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line)
            if found := _listening(line):
                self._port = int(found[1])
                self._has_port.set()
        self._has_port.set()

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(TIMEOUT_S)
        assert self._process.stderr is not None
        self._process.stderr.close()


@pytest.fixture(scope="session", params=SERVERS, ids=["-".join(server) for server in SERVERS])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    running = Server(*request.param)
    yield running
    running.stop()


class Answers:
    """The responses on one connection, read with a reader of our own, as a client library would hide too much."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = b""

    def _more(self) -> bool:
        try:
            data = self._connection.recv(65536)
        except ConnectionResetError:
            data = b""
        self._data += data
        return bool(data)

    def next(self, *, to_head: bool = False) -> tuple[int, dict[str, str], bytes] | None:
        """The next final response, or None when the server has closed."""
        while True:
            while b"\r\n\r\n" not in self._data:
                if not self._more():
                    assert not self._data, f"the server closed inside a response: {self._data[:200]!r}"
                    return None
            head, _, self._data = self._data.partition(b"\r\n\r\n")
            line, *lines = head.decode("latin-1").split("\r\n")
            assert re.fullmatch(r"HTTP/1\.1 [1-5][0-9]{2} .*", line), line
            fields = {name.lower(): value for name, value in (text.split(": ", 1) for text in lines)}
            status = int(line[9:12])
            if status >= 200:
                break
        length = 0 if to_head else int(fields["content-length"])
        while len(self._data) < length:
            assert self._more(), "the server closed inside the content"
        content, self._data = self._data[:length], self._data[length:]
        return status, fields, content


def differences(expected: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    found = []
    for key, value in expected.items():
        match key:
            case "headers":
                pairs = [(f"header {name}", text, seen["headers"].get(name)) for name, text in value.items()]
            case "absent":
                pairs = [(f"header {name}", None, seen["headers"].get(name)) for name in value]
            case "host":
                pairs = [("host", value, seen["headers"].get("host"))]
            case "path":
                decoded = unquote_to_bytes(value.encode("latin-1"))
                pairs = []
                if "raw_path" in seen:
                    pairs.append(("raw_path", value, seen["raw_path"]))
                if "raw_path" not in seen or _is_utf8(decoded):
                    pairs.append(("path", decoded.decode("latin-1"), seen["path"]))
            case "method" if "raw_path" in seen:
                pairs = [("method", value.upper(), seen["method"])]  # upper-cased: what the ASGI specification says
            case "method" | "query" | "version" | "body" | "target" if key in seen:
                pairs = [(key, value, seen[key])]
            case _:
                continue  # of the parser alone, or seen by what becomes of the connection
        found += [f"{name}: {is_!r}, not {wanted!r}" for name, wanted, is_ in pairs if is_ != wanted]
    return found


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_case(server: Server, case: Case) -> None:
    is_open = case.status is None and case.then == "open"
    data = case.data if case.then == "waits" else case.data + PROBE
    at = random.Random(case.id).randrange(len(data))
    for pieces in ([data], [data[:at], data[at:]]):
        with server.connect() as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                assert case.status, "the server closed before it had read a valid request"
            if case.then == "waits":
                connection.shutdown(socket.SHUT_WR)
            answers = Answers(connection)
            for expected in case.sees:
                answer = answers.next(to_head=expected.get("method") == "HEAD")
                assert answer is not None, "the server closed without an answer"
                assert answer[0] == 200, answer
                assert not differences(expected, json.loads(answer[1].get("x-report") or answer[2]))
            last = answers.next()
            if is_open:
                assert last is not None, "the server closed the connection"
                assert last[0] == 200, last
                assert "/the-next-request" in last[1]["x-report"]
                continue
            if case.status:
                assert last is not None, "the server closed without an answer"
                assert last[0] == case.status, last
                assert last[1]["connection"] == "close"
                last = answers.next()
            elif case.then == "waits" and last is not None:  # it may say that it will not wait any longer
                assert 400 <= last[0] <= 499, last
                last = answers.next()
            assert last is None, f"answered once more: {last}"


@pytest.mark.parametrize(
    ("fields", "client", "scheme"),
    [
        ("X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https", "203.0.113.7", "https"),
        ("X-Forwarded-For: 198.51.100.1, 203.0.113.7", "203.0.113.7", "http"),
        ("Forwarded: for=203.0.113.7;proto=https", "203.0.113.7", "https"),
        ("X_Forwarded_For: 203.0.113.7", "127.0.0.1", "http"),
        ("X-Forwarded-Host: evil.example", "127.0.0.1", "http"),
    ],
)
def test_a_proxy_on_this_machine_is_believed(server: Server, fields: str, client: str, scheme: str) -> None:
    with server.connect() as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n".encode())
        answer = Answers(connection).next()
        assert answer is not None
        seen = json.loads(answer[2])
        assert (seen["client"], seen["scheme"], seen["headers"]["host"]) == (client, scheme, "a")


def test_contradictory_schemes_of_a_proxy_are_refused(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n")
        answer = Answers(connection).next()
        assert answer is not None
        assert answer[0] == 400


def test_100_continue_is_sent_when_the_application_reads_a_body_that_waits_for_it(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hi" + PROBE)
        answers = Answers(connection)
        first, second = answers.next(), answers.next()
        assert first is not None
        assert json.loads(first[1]["x-report"])["body"] == "hi"
        assert second is not None


def test_a_client_that_has_shut_its_side_gets_its_answer(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
        connection.shutdown(socket.SHUT_WR)
        answers = Answers(connection)
        assert [answer and answer[0] for answer in (answers.next(), answers.next())] == [200, None]


def test_a_body_as_long_as_the_client_likes_is_decoded_across_reads(server: Server) -> None:
    block = bytes(range(256)) * 40
    chunk = b"%x;extension\r\n%b\r\n" % (len(block), block)
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        sender = threading.Thread(target=connection.sendall, args=(chunk * 50 + b"0\r\nX-Sum: 1\r\n\r\n" + PROBE,))
        sender.start()
        answers = Answers(connection)
        first, second = answers.next(), answers.next()
        sender.join(TIMEOUT_S)
        assert first is not None
        assert json.loads(first[2])["body"].encode("latin-1") == block * 50
        assert second is not None


def test_a_refusal_is_seen_by_a_client_that_is_still_sending(server: Server) -> None:
    """A close with unread bytes would reset the connection and could destroy the answer on its way."""
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"x" * 200_000)
        answers = Answers(connection)
        first = answers.next()
        assert first is not None
        assert first[0] == 400
        assert answers.next() is None


def test_no_worker_failed(server: Server) -> None:
    failed = any(re.search(r"Traceback|ERROR|CRITICAL|TIMEOUT", line) for line in server.log)
    assert not failed, "".join(server.log[-100:])
