"""What the arbiter and a worker say to each other: the only modules that both import."""

from hybrid.contract.channel import Channel
from hybrid.contract.messages import BootFailed, Draining, Message, Ready, Retire
from hybrid.contract.scoreboard import Scoreboard, ScoreRow
from hybrid.contract.worker import Listener, Worker, WorkerContext

__all__ = [
    "BootFailed",
    "Channel",
    "Draining",
    "Listener",
    "Message",
    "Ready",
    "Retire",
    "ScoreRow",
    "Scoreboard",
    "Worker",
    "WorkerContext",
]
