"""The bounded memory of field names."""

from __future__ import annotations

from hybrid.http import names
from hybrid.http.names import KNOWN, Field, learn


def test_usual_names_are_known_before_any_client_speaks() -> None:
    for name in (b"Host", b"host", b"User-Agent", b"Content-Length", b"X-Forwarded-For", b"cookie"):
        assert name in KNOWN


def test_a_flood_of_invented_names_stays_bounded_and_still_gets_answers() -> None:
    before = dict(KNOWN)
    try:
        for number in range(5000):
            assert learn(b"X-%d" % number) == (b"x-%d" % number, Field.PLAIN)
        assert len(KNOWN) <= names._MOST
        assert learn(b"x" * 100) == (b"x" * 100, Field.PLAIN)
        assert b"x" * 100 not in KNOWN
    finally:
        KNOWN.clear()
        KNOWN.update(before)


def test_case_does_not_change_the_meaning() -> None:
    assert learn(b"tRANSFER-eNCODING") == (b"transfer-encoding", Field.TRANSFER_ENCODING)
    assert learn(b"Transfer_Encoding") == (b"transfer_encoding", Field.UNDERSCORE)
