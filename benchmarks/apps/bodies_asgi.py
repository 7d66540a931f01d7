"""Bodies without a framework: what is measured is the server."""

import asyncio

from bodies_wsgi import PIECE, file, whole


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["method"] == "POST":
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await _start(send, len(str(size)))
        await send({"type": "http.response.body", "body": str(size).encode()})
        return
    parts = scope["path"].split("/")
    if len(parts) < 3:
        await _start(send, 0)
        await send({"type": "http.response.body"})
        return
    size = int(parts[2])
    if parts[1] == "pieces":
        await _start(send, None)
        for _ in range(size // len(PIECE)):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await send({"type": "http.response.body"})
        return
    await _start(send, size)
    if parts[1] == "file":
        if "http.response.pathsend" in scope.get("extensions", {}):
            await send({"type": "http.response.pathsend", "path": file(size)})
            return
        # As frameworks do where the server cannot: read in a thread, send pieces of 64 KB.
        with open(file(size), "rb") as handle:
            while data := await asyncio.to_thread(handle.read, 65536):
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body"})
        return
    await send({"type": "http.response.body", "body": whole(size)})


async def _start(send, size):
    headers = [(b"content-type", b"application/octet-stream")]
    if size is not None:
        headers.append((b"content-length", str(size).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
