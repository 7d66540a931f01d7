"""Bodies without a framework: what is measured is the server."""

import os
import tempfile

PIECE = b"x" * 16384
_WHOLE = {}
_FILES = {}


def whole(size):
    if size not in _WHOLE:
        _WHOLE[size] = b"x" * size
    return _WHOLE[size]


def file(size):
    if size not in _FILES:
        handle, _FILES[size] = tempfile.mkstemp(prefix="benchmark-file-")
        with os.fdopen(handle, "wb") as target:
            target.write(whole(size))
    return _FILES[size]


def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        read = environ["wsgi.input"].read
        size = 0
        while data := read(65536):
            size += len(data)
        body = str(size).encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]
    parts = environ["PATH_INFO"].split("/")
    if len(parts) < 3:
        start_response("200 OK", [("Content-Length", "0")])
        return []
    size = int(parts[2])
    headers = [("Content-Type", "application/octet-stream")]
    if parts[1] == "pieces":
        start_response("200 OK", headers)
        return (PIECE for _ in range(size // len(PIECE)))
    start_response("200 OK", [*headers, ("Content-Length", str(size))])
    if parts[1] == "file":
        handle = open(file(size), "rb")  # noqa: SIM115 - the server closes it
        wrapper = environ.get("wsgi.file_wrapper")
        return wrapper(handle, 65536) if wrapper else iter(lambda: handle.read(65536), b"")
    return [whole(size)]
