"""Which blocks of the event loop are logged."""

from __future__ import annotations

from hybrid_workers.watchdog import REPORT_S, Sites


def test_a_site_is_told_once_and_then_counted() -> None:
    sites = Sites()
    assert sites.is_news("a.py:1", 0.0)
    assert sites.ended("a.py:1", 0.5, 1.0) == ""
    for at in range(3):
        assert not sites.is_news("a.py:1", 2.0 + at)
        assert sites.ended("a.py:1", 0.5, 3.0) == ""
    assert not sites.is_news("a.py:1", REPORT_S)
    text = sites.ended("a.py:1", 0.5, REPORT_S + 1.0)
    assert "again 4 times at a.py:1; 5 times and 2.5 s in all" in text
    assert sites.ended("a.py:1", 0.5, REPORT_S + 2.0) == ""


def test_each_site_is_news() -> None:
    sites = Sites()
    assert [sites.is_news(f"a.py:{line}", 0.0) for line in range(3)] == [True] * 3
