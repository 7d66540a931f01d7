"""Asking a running arbiter. Blocks, as a command may."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

from hybrid.control.address import abstract_name, arbiters_of
from hybrid.control.wire import Lines, decode, encode
from hybrid.errors import HybridError

_ANSWER_WITHIN_S = 10.0
_PEER = struct.Struct("=iII")


class Client:
    """One connection to one arbiter, for one request. `close()` it."""

    def __init__(self, address: str, shown: str) -> None:
        """Raises HybridError when nobody listens there, or when somebody else than this user or root does."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_ANSWER_WITHIN_S)
        try:
            self._socket.connect(address)
            self.pid, uid = _peer(self._socket)
            if uid not in (-1, 0, os.geteuid()):
                raise HybridError(f"{shown}: process {self.pid} of user {uid} answers there, no arbiter of this user")
        except OSError as error:
            self._socket.close()
            reason = (error.strerror or str(error)).lower()
            raise HybridError(f"cannot reach the arbiter at {shown}: {reason}; is it running?") from error
        except HybridError:
            self._socket.close()
            raise

    def ask(self, request: dict[str, object], *, timeout_s: float | None = None) -> Iterator[dict[str, Any]]:
        """Send the request and give the messages that come, the last with the type "done".

        Ends without one when the arbiter ends. `timeout_s` bounds the whole of it; None waits as long as it takes
        for a request with a true "wait". Raises HybridError.
        """
        if timeout_s is None and not request.get("wait"):
            timeout_s = _ANSWER_WITHIN_S
        until = None if timeout_s is None else time.monotonic() + timeout_s
        lines = Lines()
        try:
            self._socket.sendall(encode(request))
            while True:
                self._socket.settimeout(None if until is None else max(0.001, until - time.monotonic()))
                data = self._socket.recv(65536)
                if not data:
                    return
                for line in lines.feed(data):
                    message = decode(line)
                    yield message
                    if message.get("type") == "done":
                        return
        except TimeoutError as error:
            raise HybridError(
                f"the arbiter (pid {self.pid}) has not finished `{request['command']}` within {timeout_s:g} s;"
                " it goes on with it"
            ) from error
        except (OSError, ValueError) as error:
            raise HybridError(f"the arbiter (pid {self.pid}) broke off: {error}") from error

    def wait_gone(self, timeout_s: float | None) -> bool:
        """Whether the arbiter's process has ended, waiting for it as long."""
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:
            return True
        try:
            return bool(select.select([handle], (), (), timeout_s)[0])
        finally:
            os.close(handle)

    def close(self) -> None:
        self._socket.close()


def find_arbiter(*, control_socket: str = "", pid: str = "") -> Client:
    """The arbiter that is meant: by its socket, by its pid or pidfile, or the only one of this user.

    Raises HybridError naming what was looked for.
    """
    if control_socket:
        return Client(control_socket, control_socket)
    if pid:
        number = int(pid) if pid.isdigit() else _read_pidfile(pid)
        return _of_pid(number)
    found = _running()
    if not found:
        raise HybridError("no arbiter of this user is running; name one of another user with --control-socket or --pid")
    if len(found) > 1:
        pids = ", ".join(map(str, found))
        raise HybridError(f"{len(found)} arbiters of this user are running (pids {pids}); choose one with --pid")
    return _of_pid(found[0])


def _of_pid(pid: int) -> Client:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError as error:
        raise HybridError(f"there is no process {pid}") from error
    return Client(abstract_name(uid, pid), f"pid {pid}")


def _running() -> list[int]:
    try:
        with open("/proc/net/unix", encoding="ascii", errors="replace") as table:
            return arbiters_of(os.geteuid(), table)
    except OSError:  # no Linux: there are no abstract sockets either
        return []


def _read_pidfile(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read(32))
    except (OSError, ValueError) as error:
        raise HybridError(f"--pid {path}: no pidfile can be read there: {error}") from error


def _peer(sock: socket.socket) -> tuple[int, int]:
    """The pid and the uid on the other side; (0, -1) where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0, -1
    pid, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return pid, uid
