import pytest

from hybrid.arbiter.watcher import is_source


@pytest.mark.parametrize("path", ["/srv/shop/views.py", "/srv/shop/hybrid.toml", "/srv/shop/templates/a.html"])
def test_sources_ask_for_a_reload(path: str) -> None:
    assert is_source(path, ())


@pytest.mark.parametrize(
    "path", ["/srv/shop/db.sqlite3", "/srv/shop/__pycache__/views.py", "/srv/shop/.venv/lib/x.py", "/srv/.git/x.py"]
)
def test_other_files_do_not(path: str) -> None:
    assert not is_source(path, ())


def test_extra_files_and_folders_do_whatever_they_are_called() -> None:
    assert is_source("/srv/data/rates.csv", ("/srv/data/rates.csv",))
    assert is_source("/srv/data/rates.csv", ("/srv/data",))
    assert not is_source("/srv/database/rates.csv", ("/srv/data",))


def test_patterns_include_and_exclude_names_and_folders() -> None:
    assert is_source("/srv/shop/a.sql", (), ("*.sql",))
    assert not is_source("/srv/shop/a_test.py", (), (), ("*_test.py",))
    assert not is_source("/srv/shop/old/a.py", (), (), ("/srv/shop/old",))
    assert is_source("/srv/shop/old/a.py", ("/srv/shop/*/a.py",), (), ("/srv/shop/old",))
