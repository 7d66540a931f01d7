"""The smallest answer on connections that stay open: what the server itself costs."""

from benchmarks.questioning import HELLO, LoadQuestion

QUESTION = LoadQuestion(
    name="hello",
    title="Hello, World! on 64 keep-alive connections",
    apps=HELLO,
    answer=b"Hello, World!",
    has_floor=True,
)
