"""The server's log: gunicorn's line, and a change of settings while it is in use."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid import logs
from hybrid.errors import SettingsError
from hybrid.logs import server


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """The module's state is a process's; each test begins and ends with a fresh one."""
    logger = logging.getLogger("hybrid.error")
    handlers, level, outputs = list(logger.handlers), logger.level, dict(server._outputs)
    logger.handlers[:] = [server._held]
    server._outputs.clear()
    yield
    for output in server._outputs.values():
        output.close()
    server._held.records.clear()
    logger.handlers[:] = handlers
    logger.setLevel(level)  # clears what the logger remembers of its level
    server._outputs.clear()
    server._outputs.update(outputs)


def test_line_looks_like_gunicorns(tmp_path: Path) -> None:
    log = logs.configure(str(tmp_path / "log"))
    log.info("Booting worker with pid: %d", 7)
    assert re.fullmatch(
        r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] "
        rf"\[{os.getpid()}\] \[INFO\] Booting worker with pid: 7\n",
        (tmp_path / "log").read_text(),
    )


def test_level_and_logger_are_those_of_the_settings(tmp_path: Path) -> None:
    log = logs.configure(str(tmp_path / "log"), "warning")
    assert log.name == "hybrid.error"
    log.info("no")
    log.warning("yes")
    assert "no" not in (tmp_path / "log").read_text()
    assert "yes" in (tmp_path / "log").read_text()


def test_what_was_logged_before_the_settings_were_read_is_in_the_log_at_their_level(tmp_path: Path) -> None:
    logging.getLogger("hybrid.error").info("an early note")
    logging.getLogger("hybrid.error").warning("an early warning")
    logs.configure(str(tmp_path / "log"), "info")
    assert "an early note\n" in (tmp_path / "log").read_text()
    logging.getLogger("hybrid.error").setLevel(logging.DEBUG)
    logging.getLogger("hybrid.error").handlers[:] = [server._held]
    logging.getLogger("hybrid.error").info("a note")
    logging.getLogger("hybrid.error").warning("a warning")
    logs.configure(str(tmp_path / "other"), "warning")
    assert "a note" not in (tmp_path / "other").read_text()
    assert "a warning\n" in (tmp_path / "other").read_text()


def test_traceback_and_text_that_utf_8_cannot_have_are_one_record(tmp_path: Path) -> None:
    log = logs.configure(str(tmp_path / "log"))
    try:
        raise ValueError("\udcff caf\u00e9")
    except ValueError:
        log.exception("Failed")
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert "ValueError: \\udcff caf\u00e9\n" in text


def test_what_is_logged_before_configuring_is_kept(tmp_path: Path) -> None:
    logs.error_log.warning("early")
    logs.configure(str(tmp_path / "log")).warning("late")
    assert [line.split()[-1] for line in (tmp_path / "log").read_text().splitlines()] == ["early", "late"]


def test_configuring_again_moves_to_the_new_file_and_closes_the_old(tmp_path: Path) -> None:
    logs.configure(str(tmp_path / "one"))
    old = server._outputs[str(tmp_path / "one"), 2].fileno()
    log = logs.configure(str(tmp_path / "two"))
    log.info("x")
    assert (tmp_path / "one").read_text() == ""
    assert "x" in (tmp_path / "two").read_text()
    with pytest.raises(OSError):
        os.fstat(old)


def test_failed_configuring_leaves_everything_as_it_was(tmp_path: Path) -> None:
    log = logs.configure(str(tmp_path / "one"))
    with pytest.raises(SettingsError, match="setting accesslog"):
        logs.configure(str(tmp_path / "two"), "info", str(tmp_path / "no" / "log"))
    log.info("still here")
    assert "still here" in (tmp_path / "one").read_text()


def test_worker_uses_the_access_log_that_the_arbiter_opened(tmp_path: Path) -> None:
    path = str(tmp_path / "access")
    logs.configure(str(tmp_path / "error"), "info", path)
    before = set(server._outputs)
    assert logs.open_access_log(path, "%(s)s") is not None
    assert set(server._outputs) == before


def test_no_access_log_without_the_setting() -> None:
    assert logs.open_access_log("", "%(s)s") is None


def test_both_logs_may_be_one_file(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    logs.configure(path, "info", path)
    assert list(server._outputs) == [(path, 2)]


def test_reopen_reaches_every_log(tmp_path: Path) -> None:
    error, access = tmp_path / "error", tmp_path / "access"
    log = logs.configure(str(error), "info", str(access))
    error.rename(tmp_path / "error.1")
    access.rename(tmp_path / "access.1")
    logs.reopen()
    log.info("fresh")
    assert "fresh" in error.read_text()
    assert access.exists()


def test_reopen_that_fails_is_logged_to_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    logs.configure(str(folder / "log"))
    folder.rename(tmp_path / "moved")
    logs.reopen()
    assert "Cannot reopen log file" in (tmp_path / "moved" / "log").read_text()
