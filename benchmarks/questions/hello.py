"""The smallest answer on connections that stay open: what the server itself costs."""

from benchmarks.questioning import LoadQuestion

QUESTION = LoadQuestion(
    name="hello",
    title="Hello, World! on 64 keep-alive connections",
    apps={"wsgi": "plain_wsgi:hello", "asgi": "plain_asgi:hello"},
    answer=b"Hello, World!",
    has_floor=True,
)
