"""Every error of ours, and the two questions that decide its type: who can fix it, and can the client still be told.

    HybridError
    |-- SettingsError     a setting is wrong: the operator fixes it       exit code 1
    |-- WorkerBootError   a worker could not start                        exit code 3
    |   `-- AppLoadError  the application could not be imported           exit code 4
    |-- ProtocolError     the client broke a rule: answer, then close     HTTP status
    `-- ClientGone        the client left: say nothing, close

    DeadlineExceeded      raised inside the application: its request took longer than --timeout

Exceptions of the application are never wrapped in any of these.
"""

from __future__ import annotations


class HybridError(Exception):
    """Base of every error raised by hybrid itself."""


class SettingsError(HybridError):
    """A setting cannot be used. The message names it, its origin, what was found and what to change."""

    exit_code = 1


class WorkerBootError(HybridError):
    """A worker could not start serving, for a reason that is not the import of the application."""

    exit_code = 3


class AppLoadError(WorkerBootError):
    """The application could not be imported, found, called or used."""

    exit_code = 4


class ProtocolError(HybridError):
    """The bytes from the client break a rule or a limit; the answer is `status` and then a closed connection.

    `reason` is one short sentence for the client and the log; `rfc` is where the rule stands,
    such as "RFC 9112 section 6.3", or "" for a limit of ours. `fields` are header lines that such an
    answer must have, each ended with CRLF.
    """

    def __init__(self, status: int, reason: str, rfc: str = "", *, fields: bytes = b"") -> None:
        super().__init__(f"{status} {reason}" + (f" ({rfc})" if rfc else ""))
        self.status = status
        self.reason = reason
        self.rfc = rfc
        self.fields = fields


class ClientGone(HybridError, OSError):
    """The client closed the connection. An OSError, so that it is what ASGI 2.4 promises from `send()`."""


class DeadlineExceeded(BaseException):
    """A request took longer than --timeout. Raised in the application's code, wherever that is at the moment.

    Not an Exception, as it is not for an application's `except Exception` to answer: `finally` and `with` clean up,
    and the client is told 504.
    """
