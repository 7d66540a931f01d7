"""A connection for each request: what accepting and closing cost."""

from benchmarks.load import Load
from benchmarks.questioning import HELLO, LoadQuestion

QUESTION = LoadQuestion(
    name="connection_each",
    title="Hello, World! with a connection for each request, 64 at a time",
    apps=HELLO,
    answer=b"Hello, World!",
    load=Load(headers={"Connection": "close"}),
)
