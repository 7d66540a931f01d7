"""The access log: lines are collected, written in batches, and none is lost or doubled."""

from __future__ import annotations

import threading
import time

import pytest

from hybrid.logs import AccessLog
from hybrid.logs.access import BATCH_BYTES, stamp


class Asked:
    method = "GET"
    target = b"/"
    path = b"/"
    query = b""
    version = 1
    headers: list[tuple[bytes, bytes]] = []


class Written:
    def __init__(self) -> None:
        self.batches: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.batches.append(data)


def test_nothing_is_written_before_flush_and_all_by_one_write() -> None:
    written = Written()
    log = AccessLog("%(s)s %(B)s", written)
    log.log(Asked(), 200, 5, 0.1, "c")
    log.log(Asked(), 404, 6, 0.1, "c")
    assert written.batches == []
    log.flush()
    log.flush()
    assert written.batches == [b"200 5\n404 6\n"]


def test_full_batch_is_written_at_once() -> None:
    written = Written()
    log = AccessLog("x" * 1023, written)
    for _ in range(BATCH_BYTES // 1024):
        log.log(Asked(), 200, 5, 0.1, "c")
    assert [len(batch) for batch in written.batches] == [BATCH_BYTES]


def test_text_of_the_format_may_be_any_text() -> None:
    written = Written()
    log = AccessLog("caf\u00e9 %(s)s", written)
    log.log(Asked(), 200, 5, 0.1, "c")
    log.flush()
    assert written.batches == ["caf\u00e9 200\n".encode()]


def test_threads_neither_lose_nor_double_lines() -> None:
    written = Written()
    log = AccessLog("%(s)s" + "." * 500, written)

    def work(first: int) -> None:
        for number in range(first, first + 500):
            log.log(Asked(), number, 0, 0.0, "c")

    threads = [threading.Thread(target=work, args=(first,)) for first in (1000, 2000, 3000, 4000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.flush()
    numbers = sorted(int(line.rstrip(b".")) for line in b"".join(written.batches).splitlines())
    assert numbers == [*range(1000, 1500), *range(2000, 2500), *range(3000, 3500), *range(4000, 4500)]


@pytest.mark.parametrize(("offset", "shown"), [(0, "+0000"), (19800, "+0530"), (-12600, "-0330")])
def test_stamp_is_english_with_the_offset(offset: int, shown: str) -> None:
    when = time.struct_time((2024, 2, 5, 7, 8, 9, 0, 36, 0), {"tm_gmtoff": offset})
    assert stamp(when) == f"[05/Feb/2024:07:08:09 {shown}]"
