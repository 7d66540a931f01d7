"""Only the back end that is chosen is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hybrid.http1.back_ends import field_parser
from hybrid.http1.fields_h11 import H11Fields
from hybrid.http1.fields_httptools import HttptoolsFields


@pytest.mark.parametrize(
    ("name", "expected"), [("h11", H11Fields), ("httptools", HttptoolsFields), ("auto", HttptoolsFields)]
)
def test_setting_chooses(name: str, expected: type) -> None:
    assert type(field_parser(name)) is expected


@pytest.mark.parametrize("worker", ["sync", "asgi"])
def test_worker_leaves_the_other_out(worker: str) -> None:
    code = (
        f"import sys, hybrid_workers.{worker}; print('h11' in sys.modules, '_sysconfigdata' in str(sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
