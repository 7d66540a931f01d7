"""The stacks that a worker leaves behind."""

import os

from hybrid.contract import blackbox

STACKS = """\
Fatal Python error: Aborted

Thread 0x2 (most recent call first):
  File "/shop/tasks.py", line 3 in poll

Current thread 0x1 (most recent call first):
  File "/shop/views.py", line 7 in pay
  File "/x/hybrid_workers/child.py", line 78 in run_worker
  File "/x/hybrid/arbiter/children.py", line 130 in _become_worker
  File "/x/hybrid/__main__.py", line 8 in <module>

Extension modules: uvloop.loop (total: 1)"""


def test_frames_of_the_arbiter_are_left_out() -> None:
    text = blackbox.without_ours(STACKS)
    assert "_become_worker" not in text
    assert "__main__" not in text
    assert [line for line in text.splitlines() if "pay" in line or "poll" in line or "Extension" in line] == [
        '  File "/shop/tasks.py", line 3 in poll',
        '  File "/shop/views.py", line 7 in pay',
        "Extension modules: uvloop.loop (total: 1)",
    ]


def test_of_much_the_end_is_kept() -> None:
    box = blackbox.make()
    try:
        os.write(box, b"old " * 100_000 + b"new")
        text = blackbox.read(box)
        assert len(text) <= 64 * 1024
        assert text.endswith("new")
    finally:
        os.close(box)
