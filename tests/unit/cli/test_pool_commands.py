"""What `config` and `check` say where there are several pools."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from hybrid.cli import main

APPS = """
import os
async def modern(scope, receive, send): ...
def legacy(environ, start_response): ...
def mode(environ, start_response): ...
if os.environ.get("BROKEN"):
    raise RuntimeError("no database")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "pooled_apps.py").write_text(APPS)
    return tmp_path


POOLS = [
    "pooled_apps:legacy",
    "--pool",
    "modern=pooled_apps:modern,workers=3,fallback=main",
    "--route",
    "/api/*=modern",
]


def test_config_shows_what_each_pool_was_decided_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--changed", *POOLS]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    start = lines.index("# Pool main")
    assert lines[start:] == [
        "# Pool main",
        '# app = "pooled_apps:legacy"',
        "# workers = 1",
        '# worker_class = "auto"',
        "",
        "# Pool modern, fallback main",
        '# app = "pooled_apps:modern"',
        "# workers = 3",
        '# worker_class = "auto"',
        "",
        "# Routes",
        "# /api/*=modern",
        "# what has no route goes to pool main",
    ]


def test_config_is_toml_that_gives_the_same_pools(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "hybrid.toml").write_text(
        '[pools.a]\napp = "pooled_apps:legacy"\n[pools.b]\napp = "m:b"\nworkers = 2\nraw_env = ["A=b c"]\n'
        '[[routes]]\npath = "/x y/*"\nmethods = ["GET"]\npools = { a = 1, b = 2.5 }\n'
    )
    assert main(["config", "--changed"]) == 0
    first = capsys.readouterr().out
    assert tomllib.loads(first)["routes"] == [{"path": "/x y/*", "methods": ["GET"], "pools": {"a": 1, "b": 2.5}}]
    (folder / "hybrid.toml").write_text(
        "\n".join(line for line in first.splitlines() if not line.startswith("config "))
    )
    assert main(["config", "--changed"]) == 0
    again = capsys.readouterr().out

    def decided(text: str) -> list[str]:
        lines = text.splitlines()
        return lines[lines.index("# Pool a") :]

    assert decided(again) == decided(first)


def test_config_refuses_routes_to_a_pool_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", *POOLS, "--route", "/x=gone"]) == 1
    assert "there is no pool 'gone'; there are main, modern" in capsys.readouterr().err


def test_check_loads_each_application_by_itself(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *POOLS, "-e", "MODE=base", "--pool", "third=pooled_apps:mode,class=gthread,threads=2"]) == 0
    out = capfd.readouterr().out
    assert [line.split(None, 1)[1] for line in out.splitlines() if line.startswith("pool:")] == [
        "main",
        "modern",
        "third",
    ]
    assert [line.split()[2] for line in out.splitlines() if line.startswith("worker class:")] == [
        "sync:",
        "asgi:",
        "gthread:",
    ]
    assert "fallback:     main" in out
    assert out.splitlines()[-2:] == ["route:        /api/*=modern", "route:        everything else=main"]
    assert "pooled_apps" not in sys.modules


def test_check_as_json_has_every_pool(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", *POOLS]) == 0
    document = json.loads(capfd.readouterr().out)
    assert {name: pool["interface"] for name, pool in document["pools"].items()} == {"main": "wsgi", "modern": "asgi"}
    assert document["routes"] == [{"path": "/api/*", "pools": {"modern": 1}}]


@pytest.mark.parametrize(("command", "code"), [(["check"], 4), (["--check-config"], 1)])
def test_pool_that_cannot_be_loaded_is_named(command: list[str], code: int, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["pooled_apps:legacy", "--pool", "modern=pooled_apps:modern,raw_env=BROKEN=1", "--route", "/=modern"]
    assert main([*command, *arguments]) == code
    captured = capfd.readouterr()
    assert "hybrid: error: pool modern: application 'pooled_apps:modern'" in captured.err
    assert "no database" in captured.err
    assert "pool main" not in captured.err
