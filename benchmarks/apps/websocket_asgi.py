"""A WebSocket without a framework: what is measured is the server."""


async def echo(scope, receive, send):
    if scope["type"] == "http":  # how the harness finds out that the server is up
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"up"})
        return
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


_all = set()


async def broadcast(scope, receive, send):
    """What one says, all get, those who said it included."""
    if scope["type"] == "http":
        await echo(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    _all.add(send)
    try:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            answer = {"type": "websocket.send", "text": message["text"]}
            for other in list(_all):
                await other(answer)
    finally:
        _all.discard(send)
