"""Clients that send or take a lot, or slowly, in the numbers that the server is meant for."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator

import pytest

from tests.integration.abuse import scenarios
from tests.integration.abuse.bulk import MB
from tests.integration.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Bulk = Callable[..., Server]
ROOM = ("--worker-connections", "8000", "--keep-alive", "120", "--header-timeout", "120", "--body-timeout", "120")


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 8000:
        pytest.skip(f"needs 8000 open files, may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 8000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_gigabyte_up_and_down_costs_no_memory(bulk: Bulk) -> None:
    scenarios.check_uploads_and_downloads_cost_no_memory(bulk(), megabytes=1024, most=16 * MB)


def test_endless_lines_heads_and_trailers_are_refused_and_cost_no_memory(bulk: Bulk) -> None:
    scenarios.check_endless_sending_is_refused(bulk(), megabytes=200, clients=100, most=64 * MB)


def test_readers_that_do_not_read_cost_little_and_stop_nobody(bulk: Bulk) -> None:
    scenarios.check_readers_that_do_not_read_cost_little(bulk(), clients=200, megabytes=100, most=64 * MB)


def test_a_thousand_uploads_that_stand_still_cost_little(bulk: Bulk) -> None:
    scenarios.check_slow_uploads_cost_little(bulk(*ROOM), clients=1000, size=300_000, most=64 * MB)


def test_five_thousand_idle_connections_cost_ten_kilobytes_each(bulk: Bulk) -> None:
    scenarios.check_idle_connections_cost_little(bulk(*ROOM), count=5000, each=10 * 1024)


def test_a_thousand_slow_clients_stop_nobody(bulk: Bulk) -> None:
    scenarios.check_slow_clients_stop_nobody(bulk(*ROOM), clients=200)


def test_flood_of_connections_stops_nobody(bulk: Bulk) -> None:
    scenarios.check_flood_stops_nobody(bulk(), connections=20_000)
