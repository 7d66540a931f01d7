"""What hooks are given: settings under gunicorn's names, a live worker, and its row in the scoreboard."""

from __future__ import annotations

import logging

import pytest

from hybrid.contract.scoreboard import Scoreboard, Word
from hybrid.hooks import Cfg, RequestHooks, ServerView, WorkerView
from hybrid.hooks import worker as worker_module
from hybrid.settings import Settings, resolve
from hybrid.settings.hooks import NO_HOOKS, Hooks

LOG = logging.getLogger("test")


def settings(**values: object) -> Settings:
    return resolve({"app": "shop.wsgi", **values}, {}, "/nonexistent").settings


def test_cfg_has_gunicorns_values_for_none_and_lists() -> None:
    cfg = Cfg(settings(bind=("127.0.0.1:80", "unix:/a"), raw_env=("A=b",), timeout="90"))
    assert (cfg.accesslog, cfg.certfile, cfg.errorlog) == (None, None, "-")
    assert cfg.bind == ["127.0.0.1:80", "unix:/a"]
    assert cfg.address == [("127.0.0.1", 80), "/a"]
    assert cfg.env == {"A": "b"}
    assert (cfg.timeout, cfg.workers, cfg.proc_name, cfg.is_ssl) == (90, 1, "shop.wsgi", False)
    assert cfg.secure_scheme_headers == {
        "X-FORWARDED-PROTOCOL": "ssl",
        "X-FORWARDED-PROTO": "https",
        "X-FORWARDED-SSL": "on",
    }
    assert cfg.settings["workers"] == 1


def test_cfg_knows_gunicorns_other_settings_and_nothing_else() -> None:
    cfg = Cfg(settings())
    assert cfg.worker_tmp_dir is None
    with pytest.raises(AttributeError, match="no setting 'nonsense'"):
        _ = cfg.nonsense
    with pytest.raises(TypeError, match="assign workers in the file"):
        cfg.set("workers", 3)


def worker() -> tuple[WorkerView, Scoreboard]:
    board = Scoreboard(rows=1)
    row = board.row(0)
    view = WorkerView(age=3, ppid=1, sockets=[], cfg=Cfg(settings()), log=LOG, row=row)
    return view, board


def test_worker_is_live() -> None:
    view, board = worker()
    row = board.row(0)
    assert (view.nr, view.alive, str(view)) == (0, True, "<Worker [booting]>")
    row.words[Word.REQUESTS] = 5
    row.words[Word.STAGE] = 3
    assert (view.nr, view.alive) == (5, False)
    view.notify()
    assert view.tmp.last_update() == row.floats[Word.BEAT] > 0


def test_the_rows_words_are_where_the_worker_looks_for_them() -> None:
    from hybrid_workers.child import Stage

    words = (worker_module._STAGE, worker_module._BEAT, worker_module._REQUESTS, worker_module._DRAINING)
    assert words == (Word.STAGE, Word.BEAT, Word.REQUESTS, Stage.DRAINING)


def test_server_has_what_hooks_read() -> None:
    server = ServerView(LOG, settings(workers="3"))
    assert (server.num_workers, server.WORKERS, server.proc_name, server.cfg.workers) == (3, {}, "shop.wsgi", 3)
    server.kill_worker(999999999, 15)


def test_without_request_hooks_there_is_nothing_to_call() -> None:
    view, _ = worker()
    assert RequestHooks.of(NO_HOOKS, view) is None
    assert RequestHooks.of(Hooks(pre_request=print), None) is None
    assert RequestHooks.of(Hooks(post_request=print), view) is not None
