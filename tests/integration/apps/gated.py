"""One application in both interfaces. It answers with its pid; on /wait it first waits for the test.

Waiting is a connection to the test's unix socket $GATE: the test knows that the request is in the
application when it accepts, and lets it go on by closing.
"""

import asyncio
import os
import socket


def wsgi_app(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        with socket.socket(socket.AF_UNIX) as gate:
            gate.connect(os.environ["GATE"])
            gate.recv(1)
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi_app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    if scope["path"] == "/wait":
        reader, writer = await asyncio.open_unix_connection(os.environ["GATE"])
        try:
            await reader.read(1)
        finally:
            writer.close()
    body = str(os.getpid()).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
