from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from hybrid_workers.asgi import collect_less


@pytest.fixture(autouse=True)
def threshold() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_garbage_is_looked_for_after_2000_new_objects() -> None:
    gc.set_threshold(700, 10, 10)

    collect_less()

    assert gc.get_threshold()[0] == 2000


@pytest.mark.parametrize("chosen", [(0, 10, 10), (700, 10, 1000), (50_000, 20, 20)])
def test_what_the_application_chose_for_its_garbage_stays(chosen: tuple[int, int, int]) -> None:
    gc.set_threshold(*chosen)
    kept = gc.get_threshold()  # 3.14 takes no third one

    collect_less()

    assert gc.get_threshold() == kept
