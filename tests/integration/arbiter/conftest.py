"""`arbiter(**settings)`: start a real one that ends with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.arbiter.arbiter_process import ArbiterProcess

StartArbiter = Callable[..., ArbiterProcess]


@pytest.fixture
def arbiter(tmp_path: Path) -> Iterator[StartArbiter]:
    started: list[ArbiterProcess] = []

    def start(**settings: object) -> ArbiterProcess:
        process = ArbiterProcess(tmp_path, **settings)  # type: ignore[arg-type]
        started.append(process)
        return process

    yield start
    for process in started:
        process.close()
