"""Log destinations: files that can be replaced under a running server, pipes that several processes share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hybrid.errors import SettingsError
from hybrid.logs.output import PIPE_BUF, Output, open_output


def test_lines_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    output = open_output(str(path), 2, "errorlog")
    output.write(b"new\n")
    output.close()
    assert path.read_text() == "old\nnew\n"


def test_reopening_keeps_the_descriptor_and_changes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    output = open_output(str(path), 2, "errorlog")
    output.write(b"one\n")
    path.rename(tmp_path / "log.1")
    output.write(b"two\n")
    before = output.fileno()
    output.reopen()
    output.write(b"three\n")
    assert output.fileno() == before
    output.close()
    assert (tmp_path / "log.1").read_text() == "one\ntwo\n"
    assert path.read_text() == "three\n"


def test_reopening_finds_its_file_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    output = open_output("log", 2, "errorlog")
    monkeypatch.chdir("/")
    output.reopen()
    output.write(b"x\n")
    output.close()
    assert (tmp_path / "log").read_text() == "x\n"


def test_failed_reopening_goes_on_with_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    output = open_output(str(folder / "log"), 2, "errorlog")
    folder.rename(tmp_path / "moved")
    with pytest.raises(OSError):
        output.reopen()
    output.write(b"still\n")
    output.close()
    assert (tmp_path / "moved" / "log").read_text() == "still\n"


def test_unwritable_file_is_refused_with_setting_and_reason(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=f"setting accesslog: cannot write to {tmp_path}/no/log: there is no folder {tmp_path}/no"
    ):
        open_output(f"{tmp_path}/no/log", 1, "accesslog")
    with pytest.raises(SettingsError, match=f"setting errorlog: cannot write to {tmp_path}: is a directory"):
        open_output(str(tmp_path), 1, "errorlog")


def test_log_is_not_inherited_by_programs_that_the_application_starts(tmp_path: Path) -> None:
    output = open_output(str(tmp_path / "log"), 2, "errorlog")
    assert not os.get_inheritable(output.fileno())
    output.reopen()
    assert not os.get_inheritable(output.fileno())
    output.close()


def test_pipe_gets_pieces_that_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    output = Output("-", writing)
    pieces: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda fd, data: pieces.append(data) or len(data))
    lines = b"".join(b"%d %s\n" % (number, b"." * 100) for number in range(300))
    output.write(lines)
    assert b"".join(pieces) == lines
    assert all(piece.endswith(b"\n") and len(piece) <= PIPE_BUF for piece in pieces)
    os.close(reading)
    os.close(writing)


def test_line_longer_than_a_pipe_keeps_whole_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    output = Output("-", writing)
    pieces: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda fd, data: pieces.append(data) or len(data))
    long = b"x" * (PIPE_BUF + 10) + b"\n"
    output.write(b"a\n" + long + b"b\n")
    assert b"".join(pieces) == b"a\n" + long + b"b\n"
    assert pieces == [b"a\n", long, b"b\n"]
    os.close(reading)
    os.close(writing)


def test_reader_that_is_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    output = Output("-", writing)
    output.write(b"x\n")
    os.close(writing)
