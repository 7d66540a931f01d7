"""One message of a client, sent to all: what each delivery costs."""

from benchmarks.questions.websocket_echo import MessageQuestion

QUESTION = MessageQuestion(
    name="websocket_broadcast",
    title="WebSocket messages of 64 bytes, each sent on to 64 connections, per delivery",
    size=64,
    apps={"asgi": "websocket_asgi:broadcast"},
    is_broadcast=True,
)
