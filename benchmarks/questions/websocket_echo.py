"""Small messages, echoed: what a WebSocket message costs once connections are open."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import procfs, websocket_load
from benchmarks.load import LoadFailed
from benchmarks.process import ServerFailed
from benchmarks.questioning import MB, Bench, Question, Sample
from benchmarks.servers import Server
from benchmarks.websocket_load import MessageLoad


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQuestion(Question):
    """Send messages of one size over many connections, each when the echo of the last has come."""

    columns = {
        "cpu_us": "CPU us/message",
        "messages_per_s": "messages/s",
        "p50_ms": "p50 ms",
        "p99_ms": "p99 ms",
        "pss_mb": "PSS MB",
    }
    size: int
    connections: int = 64
    is_broadcast: bool = False
    """One connection sends, and all get the message; the next is sent when all have it."""

    def _load(self, seconds: int) -> MessageLoad:
        return MessageLoad(self.connections, self.size, seconds, self.is_broadcast)

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        with bench.start(server, app) as up:
            try:
                websocket_load.run(up.port, self._load(bench.warm_up_s), bench.cores)
            except LoadFailed as error:
                raise ServerFailed(str(error)) from error
            before = procfs.cpu_s(up.session)
            report = websocket_load.run(up.port, self._load(bench.seconds), bench.cores)
            used = procfs.cpu_s(up.session) - before
            pss = procfs.memory(up.session).pss
        if not report.messages:
            raise ServerFailed(f"{server.name} echoed no message in {report.seconds:.1f} s")
        return {
            "cpu_us": used / report.messages * 1e6,
            "messages_per_s": report.messages / report.seconds,
            "p50_ms": report.p50_ms,
            "p99_ms": report.p99_ms,
            "pss_mb": pss / MB,
        }


QUESTION = MessageQuestion(
    name="websocket_echo",
    title="WebSocket messages of 64 bytes, echoed, on 64 connections",
    apps={"asgi": "websocket_asgi:echo"},
    size=64,
)
