"""The stacks that a worker leaves behind."""

import os
import subprocess
import sys

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


_ALL_AT_ONCE = """\
import os, signal
from hybrid.contract import blackbox
blackbox.record_stacks(2)
special = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT, signal.SIGSEGV, signal.SIGBUS}
numbers = sorted(signal.valid_signals() - special)
taken = set()
for number in numbers:
    if number not in (signal.SIGFPE, signal.SIGILL, signal.SIGABRT):  # these are faulthandler's
        signal.signal(number, lambda number, frame: taken.add(number))
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
wanted = [number for number in numbers if callable(signal.getsignal(number))]
for number in wanted:
    os.kill(os.getpid(), number)
signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
print(len(wanted), len(taken))
"""


def test_any_number_of_signals_at_once_have_room_on_the_stack_of_their_own() -> None:
    """Each that interrupts another's handler takes what the processor has in registers: kilobytes, with AVX-512."""
    done = subprocess.run([sys.executable, "-c", _ALL_AT_ONCE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    sent, taken = done.stdout.split()
    assert int(sent) > 20
    assert sent == taken
