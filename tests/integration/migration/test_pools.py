"""Several pools under one arbiter: what they share, and that nothing else crosses from one to the other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.migration.conftest import Pools
from tests.integration.migration.load import Load
from tests.integration.server import WAIT_S, clean_environ

ROUTES = "/api/*=modern"


def test_each_path_is_served_by_its_pool_from_one_port(pools: Pools) -> None:
    pools.configure(ROUTES, legacy=2)
    server = pools.start(ready=3)
    assert [pools.served_by(path) for path in ("/", "/api/x", "/apix", "/api")] * 3 == [
        "legacy",
        "modern",
        "legacy",
        "modern",
    ] * 3
    assert len(pools.workers("legacy")) == 2
    assert len(pools.workers("modern")) == 1
    text = pools.told("status")
    assert "pool legacy: serving, 2 of 2 workers ready" in text
    assert "pool modern: serving, 1 of 1 workers ready" in text
    assert "route /api/*=modern" in text
    assert "Using worker: sync pool=legacy app=pools_app:wsgi" in server.log.text
    assert "Using worker: asgi pool=modern app=pools_app:asgi" in server.log.text
    assert server.stop() == 0


def test_pools_of_the_command_line(pools: Pools) -> None:
    server = pools.start(
        "pools_app:wsgi", "-e", "POOL=main", "--pool", "modern=pools_app:asgi,raw_env=POOL=modern", "--route", ROUTES
    )
    assert [pools.served_by(path) for path in ("/", "/api")] == ["main", "modern"]
    assert server.stop() == 0


def test_pool_is_scaled_by_its_name(pools: Pools) -> None:
    pools.configure(ROUTES)
    server = pools.start()
    (legacy,) = pools.workers("legacy")
    assert pools.told("scale", "modern", "3") == "Pool modern: 1 -> 3 workers\n"
    server.wait_ready(4)
    assert len(pools.workers("modern")) == 3
    assert pools.workers("legacy") == [legacy]
    server.send(signal.SIGTTIN)  # the first pool's
    server.wait_ready(5)
    assert len(pools.workers("legacy")) == 2


def test_template_is_each_pool_s_own(pools: Pools) -> None:
    pools.configure(ROUTES, legacy=2, modern=2, top="preload = true")
    server = pools.start(ready=4)
    old = pools.workers("modern")
    (pools.folder / "broken-modern").touch()  # who imports anew now could not serve
    os.kill(old[0], signal.SIGKILL)
    server.wait_ready(5)
    fresh = pools.workers("modern")
    assert len(fresh) == 2
    assert old[0] not in fresh
    assert {pools.served_by("/api") for _ in range(4)} == {"modern"}
    assert {pools.served_by("/") for _ in range(4)} == {"legacy"}
    assert server.stop() == 0


# what is refused at the start -----------------------------------------------------------------------


def refused(pools: Pools, *options: str) -> tuple[int, str]:
    server = pools.start(*options, ready=0)
    return server.wait_exit(), server.log.text


def test_first_start_ends_when_one_pool_cannot_boot(pools: Pools) -> None:
    pools.configure(ROUTES)
    (pools.folder / "broken-modern").touch()
    code, log = refused(pools)
    assert code == 4
    assert "RuntimeError: modern has no database" in log
    assert "pool=modern" in log


def test_tls_with_routes_over_several_pools_is_refused_with_the_ways_out(pools: Pools) -> None:
    pools.configure(ROUTES)
    code, log = refused(pools, "--certfile", "cert.pem", "--keyfile", "key.pem")
    assert code == 1
    assert "a TLS connection cannot be handed from one worker to another" in log
    assert "Either end TLS in front" in log


def test_route_to_a_pool_that_there_is_not_is_refused(pools: Pools) -> None:
    pools.configure("/api/*=gone")
    code, log = refused(pools)
    assert code == 1
    assert "there is no pool 'gone'; there are legacy, modern" in log


def test_check_finds_what_the_start_would_refuse(pools: Pools) -> None:
    pools.configure("/api/*=gone")
    command = [sys.executable, "-m", "hybrid", "check"]
    done = subprocess.run(
        command, cwd=pools.folder, env=clean_environ(), capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 1
    assert "there is no pool 'gone'" in done.stderr


# what happens in one pool stays in it ---------------------------------------------------------------


def test_pool_whose_workers_are_killed_and_cannot_boot_costs_the_other_no_request(pools: Pools) -> None:
    pools.configure(ROUTES, legacy=2, modern=2)
    server = pools.start(ready=4)
    legacy = pools.workers("legacy")
    with Load(server.port, "/") as load:
        load.wait_for("legacy")
        for _ in range(3):
            for pid in pools.workers("modern"):
                os.kill(pid, signal.SIGKILL)
            load.wait_for("legacy")
        (pools.folder / "broken-modern").touch()
        for pid in pools.workers("modern"):
            os.kill(pid, signal.SIGKILL)
        server.log.wait(r"class=boot .*pool=modern", timeout=WAIT_S)  # no more is said of it in a pool that is degraded
        server.log.wait(r"Pool modern: degraded", timeout=WAIT_S)
        load.wait_for("legacy", 300)
        assert pools.status("legacy")["state"] == "serving"
        assert pools.status("modern")["state"] in ("down", "degraded")
    assert load.errors == []
    assert load.seen.keys() == {"legacy"}
    assert pools.workers("legacy") == legacy
    (pools.folder / "broken-modern").unlink()
    server.log.wait(r"Worker ready .*pool=modern", count=3, timeout=2 * WAIT_S)
    assert server.stop() == 0


def test_pool_that_outgrows_its_memory_costs_the_other_no_request(pools: Pools) -> None:
    pools.configure(ROUTES, legacy=2, modern_more="max_worker_memory_hard = '90M'")
    server = pools.start(ready=3)
    legacy = pools.workers("legacy")
    with Load(server.port, "/") as load:
        load.wait_for("legacy")
        server.get("/api/grow")
        server.log.wait(r"class=memory|memory limit", timeout=WAIT_S)
        server.wait_ready(4)
        load.wait_for("legacy")
    assert load.errors == []
    assert pools.workers("legacy") == legacy


def test_manager_s_watchdog_does_not_end_the_pool_that_serves(pools: Pools) -> None:
    pools.configure(ROUTES)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(pools.folder / "notify"))
        manager.settimeout(WAIT_S)
        environ = {"NOTIFY_SOCKET": str(pools.folder / "notify"), "WATCHDOG_USEC": "200000"}
        server = pools.start(environ=environ)
        (pools.folder / "broken-modern").touch()
        (pid,) = pools.workers("modern")
        os.kill(pid, signal.SIGKILL)
        server.log.wait(r"Worker cannot boot: .*pool=modern")
        manager.setblocking(False)
        with suppress(BlockingIOError):
            while manager.recv(1000):  # those from before
                pass
        manager.settimeout(WAIT_S)
        for _ in range(3):
            assert manager.recv(1000) == b"WATCHDOG=1"
        assert pools.status("modern")["ready"] == 0
        assert server.stop() == 0


def test_reload_that_fails_in_one_pool_leaves_the_workers_of_both(pools: Pools) -> None:
    pools.configure(ROUTES, legacy=2)
    server = pools.start(ready=3)
    before = pools.workers("legacy"), pools.workers("modern")
    (pools.folder / "broken-modern").touch()
    with Load(server.port, "/") as load, Load(server.port, "/api") as api:
        load.wait_for("legacy")
        done = pools.hybrid("reload", "--wait")
        assert done.returncode == 1
        assert "modern has no database" in done.stderr
        load.wait_for("legacy")
        api.wait_for("modern")
    assert load.errors == api.errors == []
    assert (pools.workers("legacy"), pools.workers("modern")) == before


def test_reload_brings_pools_and_routes_and_takes_them_away(pools: Pools) -> None:
    """The step from one pool to two is a reload of a running server."""
    (pools.folder / "hybrid.toml").write_text('app = "pools_app:wsgi"\nraw_env = ["POOL=alone"]\n')
    server = pools.start(ready=1)
    with Load(server.port, "/api/x") as load:
        load.wait_for("alone")
        pools.configure(ROUTES)
        pools.told("reload", "--wait")
        load.wait_for("modern")
        assert pools.served_by("/") == "legacy"
        (pools.folder / "hybrid.toml").write_text('app = "pools_app:wsgi"\nraw_env = ["POOL=alone"]\n')
        pools.told("reload", "--wait")
        load.wait_for("alone")
    assert load.errors == []
    assert server.stop() == 0


def test_settings_of_one_pool_are_not_those_of_the_other(pools: Pools, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "elsewhere.py").write_text(
        "import os\ndef app(environ, start_response):\n"
        "    start_response('200 OK', [])\n    pool = os.environ.get('POOL')\n"
        "    return [f'elsewhere {os.getcwd()} {pool}'.encode()]\n"
    )
    pools.configure(
        "/api/*=modern; /other/*=third",
        bottom='[pools.third]\napp = "elsewhere:app"\nchdir = "other"\nmax_requests = 1\n',
    )
    server = pools.start(ready=3)
    assert server.get("/other/").body == f"elsewhere {other} None".encode()
    server.log.wait(r"Autorestarting worker|max-requests", timeout=WAIT_S)
    server.wait_ready(4)
    assert {pools.served_by("/") for _ in range(5)} == {"legacy"}
    assert server.log.text.count("Worker ready") == 4


@pytest.mark.parametrize("path", ["/", "/api"])
def test_stop_answers_the_requests_of_every_pool(pools: Pools, path: str) -> None:
    """One that comes when its pool is gone already is told so: 503, as the next would be refused."""
    pools.configure(ROUTES)
    server = pools.start()
    with Load(server.port, path, is_kept=False) as load:
        load.wait_for()
        assert server.stop() == 0
    silent = [error for error in load.errors if "refused" not in error.lower() and not error.startswith("503 ")]
    assert silent == []
