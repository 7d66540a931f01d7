"""The gevent worker as a real process: what is true of it alone. What all WSGI workers share is tested with them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Server, launch
from tests.integration.workers.wire import Client, get, post

HERE = Path(__file__).parent
PATCHING = "from gevent import monkey\nmonkey.patch_all()\n"
HOOK = """
from gevent import monkey

def post_fork(server, worker):
    server.log.info("post_fork patched=%s", monkey.is_module_patched("socket"))
"""

Start = Callable[..., Server]


@pytest.fixture
def start(serve: Serve) -> Start:
    def begin(*options: str, name: str = "gevent", **environ: str) -> Server:
        server = serve("green_app:app", "-k", name, *options, folder=HERE, environ=environ)
        server.wait_ready()
        return server

    return begin


@pytest.mark.parametrize("name", ["gevent", "gevent_wsgi", "gevent_pywsgi", "gunicorn.workers.ggevent.GeventWorker"])
def test_the_application_is_imported_into_a_patched_world(start: Start, name: str) -> None:
    server = start(name=name)
    server.log.wait("worker=gevent interface=wsgi")
    assert server.get("/patched").body == b"True"
    assert server.stop() == 0


def test_post_fork_finds_a_patched_world(start: Start, tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(HOOK)
    start("-c", str(tmp_path / "hooks.py")).log.wait("post_fork patched=True")


def test_a_settings_file_may_patch_by_itself(start: Start, tmp_path: Path) -> None:
    (tmp_path / "patching.py").write_text(PATCHING)
    server = start("-c", str(tmp_path / "patching.py"), "-w", "2", GUESTS="3")
    server.wait_ready(2)
    assert server.get("/patched").body == b"True"
    server.send(signal.SIGHUP)
    server.wait_ready(4)
    assert server.get("/").body == b"hello"
    assert server.stop() == 0


def test_requests_of_many_clients_are_in_the_application_at_once(start: Start) -> None:
    guests = 200
    server = start(GUESTS=str(guests))
    with ExitStack() as stack:
        clients = [Client(stack.enter_context(server.connected())) for _ in range(guests)]
        for client in clients:
            client.send(get("/meet"))
        assert {client.hear().body for client in clients} == {b"all here"}


def test_a_connection_that_waits_for_the_application_does_not_hold_up_another(start: Start) -> None:
    server = start(GUESTS="2")
    with server.connected() as waiting:
        client = Client(waiting)
        client.send(get("/meet"))
        assert server.get("/").body == b"hello"
        assert server.get("/meet").body == b"all here"
        assert client.hear().body == b"all here"


def test_no_more_connections_are_taken_than_worker_connections(start: Start) -> None:
    server = start("--worker-connections", "2", "--keep-alive", "60")
    with ExitStack() as stack:
        first, second, third = (Client(stack.enter_context(server.connected())) for _ in range(3))
        for client in (first, second):
            assert client.ask(get("/")).body == b"hello"
        third.send(get("/"))
        third.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            third.hear()
        third.socket.settimeout(WAIT_S)
        first.socket.close()
        assert third.hear().body == b"hello"


def test_what_an_application_keeps_by_greenlet_lives_as_long_as_the_connection(start: Start) -> None:
    server = start()
    with server.connected() as sock:
        client = Client(sock)
        assert [client.ask(get("/count")).body for _ in range(3)] == [b"1", b"2", b"3"]
        assert server.get("/count").body == b"1"
        server.log.wait("^gone after 1$")
    server.log.wait("^gone after 3$")


def test_a_connection_that_has_ended_is_forgotten_at_once(start: Start) -> None:
    server = start()
    for _ in range(20):
        assert server.get("/").body == b"hello"
    assert int(server.get("/connections").body) < 5


def test_requests_sent_ahead_need_no_further_event(start: Start) -> None:
    server = start()
    with server.connected() as sock:
        client = Client(sock)
        client.send(get("/count") + post("/count", b"body") + get("/count"))
        assert [client.hear().body for _ in range(3)] == [b"1", b"2", b"3"]


def test_a_timeout_left_running_does_not_harm_the_next_request(start: Start) -> None:
    server = start()
    with server.connected() as sock:
        client = Client(sock)
        assert client.ask(get("/leave_timeout")).body == b"left"
        server.log.wait("the time-out is over")
        assert client.ask(get("/")).body == b"hello"
    assert "Traceback" not in server.log.text


def test_a_connection_whose_greenlet_was_killed_gets_another(start: Start) -> None:
    server = start()
    with server.connected() as sock:
        client = Client(sock)
        assert client.ask(get("/count")).body == b"1"
        assert server.get("/kill_idle").body == b"killed"
        assert client.ask(get("/count")).body == b"1"


def test_a_request_that_kills_its_greenlet_is_a_500(start: Start) -> None:
    server = start()
    assert server.get("/kill_self").status == 500
    assert server.get("/").body == b"hello"


def test_a_request_that_holds_up_the_hub_is_ended_by_timeout(start: Start) -> None:
    """One that does not let itself be ended: see tests/integration/resilience/test_deadline.py."""
    server = start("--timeout", "1")
    assert server.get("/block").status == 504
    server.log.wait(r"Request deadline: GET /block .*green_app\.py:\d+ in block")
    assert server.get("/").body == b"hello"
    assert server.stop() == 0


def test_without_gevent_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "gevent.py").write_text('raise ModuleNotFoundError("No module named \'gevent\'", name="gevent")\n')
    (tmp_path / "site_app.py").write_text("def app(environ, start_response): ...\n")
    environ = {"PYTHONPATH": str(tmp_path)}
    process, log = launch(["--bind", "127.0.0.1:0", "-k", "gevent", "-w", "2", "site_app:app"], tmp_path, environ)
    assert process.wait(WAIT_S) == 1
    assert log.wait_end()
    assert log.text.count("pip install 'hybrid-arbiter[gevent]'") == 1, log.text
    assert "Traceback" not in log.text
    log.close()
