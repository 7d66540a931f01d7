"""What `hybrid status` and `hybrid workers` print."""

from hybrid.cli.tables import duration, status_text, workers_text

WORKER = {
    "pid": 77,
    "pool": "main",
    "slot": 0,
    "generation": 3,
    "stage": "ready",
    "retiring": "",
    "active": 1,
    "capacity": 4,
    "requests": 1234,
    "errors": 2,
    "connections": 9,
    "rss_bytes": 50 << 20,
    "age_s": 4000.0,
    "in_flight": [{"method": "GET", "target": "/slow\x1b", "client": "192.0.2.1", "age_s": 3.25}],
}


def test_workers_are_a_table_with_what_each_is_doing() -> None:
    head, line, other = workers_text([WORKER, {**WORKER, "pid": 8, "in_flight": [], "retiring": "memory"}]).splitlines()
    assert head.split() == [
        "PID",
        "POOL",
        "SLOT",
        "GEN",
        "STAGE",
        "BUSY",
        "REQUESTS",
        "ERRORS",
        "CONNS",
        "MEMORY",
        "AGE",
        "NOW",
    ]
    assert line.split() == [
        "77",
        "main",
        "0",
        "3",
        "ready",
        "1/4",
        "1234",
        "2",
        "9",
        "50M",
        "67m",
        "GET",
        "/slow?",
        "for",
        "3.2s",
    ]
    assert other.split()[4] == "ready*"


def test_status_names_what_is_not_as_it_should_be() -> None:
    pool = {"name": "main", "state": "degraded", "ready": 1, "size": 2, "booting": 0, "draining": 0}
    report = {
        "version": "1.0",
        "pid": 5,
        "phase": "running",
        "uptime_s": 90.0,
        "app": "shop:app",
        "generation": 2,
        "reloading": 3,
        "listeners": ["http://127.0.0.1:8000"],
        "pools": [{**pool, "shed": 7, "next_spawn_in_s": 12.0}],
        "deaths": [{"ago_s": 2.0, "text": "Worker (pid:9) was sent SIGSEGV!"}],
    }
    text = status_text(report)
    assert "pool main: degraded, 1 of 2 workers ready, 7 requests shed, next start in 12s" in text
    assert "generation 3 is on trial" in text
    assert "died 2.0s ago: Worker (pid:9) was sent SIGSEGV!" in text


def test_durations_have_the_unit_that_fits() -> None:
    assert [duration(s) for s in (None, 0.44, 12, 119, 120, 7200, 200000)] == [
        "-",
        "0.4s",
        "12s",
        "119s",
        "2m",
        "2h",
        "2d",
    ]


def test_status_of_several_pools_says_what_each_is_and_the_routes() -> None:
    main = {"name": "main", "state": "serving", "ready": 2, "size": 2, "booting": 0, "draining": 0}
    main |= {"next_spawn_in_s": 0, "app": "site.wsgi", "worker_class": "sync"}
    modern = {**main, "name": "modern", "app": "site.asgi", "worker_class": "auto"}
    report = {"version": "1", "pid": 7, "phase": "running", "uptime_s": 5.0, "app": "site.wsgi, site.asgi"}
    report |= {"generation": 0, "listeners": [], "reloading": None, "deaths": [], "routes": ["/a=modern"]}
    lines = status_text({**report, "pools": [main, modern]}).splitlines()
    assert "pool main: serving, 2 of 2 workers ready (sync site.wsgi)" in lines
    assert "pool modern: serving, 2 of 2 workers ready (auto site.asgi)" in lines
    assert "route /a=modern" in lines
