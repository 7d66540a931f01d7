"""What the arbiter says of itself."""

from __future__ import annotations

import json

from hybrid.arbiter.events import Exited, Ready
from hybrid.arbiter.status import Counters, describe
from hybrid.contract.scoreboard import InFlight
from tests.unit.arbiter.plays import loaded, ready_workers, reloaded


def test_status_is_json_and_names_the_request_of_each_worker() -> None:
    play = ready_workers(101, 102)
    request = InFlight(started=play.now - 2.0, method="GET", target="/slow", client="192.0.2.1", request_id="f00-1")
    report = describe(play.state, {101: Counters(started=1000.0, active=1, in_flight=[request])}, play.now, pid=7)
    assert json.loads(json.dumps(report)) == report
    assert report["pid"] == 7
    first, second = report["workers"]  # type: ignore[misc]
    assert first["in_flight"] == [
        {"method": "GET", "target": "/slow", "client": "192.0.2.1", "age_s": 2.0, "request_id": "f00-1"}
    ]
    assert (first["stage"], first["age_s"], second["age_s"]) == ("ready", 60.0, None)


def test_pool_says_what_it_is_in() -> None:
    def condition(play) -> str:  # type: ignore[no-untyped-def]
        return str(describe(play.state, {}, play.now)["pools"][0]["state"])  # type: ignore[index]

    play = loaded(2).spawned(101, 102)
    assert condition(play) == "down"
    assert condition(play.on(Ready(101))) == "degraded"
    assert condition(play.on(Ready(102))) == "serving"
    assert condition(reloaded(play)) == "reloading"
    assert condition(ready_workers(101).on(Exited(101, signal="SIGKILL"))) == "down"
