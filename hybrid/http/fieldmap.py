"""Field names with an underscore. In a WSGI environ `X_Real_IP` and `X-Real-IP` are one key, so whoever sends the
first could speak for the proxy that sets the second. Hence they are dropped, unless settings say otherwise."""

from __future__ import annotations

from collections.abc import Collection

from hybrid.errors import ProtocolError
from hybrid.http.request import Request


def map_underscored(request: Request, mode: str, allowed: Collection[bytes]) -> None:
    """Decide on `request.underscored`: what may pass joins `headers`.

    `mode` is --header-map: drop, refuse (ProtocolError 400) or dangerous (all pass). `allowed` are the
    lower-case names that pass in any mode: --forwarder-headers if the peer is trusted, else none.
    """
    for name, value in request.underscored or ():
        if name in allowed or mode == "dangerous":
            request.headers.append((name, value))
        elif mode == "refuse":
            raise ProtocolError(400, "an underscore in the name of a header field")
    request.underscored = None
