from __future__ import annotations

import socket

import pytest

from hybrid_workers.reset import reset_at_close


def test_a_reset_connection_ends_in_an_error_for_the_client_and_not_in_the_end_of_the_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        client.settimeout(10)
        server, _ = listener.accept()
        reset_at_close(server)
        server.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_socket_that_has_gone_already_is_no_error() -> None:
    sock = socket.socket()
    sock.close()
    reset_at_close(sock)
