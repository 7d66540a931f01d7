"""The walk of docs/migration.md, command by command: one Django project from WSGI to ASGI while it serves.

The commands are read from the page, so it cannot say what does not work. In each step visitors do what visitors do:
go on with their session, fill in forms, log in to the admin and upload files; from step 4 on one of them is a browser.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.browser import EXECUTABLE, Browser
from tests.integration.migration.guide import example, guide
from tests.integration.server import EXAMPLES, WAIT_S, Server, clean_environ

STEPS = guide("A Django project, step by step")
FILE = os.urandom(300_000)


class Walk:
    """The project in a folder of its own, its server, and the visitors."""

    def __init__(self, folder: Path, database: Path) -> None:
        self.project = folder / "django_project"
        shutil.copytree(EXAMPLES / "django_project", self.project, ignore=shutil.ignore_patterns("*.sqlite3"))
        shutil.copytree(EXAMPLES / "django_migration", folder / "django_migration")
        shutil.copy(database, folder / "db.sqlite3")
        self.environ = {**clean_environ(), "MYSITE_DATA": str(folder)}
        self.server: Server | None = None
        self.visits = 0
        self.said: dict[str, str] = {}
        """What each command printed."""
        self.visitor = httpx.Client(timeout=WAIT_S)

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url

    def take(self, step: int) -> None:
        """Run the commands of a step, as a reader would."""
        for command in STEPS[step - 1].commands:
            if command == ["hybrid"]:
                self.server = Server([], self.project, {"MYSITE_DATA": self.environ["MYSITE_DATA"]})
                self.server.wait_ready(2)
            elif command[0] == "cp":
                shutil.copy(self.project / command[1], self.project / command[2])
            elif command[0] == "hybrid":
                self.said[" ".join(command)] = self.hybrid(*command[1:])
            else:
                assert command[0] == "cd", command

    def hybrid(self, *arguments: str) -> str:
        """What a command says about this server. Fails with its errors."""
        which = [] if arguments[0] == "check" else ["--pid", str(self.server.pid)] if self.server else []
        command = [sys.executable, "-m", "hybrid", *arguments, *which]
        done = subprocess.run(
            command, cwd=self.project, env=self.environ, capture_output=True, text=True, timeout=50, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.hybrid("status", "--json"))
        return status

    def interfaces(self, visitors: int) -> Counter[str]:
        """What served so many new visitors."""
        found = Counter[str]()
        for _ in range(visitors):
            answer = httpx.get(f"{self.url}/process/", timeout=WAIT_S)
            assert answer.status_code == 200
            found[answer.json()["interface"]] += 1
        return found

    def visit(self) -> None:
        """Everything that a visitor of the site does. The session goes on from step to step."""
        browser = self.visitor
        self.visits += 1
        assert browser.get(f"{self.url}/visits/").json() == {"visits": self.visits}
        text = f"visit {self.visits}"
        form = {"name": "Zoë", "message": text, "csrfmiddlewaretoken": self._token("/")}
        assert browser.post(f"{self.url}/", data=form).status_code == 302
        assert text in browser.get(f"{self.url}/").text
        assert browser.post(f"{self.url}/", data={"name": "x", "message": "y"}).status_code == 403
        files = {"attachment": ("a.bin", io.BytesIO(FILE))}
        answer = browser.post(f"{self.url}/form-upload/", data={"title": "a"}, files=files)
        assert answer.json()["sha256"] == hashlib.sha256(FILE).hexdigest()
        self._administrate(text)

    def _administrate(self, text: str) -> None:
        """A new administrator logs in, adds an entry and looks at it."""
        with httpx.Client(base_url=self.url, timeout=WAIT_S) as admin:
            token = _token(admin.get("/admin/login/").text)
            form = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": token, "next": "/admin/"}
            assert admin.post("/admin/login/", data=form).headers["location"] == "/admin/"
            token = _token(admin.get("/admin/guestbook/entry/add/").text)
            form = {"name": "admin", "message": f"{text} of the admin", "csrfmiddlewaretoken": token}
            assert admin.post("/admin/guestbook/entry/add/", data=form).status_code == 302
            assert "admin" in admin.get("/admin/guestbook/entry/").text

    def _token(self, path: str) -> str:
        return _token(self.visitor.get(f"{self.url}{path}").text)

    def end(self) -> None:
        self.visitor.close()
        if self.server is not None:
            self.server.destroy()


def _token(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, page
    return found[1]


class Background:
    """Requests without a pause, each on a connection of its own, until it is left; none may fail."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers = Counter[object]()

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(WAIT_S)

    def _ask(self) -> None:
        while not self._is_over.is_set():
            try:
                self.answers[httpx.get(f"{self._url}/hello/", timeout=WAIT_S).status_code] += 1
            except httpx.HTTPError as error:
                self.answers[repr(error)] += 1


@pytest.fixture
def walk(tmp_path: Path, migrated_database: Path) -> Iterator[Walk]:
    walk = Walk(tmp_path, migrated_database)
    yield walk
    walk.end()


@pytest.mark.timeout(240)
def test_django_project_walks_from_wsgi_to_asgi_without_losing_a_request(walk: Walk) -> None:
    walk.take(1)
    walk.visit()
    assert walk.interfaces(5) == {"wsgi": 5}
    walk.take(2)
    assert "asgi" in walk.said["hybrid check -k asgi mysite.asgi"]
    with Background(walk.url) as background:
        walk.take(3)
        walk.visit()
        assert walk.interfaces(5) == {"wsgi": 5}
        walk.take(4)
        walk.visit()
        # 60 visitors at 10 %: none of them on one side has a chance of 1 in 500, all of them on it of 10^-60.
        assert walk.interfaces(60)["wsgi"] > 30
        walk.take(5)
        walk.visit()
        assert min(walk.interfaces(60)[name] for name in ("wsgi", "asgi")) > 5
        walk.take(6)
        walk.visit()
        assert walk.interfaces(5) == {"asgi": 5}
        walk.take(7)
        walk.visit()
        assert walk.interfaces(5) == {"asgi": 5}
    assert set(background.answers) == {200}
    assert background.answers[200] > 20
    assert [pool["name"] for pool in walk.status()["pools"]] == ["main"]


@pytest.mark.skipif(not EXECUTABLE, reason="no Chromium here: apt-get install chromium-headless-shell")
@pytest.mark.timeout(240)
def test_browser_stays_logged_in_to_the_admin_while_the_weight_moves(walk: Walk) -> None:
    walk.take(1)
    with Browser() as browser:
        browser.open(f"{walk.url}/admin/")
        browser.fill("#id_username", "admin")
        browser.fill("#id_password", "admin")
        walk.take(3)  # a visitor does not notice that a form was shown by one worker and is sent to another
        browser.press("[type=submit]")
        assert browser.path == "/admin/", browser.text
        assert "Site administration" in browser.text
        browser.open(f"{walk.url}/process/")
        served_by = {json.loads(browser.text)["interface"]}
        assert served_by == {"wsgi"}
        for step, name in ((4, "first"), (5, "second"), (6, "third"), (7, "fourth")):
            browser.open(f"{walk.url}/admin/guestbook/entry/add/")
            browser.fill("#id_name", name)
            browser.fill("#id_message", "from the browser")
            walk.take(step)
            browser.press("[name=_save]")
            assert browser.path == "/admin/guestbook/entry/"
            assert name in browser.text, browser.text
            browser.open(f"{walk.url}/process/")
            served_by.add(json.loads(browser.text)["interface"])
        assert "asgi" in served_by
        assert "sessionid" in browser.cookies()


def test_page_shows_the_settings_files_that_the_walk_uses() -> None:
    shown = [text for step in STEPS for text in step.settings]
    assert shown == [example(f"django_migration/{name}.toml") for name in ("sync", "both", "asgi")]
