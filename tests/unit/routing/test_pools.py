"""How pools are written, and which settings each has."""

from __future__ import annotations

import tomllib

import pytest

from hybrid.errors import SettingsError
from hybrid.routing import parse_route
from hybrid.routing.pools import PER_POOL, Pool, decide_pools, parse_pool, pools_from_table, refuse_tls
from hybrid.settings import Settings

BASE = Settings(app="site.wsgi", workers=4, timeout=20.0, worker_class="sync")


def decided(*texts: str, base: Settings = BASE) -> dict[str, Settings]:
    pools = decide_pools(base, [parse_pool(text) for text in texts], cpus=lambda: 7)
    return {pool.name: pool.settings for pool in pools}


def test_application_of_the_command_line_is_the_pool_main() -> None:
    assert decide_pools(BASE, []) == (Pool("main", BASE),)
    assert list(decided("modern=m:a")) == ["main", "modern"]
    assert list(decided("a=m:a", "b=m:b", base=Settings())) == ["a", "b"]


def test_pool_has_the_settings_of_all_with_its_own_on_top() -> None:
    modern = decided("modern=site.asgi:app, class=asgi, workers=2, loop=asyncio, keep-alive=2m")["modern"]
    assert (modern.app, modern.worker_class, modern.workers, modern.loop) == ("site.asgi:app", "asgi", 2, "asyncio")
    assert (modern.keepalive, modern.timeout) == (120.0, 20.0)


def test_what_describes_app_does_not_describe_another_application() -> None:
    base = Settings(app="m:create", factory=True, interface="wsgi", worker_class="gthread")
    modern = decided("modern=m:a", base=base)["modern"]
    assert (modern.factory, modern.interface, modern.worker_class) == (False, "auto", "auto")


def test_commas_of_a_factory_are_its_own() -> None:
    modern = decided("""modern=m:create("a,b", x=[1, 2], y='=,'),workers=3""")["modern"]
    assert (modern.app, modern.workers) == ("""m:create("a,b", x=[1, 2], y='=,')""", 3)


def test_environment_of_a_pool_is_added_to_that_of_all() -> None:
    base = Settings(app="m:a", raw_env=("A=1", "B=1"))
    assert decided("modern=m:b,raw_env=B=2", base=base)["modern"].raw_env == ("A=1", "B=1", "B=2")
    assert decided("modern=m:b", base=base)["modern"].raw_env == ("A=1", "B=1")


def test_workers_auto_and_names_of_other_servers() -> None:
    modern = decided("modern=m:a,workers=auto,class=uvicorn.workers.UvicornH11Worker")["modern"]
    assert (modern.workers, modern.worker_class, modern.http) == (7, "asgi", "h11")


def test_tables() -> None:
    document = tomllib.loads(
        """
        [pools.legacy]
        app = "site.wsgi"
        threads = 4
        [pools.modern]
        app = "site.asgi"
        class = "asgi"
        fallback = "legacy"
        """
    )
    legacy, modern = decide_pools(Settings(), pools_from_table(document["pools"], "hybrid.toml"))
    assert (legacy.settings.threads, modern.settings.worker_class, modern.fallback) == (4, "asgi", "legacy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modern", "found no application"),
        ("modern=", "found no application"),
        ("mod ern=m:a", "is no name of a pool"),
        ("modern=m:a,workers", "found 'workers', expected SETTING=VALUE"),
        ("modern=m:a,wrkers=2", "there is no setting 'wrkers'; did you mean 'workers'"),
        ("modern=m:a,workers=0", "setting workers .*--pool.*: found '0', expected a whole number, 1 or more"),
        ("modern=m:a,workers=2,workers=3", "workers is there twice"),
        ("modern=m:a,bind=:80", "bind is the same for all pools; set it outside"),
        ("modern=m:a,class=eventlet", "eventlet is no longer maintained"),
        ("main=m:a", "APP of the command line is the pool main"),
        ("modern=m:a,fallback=modern", "fallback: found 'modern', expected another pool: main"),
        ("modern=m:a,fallback=gone", "fallback: found 'gone', expected another pool: main"),
    ],
)
def test_bad_pool_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        decided(text)


def test_table_without_an_application_is_refused_with_its_place() -> None:
    with pytest.raises(SettingsError, match=r"hybrid.toml \[pools.modern\]: pool modern has no application"):
        decide_pools(BASE, pools_from_table({"modern": {"workers": 2}}, "hybrid.toml"))
    with pytest.raises(SettingsError, match="expected a table"):
        pools_from_table({"modern": "m:a"})


def test_settings_of_arbiter_listeners_and_logs_are_shared() -> None:
    assert not PER_POOL & {"bind", "pidfile", "certfile", "accesslog", "config", "reload", "forwarded_allow_ips"}
    assert {"app", "workers", "worker_class", "timeout", "max_requests", "body_buffer", "raw_env"} <= PER_POOL


def test_tls_with_several_pools_is_refused_with_the_two_ways_out() -> None:
    pools = decide_pools(Settings(app="m:a", certfile="c.pem"), [parse_pool("modern=m:b")])
    with pytest.raises(SettingsError, match=r"Either end TLS in front.*or use one pool with -k asgi"):
        refuse_tls(pools, [parse_route("/api/*=modern")])
    refuse_tls(pools, [])
    refuse_tls(decide_pools(Settings(app="m:a"), [parse_pool("modern=m:b")]), [parse_route("/api/*=modern")])
