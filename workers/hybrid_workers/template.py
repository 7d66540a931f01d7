"""`--preload`, the worker's side: leave a template behind, and be made from one.

The first worker of a release imports the application as any other does, within the same deadlines and with the same
reports. Then it forks: the copy becomes the template and forks each further worker of that release, which goes on
where the first one did. So they share the imported code's memory, and run it even when the files have changed.

Each fork is two, with a parent between that ends at once: the kernel then gives the new process to the arbiter, which
asked for that (a subreaper) and reaps it like a child that it forked itself.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from posix import fork, waitpid  # not those of os, which gevent has replaced: they would wait in an event loop

from hybrid.contract import Channel, WorkerContext
from hybrid.contract.messages import Started
from hybrid.contract.template import Seat, receive_order

_ADOPTED_WITHIN_S = 5.0
_POLL_S = 0.0005
_IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


def leave_template(context: WorkerContext, again: Callable[[], None]) -> None:
    """Returns in the worker that called it and then, any number of times, in each worker that is made of its template.

    In those the context is theirs: slot, channel, row. `again` does once more what a process must do for itself.
    """
    seat = context.template
    if seat is None:
        return
    context.template = None
    gc.collect()
    gc.freeze()  # the collector would write into each object's header, and so copy all that is shared
    if _fork_away(context):
        seat.socket.close()
        return
    try:
        context.channel.close()
        if context.black_box >= 0:
            os.close(context.black_box)
        _take_no_commands()
        _make_workers(context, seat)
    except BaseException:  # whatever it is: the template must never go on as the worker that it is a copy of
        context.log.exception("The template of generation %d ended", context.generation)
        os._exit(1)
    _renew_hub()
    _await_adoption(context)
    context.channel.send(Started(os.getpid()))
    again()


def _fork_away(context: WorkerContext) -> bool:
    """Make a process that is the arbiter's child. True in the caller, False in the new one."""
    between = fork()
    if between:
        waitpid(between, 0)
        return True
    if fork():
        os._exit(0)
    return False


def _make_workers(context: WorkerContext, seat: Seat) -> None:
    """Returns in each new worker; in the template never."""
    while True:
        try:
            received = receive_order(seat.socket)
        except OSError:
            received = None
        if received is None:
            os._exit(0)
        order, channel, box = received
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        if _fork_away(context):
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            os.close(channel)
            os.close(box)
            continue
        seat.socket.close()
        context.slot = order.slot
        context.pool_size = order.pool_size
        context.boot_started = order.ordered_at
        context.channel = Channel(socket.socket(fileno=channel))
        context.black_box = box
        context.row = seat.row(order.slot)
        if context.crossing is not None:
            context.crossing.traffic = seat.traffic(order.slot)
        return


def _renew_hub() -> None:
    """Where a settings file, the worker class or the import has made a hub of gevent's, the fork has copied it."""
    gevent = sys.modules.get("gevent")
    if gevent is not None:
        gevent.reinit()


def _await_adoption(context: WorkerContext) -> None:
    """Until the arbiter is our parent: what the kernel is to do at its death is bound to the parent of the moment."""
    until = time.monotonic() + _ADOPTED_WITHIN_S
    while os.getppid() != context.arbiter_pid and time.monotonic() < until:
        time.sleep(_POLL_S)


def _take_no_commands() -> None:
    """The end of our socket ends us; signals to the whole group are for the arbiter."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
