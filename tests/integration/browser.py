"""A real browser for tests: headless Chromium, told what to do over its DevTools protocol.

One page, one command at a time. Only what a visitor does: open an address, fill in a form, press a button, read the
page. A step that leads to another page returns when that page has been loaded.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.integration.server import WAIT_S

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
EXECUTABLE = next((path for name in NAMES if (path := shutil.which(name))), "")
"""The browser of this machine; "" if there is none."""


_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


class Browser:
    """Use as a context manager: the browser and its profile are gone afterwards."""

    def __init__(self) -> None:
        self._last = 0
        self._events: list[dict[str, Any]] = []
        self._session = ""
        with ExitStack() as begun:
            profile = begun.enter_context(tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True))
            self._process = subprocess.Popen(
                [EXECUTABLE, *_FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"],
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
            begun.callback(self._end)
            self._socket: ClientConnection = begun.enter_context(
                connect(self._address(), max_size=None, open_timeout=WAIT_S)
            )
            targets = self._send("Target.getTargets")["targetInfos"]
            page = next(target["targetId"] for target in targets if target["type"] == "page")
            self._session = self._send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
            self._send("Page.enable")
            self._send("Network.enable")
            self._begun = begun.pop_all()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        with self._begun:
            self._session = ""
            self._send("Browser.close")

    def _end(self) -> None:
        """It closes when told to; what is left of its processes then has no business any more."""
        try:
            self._process.wait(1 if self._process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait(WAIT_S)
        assert self._process.stderr is not None
        self._process.stderr.close()

    # -- what a visitor does ---------------------------------------------------------------------------

    def open(self, url: str) -> None:
        """Go to this address and wait until it is loaded."""
        self._events.clear()
        error = self._send("Page.navigate", url=url).get("errorText")
        assert not error, f"cannot open {url}: {error}"
        self._wait_for("Page.loadEventFired")

    def fill(self, selector: str, text: str) -> None:
        """Type into the field that this CSS selector finds."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self._send("Input.insertText", text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in the file field that this CSS selector finds."""
        document = self._send("DOM.getDocument")["root"]["nodeId"]
        node = self._send("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self._send("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def press(self, selector: str) -> None:
        """Click what this CSS selector finds, and wait until the page that it leads to is loaded."""
        self._events.clear()
        self.run(f"document.querySelector({json.dumps(selector)}).click()")
        self._wait_for("Page.loadEventFired")

    # -- what a visitor sees ---------------------------------------------------------------------------

    @property
    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    @property
    def path(self) -> str:
        return str(self.run("location.pathname"))

    def cookies(self) -> dict[str, str]:
        """Those that the page's address gets, HttpOnly ones included."""
        return {cookie["name"]: cookie["value"] for cookie in self._send("Network.getCookies")["cookies"]}

    def forget(self, cookie: str) -> None:
        """Delete the page's cookie of this name."""
        self._send("Network.deleteCookies", name=cookie, url=str(self.run("location.href")))

    def run(self, script: str) -> object:
        """The value of a JavaScript expression, awaited if it is a promise."""
        answer = self._send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """Save what the page looks like, as PNG. For people, when a test fails."""
        path.write_bytes(base64.b64decode(self._send("Page.captureScreenshot")["data"]))

    # -- the protocol ----------------------------------------------------------------------------------

    def _address(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "DevTools listening on " in line:
                return line.split("DevTools listening on ")[1].strip()
        raise AssertionError(
            f"{EXECUTABLE} ended with code {self._process.wait(WAIT_S)} before it could be told anything"
        )

    def _send(self, method: str, **parameters: object) -> dict[str, Any]:
        self._last += 1
        command: dict[str, object] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        self._socket.send(json.dumps(command))
        while True:
            message = self._receive()
            if message.get("id") == self._last:
                assert "error" not in message, f"{method}: {message['error']}"
                result: dict[str, Any] = message["result"]
                return result
            self._events.append(message)

    def _wait_for(self, event: str) -> None:
        while not any(message.get("method") == event for message in self._events):
            self._events.append(self._receive())

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(WAIT_S))
        return message
