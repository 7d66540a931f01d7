"""The control socket, seen from the arbiter: commands in, lines out, and never a wait.

Who may command: the user that the arbiter runs as, and root. The kernel says who connects (SO_PEERCRED). What a
command does is `operator`'s business. A client that does not read what it asked for is dropped when its answer does
not fit any more, so that it costs the arbiter neither time nor memory.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from collections.abc import Callable, Mapping
from logging import Logger
from typing import Any

from hybrid.arbiter.loop import Loop
from hybrid.control.address import OFF, abstract_name
from hybrid.control.wire import MOST_BYTES, Lines, decode, encode
from hybrid.errors import SettingsError

_MOST_SESSIONS = 32
_MOST_UNSENT = 8 * 1024 * 1024
_PEER = struct.Struct("=iII")


class Session:
    """One client, from its request to the answer."""

    def __init__(self, server: ControlServer, sock: socket.socket) -> None:
        self._server = server
        self._socket = sock
        self._lines = Lines()
        self._unsent = b""
        self._is_last = False
        self.is_open = True

    def send(self, message: Mapping[str, object]) -> None:
        """One line to the client. Never blocks, never raises; a no-op once it is gone."""
        if not self.is_open:
            return
        self._unsent += encode(message)
        if len(self._unsent) > _MOST_UNSENT:
            self.close()
            return
        self._flush()

    def progress(self, text: str) -> None:
        self.send({"type": "progress", "text": text})

    def finish(self, *, ok: bool, text: str = "", **more: object) -> None:
        """The last line, then the end of the connection."""
        self._is_last = True
        self.send({"type": "done", "ok": ok, "text": text, **more})

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._server.forget(self._socket.fileno())
            self._socket.close()

    def on_event(self) -> None:
        """The socket is readable or, while something is unsent, writable; or it was, when the batch began."""
        if self.is_open:
            self._flush()
        if not self.is_open:
            return
        try:
            data = self._socket.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        lines = self._lines.feed(data)
        if self._lines.pending > MOST_BYTES:
            self.close()
        for line in lines[:1]:
            self._server.take(self, line)

    def _flush(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            self._server.await_room(self._socket.fileno(), True)
            return
        except OSError:
            self.close()
            return
        if self._is_last:
            self.close()
        else:
            self._server.await_room(self._socket.fileno(), False)


Handle = Callable[[Session, dict[str, Any]], None]


class ControlServer:
    """The listening socket and its sessions. `close()` it, also in a forked child."""

    def __init__(self, loop: Loop, handle: Handle, log: Logger) -> None:
        self._loop = loop
        self._handle = handle
        self._log = log
        self._sessions: dict[int, Session] = {}
        self._socket: socket.socket | None = None
        self._spare = -1
        self.path = ""
        self._inode = 0

    def open(self, where: str) -> None:
        """Listen at a path, "" for the abstract name, or not at all for "off".

        Raises SettingsError for a path that cannot be used. Without a path a failure is only logged: control is a
        convenience that nobody asked for, and must not keep a server from serving.
        """
        if where == OFF:
            return
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            if where:
                self._bind_path(sock, os.path.abspath(where))
            else:
                sock.bind(abstract_name(os.geteuid(), os.getpid()))
            sock.listen(16)
        except OSError as error:
            sock.close()
            reason = (error.strerror or str(error)).lower()
            if where:
                raise SettingsError(
                    f"setting control_socket: cannot listen at {where}: {reason}; choose another path, or `off`"
                ) from error
            self._log.debug("No control socket: %s; give a path with --control-socket", reason)
            return
        self._socket = sock
        self._spare = _spare()
        self._loop.watch(sock.fileno(), self._accept)

    def _bind_path(self, sock: socket.socket, path: str) -> None:
        _remove_stale(path)
        old_umask = os.umask(0o177)
        try:
            sock.bind(path)
        finally:
            os.umask(old_umask)
        self.path, self._inode = path, os.stat(path).st_ino

    def _accept(self) -> None:
        assert self._socket is not None
        try:
            sock, _ = self._socket.accept()
        except OSError as error:  # it left again; or no descriptors, and a connection that waits wakes us for ever
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._turn_away()
            return
        sock.setblocking(False)
        uid = _peer_uid(sock)
        if uid not in (0, os.geteuid()) or len(self._sessions) >= _MOST_SESSIONS:
            self._log.warning("Control socket: refused a connection of user %d", uid)
            sock.close()
            return
        session = Session(self, sock)
        self._sessions[sock.fileno()] = session
        self._loop.watch(sock.fileno(), session.on_event)

    def _turn_away(self) -> None:
        """Accept with the descriptor kept for this, and close."""
        assert self._socket is not None
        if self._spare >= 0:
            os.close(self._spare)
        try:
            self._socket.accept()[0].close()
        except OSError:  # somebody of this machine was quicker: the next wakeup tries again
            pass
        self._spare = _spare()

    def take(self, session: Session, line: bytes) -> None:
        """One request of a session."""
        try:
            request = decode(line)
        except ValueError:
            session.finish(ok=False, text="the request is no JSON object")
            return
        self._handle(session, request)

    def move(self, where: str) -> None:
        """Be at another path from now on. A socket stays connected to its file when that is renamed."""
        if not self.path:
            return
        path = os.path.abspath(where)
        try:
            os.rename(self.path, path)
        except OSError:  # the file went, or the folder: the old name must do
            return
        self.path = path

    def await_room(self, fd: int, is_wanted: bool) -> None:
        """Wake the session also when its socket takes bytes again."""
        self._loop.watch_room(fd, is_wanted)

    def forget(self, fd: int) -> None:
        self._loop.forget(fd)
        self._sessions.pop(fd, None)

    def close(self) -> None:
        """End it all, and remove the socket file if it is still ours."""
        self.close_in_child()
        if self.path:
            try:
                if os.stat(self.path).st_ino == self._inode:
                    os.unlink(self.path)
            except OSError:  # removed before us
                pass
            self.path = ""

    def close_in_child(self) -> None:
        """Close the descriptors of a process that is no arbiter. The loop is closed already."""
        for session in list(self._sessions.values()):
            session.close()
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None
            if self._spare >= 0:
                os.close(self._spare)


def _spare() -> int:
    """A descriptor to give up when there are no others; -1 when there is none left for that either."""
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _remove_stale(path: str) -> None:
    """Make room for our socket. One that somebody listens on, and any other kind of file, is left: bind will fail."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            pass


def _peer_uid(sock: socket.socket) -> int:
    """The user on the other side; where the system does not tell, the mode of the socket file has decided already."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.geteuid()
    uid: int = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[1]
    return uid
