"""What accept() says of a connection. The sockets are real."""

from __future__ import annotations

import _socket
import socket
from pathlib import Path

import pytest

from hybrid.contract import Listener
from hybrid_workers.door import Door
from tests.addresses import has_ipv6


def listening(family: socket.AddressFamily, address: object) -> socket.socket:
    sock = socket.socket(family)
    sock.bind(address)
    sock.listen()
    sock.setblocking(False)
    return sock


def test_a_connection_is_not_blocking_and_comes_with_both_addresses() -> None:
    with listening(socket.AF_INET, ("127.0.0.1", 0)) as listener:
        door = Door(Listener(listener, "http://x"), _socket.socket)
        with socket.create_connection(listener.getsockname()) as client:
            sock, peer, server = door.accept()
            try:
                assert (peer, server) == (client.getsockname(), listener.getsockname())
                with pytest.raises(BlockingIOError):
                    sock.recv(1)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            finally:
                sock.close()


def test_where_nobody_waits_it_says_so_and_does_not_wait() -> None:
    with listening(socket.AF_INET, ("127.0.0.1", 0)) as listener, pytest.raises(BlockingIOError):
        Door(Listener(listener, "http://x"), _socket.socket).accept()


def test_a_listener_on_all_addresses_says_which_one_the_client_chose() -> None:
    with listening(socket.AF_INET, ("0.0.0.0", 0)) as listener:
        door = Door(Listener(listener, "http://x"), _socket.socket)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.2", port)):
            sock, _, server = door.accept()
            sock.close()
    assert server == ("127.0.0.2", port)


@pytest.mark.skipif(not has_ipv6(), reason="needs ::1, which this machine has not")
def test_ipv6_addresses_are_a_host_and_a_port() -> None:
    with listening(socket.AF_INET6, ("::1", 0)) as listener:
        door = Door(Listener(listener, "http://x"), _socket.socket)
        with socket.create_connection(("::1", listener.getsockname()[1])) as client:
            sock, peer, server = door.accept()
            sock.close()
            assert (peer, server) == (client.getsockname()[:2], listener.getsockname()[:2])


def test_a_client_of_a_unix_socket_has_no_address(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with listening(socket.AF_UNIX, path) as listener, socket.socket(socket.AF_UNIX) as client:
        door = Door(Listener(listener, f"unix:{path}"), _socket.socket)
        client.connect(path)
        sock, peer, server = door.accept()
        sock.close()
    assert (peer, server) == (None, (path, None))


def test_connections_are_of_the_class_that_is_asked_for() -> None:
    with listening(socket.AF_INET, ("127.0.0.1", 0)) as listener:
        for wanted in (_socket.socket, socket.socket):
            with socket.create_connection(listener.getsockname()):
                sock, _, _ = Door(Listener(listener, "http://x"), wanted).accept()
                sock.close()
            assert type(sock) is wanted
