"""Routes that are changed while the server runs: at once, for all workers, and remembered."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.migration.conftest import Pools
from tests.integration.migration.load import Load
from tests.integration.server import WAIT_S, clean_environ

ROUTES = "/*=legacy:1,modern:0"


def test_change_counts_for_the_next_request_in_every_worker(pools: Pools) -> None:
    pools.configure(ROUTES, legacy=2, modern=2)
    server = pools.start(ready=4)
    for pool in ("modern", "legacy", "modern", "legacy"):
        said = pools.told("promote", "*", pool)
        assert f"{pool}:100" in said
        assert {pools.served_by(path) for path in ("/", "/a", "/b/c") for _ in range(10)} == {pool}
    assert server.log.text.count("Routes: /*=") == 4


def test_everything_there_and_back_under_load_fails_no_request(pools: Pools) -> None:
    pools.configure("", legacy=2, modern=2, bottom='[[routes]]\npath = "*"\npool = "legacy"\nsticky = "none"\n')
    server = pools.start(ready=4)
    with Load(server.port, "/") as kept, Load(server.port, "/", is_kept=False, clients=2) as fresh:
        for weight in (0, 10, 50, 100, 50, 10, 0):
            before = kept.seen["modern"], kept.seen["legacy"]
            pools.told("route", f"*=legacy:{100 - weight},modern:{weight}")
            kept.wait_for(more=200)
            fresh.wait_for(more=50)
            if weight in (0, 100):
                quiet = "modern" if weight == 0 else "legacy"
                settled = kept.seen[quiet]
                kept.wait_for(more=100)
                assert kept.seen[quiet] == settled
            else:
                assert kept.seen["modern"] > before[0]
                assert kept.seen["legacy"] > before[1]
    assert kept.errors == fresh.errors == []
    assert fresh.seen["modern"] > 0
    assert server.stop() == 0


def test_routes_by_host_method_and_field_are_served_and_changed_by_their_pool(pools: Pools) -> None:
    pools.configure(
        bottom='[[routes]]\npath = "/*"\nhost = "new.example"\npool = "modern"\n'
        '[[routes]]\npath = "/form"\nmethods = ["POST"]\npools = { modern = 1 }\n'
        '[[routes]]\npath = "/beta"\nheader = "X-Beta: 1"\npool = "modern"\n'
    )
    server = pools.start()

    def who(path: str, method: str = "GET", **fields: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
        try:
            return connection.getresponse().read().split()[0].decode()
        finally:
            connection.close()

    assert [who("/"), who("/", Host="NEW.example:80"), who("/", Host="old.example")] == ["legacy", "modern", "legacy"]
    assert [who("/form"), who("/form", "POST")] == ["legacy", "modern"]
    assert [who("/beta"), who("/beta", X_Beta="1"), who("/beta", X_Beta="2")] == ["legacy", "modern", "legacy"]
    pools.told("promote", "new.example/*", "legacy")
    pools.told("promote", "POST /form", "legacy")
    pools.told("promote", "/beta", "legacy")  # fields cannot be typed; it is the only one of its path
    assert who("/", Host="new.example") == who("/form", "POST") == who("/beta", X_Beta="1") == "legacy"


def test_who_is_drawn_by_address_keeps_the_pool_without_a_cookie_and_who_is_not_sticky_does_not(pools: Pools) -> None:
    pools.configure(
        legacy=2,
        modern=2,
        top='forwarded_allow_ips = ["127.0.0.1"]\nforwarded_headers = "for"',
        bottom='[[routes]]\npath = "/client"\npools = { legacy = 50, modern = 50 }\nsticky = "client"\n'
        '[[routes]]\npath = "/none"\npools = { legacy = 50, modern = 50 }\nsticky = "none"\n',
    )
    server = pools.start(ready=4)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)

    def who(path: str, client: str) -> str:
        connection.request("GET", path, headers={"X-Forwarded-For": client})
        response = connection.getresponse()
        assert response.getheader("Set-Cookie") is None
        return response.read().split()[0].decode()

    clients = [f"203.0.113.{number}" for number in range(40)]
    first = [who("/client", client) for client in clients]
    assert set(first) == {"legacy", "modern"}
    assert [who("/client", client) for client in clients] == first
    assert {who("/none", "203.0.113.1") for _ in range(40)} == {"legacy", "modern"}
    pools.told("route", "/client=legacy:10,modern:90")  # it counts for everybody, and moves nobody the wrong way
    moved = [who("/client", client) for client in clients]
    assert moved.count("modern") > first.count("modern")
    assert all(now == "modern" for was, now in zip(first, moved, strict=True) if was == "modern")
    connection.close()


def test_routes_are_printed_as_the_lines_to_commit(pools: Pools) -> None:
    pools.configure(ROUTES)
    pools.start()
    assert "Changed" not in pools.told("routes")
    said = pools.told("route", "/api/*=modern:5,legacy:95", "--sticky", "client")
    toml = '[[routes]]\npath = "/api/*"\npools = { modern = 5, legacy = 95 }\nsticky = "client"\n'
    assert toml in said
    shown = pools.told("routes")
    assert shown.startswith("# Changed while the server runs")
    assert toml.strip() in shown
    document = json.loads(pools.told("routes", "--json"))
    assert [route["path"] for route in document["routes"]] == ["/*", "/api/*"]
    assert [route["path"] for route in document["configured"]] == ["/*"]
    assert document["is_changed"] is True
    assert [change["text"] for change in document["changes"]] == ["route /api/*=modern:5,legacy:95"]
    # What is committed and reloaded is no change any more.
    text = (pools.folder / "hybrid.toml").read_text()
    (pools.folder / "hybrid.toml").write_text(f"{text}\n{toml}")
    pools.told("reload", "--wait")
    assert json.loads(pools.told("routes", "--json"))["is_changed"] is False


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("route", "/a=gone"), "route /a=gone: there is no pool 'gone'; there are legacy, modern"),
        (("route", "a=modern"), "found no path, expected one that begins with /"),
        (("route", "/a=modern:0"), "all weights are 0"),
        (("route", "--remove", "/none"), "route --remove /none: there is no such route; there are: /*"),
        (("promote", "/none", "modern"), "promote /none: there is no such route"),
        (("promote", "*", "gone"), "there is no pool 'gone'"),
        (("rollback",), "rollback: there is no change to take back"),
        (("rollback", "/none"), "rollback /none: there is no change to take back"),
    ],
)
def test_change_that_cannot_be_is_refused_and_changes_nothing(
    refusing: Pools, command: tuple[str, ...], message: str
) -> None:
    before = refusing.told("routes", "--json")
    done = refusing.hybrid(*command)
    assert done.returncode == 1
    assert message in done.stderr
    assert refusing.told("routes", "--json") == before


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> object:
    made = Pools(tmp_path_factory.mktemp("refusing"))
    made.configure(ROUTES)
    made.start()
    yield made
    made.close()


def test_server_with_one_pool_has_no_routes_to_change(pools: Pools) -> None:
    pools.start("pools_app:wsgi", ready=1)
    done = pools.hybrid("route", "/a=main")
    assert done.returncode == 1
    assert "no pools to choose from; give it --pool and --route" in done.stderr


def test_rollback_takes_the_last_change_back(pools: Pools) -> None:
    pools.configure(ROUTES)
    pools.start()
    pools.told("promote", "*", "modern")
    pools.told("route", "/x=legacy")
    assert pools.served_by("/") == "modern"
    assert "taken back: promote /* modern" in pools.told("rollback", "*")
    assert pools.served_by("/") == "legacy"
    assert "taken back: route /x=legacy" in pools.told("rollback")
    assert json.loads(pools.told("routes", "--json"))["is_changed"] is False


# what is remembered ---------------------------------------------------------------------------------


def remembered(pools: Pools, *options: str) -> Path:
    """A server with a state file, whose routes were changed: everything to modern."""
    state = pools.folder / "routes.json"
    pools.configure(ROUTES)
    pools.start("--routes-state", str(state), *options)
    pools.told("promote", "*", "modern")
    assert pools.served_by("/") == "modern"
    return state


def test_change_stays_over_a_reload(pools: Pools) -> None:
    pools.configure(ROUTES)
    server = pools.start()
    pools.told("promote", "*", "modern")
    pools.told("reload", "--wait")
    assert {pools.served_by("/") for _ in range(5)} == {"modern"}
    assert "Routes: live changes stay in force: /*=legacy:0,modern:100" in server.log.text


def test_settings_with_other_routes_replace_the_live_ones(pools: Pools) -> None:
    pools.configure(ROUTES)
    server = pools.start()
    pools.told("promote", "*", "modern")
    pools.configure("/*=legacy:1,modern:0; /new=modern")
    pools.told("reload", "--wait")
    assert {pools.served_by("/") for _ in range(5)} == {"legacy"}
    assert "which replace the live ones (/*=legacy:0,modern:100); hybrid rollback brings those back" in server.log.text
    pools.told("rollback")
    assert pools.served_by("/") == "modern"


def test_change_during_a_failed_reload_stays(pools: Pools) -> None:
    pools.configure(ROUTES)
    pools.start()
    pools.told("promote", "*", "modern")
    (pools.folder / "broken-legacy").touch()
    assert pools.hybrid("reload", "--wait").returncode == 1
    assert {pools.served_by("/") for _ in range(5)} == {"modern"}


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_change_is_remembered_over_a_restart(pools: Pools, end: signal.Signals) -> None:
    state = remembered(pools)
    pools.server.send(end)
    pools.server.process.wait(WAIT_S)
    server = pools.start("--routes-state", str(state))
    assert {pools.served_by("/") for _ in range(5)} == {"modern"}
    assert "Routes: live changes stay in force" in server.log.text
    assert "taken back: promote /* modern" in pools.told("rollback")
    assert pools.served_by("/") == "legacy"
    assert state.stat().st_mode & 0o777 in (0o600, 0o644, 0o666)
    assert sorted(path.name for path in state.parent.glob("routes.json*")) == ["routes.json"]


def test_change_is_remembered_over_an_upgrade(pools: Pools) -> None:
    pools.configure(ROUTES)
    server = pools.start("--routes-state", "routes.json", "--pid", "pid")
    pools.told("promote", "*", "modern")
    with Load(server.port, "/") as load:
        load.wait_for("modern")
        pools.told("upgrade", "--wait")
        load.wait_for("modern")
        assert {pools.served_by("/") for _ in range(5)} == {"modern"}
    assert load.errors == []
    assert load.seen.keys() == {"modern"}
    assert int((pools.folder / "pid").read_text()) != server.pid


def test_change_goes_on_over_an_upgrade_without_a_file(pools: Pools) -> None:
    pools.configure(ROUTES)
    pools.start("--pid", "pid")
    pools.told("promote", "*", "modern")
    pools.told("upgrade", "--wait")
    pid = (pools.folder / "pid").read_text().strip()
    assert int(pid) != pools.server.pid
    assert {pools.served_by("/") for _ in range(5)} == {"modern"}
    assert "Routes: live changes stay in force: /*=legacy:0,modern:100" in pools.server.log.text
    done = subprocess.run(
        [sys.executable, "-m", "hybrid", "rollback", "--pid", pid],
        cwd=pools.folder, env=clean_environ(), capture_output=True, text=True, timeout=WAIT_S, check=True,
    )  # fmt: skip
    assert "taken back: promote /* modern" in done.stdout
    assert pools.served_by("/") == "legacy"


def test_reload_is_told_once(pools: Pools) -> None:
    pools.configure(ROUTES)
    pools.start()
    assert pools.told("reload", "--wait").count("Reloaded: ") == 1


def test_remembered_route_to_a_pool_that_is_gone_gives_way(pools: Pools) -> None:
    state = remembered(pools)
    assert pools.server.stop() == 0
    (pools.folder / "hybrid.toml").write_text(
        '[pools.legacy]\napp = "pools_app:wsgi"\nraw_env = ["POOL=legacy"]\n'
        '[[routes]]\npath = "/*"\npools = { legacy = 1 }\n'
    )
    server = pools.start("--routes-state", str(state), ready=1)
    assert pools.served_by("/") == "legacy"
    server.log.wait("Routes: ")
    assert server.stop() == 0


def test_file_that_is_no_state_is_refused_at_the_start(pools: Pools) -> None:
    pools.configure(ROUTES)
    (pools.folder / "routes.json").write_text("routes = 5")
    server = pools.start("--routes-state", "routes.json", ready=0)
    assert server.wait_exit() == 1
    assert "setting routes_state: " in server.log.text
    assert "found no routes, expected a file that --routes-state has written" in server.log.text


def test_change_takes_effect_although_its_file_cannot_be_written(pools: Pools) -> None:
    pools.configure(ROUTES)
    server = pools.start("--routes-state", "no-such-folder/routes.json")
    said = pools.told("promote", "*", "modern")
    assert "cannot write" in said
    assert pools.served_by("/") == "modern"
    assert "a restart will not know of this change" in server.log.text
