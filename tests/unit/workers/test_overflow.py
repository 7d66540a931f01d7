"""What a client has not taken: order, and what is counted."""

from __future__ import annotations

import logging
import os
import tempfile
from io import FileIO
from pathlib import Path

import pytest

from hybrid.settings import Settings
from hybrid_workers.overflow import Overflow
from hybrid_workers.spool import Spooling

LOG = logging.getLogger("hybrid.test.overflow")


def spooling(folder: Path, **settings: object) -> Spooling:
    return Spooling(Settings(tmp_upload_dir=str(folder), **settings), LOG, has_few_threads=True)  # type: ignore[arg-type]


def test_content_comes_back_in_its_order_also_while_more_is_added(tmp_path: Path) -> None:
    overflow = spooling(tmp_path).overflow()
    assert overflow is not None
    overflow.add(b"one ")
    overflow.add(memoryview(b"two "))
    assert overflow.take() == b"one two "
    overflow.add(b"x" * 100_000)
    assert overflow.take() + overflow.take() == b"x" * 100_000
    assert overflow.take() == b""
    overflow.close()


def test_what_is_on_the_disk_is_counted_and_given_back_once(tmp_path: Path) -> None:
    space = spooling(tmp_path, spool_limit=100)
    overflow = space.overflow()
    assert overflow is not None
    overflow.add(b"x" * 60)
    assert space.used == 60
    had_room = overflow.has_room
    overflow.add(b"x" * 60)
    assert (had_room, overflow.has_room) == (True, False)
    assert space.store(None, [b"x" * 10_000_000]) is None
    overflow.close()
    overflow.close()
    assert space.used == 0


def test_a_short_write_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:3], at))
    overflow = Overflow(_file(), lambda: True, lambda size: None)
    overflow.add(b"abcdefgh")
    assert overflow.take() == b"abcdefgh"
    overflow.close()


def test_without_a_folder_there_is_none(tmp_path: Path) -> None:
    space = spooling(tmp_path)
    tmp_path.rmdir()
    assert space.overflow() is None


def test_where_nobody_waits_for_threads_readers_are_waited_for_alone(tmp_path: Path) -> None:
    assert Spooling(Settings(), LOG, has_few_threads=False).hold_for_reader() is None
    assert Spooling(Settings(spool_bodies="off"), LOG, has_few_threads=True).hold_for_reader() is None
    assert spooling(tmp_path).hold_for_reader() is not None


def _file() -> FileIO:
    return tempfile.TemporaryFile(buffering=0)
