from __future__ import annotations

import pytest

from benchmarks.websocket_load import frame
from hybrid.websocket import Connection


@pytest.mark.parametrize("size", [0, 64, 125, 126, 65535, 65536])
def test_load_sends_what_a_server_reads_and_expects_what_it_writes(size: int) -> None:
    text = "m" * size
    server = Connection(max_size=0, max_queue=8)
    server.receive(frame(text.encode(), masked=True))
    assert list(server.inbox) == [text]
    assert server.text(text) == frame(text.encode(), masked=False)
