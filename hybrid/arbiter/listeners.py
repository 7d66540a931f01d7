"""Listening sockets: bind, take over, keep through a reload, close.

The arbiter owns them all; workers inherit them by fork. A listener belongs to the releases that name its
address, and is closed with the last of them.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterable
from logging import Logger

from hybrid.arbiter.address import Address, Inet, Inherited, Unix, parse_address
from hybrid.arbiter.fdstore import Passed
from hybrid.arbiter.reexec import Inheritance
from hybrid.contract import Listener
from hybrid.contract.identity import owner
from hybrid.errors import SettingsError
from hybrid.settings import Settings

DEFAULT_BIND = ("127.0.0.1:8000",)
_TRIES = 5


class Listeners:
    """All of them, by the bind value that asked for them."""

    def __init__(
        self,
        log: Logger,
        pause: Callable[[float], bool],
        inheritance: Inheritance | None = None,
        passed: Passed | None = None,
    ) -> None:
        """`pause(seconds)` waits; True means that the operator no longer wants us to go on."""
        passed = passed or Passed()
        self._log = log
        self._pause = pause
        self._open: dict[str, Listener] = {}
        self._files: dict[str, tuple[str, int]] = {}
        """Unix socket files that we made: path and inode, so that nobody else's is removed."""
        self._inherited = dict(inheritance.sockets if inheritance else passed.stored)
        """Descriptors of an older arbiter's sockets, by bind value."""
        self._activated = inheritance.activated if inheritance else passed.activated
        self.keeps_files = inheritance is not None
        """Another arbiter uses the same socket files: none is removed."""
        if inheritance:
            self._files.update(inheritance.files)

    def open(self, settings: Settings, *, tries: int = _TRIES) -> dict[str, Listener]:
        """The listeners for these settings, in order; those that are open already are kept.

        A port in use is tried again, one second apart, as its last owner may still be going.
        Raises SettingsError naming address and cause; what was open before stays open, the rest is closed.
        """
        wanted: dict[str, Address] = {f"fd://{fd}": Inherited(fd) for fd in self._activated}
        if not wanted:
            wanted = {bind: parse_address(bind) for bind in settings.bind or DEFAULT_BIND}
        before = list(self._open)
        try:
            for key, address in wanted.items():
                if key not in self._open:
                    self._open[key] = self._bind(key, address, settings, tries)
        except SettingsError:
            self.close_all_but(before)
            raise
        for key, address in wanted.items():
            if not (settings.reuse_port and isinstance(address, Inet)):  # then only the workers' own sockets listen
                self._open[key].socket.listen(settings.backlog)  # again is allowed: a reload may change the backlog
        for fd in self._inherited.values():  # the new settings no longer want these
            os.close(fd)
        self._inherited.clear()
        return {key: self._open[key] for key in wanted}

    def inheritance(self, pid: int) -> Inheritance:
        """What another arbiter needs to listen on the same sockets."""
        sockets = {key: listener.socket.fileno() for key, listener in self._open.items()}
        return Inheritance(pid, -1, sockets, dict(self._files), self._activated)

    def sockets_to_store(self) -> dict[str, socket.socket]:
        """Those that a service manager can keep for us, by bind value: bound by us, and listening."""
        return {
            key: listener.socket
            for key, listener in self._open.items()
            if not key.startswith("fd://") and listener.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        }

    def close_all_but(self, kept: Iterable[str]) -> list[str]:
        """Close the others, remove the socket files that we made for them, and give their addresses."""
        keys = sorted(self._open.keys() - set(kept))
        return [self._close(key) for key in keys]

    def _close(self, key: str) -> str:
        listener = self._open.pop(key)
        listener.socket.close()
        path, inode = self._files.pop(key, ("", 0))
        if path and not self.keeps_files:
            _unlink_own(path, inode)
        return listener.address

    def _bind(self, key: str, address: Address, settings: Settings, tries: int) -> Listener:
        if key in self._inherited:
            sock = _adopt(Inherited(self._inherited.pop(key)))
            if not self._has_lost_file(key, address):
                sock.setblocking(False)
                return Listener(sock, _shown(sock, settings))
            sock.close()
        for left in reversed(range(tries)):
            try:
                sock = _make(address, settings)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise SettingsError(_explain(address, error, settings)) from error
                if not left:
                    times = f"; tried {tries} times, one second apart" if tries > 1 else ""
                    raise SettingsError(
                        f"Can't connect to {address}: the address is in use{times};"
                        " stop the process that listens there, or choose another --bind"
                    ) from error
                self._log.error("Connection in use: %s", address)
                self._log.error("Retrying in 1 second.")
                if self._pause(1.0):
                    raise SettingsError(f"Can't connect to {address}: stopped while waiting for the address") from error
        if isinstance(address, Unix) and not address.is_abstract:
            self._files[key] = (os.path.abspath(address.path), os.stat(address.path).st_ino)
        sock.setblocking(False)
        return Listener(sock, _shown(sock, settings))

    def _has_lost_file(self, key: str, address: Address) -> bool:
        """A socket that came back from a service manager without its file is one that nobody can reach."""
        if not isinstance(address, Unix) or address.is_abstract or key in self._files:
            return False
        try:
            found = os.stat(address.path)
        except OSError:
            return True
        self._files[key] = (os.path.abspath(address.path), found.st_ino)
        return not stat.S_ISSOCK(found.st_mode)


def _make(address: Address, settings: Settings) -> socket.socket:
    match address:
        case Inherited():
            return _adopt(address)
        case Unix():
            return _bind_unix(address, settings)
        case Inet():
            return _bind_inet(address, is_shared=settings.reuse_port)


def own_sockets(listeners: Iterable[Listener]) -> tuple[Listener, ...]:
    """What a worker listens on with --reuse-port: in the place of each TCP socket one of its own, bound to the same
    address and not listening yet. The arbiter's keeps the address while there are no workers."""
    return tuple(_own_socket(listener) if _is_shared(listener.socket) else listener for listener in listeners)


def _is_shared(sock: socket.socket) -> bool:
    return sock.family != socket.AF_UNIX and bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))


def _own_socket(listener: Listener) -> Listener:
    host, port, *_ = listener.socket.getsockname()
    sock = _bind_inet(Inet(host, port), is_shared=True)
    sock.setblocking(False)
    return Listener(sock, listener.address)


def _bind_inet(address: Inet, *, is_shared: bool = False) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if address.is_v6 else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it on Linux: one system call per connection less for the worker.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((address.host, address.port))
        # Listen here and not later: with SO_REUSEADDR two may bind an address, only one may listen, and
        # that one is who the retry is for.
        if not is_shared:
            sock.listen(1)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(address: Unix, settings: Settings) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        if address.is_abstract:
            sock.bind("\0" + address.path[1:])
            return sock
        _remove_stale(address)
        old_umask = os.umask(settings.umask)
        try:
            sock.bind(address.path)
        finally:
            os.umask(old_umask)
        uid, gid = owner(settings)
        if (uid, gid) != (os.geteuid(), os.getegid()):
            os.chown(address.path, uid, gid)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(address: Unix) -> None:
    """Make room for the socket file. A socket that somebody still listens on is in use; no other file is touched."""
    try:
        mode = os.stat(address.path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SettingsError(f"bind {address}: the file exists and is no socket; remove it or choose another --bind")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address.path)
        except (ConnectionRefusedError, FileNotFoundError):
            pass
        except OSError:  # a full backlog, say: somebody is there
            raise OSError(errno.EADDRINUSE, "in use") from None
        else:
            raise OSError(errno.EADDRINUSE, "in use")
    os.unlink(address.path)


def _adopt(address: Inherited) -> socket.socket:
    try:
        sock = socket.socket(fileno=address.fd)
    except OSError as error:
        raise SettingsError(
            f"bind {address}: file descriptor {address.fd}: {error.strerror}; it must be an open socket"
        ) from error
    if sock.type != socket.SOCK_STREAM:
        sock.close()
        raise SettingsError(f"bind {address}: file descriptor {address.fd} is no stream socket")
    sock.set_inheritable(False)  # it came through an exec; programs that the application starts must not get it
    return sock


def _shown(sock: socket.socket, settings: Settings) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        text = os.fsdecode(name)
        return "unix:@" + text[1:] if text.startswith("\0") else f"unix:{text}"
    host = f"[{name[0]}]" if sock.family == socket.AF_INET6 else name[0]
    return f"{'https' if settings.certfile else 'http'}://{host}:{name[1]}"


def _explain(address: Address, error: OSError, settings: Settings) -> str:
    hint = ""
    if error.errno == errno.EACCES and isinstance(address, Inet):
        hint = "; ports below 1024 need CAP_NET_BIND_SERVICE or a different --bind"
    elif error.errno == errno.EADDRNOTAVAIL:
        hint = "; no interface of this machine has that address"
    elif error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EROFS) and isinstance(address, Unix):
        hint = "; the folder must exist and be writable"
    elif error.errno == errno.EPERM and isinstance(address, Unix):
        hint = f"; only root can give the socket to user {settings.user!r} group {settings.group!r}"
    elif isinstance(error, socket.gaierror):
        hint = "; the host name cannot be resolved"
    return f"bind {address}: {(error.strerror or str(error)).lower()}{hint}"


def _unlink_own(path: str, inode: int) -> None:
    try:
        if os.stat(path).st_ino == inode:
            os.unlink(path)
    except OSError:  # somebody removed it before us, or took the folder away
        pass
