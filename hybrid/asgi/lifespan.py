"""The lifespan protocol: one long call of the application around all requests of a worker.

The call runs in a context of its own, and every request starts from a copy of that context: context
variables set during startup (tracing, settings, database handles) are visible in requests.

Whether an application knows the protocol can only be found out by trying. Frameworks that do not,
raise as soon as they see the scope; so in mode "auto" an exception *before* the application called
receive() means "unsupported", and an exception after it is a failed startup and ends the boot.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from enum import Enum
from typing import Any

from hybrid.asgi.scope import ASGI_VERSION
from hybrid.asgi.types import App, Message
from hybrid.errors import WorkerBootError


class Stage(Enum):
    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    OVER = "over"


class Lifespan:
    """Drives the lifespan call of one worker. All methods are called in its event loop."""

    def __init__(self, app: App, mode: str, log: logging.Logger) -> None:
        """`mode` is the setting: auto, on or off."""
        self._app = app
        self._mode = mode
        self._log = log
        self._stage = Stage.OFF
        self._task: asyncio.Task[None] | None = None
        self._was_received = False
        self._is_foreign = False
        self._answer: asyncio.Future[Message | None] | None = None
        self._shutdown = asyncio.Event()
        self.state: dict[str, Any] = {}
        """What the application has put there during startup; each request gets a shallow copy."""
        self.context = contextvars.copy_context()
        """The context of the call: requests start from a copy of it."""

    @property
    def is_running(self) -> bool:
        """The application has started up and waits for the shutdown message."""
        return self._stage is Stage.RUNNING

    async def startup(self) -> None:
        """Wait until the application is up. Raises WorkerBootError, with the application's exception as its cause."""
        if self._mode == "off":
            return
        answer = await self._ask(Stage.STARTING)
        if answer is not None:
            if answer["type"] == "lifespan.startup.complete":
                self._stage = Stage.RUNNING
                return
            self._stage = Stage.OVER
            await self._cancel()
            said = answer.get("message") or "it gave no message"
            raise WorkerBootError(f"lifespan startup failed: {said}")
        error = self._error()
        self._stage = Stage.OVER
        if self._mode == "auto" and (self._is_foreign or not self._was_received):
            self._log.debug("lifespan: the application does not support it%s", f" ({error!r})"[:200] if error else "")
            self.state.clear()
            return
        if error is None:
            raise WorkerBootError(
                "lifespan startup: the application returned without sending lifespan.startup.complete;"
                " if it has no lifespan, set --lifespan off"
            )
        raise WorkerBootError(f"lifespan startup failed: {type(error).__name__}: {error}") from error

    async def shutdown(self) -> bool:
        """Tell the application that it ends, and wait. False if it failed; the log says how. Bounded by the caller."""
        if self._stage is not Stage.RUNNING:
            return True
        assert self._task is not None
        if self._task.done():
            self._stage = Stage.OVER
            return self._say_how_it_ended()
        self._shutdown.set()
        answer = await self._ask(Stage.STOPPING)
        self._stage = Stage.OVER
        if answer is None:
            return self._say_how_it_ended()
        if answer["type"] == "lifespan.shutdown.failed":
            self._log.error("lifespan shutdown failed: %s", answer.get("message") or "it gave no message")
            return False
        await asyncio.wait([self._task], timeout=1.0)  # what the application still does after its last message
        await self._cancel()
        return True

    async def _ask(self, stage: Stage) -> Message | None:
        """The application's answer in this stage; None if the call ended without one."""
        loop = asyncio.get_running_loop()
        self._stage = stage
        self._answer = loop.create_future()
        if self._task is None:
            self._task = loop.create_task(self._run(), context=self.context)
        either: list[asyncio.Future[Any]] = [self._answer, self._task]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        answer = self._answer.result() if self._answer.done() else None
        self._answer = None
        return answer

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": ASGI_VERSION, "spec_version": "2.0"},
            "state": self.state,
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if not self._was_received:
            self._was_received = True
            return {"type": "lifespan.startup"}
        await self._shutdown.wait()
        if self._stage is Stage.STOPPING:
            return {"type": "lifespan.shutdown"}
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]  # nothing will ever come

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if not kind.startswith("lifespan."):
            self._is_foreign = True
        expected = {Stage.STARTING: "lifespan.startup.", Stage.STOPPING: "lifespan.shutdown."}.get(self._stage)
        if expected is None or kind not in (expected + "complete", expected + "failed"):
            raise RuntimeError(f"lifespan: message {kind!r} sent while {self._stage.value}")
        assert self._answer is not None
        if self._answer.done():
            raise RuntimeError(f"lifespan: message {kind!r} sent twice")
        self._answer.set_result(message)

    def _error(self) -> BaseException | None:
        assert self._task is not None
        if self._task.cancelled():
            return asyncio.CancelledError("the lifespan task was cancelled")
        return self._task.exception()

    def _say_how_it_ended(self) -> bool:
        """For a call that ended on its own: an exception is logged, a mere return is no failure."""
        error = self._error()
        if error is None:
            return True
        self._log.error("lifespan failed after startup", exc_info=error)
        return False

    async def _cancel(self) -> None:
        assert self._task is not None
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1.0)
        if self._task.done() and not self._task.cancelled() and (error := self._task.exception()) is not None:
            self._log.debug("lifespan: exception after its last message", exc_info=error)
