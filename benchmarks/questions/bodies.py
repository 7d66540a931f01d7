"""Larger bodies: in, out at once, out in pieces, out of a file. Where bytes outweigh heads."""

from benchmarks.load import Load
from benchmarks.questioning import LoadQuestion

_UPLOAD = Load(method="POST", path="/", body_bytes=1024 * 1024, connections=16)
_BYTE = b"x"


def _answers(name: str, title: str, path: str, size: int, connections: int) -> LoadQuestion:
    return LoadQuestion(
        name=name,
        title=f"{title}, on {connections} keep-alive connections",
        apps={"wsgi": "bodies_wsgi:app", "asgi": "bodies_asgi:app"},
        answer=_BYTE * size,
        load=Load(path=path, connections=connections),
    )


QUESTIONS = [
    LoadQuestion(
        name="post_1m",
        title="POST of 1 MB, its length answered, on 16 keep-alive connections",
        apps={"wsgi": "bodies_wsgi:app", "asgi": "bodies_asgi:app"},
        answer=str(_UPLOAD.body_bytes).encode(),
        load=_UPLOAD,
    ),
    _answers("response_10k", "Response of 10 KB", "/whole/10240", 10 * 1024, 64),
    _answers("response_10m", "Response of 10 MB", "/whole/10485760", 10 * 1024 * 1024, 8),
    _answers("streamed", "Response of 1 MB in pieces of 16 KB without a length", "/pieces/1048576", 1024 * 1024, 16),
    _answers("file", "File of 1 MB (wsgi.file_wrapper, http.response.pathsend)", "/file/1048576", 1024 * 1024, 16),
]
