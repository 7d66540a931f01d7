"""What a release says of each pool."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid.arbiter.releases import SHADOW, Release, sites_of
from hybrid.errors import SettingsError
from hybrid.settings import resolve


def released(folder: Path, **values: object) -> Release:
    settings = resolve({"app": "m:a", **values}, {}, str(folder)).settings
    return Release(0, settings, {}, *sites_of(settings, str(folder)))


def test_one_application_is_one_pool_that_serves_whatever_comes(tmp_path: Path) -> None:
    release = released(tmp_path, workers=3)
    assert release.is_single
    assert list(release.sites) == ["main"]
    assert release.plans()["main"].size == 3
    assert release.sites["main"].folder == f"{tmp_path}/"


def test_each_pool_has_a_plan_of_its_own(tmp_path: Path) -> None:
    pool = "modern=m:b,workers=8,timeout=5,max_worker_memory=1M,restart_intensity=2,preload=true,class=asgi,max-surge=3"
    release = released(tmp_path, pools=(pool,), timeout=40)
    assert not release.is_single
    main, modern = release.plans().values()
    assert (main.size, main.timeout_s, main.max_memory, main.intensity, main.is_preloaded) == (1, 40, 0, 5, False)
    assert (modern.size, modern.timeout_s, modern.max_memory, modern.intensity) == (8, 5, 1 << 20, 2)
    assert (modern.is_preloaded, modern.surge, main.surge) == (True, 3, 1)


def test_routes_alone_make_requests_be_looked_at(tmp_path: Path) -> None:
    assert not released(tmp_path, routes=("/a=main",)).is_single


def test_folder_of_a_pool_begins_where_the_server_was_started(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    release = released(tmp_path, pools=("legacy=m:b,chdir=old",))
    site = release.sites["legacy"]
    assert (site.folder, site.settings.chdir) == (f"{tmp_path}/old", f"{tmp_path}/old")
    with pytest.raises(SettingsError, match=f"setting chdir: cannot change to {tmp_path}/none: no such folder"):
        released(tmp_path, pools=("legacy=m:b,chdir=none",))


def test_shadow_traffic_has_a_worker_of_its_own_that_accepts_nothing(tmp_path: Path) -> None:
    release = released(tmp_path, pools=("modern=m:b",), shadow=("/=modern",), workers=4, preload_app=True)
    site = release.sites[SHADOW]
    assert not site.accepts
    plan = release.plans()[SHADOW]
    assert (plan.size, plan.is_preloaded) == (1, False)
    assert all(release.sites[name].accepts for name in ("main", "modern"))
