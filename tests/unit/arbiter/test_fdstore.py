"""Names of stored sockets, what a service manager passed, and what it is told; without a manager."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.arbiter.fdstore import FdStore, Passed, bind_of, name_of, take_passed
from hybrid.arbiter.notify import Notifier


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60))
def test_a_name_leads_back_to_its_bind_value_or_is_too_long(bind: str) -> None:
    name = name_of(bind)
    assert not name or bind_of(name) == bind
    assert len(name) <= 255
    assert ":" not in name
    assert all(" " < char < "\x7f" for char in name)


def test_a_name_of_somebody_else_is_none_of_ours() -> None:
    assert bind_of("shop.socket") == bind_of("connection") == bind_of("") == ""


def test_a_bind_value_that_makes_too_long_a_name_is_not_stored() -> None:
    assert name_of("unix:" + "ä" * 100) == ""


def test_sockets_of_units_and_stored_ones_are_told_apart() -> None:
    names = f"shop.socket:{name_of('127.0.0.1:80')}:{name_of('unix:/run/shop')}"
    environ = {"LISTEN_PID": "77", "LISTEN_FDS": "3", "LISTEN_FDNAMES": names, "PATH": "/bin"}
    assert take_passed(environ, 77) == Passed((3,), {"127.0.0.1:80": 4, "unix:/run/shop": 5})
    assert environ == {"PATH": "/bin"}


def test_without_names_all_are_of_units() -> None:
    assert take_passed({"LISTEN_PID": "77", "LISTEN_FDS": "2"}, 77) == Passed((3, 4))


@pytest.mark.parametrize(
    "environ",
    [{}, {"LISTEN_PID": "76", "LISTEN_FDS": "1"}, {"LISTEN_PID": "77", "LISTEN_FDS": "x"}, {"LISTEN_PID": "77"}],
)
def test_what_is_for_another_process_or_makes_no_sense_is_nothing(environ: dict[str, str]) -> None:
    assert take_passed(environ, 77) == Passed()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def heard(manager: socket.socket) -> list[tuple[str, int]]:
    """Each message, and how many descriptors came with it."""
    found = []
    while True:
        try:
            data, fds, _, _ = socket.recv_fds(manager, 1000, 4)
        except BlockingIOError:
            return found
        for fd in fds:
            os.close(fd)
        found.append((data.decode(), len(fds)))


def test_each_socket_is_stored_once_and_removed_when_it_is_no_longer_wanted(manager: socket.socket) -> None:
    store = FdStore(Notifier(), {"FDSTORE": "8"}, {})
    with socket.socket() as first, socket.socket() as second:
        store.keep({"a:1": first})
        store.keep({"a:1": first})
        assert heard(manager) == [("FDSTORE=1\nFDNAME=hybrid-a%3A1", 1)]
        store.keep({"b:1": second})
        assert heard(manager) == [
            ("FDSTOREREMOVE=1\nFDNAME=hybrid-a%3A1", 0),
            ("FDSTORE=1\nFDNAME=hybrid-b%3A1", 1),
        ]
        store.keep_anew({"b:1": second})
        assert heard(manager) == [("FDSTORE=1\nFDNAME=hybrid-b%3A1", 1)]


def test_what_came_back_is_stored_already_and_removed_when_unwanted(manager: socket.socket) -> None:
    store = FdStore(Notifier(), {"FDSTORE": "8"}, {"a:1": 3, "old:1": 4})
    with socket.socket() as sock:
        store.keep({"a:1": sock})
    assert heard(manager) == [("FDSTOREREMOVE=1\nFDNAME=hybrid-old%3A1", 0)]


@pytest.mark.parametrize("environ", [{}, {"FDSTORE": "0"}, {"FDSTORE": "?"}])
def test_a_manager_that_stores_nothing_is_sent_nothing(manager: socket.socket, environ: dict[str, str]) -> None:
    with socket.socket() as sock:
        FdStore(Notifier(), environ, {}).keep({"a:1": sock})
    assert heard(manager) == []


def test_no_more_than_the_manager_takes(manager: socket.socket) -> None:
    with socket.socket() as sock:
        FdStore(Notifier(), {"FDSTORE": "1"}, {}).keep({"a:1": sock, "b:1": sock})
    assert len(heard(manager)) == 1
