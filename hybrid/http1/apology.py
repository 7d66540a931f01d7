"""The answer in place of an application that has failed: one page and one rule, whatever the application speaks."""

from __future__ import annotations

from typing import Final

from hybrid.errors import ProtocolError
from hybrid.http.status import phrase
from hybrid.http1.response import Response

FAILED: Final = ProtocolError(500, "the application failed")
LATE: Final = ProtocolError(504, "the application did not answer in time")
_FIELDS: Final = [("content-type", "text/plain; charset=utf-8")]


def apology(response: Response, error: ProtocolError) -> bytes:
    """The whole answer to a request of which nothing has been answered.

    The connection closes behind it: who failed may have left the body half-read, and a proxy that has several
    connections to us learns which of them to take no more.
    """
    response.keep_alive = False
    response.start(error.status, _FIELDS)
    return response.content(b"%d %b: %b\n" % (error.status, phrase(error.status), error.reason.encode()), more=False)
