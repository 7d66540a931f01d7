"""Which blocks of memory stay with the process. In processes of their own: the choice is the process's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FAULTS_OF_A_BLOCK = """
import resource, sys
from hybrid_workers.allocator import keep_blocks

chosen = keep_blocks() if sys.argv[1:] else None
bytearray(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    bytearray(b"x") * (1 << 20)
print(chosen, (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 10)
"""


def run(*arguments: str, **environ: str) -> tuple[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS_OF_A_BLOCK, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environ},
    )
    chosen, faults = done.stdout.split()
    return chosen, int(faults)


@pytest.mark.skipif(run("keep")[0] != "True", reason="the C library is not glibc")
def test_a_block_of_a_request_is_not_asked_of_the_kernel_each_time() -> None:
    _, faults = run("keep")
    assert faults < 50  # a fifth of the 256 pages that it has


def test_the_choice_of_the_operator_stands() -> None:
    chosen, faults = run("keep", MALLOC_MMAP_THRESHOLD_="65536")
    assert (chosen, faults > 200) == ("False", True)
