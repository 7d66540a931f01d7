"""The counters of routes and pools that workers share with the arbiter."""

from __future__ import annotations

import pytest

from hybrid.contract.traffic import CELLS, OTHERS, TrafficPage


def test_what_all_workers_counted_is_added_up_by_pool_and_pattern() -> None:
    page = TrafficPage(4)
    for slot in (0, 3):
        page.row(slot).cell("legacy", "/api/*").count(200, 0.010)
    page.row(3).cell("modern", "/api/*").count(503, 0.5)
    found = page.read()
    assert found.keys() == {("legacy", "/api/*"), ("modern", "/api/*")}
    legacy, modern = found["legacy", "/api/*"], found["modern", "/api/*"]
    assert (legacy.requests, legacy.errors, legacy.latency.total) == (2, 0, 2)
    assert (modern.requests, modern.errors) == (1, 1)
    assert 0.010 <= legacy.latency.percentile(50) < 0.012
    assert 0.5 <= modern.latency.percentile(99) < 0.6


def test_a_worker_goes_on_with_what_the_last_one_in_its_slot_counted() -> None:
    page = TrafficPage(2)
    page.row(1).cell("a", "/*").count(200, 0.001)
    page.row(1).cell("a", "/*").count(200, 0.001)
    page.row(1).cell("b", "/*").count(500, 0.001)
    found = page.read()
    assert found["a", "/*"].requests == 2
    assert found["b", "/*"].errors == 1


def test_processor_time_and_copies_are_sums() -> None:
    page = TrafficPage(1)
    cell = page.row(0).cell("a", "/*")
    cell.sample(0.25, 0.05)
    cell.sample(0.25, 0.05)
    cell.copied()
    cell.dropped()
    cell.unfit()
    counts = page.read()["a", "/*"]
    assert (counts.sampled, round(counts.wall_s, 6), round(counts.cpu_s, 6)) == (2, 0.5, 0.1)
    assert (counts.copied, counts.dropped, counts.unfit) == (1, 1, 1)


def test_more_routes_than_cells_are_counted_together() -> None:
    page = TrafficPage(1)
    row = page.row(0)
    for number in range(2 * CELLS):
        row.cell("a", f"/{number}").count(200, 0.001)
    again = page.row(0)
    again.cell("a", "/another").count(200, 0.001)
    again.cell("b", "/another").count(200, 0.001)
    found = page.read()
    assert len(found) == CELLS
    assert sum(counts.requests for counts in found.values()) == 2 * CELLS + 2
    assert found["a", OTHERS].requests == 2 * CELLS - (CELLS - 1) + 2


def test_a_long_name_is_cut_and_found_again() -> None:
    page = TrafficPage(1)
    for _ in range(2):
        row = page.row(0)
        row.cell("a" * 32, "/\N{CAT}" * 2000).count(200, 0.001)
        row.cell("a" * 32, "/\N{CAT}" * 2000).count(200, 0.001)
    (((pool, pattern), counts),) = page.read().items()
    assert pool == "a" * 32
    assert pattern == "/\N{CAT}" * 60
    assert counts.requests == 4


def test_no_slot_beyond_the_page() -> None:
    with pytest.raises(IndexError, match="slot 2 outside"):
        TrafficPage(2).row(2)
