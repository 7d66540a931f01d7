"""What all workers read at each request."""

from __future__ import annotations

import pytest

from hybrid.contract.pool_page import MOST_POOLS, MOST_TEXT, PoolPage, Published


def test_nothing_is_in_force_before_the_first_version() -> None:
    assert PoolPage().read() == Published(0, b"")


def test_each_version_replaces_the_one_before() -> None:
    page = PoolPage()
    for version, text in enumerate((b"long routes", b"short", b"", b"x" * MOST_TEXT, b"again"), 1):
        assert page.publish(text) == version
        assert page.words[0] == page.version == version
        assert page.read() == Published(version, text)


def test_text_that_is_too_long_is_refused_and_changes_nothing() -> None:
    page = PoolPage()
    page.publish(b"routes")
    with pytest.raises(ValueError, match="524289 bytes of routes, expected 524288 at most"):
        page.publish(b"x" * (MOST_TEXT + 1))
    assert page.read() == Published(1, b"routes")


def test_reader_that_is_overtaken_while_it_reads_reads_anew() -> None:
    page = PoolPage()
    page.publish(b"first")

    class Overtaken:
        """The words, where two versions are published between the first look and the second."""

        looks = 0

        def __getitem__(self, index: int) -> int:
            value = words[index]
            if index == 0:
                self.looks += 1
                if self.looks == 1:
                    page.words = words
                    page.publish(b"second")
                    page.publish(b"third")
                    page.words = overtaken
            return value

    words, overtaken = page.words, Overtaken()
    page.words = overtaken  # type: ignore[assignment]  # reads like one
    assert page.read() == Published(3, b"third")
    page.words = words


def test_pools_do_not_touch_each_other() -> None:
    page = PoolPage()
    for index in range(MOST_POOLS):
        page.note(index, ready=index + 1, serves_websocket=index % 2 == 1)
    assert [page.ready(index) for index in range(MOST_POOLS)] == list(range(1, MOST_POOLS + 1))
    assert [page.serves_websocket(index) for index in (0, 1, MOST_POOLS - 1)] == [False, True, True]
    assert page.version == 0


def test_stop_of_the_arbiter_is_seen_by_all() -> None:
    page = PoolPage()
    page.note(0, ready=1, serves_websocket=False)
    assert not page.is_stopping
    page.stop()
    assert (page.is_stopping, page.ready(0), page.version) == (True, 1, 0)


def test_a_pool_starts_until_one_of_its_workers_has_been_ready_and_never_again() -> None:
    page = PoolPage()
    page.note(1, ready=0, serves_websocket=False)
    assert page.is_starting(1)
    page.note(1, ready=1, serves_websocket=False)
    page.note(1, ready=0, serves_websocket=False)
    assert not page.is_starting(1)
    assert page.is_starting(0)
