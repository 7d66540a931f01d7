"""Worker classes for the tests of the arbiter: no HTTP, one behaviour each.

They answer every connection with one line, "pid slot generation", so that a test can see who serves.
What a worker does wrong, and when, is read from the environment and from files, so that a reload can change it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from pathlib import Path

from hybrid.contract import Retire, WorkerContext
from hybrid.errors import AppLoadError, WorkerBootError


class Plain:
    """Accepts, answers a line, beats. Drains at once."""

    loads_app_itself = True

    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self.is_stopping = False
        self._wake, self._woken = os.pipe()
        self.answered = 0

    def boot(self) -> None:
        """A file named `broken` in the current folder says what goes wrong."""
        trouble = Path("broken")
        what = trouble.read_text().strip() if trouble.exists() else ""
        if what == "import":
            try:
                raise ZeroDivisionError("the application divides by zero")
            except ZeroDivisionError as error:
                raise AppLoadError("application 'stub': importing stub failed") from error
        if what == "boot":
            raise WorkerBootError("the lifespan says no")
        if what == "bug":
            raise LookupError("a defect in boot")
        if what == "hang":
            time.sleep(600)
        if what == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if what.startswith("exit "):
            os._exit(int(what.removeprefix("exit ")))

    def serve(self) -> None:
        listeners = [listener.socket for listener in self.context.listeners]
        while not self.is_stopping:
            self.context.row.beat(time.monotonic())
            readable, _, _ = select.select([*listeners, self._wake, self.context.channel], (), (), 0.2)
            if self.context.channel in readable:
                self.context.channel.receive()
                if not self.context.channel.is_open:
                    return
            for listener in listeners:
                if listener in readable:
                    self.answer(listener)

    def answer(self, listener) -> None:  # type: ignore[no-untyped-def]
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        with connection:
            context = self.context
            connection.sendall(f"{os.getpid()} {context.slot} {context.generation}\n".encode())
        self.answered += 1
        if context.settings.max_requests and self.answered == context.settings.max_requests:
            context.channel.send(Retire("max-requests"))

    def stop(self, *, graceful: bool) -> None:
        colour = os.environ.get("SHOP_COLOUR", "none")
        # Not print(): a second signal may come while the first is being told, and a buffered file is not reentrant.
        os.write(2, f"stub pid={os.getpid()} colour={colour} stop graceful={graceful}\n".encode())
        self.is_stopping = True
        with contextlib.suppress(OSError):
            os.write(self._woken, b"x")


class Stuck(Plain):
    """Becomes ready, answers one connection, then is busy in "the application" without a beat."""

    def answer(self, listener) -> None:  # type: ignore[no-untyped-def]
        super().answer(listener)
        self.context.row.begin(time.monotonic(), "GET", b"/slow?id=7", "192.0.2.7")
        while True:
            time.sleep(60)


class Deaf(Stuck):
    """Stuck, and aborting does not end it either."""

    def boot(self) -> None:
        import faulthandler

        faulthandler.disable()
        signal.signal(signal.SIGABRT, lambda *_: None)


class Draining(Plain):
    """Takes as long to drain as it is allowed to; ends at once when told to be quick."""

    is_quick = False

    def serve(self) -> None:
        super().serve()
        while not self.is_quick:
            time.sleep(0.02)

    def stop(self, *, graceful: bool) -> None:
        self.is_quick = self.is_quick or not graceful
        super().stop(graceful=graceful)


class WithAtexit(Plain):
    """The application registered something for its end."""

    def boot(self) -> None:
        import atexit

        atexit.register(lambda: print("atexit ran", file=sys.stderr))


class Forking(Plain):
    """Each request leaves a grandchild behind, which outlives its parent by a moment."""

    def answer(self, listener) -> None:  # type: ignore[no-untyped-def]
        child = os.fork()
        if child == 0:
            if os.fork():
                os._exit(0)
            while os.getppid() != 1:
                time.sleep(0.01)
            os._exit(0)
        os.waitpid(child, 0)
        super().answer(listener)


class Leaking(Plain):
    """Keeps 64 MB with each connection."""

    def answer(self, listener) -> None:  # type: ignore[no-untyped-def]
        super().answer(listener)
        self.kept = [*getattr(self, "kept", ()), b"x" * (64 << 20)]


class Flaky(Plain):
    """Crashes as soon as it serves, while there is a file `flaky` and its slot is not 0."""

    def serve(self) -> None:
        if self.context.slot and Path("flaky").exists():
            os.kill(os.getpid(), signal.SIGSEGV)
        super().serve()


class Hanging(Plain):
    """Never becomes ready."""

    def boot(self) -> None:
        time.sleep(600)


class Babbling(Plain):
    """Becomes ready and then says to the arbiter, byte for byte, what the file `says` contains."""

    def serve(self) -> None:
        words = Path("says").read_bytes() if Path("says").exists() else b""
        if self.context.slot == 0:
            while words:
                try:
                    words = words[os.write(self.context.channel.fileno(), words) :]
                except BlockingIOError:
                    select.select([self.context.channel], [self.context.channel], ())
                except OSError:  # the arbiter does not want to hear more
                    break
        super().serve()
