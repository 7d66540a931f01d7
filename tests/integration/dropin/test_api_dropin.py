"""hybrid from a program: run(), Server in a running loop, and the context manager for tests."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import hybrid
from hybrid.errors import AppLoadError, HybridError, SettingsError
from hybrid.testing import serve
from tests.certificates import Authority
from tests.integration.server import WAIT_S, Log, clean_environ

Scope, Receive, Send = dict[str, Any], Any, Any


class App:
    """Notes its lifespan, and answers with its path."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                self.seen.append(message["type"])
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [environ["PATH_INFO"].encode()]


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=WAIT_S) as response:
        body: bytes = response.read()
        return body


def test_a_test_gets_a_running_server_and_its_lifespan_has_ended_afterwards() -> None:
    app = App()
    with serve(app) as server:
        assert app.seen == ["lifespan.startup"]
        assert fetch(server.url + "/x") == b"/x"
        assert server.url == f"http://127.0.0.1:{server.port}"
    assert app.seen == ["lifespan.startup", "lifespan.shutdown"]


def test_a_wsgi_application_can_be_served_too() -> None:
    with serve(wsgi) as server:
        assert fetch(server.url + "/y") == b"/y"


def test_two_servers_at_once() -> None:
    with serve(App()) as one, serve(App()) as two:
        assert one.port != two.port
        assert fetch(two.url + "/2") == b"/2"
        assert fetch(one.url + "/1") == b"/1"


def test_a_failed_startup_is_raised_where_the_server_is_wanted() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(HybridError, match="no database"), serve(app):
        pass


@pytest.mark.parametrize(
    ("app", "settings", "error"),
    [
        ("no_such_module:app", {}, AppLoadError),
        (wsgi, {"worker": 3}, SettingsError),
        (wsgi, {"timeout": "soon"}, SettingsError),
    ],
)
def test_bad_arguments_are_raised(app: object, settings: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error), serve(app, **settings):
        pass


def test_server_serves_in_a_running_loop_until_it_should_exit() -> None:
    async def main() -> None:
        server = hybrid.Server(App(), host="127.0.0.1", port=0, log_level="warning")
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0)
            assert not task.done(), task
        assert await asyncio.to_thread(fetch, server.url + "/z") == b"/z"
        server.should_exit = True
        await asyncio.wait_for(task, WAIT_S)
        assert not server.started

    asyncio.run(main())


def test_a_hook_that_makes_a_tls_context_needs_no_certfile(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("server")
    (tmp_path / "conf.py").write_text(
        "import ssl\n\ndef ssl_context(config, default_ssl_context_factory):\n"
        "    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
        f"    context.load_cert_chain({str(certificate.cert)!r}, {str(certificate.key)!r})\n"
        "    return context\n"
    )
    with serve(App(), config=str(tmp_path / "conf.py")) as server:
        context = authority.client_context()
        with urllib.request.urlopen(f"https://localhost:{server.port}/s", timeout=WAIT_S, context=context) as answer:
            assert answer.read() == b"/s"


def test_server_is_a_context_manager_of_a_running_loop() -> None:
    async def main() -> None:
        app = App()
        async with hybrid.Server(app, bind="127.0.0.1:0", loglevel="warning") as server:
            assert await asyncio.to_thread(fetch, server.url + "/z") == b"/z"
        assert app.seen == ["lifespan.startup", "lifespan.shutdown"]

    asyncio.run(main())


def test_run_blocks_with_an_arbiter_and_workers_and_takes_uvicorns_names(tmp_path: Path) -> None:
    program = """
        import hybrid

        async def app(scope, receive, send):
            if scope["type"] != "http":
                raise RuntimeError
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"from an object"})

        if __name__ == "__main__":
            hybrid.run(app, host="127.0.0.1", port=0, workers=2, log_level="info")
            print("back", flush=True)
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=clean_environ(),
        stdout=writing,
        stderr=writing,
        start_new_session=True,
    )
    os.close(writing)
    log = Log(reading)
    try:
        url = log.wait(r"Listening at: (http://\S+)")[0][1]
        log.wait(r"Worker ready", count=2)
        assert fetch(url) == b"from an object"
        process.send_signal(signal.SIGHUP)
        log.wait(r"Worker ready", count=4)
        assert fetch(url) == b"from an object"
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
        log.wait("^back$")
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        log.close()
