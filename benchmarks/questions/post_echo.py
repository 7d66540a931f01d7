"""A body of 10 KB in, the same body out: what reading and writing bodies adds."""

from benchmarks.load import Load
from benchmarks.questioning import LoadQuestion

LOAD = Load(method="POST", body_bytes=10 * 1024, headers={"Content-Type": "application/octet-stream"})

QUESTION = LoadQuestion(
    name="post_echo",
    title="POST of 10 KB, echoed, on 64 keep-alive connections",
    apps={"wsgi": "plain_wsgi:echo", "asgi": "plain_asgi:echo"},
    answer=LOAD.body,
    load=LOAD,
)
