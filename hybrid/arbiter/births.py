"""From an order to spawn to a worker that we listen to, forked by us or made by the template of its release."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hybrid.arbiter import events as ev
from hybrid.arbiter.actions import Spawn
from hybrid.arbiter.children import Children, Outfit
from hybrid.arbiter.hooks import ServerHooks
from hybrid.arbiter.loop import Loop
from hybrid.contract.worker import HookObjects


class Births:
    """One per arbiter."""

    def __init__(
        self,
        loop: Loop,
        log: logging.Logger,
        children: Children,
        hooks: ServerHooks,
        submit: Callable[[ev.Event], None],
        is_serving: Callable[[str, int], bool],
    ) -> None:
        """`is_serving`: is this the generation that a pool is kept at?"""
        self._loop = loop
        self._log = log
        self._children = children
        self._hooks = hooks
        self._submit = submit
        self._is_serving = is_serving

    def spawn(self, order: Spawn, outfit: Outfit) -> None:
        """Have it forked. What comes of it is submitted, now or, from a template, later."""
        event = self._children.spawn(order, outfit)
        if event is None:
            fd = self._children.unborn[order.slot].channel.fileno()
            self._loop.watch(fd, lambda: self.await_birth(order.slot))
            return
        if isinstance(event, ev.Spawned):
            self._forked(event.pid, order, outfit.hooks)
        self._submit(event)

    def _forked(self, pid: int, order: Spawn, objects: HookObjects | None) -> None:
        self._hooks.forked(objects, pid)
        self._greet(pid, order)
        template = self._children.templates.get((order.pool, order.generation))
        if template is not None and not self._loop.is_watched(template.fileno()):
            self._loop.watch(template.fileno(), lambda: self.end_template(order.pool, order.generation))

    def await_all(self) -> None:
        """Take in what templates have made: before reaping, where a pid that we were not told yet is a stranger's."""
        for slot in list(self._children.unborn):
            self.await_birth(slot)

    def await_birth(self, slot: int) -> None:
        """Take in what has become of an order to a template, if anything has."""
        unborn = self._children.unborn.get(slot)
        if unborn is None:
            return
        fd = unborn.channel.fileno()
        events = self._children.born(slot)
        if not events:
            return
        self._loop.forget(fd)
        for event in events:
            self._submit(event)
        if isinstance(events[0], ev.Spawned):
            self._greet(events[0].pid, unborn.order)

    def abandon(self, slot: int) -> None:
        """Forget an order that nothing came of."""
        unborn = self._children.unborn.get(slot)
        if unborn is not None:
            self._loop.forget(unborn.channel.fileno())
            self._children.abandon(slot)

    def discard(self, generation: int) -> None:
        """End the templates of a release that nobody needs any more."""
        for pool, made in list(self._children.templates):
            if made == generation:
                self.end_template(pool, made, is_wanted=True)

    def end_template(self, pool: str, generation: int, *, is_wanted: bool = False) -> None:
        """It never says anything: a readable socket is its end."""
        template = self._children.templates.get((pool, generation))
        if template is None:
            return
        self._loop.forget(template.fileno())
        self._children.drop_template(pool, generation)
        if not is_wanted and self._is_serving(pool, generation):
            self._log.warning(
                "The template of generation %d (pool %s) ended; the next worker imports the application anew",
                generation,
                pool,
            )

    def _greet(self, pid: int, order: Spawn) -> None:
        self._loop.watch(self._children.channel(pid).fileno(), lambda: self._hear(pid))
        self._log.info(
            "Booting worker with pid: %d pool=%s slot=%d gen=%d", pid, order.pool, order.slot, order.generation
        )

    def _hear(self, pid: int) -> None:
        for event in self._children.receive(pid):
            self._submit(event)
        if not self._children.channel(pid).is_open:
            self._loop.forget(self._children.channel(pid).fileno())
