"""Bodies in memory and in files: order, room, and what is left behind."""

from __future__ import annotations

import errno
import gc
import logging
import os
import tracemalloc
from io import FileIO
from pathlib import Path

import pytest

from hybrid.errors import ProtocolError, SettingsError
from hybrid.settings import Settings
from hybrid_workers.spool import Spool, Spooling

LOG = logging.getLogger("hybrid.test.spool")


def spooling(tmp_path: Path, **settings: object) -> Spooling:
    """In files, unless `spool_memory` is given."""
    settings.setdefault("spool_memory", 0)
    return Spooling(Settings(tmp_upload_dir=str(tmp_path), **settings), LOG, has_few_threads=True)  # type: ignore[arg-type]


def test_content_comes_back_in_its_order(tmp_path: Path) -> None:
    space = spooling(tmp_path)
    spool = space.store(None, [b"one ", b"two "])
    assert space.store(spool, [b"three "]) is spool
    assert spool is not None
    rest = iter([b"five", b""])
    body = spool.input(b"four ", lambda: next(rest))
    assert body.read(6) == b"one tw"
    assert body.read() == b"o three four five"
    assert body.read() == b""


def test_files_have_no_name(tmp_path: Path) -> None:
    spool = spooling(tmp_path).store(None, [b"x"])
    assert spool is not None
    assert os.listdir(tmp_path) == []


def test_room_is_given_back_when_the_body_is_read(tmp_path: Path) -> None:
    space = spooling(tmp_path)
    spool = space.store(None, [b"x" * 100])
    assert space.used == 100
    assert spool is not None
    assert spool.input(b"", None).read() == b"x" * 100
    assert space.used == 0


def test_room_is_given_back_when_nobody_reads(tmp_path: Path) -> None:
    space = spooling(tmp_path)
    spool = space.store(None, [b"x" * 100])
    del spool
    gc.collect()
    assert space.used == 0


def test_no_more_is_taken_than_there_is_room(tmp_path: Path) -> None:
    space = spooling(tmp_path, spool_limit=150)
    first = space.store(None, [b"x" * 100])
    assert space.store(first, [b"y" * 51]) is None
    assert space.store(None, [b"y" * 51]) is None
    assert space.store(first, [b"y" * 50]) is first
    assert first is not None
    assert first.input(b"", None).read() == b"x" * 100 + b"y" * 50


def test_a_disk_that_is_full_is_507_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    space = spooling(tmp_path)
    monkeypatch.setattr(space, "_open", lambda: _FullDisk(os.devnull, "w"))
    with pytest.raises(ProtocolError) as caught:
        space.store(None, [b"x" * 100])
    assert caught.value.status == 507
    assert "No space left on device; answering 507" in caplog.text
    assert space.used == 0


def test_a_folder_that_cannot_be_used_is_507(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    space = spooling(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(ProtocolError):
        space.store(None, [b"x"])
    assert f"could not be stored in {tmp_path}" in caplog.text
    assert space.used == 0


def test_a_folder_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"tmp_upload_dir: .*/missing is not a folder"):
        spooling(tmp_path / "missing")


@pytest.mark.parametrize(
    ("setting", "has_few_threads", "most"),
    [("auto", True, 3 << 20), ("auto", False, 1 << 20), ("on", False, 3 << 20), ("off", True, 0), ("off", False, 0)],
)
def test_the_worker_says_what_auto_means(tmp_path: Path, setting: str, has_few_threads: bool, most: int) -> None:
    settings = Settings(spool_bodies=setting, tmp_upload_dir=str(tmp_path), spool_memory=64 << 20)
    space = Spooling(settings, LOG, has_few_threads=has_few_threads)
    spool, taken = None, 0
    while taken < 3 << 20 and (more := space.store(spool, [b"x" * 65536])) is not None:
        spool, taken = more, taken + 65536
    assert taken == most


def test_a_short_write_is_gone_on_with() -> None:
    class Slow(FileIO):
        def write(self, data: object, /) -> int:
            return super().write(memoryview(data)[:3])  # type: ignore[arg-type]

    reading, writing = os.pipe()
    Spool(lambda in_memory, on_disk: None).write([b"abcdefgh"], lambda: Slow(writing, "w"))
    assert os.read(reading, 100) == b"abcdefgh"
    os.close(reading)


# -- memory -----------------------------------------------------------------------------------------------------


def never() -> FileIO:
    raise AssertionError("a file is opened")


def test_a_small_body_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = spooling(tmp_path, spool_memory=1600)
    monkeypatch.setattr(space, "_open", never)
    spool = space.store(None, [b"one ", b"two "])
    assert spool is not None
    assert space.store(spool, [b"three " + b"x" * 86]) is spool
    assert (space.in_memory, space.used) == (100, 0)
    body = spool.input(b"tail", None)
    assert body.readline(6) == b"one tw"
    assert body.read() == b"o three " + b"x" * 86 + b"tail"
    assert body.read() == b""
    assert space.in_memory == 0


def test_a_body_in_tiny_pieces_is_kept_in_few(tmp_path: Path) -> None:
    space = spooling(tmp_path, spool_memory=1 << 20)
    tracemalloc.start()
    spool = space.store(None, [b"%04d" % number for number in range(3000)])
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken < 3 * 12000
    assert spool is not None
    assert spool.input(b"", None).read() == b"".join(b"%04d" % number for number in range(3000))


def test_a_body_that_grows_goes_to_a_file_with_all_it_has(tmp_path: Path) -> None:
    space = spooling(tmp_path, spool_memory=1600)
    spool = space.store(None, [b"a" * 60, b"b" * 40])
    assert spool is not None
    assert space.store(spool, [b"c"]) is spool
    assert (space.in_memory, space.used) == (0, 101)
    assert space.store(spool, [b"d"]) is spool
    assert (space.in_memory, space.used) == (0, 102)
    rest = iter([b"f", b""])
    assert spool.input(b"e", lambda: next(rest)).read() == b"a" * 60 + b"b" * 40 + b"cdef"
    assert (space.in_memory, space.used) == (0, 0)


def test_all_bodies_together_take_no_more_memory_than_there_is_for_them(tmp_path: Path) -> None:
    space = spooling(tmp_path, spool_memory=1600)
    spools = [space.store(None, [b"x" * 90]) for _ in range(1000)]
    assert space.in_memory == 17 * 90
    assert space.used == 983 * 90
    del spools
    gc.collect()
    assert (space.in_memory, space.used) == (0, 0)
    assert space.store(None, [b"x" * 90]) is not None
    assert space.used == 0


def test_a_body_for_which_there_is_no_room_in_files_keeps_what_it_has_in_memory(tmp_path: Path) -> None:
    space = spooling(tmp_path, spool_memory=1600, spool_limit=150)
    spool = space.store(None, [b"a" * 100])
    assert spool is not None
    assert space.store(spool, [b"b" * 51]) is None
    assert (space.in_memory, space.used) == (100, 0)
    rest = iter([b"b" * 51, b""])
    assert spool.input(b"", lambda: next(rest)).read() == b"a" * 100 + b"b" * 51
    assert space.in_memory == 0


def test_a_disk_that_is_full_gives_memory_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    space = spooling(tmp_path, spool_memory=1600)
    monkeypatch.setattr(space, "_open", lambda: _FullDisk(os.devnull, "w"))
    spool = space.store(None, [b"a" * 100])
    with pytest.raises(ProtocolError):
        space.store(spool, [b"b"])
    assert (space.in_memory, space.used) == (0, 0)


class _FullDisk(FileIO):
    def write(self, data: object, /) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
