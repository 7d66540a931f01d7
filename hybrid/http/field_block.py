"""Field lines that come again, byte by byte the same: what they came to is remembered, and they are not read anew.

A client sends the same fields with one request after another: a program that calls an API always, a browser for
each kind of file. To find out that they are the same costs one look into a dictionary; to split, check and classify
them, and to make an environ of them, is a third of what a request costs.

Only lines are remembered that say nothing of a body or of the connection, but for a Connection that says what holds
anyway. What a proxy says in them is believed or not for each request anew. Lines are remembered when they come for
the second time: those that never come again, which have a number or a time in them, cost little. What is kept is
bounded in number and size, because it comes from the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hybrid.http.request import Request

LONGEST: Final = 2048
MOST: Final = 128


class FieldBlock:
    """What one block of field lines came to. Shared by requests, so nobody changes it."""

    __slots__ = ("environ", "forwarded", "headers", "host")

    def __init__(self, request: Request) -> None:
        self.headers = request.headers.copy()
        self.host = request.host
        self.forwarded = request.forwarded
        self.environ: dict[str, str] | None = None
        """The same as variables of CGI, once an adapter has asked for them."""


class FieldBlocks:
    """Those of one HeadParser, whose limits they are within."""

    __slots__ = ("_once", "known")

    def __init__(self) -> None:
        self.known: dict[bytes, FieldBlock] = {}
        """By the bytes of the lines."""
        self._once: set[int] = set()
        """The hashes of lines that have come once; a wrong one would make no difference."""

    def saw(self, lines: bytes, request: Request) -> None:
        """These lines were found good, and are not known."""
        if len(lines) > LONGEST:
            return
        once = self._once
        number = hash(lines)
        if number not in once:
            if len(once) >= MOST:
                once.clear()
            once.add(number)
            return
        once.discard(number)
        if len(self.known) >= MOST:
            self.known.clear()
        self.known[lines] = FieldBlock(request)
