"""Sixteen requests at once on each connection: what a request costs when hardly any system call is left in it."""

from benchmarks.load import Load
from benchmarks.questioning import HELLO, LoadQuestion

QUESTION = LoadQuestion(
    name="pipelined",
    title="Hello, World!, 16 requests pipelined on each of 64 connections",
    apps=HELLO,
    answer=b"Hello, World!",
    load=Load(pipeline=16),
    has_floor=True,
)
