"""Shadow traffic, the fuse and the report, on real servers."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hybrid.control import find_arbiter
from tests.integration.server import WAIT_S, Server, clean_environ

HERE = Path(__file__).parent
APPS = {"sync": "wsgi", "gthread": "wsgi", "gevent": "wsgi", "asgi": "asgi"}
EQUAL = ["/", "/json", "/page", "/other?q=%20x", "/slow", "/form"]
SEEDED = {
    "/missing": "header x-app",
    "/cookie": "cookie basket",
    "/moved": "status",
    "/gone": "status",
    "/float": "body $.body",
    "/long": "body",
}


class Site:
    """A server with the pools `legacy` and `modern`, which serve the same application, or nearly."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(HERE / "shadow_app.py", folder)
        self.server: Server = None  # type: ignore[assignment]  # `start` comes first
        self._client: http.client.HTTPConnection | None = None

    def start(
        self, *options: str, legacy: str = "sync", modern: str = "asgi", twist: bool = True, workers: int = 3
    ) -> None:
        more = ",raw_env=TWIST=1" if twist else ""
        pools = [
            "--pool", f"legacy=shadow_app:{APPS[legacy]},class={legacy}",
            "--pool", f"modern=shadow_app:{APPS[modern]},class={modern}{more}",
        ]  # fmt: skip
        self.server = Server([*pools, *options], self.folder)
        self.server.wait_ready(workers)
        self._client = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=WAIT_S)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
        assert self._client is not None
        self._client.request(method, path, body)
        response = self._client.getresponse()
        return response.status, response.read()

    def facts(self) -> dict[str, Any]:
        client = find_arbiter(pid=str(self.server.pid))
        try:
            *_, last = client.ask({"command": "migration"})
        finally:
            client.close()
        found: dict[str, Any] = last["migration"]
        return found

    def until(self, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first facts of which this holds. Asking waits for the arbiter, so that this is no busy loop."""
        deadline = time.monotonic() + WAIT_S
        while True:
            found = self.facts()
            if condition(found):
                return found
            assert time.monotonic() < deadline, json.dumps(found, indent=1)[:4000]

    def shadow(self, compared: int) -> dict[str, Any]:
        """The findings of the only rule, when so many answers are compared."""
        found = self.until(lambda facts: facts["shadow"][0]["compared"] >= compared)["shadow"][0]
        assert found["compared"] == compared
        assert found["failed"] == {}
        return dict(found)

    def pid_of(self, pool: str) -> int:
        found = self.server.log.wait(rf"Worker ready \(pid: (\d+)\) pool={pool} ")
        return int(found[-1][1])

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "hybrid", *arguments, "--pid", str(self.server.pid)],
            cwd=self.folder, env=clean_environ(), capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self.server is not None:
            self.server.destroy()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def traffic(facts: dict[str, Any], pool: str) -> dict[str, Any]:
    """What a pool counted of the only route."""
    (row,) = [row for row in facts["traffic"] if row["pool"] == pool and row["pattern"] == "/*"]
    return dict(row)


@pytest.mark.parametrize(
    ("legacy", "modern"), [("sync", "asgi"), ("gthread", "asgi"), ("gevent", "sync"), ("asgi", "gthread")]
)
def test_every_seeded_divergence_is_found_and_nothing_else(site: Site, legacy: str, modern: str) -> None:
    site.start("--route", "/*=legacy", "--shadow", "/*=modern", legacy=legacy, modern=modern)
    for path in [*EQUAL, *SEEDED, *EQUAL]:
        assert site.ask(path)[0] == 200
        assert site.ask(path, "HEAD")[0] == 200
    found = site.shadow(2 * (len(SEEDED) + 2 * len(EQUAL)))
    # One example of each kind; of GET or of HEAD, since several copies are under way at once.
    examples = {kind["what"]: kind["request"].partition(" ")[2] for kind in found["differences"]}
    assert examples.keys() == {*SEEDED.values(), "header location"}
    assert (examples["header x-app"], examples["cookie basket"]) == ("/missing", "/cookie")
    assert (examples["header location"], examples["body"]) == ("/moved", "/long")
    assert examples["status"] in ("/moved", "/gone")
    counted = {kind["what"]: kind["count"] for kind in found["differences"]}
    assert counted["status"] == 4
    assert counted["cookie basket"] == 2
    assert counted["body $.body"] == counted["body"] == 1
    # Of HEAD the bodies are not there to differ.
    assert found["compared"] - found["agreed"] == 2 * len(SEEDED) - 2


@pytest.mark.parametrize(("legacy", "modern"), [("sync", "asgi"), ("asgi", "asgi"), ("gthread", "sync")])
def test_equal_applications_agree_in_everything(site: Site, legacy: str, modern: str) -> None:
    site.start("--route", "/*=legacy", "--shadow", "/*=modern", legacy=legacy, modern=modern, twist=False)
    paths = [*EQUAL, *SEEDED, "/fail"]
    for path in paths:
        for method in ("GET", "HEAD"):
            assert site.ask(path, method)[0] == 200
    found = site.shadow(2 * len(paths))
    assert found["differences"] == []
    assert found["agreed"] == 2 * len(paths)
    random = ["cookie csrftoken", "cookie sessionid", "header content-security-policy nonce"]
    assert found["masked"] == {
        **dict.fromkeys(random, 2), "input csrfmiddlewaretoken": 1, "nonce": 1,
    }  # fmt: skip


def test_other_methods_are_copied_only_when_asked_for_and_then_with_their_body(site: Site) -> None:
    site.start("--route", "/*=legacy", "--shadow", "POST /search=modern")
    site.ask("/search")
    site.ask("/other", "POST", b"abc")
    site.ask("/search", "POST", b"x" * 100_000)
    assert site.ask("/search", "POST", b"words")[0] == 200
    found = site.shadow(1)
    assert found["agreed"] == 1, "the body of the request is part of the answer"
    row = traffic(site.facts(), "legacy")
    assert (row["copied"], row["unfit"]) == (1, 1)


def test_a_copy_is_marked_and_the_real_request_is_not(site: Site) -> None:
    site.start("--route", "/*=legacy", "--shadow", "/*=modern", twist=False)
    site.ask("/marked")
    (difference,) = site.shadow(1)["differences"]
    assert difference == {
        "what": "header x-marked", "count": 1, "request": "GET /marked", "real": "False", "shadow": "True",
    }  # fmt: skip


def test_fields_that_may_differ_can_be_named(site: Site) -> None:
    options = ("--shadow-ignore-headers", "X-App,cookie:basket")
    site.start("--route", "/*=legacy", "--shadow", "/*=modern", *options)
    site.ask("/missing")
    site.ask("/cookie")
    assert site.shadow(2)["agreed"] == 2


def test_what_may_differ_in_bodies_can_be_named_and_the_report_says_what_was_masked(site: Site) -> None:
    site.start("--route", "/*=legacy", "--shadow", "/*=modern", "--shadow-ignore-body", r'"body": ("[^"]*"|1\.0)')
    site.ask("/float")
    site.ask("/form")
    assert site.shadow(2)["agreed"] == 2
    shown = site.command("migration")
    assert "not counted, for it is random: " in shown
    assert "cookie sessionid (1 x)" in shown
    assert 'pattern "body": ' in shown


def test_a_part_of_the_requests_can_be_copied(site: Site) -> None:
    site.start("--route", "/*=legacy", "--shadow", "/*=modern:30")
    for _ in range(300):
        site.ask("/")
    row = traffic(site.until(lambda facts: traffic(facts, "legacy")["requests"] == 300), "legacy")
    assert 50 <= row["copied"] + row["dropped"] <= 130


def test_what_the_pool_serves_itself_is_not_copied_to_it(site: Site) -> None:
    site.start("--route", "/*=modern", "--shadow", "/*=modern")
    assert site.ask("/")[0] == 200
    row = traffic(site.until(lambda facts: facts["traffic"]), "modern")
    assert (row["requests"], row["copied"], row["unfit"]) == (1, 0, 0)


@pytest.mark.parametrize("stopped", ["shadow", "modern"])
def test_who_compares_or_is_compared_may_stand_still_and_nobody_waits(site: Site, stopped: str) -> None:
    """The queue is bounded: what does not fit is dropped, and counted."""
    site.start("--route", "/*=legacy", "--shadow", "/*=modern", "--timeout", "60", twist=False)
    pid = site.pid_of(stopped)
    os.kill(pid, signal.SIGSTOP)
    try:
        asked, row = 0, {"dropped": 0}
        while not row["dropped"]:
            for _ in range(50):
                assert site.ask("/long")[0] == 200
            asked += 50
            row = traffic(site.facts(), "legacy")
            assert asked < 2000, f"the queue has no bound: {row}"
    finally:
        os.kill(pid, signal.SIGCONT)
    found = site.until(lambda facts: traffic(facts, "legacy")["requests"] >= asked)
    row = traffic(found, "legacy")
    assert row["copied"] + row["dropped"] == asked
    assert row["errors"] == 0

    def is_all_known(facts: dict[str, Any]) -> bool:
        rule, row = facts["shadow"][0], traffic(facts, "legacy")
        known = rule["compared"] + rule["skipped"] + sum(rule["failed"].values())
        return bool(known >= row["copied"])

    assert site.until(is_all_known)["shadow"][0]["differences"] == []


def test_a_shadow_worker_that_is_killed_is_replaced_and_no_request_notices(site: Site) -> None:
    site.start("--route", "/*=legacy", "--shadow", "/*=modern", twist=False)
    for _ in range(20):
        assert site.ask("/")[0] == 200
    os.kill(site.pid_of("shadow"), signal.SIGKILL)
    for _ in range(200):
        assert site.ask("/")[0] == 200
    site.server.log.wait(r"Worker ready \(pid: \d+\) pool=shadow ", count=2)
    before = site.facts()["shadow"][0]["compared"]
    assert site.ask("/")[0] == 200
    site.until(lambda facts: facts["shadow"][0]["compared"] > before)
    assert traffic(site.facts(), "legacy")["errors"] == 0


def test_a_pool_without_workers_gets_no_copies(site: Site) -> None:
    site.start("--route", "/*=legacy", "--shadow", "/*=modern", "--boot-timeout", "30", twist=False)
    os.kill(site.pid_of("modern"), signal.SIGSTOP)
    os.kill(site.pid_of("modern"), signal.SIGKILL)
    for _ in range(20):
        assert site.ask("/")[0] == 200
    assert traffic(site.until(lambda facts: facts["traffic"]), "legacy")["errors"] == 0


def test_the_worker_that_compares_stays_one(site: Site) -> None:
    site.start("--route", "/*=legacy", "--shadow", "/*=modern", twist=False)
    command = [sys.executable, "-m", "hybrid", "scale", "--pid", str(site.server.pid), "shadow", "2"]
    done = subprocess.run(
        command, cwd=site.folder, env=clean_environ(), capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 1
    assert "pool shadow is the one worker that compares the answers of shadow traffic, and stays one" in done.stderr


# -- the fuse --------------------------------------------------------------------------------------


def break_it(site: Site, path: str, most: int = 4000) -> tuple[int, str]:
    """Ask until the fuse blows: how often that was answered 500, and the line of the log."""
    failed = 0
    for number in range(most):
        failed += site.ask(path)[0] == 500
        if number % 20 == 0 and (found := re.search(r"Fuse: route .*", site.server.log.text)):
            return failed, found[0]
    raise AssertionError(f"the fuse did not blow within {most} requests, {failed} of which failed")


def test_the_fuse_trips_on_a_regression_at_a_tenth_of_the_requests(site: Site) -> None:
    site.start("--route", "/*=legacy:90,modern:10", "--fuse", "error-rate>2%", "--fuse-window", "10", workers=2)
    began = time.monotonic()
    _, line = break_it(site, "/fail")
    assert time.monotonic() - began < 10 + WAIT_S
    assert re.search(r"route /\*: modern loses its weight to legacy: error-rate>2%: \d.*% of \d+ requests", line)
    site.server.log.wait(r"Routes: /\*=legacy:90,modern:0 \(was /\*=legacy:90,modern:10\)")
    assert [site.ask("/fail")[0] for _ in range(100)] == [200] * 100
    status = site.command("status")
    assert "route /*=legacy:90,modern:0" in status
    assert re.search(r"fuse blew at .*: modern lost /\* to legacy: error-rate>2%", status)
    report = site.command("migration")
    assert "modern: not yet: " in report
    assert "the fuse blew" in report
    assert "taken back: fuse" in site.command("rollback")
    assert site.facts()["routes"][0]["weights"] == {"legacy": 90, "modern": 10}


def test_the_fuse_trips_on_a_pool_that_nobody_can_be_given_to(site: Site) -> None:
    """It answers nothing itself: others say 503 in its place."""
    options = ("--fuse", "error-rate>2%", "--handoff-queue", "1", "--handoff-timeout", "0.2", "--timeout", "60")
    site.start("--route", "/*=legacy:50,modern:50", *options, workers=2)
    pid = site.pid_of("modern")
    os.kill(pid, signal.SIGSTOP)
    try:
        refused, line = 0, ""
        for number in range(1000):
            refused += site.ask("/")[0] == 503
            if number % 20 == 0 and (found := re.search(r"Fuse: route .*", site.server.log.text)):
                line = found[0]
                break
        assert re.search(r"route /\*: modern loses its weight to legacy: error-rate>2%", line), refused
        assert traffic(site.facts(), "modern")["errors"] >= 20
        assert [site.ask("/")[0] for _ in range(50)] == [200] * 50
    finally:
        os.kill(pid, signal.SIGCONT)


def test_the_fuse_trips_when_an_event_loop_is_held_up_and_the_report_names_the_line(site: Site) -> None:
    site.start("--route", "/*=legacy:50,modern:50", "--fuse", "loop-lag>0.3s", workers=2)
    _, line = break_it(site, "/block")
    assert re.search(r"loop-lag>0.3s: \d+ ms", line)
    site.until(lambda facts: facts["blocking"])
    report = site.command("migration")
    assert re.search(r"modern: .*shadow_app\.py:\d+ in twisted: .*serving GET /block", report)


def test_errors_that_both_pools_have_do_not_blow_it(site: Site) -> None:
    site.start("--route", "/*=legacy:50,modern:50", "--fuse", "error-rate>2%", "--fuse-window", "5", workers=2)
    for _ in range(400):
        site.ask("/broken")
    facts = site.until(lambda facts: sum(row["requests"] for row in facts["traffic"]) == 400)
    assert min(traffic(facts, pool)["errors"] for pool in ("legacy", "modern")) >= 20, "else nothing is tested"
    watched = time.monotonic() + 3  # it looks once a second
    site.until(lambda _: time.monotonic() > watched)
    facts = site.facts()
    assert facts["fuse"]["blown"] == []


# -- the report ------------------------------------------------------------------------------------


def test_the_report_as_text_json_and_page(site: Site) -> None:
    site.start("--route", "/*=legacy:100,modern:0", "--shadow", "/*=modern")
    for _ in range(150):
        site.ask("/slow")
    site.ask("/missing")
    site.until(lambda facts: facts["shadow"][0]["compared"] + facts["shadow"][0]["skipped"] == 151)
    shown = site.command("migration")
    assert re.search(r"legacy +100% +151 +0% +1\d ms", shown), shown
    assert "1 x header x-app: 1 | (none) (GET /missing)" in shown
    assert re.search(r"gains from ASGI: a request in legacy waits for \d+% of its 1\d ms", shown), shown
    document = json.loads(site.command("migration", "--json"))
    assert [(one["route"], one["pool"], one["word"]) for one in document["verdicts"]] == [("/*", "modern", "not yet")]
    assert site.command("migration", "--html", "report.html") == "Wrote report.html\n"
    page = (site.folder / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "GET /missing" in page


def test_a_server_without_pools_has_nothing_to_report(site: Site) -> None:
    site.server = Server(["shadow_app:wsgi"], site.folder)
    site.server.wait_ready()
    assert "nothing is being moved" in site.command("migration")
