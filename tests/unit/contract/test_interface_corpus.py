"""The corpus of applications against its golden file: what is detected may be `ambiguous`, never wrong."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from hybrid.contract.interface import choose_worker, detect
from hybrid.errors import AppLoadError
from hybrid.settings import Settings
from tests.corpus import applications

GOLDEN: dict[str, str] = json.loads((Path(applications.__file__).parent / "golden.json").read_text())


def made(name: str) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a framework's own, at its import
            return applications.MAKERS[name]()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in applications.OPTIONAL:
            pytest.skip(f"{error.name} is not installed")
        raise


def test_every_callable_has_its_answer() -> None:
    assert set(applications.MAKERS) == set(GOLDEN)
    assert len(GOLDEN) >= 60


@pytest.mark.parametrize("name", GOLDEN)
def test_detected(name: str) -> None:
    detected = detect(made(name))
    assert detected.interface == GOLDEN[name], detected.reason


@pytest.mark.parametrize("name", [name for name, interface in GOLDEN.items() if interface == "ambiguous"])
def test_ambiguous_is_refused_with_both_commands(name: str) -> None:
    with pytest.raises(AppLoadError, match=r"hybrid --interface asgi m:a, or hybrid --interface wsgi m:a"):
        choose_worker(Settings(app="m:a"), detect(made(name)))


@pytest.mark.parametrize("name", [name for name, interface in GOLDEN.items() if interface == "neither"])
def test_framework_with_a_server_is_refused_by_name(name: str) -> None:
    with pytest.raises(AppLoadError, match=r"(aiohttp|Tornado) speaks neither WSGI nor ASGI"):
        choose_worker(Settings(app="m:a"), detect(made(name)))
