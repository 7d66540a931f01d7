"""From settings to pools and routes, and the text that workers get of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hybrid.errors import SettingsError
from hybrid.http.request import Request
from hybrid.routing import parse_route
from hybrid.routing.in_force import PoolFacts, from_text, to_text
from hybrid.routing.layout import lay_out
from hybrid.settings import Settings, resolve


def laid_out(folder: Path, toml: str, **values: object) -> tuple[list[str], list[str]]:
    (folder / "hybrid.toml").write_text(toml)
    layout = lay_out(resolve(values, {}, str(folder)).settings, cpus=lambda: 2)
    return [f"{pool.name}={pool.settings.app}" for pool in layout.pools], [str(route) for route in layout.routes]


def test_one_application_is_one_pool_without_routes() -> None:
    layout = lay_out(Settings(app="m:a"))
    assert (layout.names(), layout.routes) == (("main",), ())


def test_pools_and_routes_of_the_command_line(tmp_path: Path) -> None:
    pools, routes = laid_out(
        tmp_path, "", app="m:a", pools=("modern=m:b,class=asgi",), routes=("/api/*=modern:10,main:90", "/x=modern")
    )
    assert pools == ["main=m:a", "modern=m:b"]
    assert routes == ["/api/*=modern:10,main:90", "/x=modern"]


def test_pools_and_routes_of_a_file(tmp_path: Path) -> None:
    toml = """
    [pools.legacy]
    app = "m:a"
    [pools.modern]
    app = "m:b"
    class = "asgi"
    [[routes]]
    path = "/api/*"
    pools = { modern = 10, legacy = 90 }
    [[routes]]
    path = "/x"
    pool = "modern"
    """
    expected = (["legacy=m:a", "modern=m:b"], ["/api/*=modern:10,legacy:90", "/x=modern"])
    assert laid_out(tmp_path, toml) == expected
    (tmp_path / "hybrid.toml").unlink()
    project = re.sub(r"\[(\[?)(pools|routes)", r"[\1tool.hybrid.\2", toml)
    (tmp_path / "pyproject.toml").write_text(project)
    layout = lay_out(resolve({}, {}, str(tmp_path)).settings)
    assert layout.names() == ("legacy", "modern")
    assert len(layout.routes) == 2


def test_pools_and_routes_of_a_python_file(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text(
        'wsgi_app = "m:a"\npools = {"modern": {"app": "m:b"}}\n'
        'routes = ["/api/*=modern", {"path": "/x", "pool": "main"}]\n'
    )
    layout = lay_out(resolve({}, {}, str(tmp_path)).settings)
    assert layout.names() == ("main", "modern")
    assert [str(route) for route in layout.routes] == ["/api/*=modern", "/x=main"]


def test_pools_and_routes_of_the_environment(tmp_path: Path) -> None:
    environ = {"HYBRID_POOLS": "modern=m:b; next=m:c", "HYBRID_ROUTES": "/api/*=modern; *=main"}
    layout = lay_out(resolve({"app": "m:a"}, environ, str(tmp_path)).settings)
    assert layout.names() == ("main", "modern", "next")
    assert [str(route) for route in layout.routes] == ["/api/*=modern", "/*=main"]


def test_routes_of_the_command_line_replace_those_of_the_file(tmp_path: Path) -> None:
    toml = 'routes = ["/a=main"]\n'
    assert laid_out(tmp_path, toml, app="m:a", routes=("/b=main",))[1] == ["/b=main"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"routes": ("/a=gone",)}, "there is no pool 'gone'; there are main"),
        ({"routes": ("/a=main", "/a=main")}, "/a has a route already"),
        ({"routes": ("a=main",)}, r"--route 'a=main': pattern 'a': found no path"),
        ({"pools": ("main=m:b",)}, "there is a pool main already"),
        ({"pools": tuple(f"p{n}=m:b" for n in range(32))}, "found 33 pools, expected 32 at most"),
        ({"pools": ("b=m:b",), "routes": ("/=b",), "certfile": "c.pem"}, "TLS is on"),
        ({"pools": ("shadow=m:b",), "shadow": ("/=shadow",)}, "shadow is the pool of --shadow itself"),
        ({"pools": (1,)}, "setting pools .*found .*expected"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        laid_out(tmp_path, "", app="m:a", **values)


def test_table_in_a_file_is_refused_with_its_place(tmp_path: Path) -> None:
    toml = '[[routes]]\npath = "/a"\npool = "main"\n[[routes]]\npaht = "/b"'
    with pytest.raises(SettingsError, match=r"hybrid.toml \[\[routes\]\] 2: there is no key 'paht'"):
        laid_out(tmp_path, toml, app="m:a")


def test_text_in_force_is_the_same_table_for_a_worker() -> None:
    routes = (parse_route("/api/*=modern"), parse_route("GET,POST example.com/x=legacy:0,modern:1.5"))
    pools = {"legacy": PoolFacts(0), "modern": PoolFacts(3, serves_websocket=True, fallback="legacy")}
    found = from_text(to_text(routes, pools), 7)
    assert found.table.version == 7
    assert found.table.routes == routes
    assert found.pools == pools
    request = Request()
    request.method, request.path, request.host, request.upgrade, request.headers = "PUT", b"/api/1", None, b"", []
    assert found.table.choose(request).pool == "modern"
    request.path = b"/"
    assert found.table.choose(request).pool == "legacy"
    request.upgrade = b"websocket"
    assert found.table.choose(request).pool == "modern"
