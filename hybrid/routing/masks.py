"""What is random in each response, so that two answers of one application differ in it too. Pure.

A token against forgery, a session's cookie, a nonce of a content security policy: each is drawn anew, and a site with
forms would never agree with its copy. So of these it is compared that they are there, not what they say. Whoever finds
more of them in an application names it, as a field, a cookie or a pattern of the body.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from typing import Final

COOKIES: Final = frozenset({b"csrftoken", b"csrf_token", b"_csrf", b"xsrf-token", b"sessionid", b"session"})
"""Names of Django, Flask, Starlette and others, in lower case and without `__Host-` and `__Secure-`."""

_PREFIX = re.compile(rb"__(?:host|secure)-", re.IGNORECASE)
_POLICIES: Final = frozenset({b"content-security-policy", b"content-security-policy-report-only"})
_POLICY_NONCE = re.compile(rb"'nonce-[^']+'")
# The lengths are bounded, or a tag that never ends would be looked through from each of its beginnings.
_TAG = re.compile(rb"<(input|meta|script|style|link)\b([^>]{0,2000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"""([a-z][a-z:_-]{0,40})\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE)
_FIELD = re.compile(rb"""(x-(?:csrf|xsrf)-?token["']?\s*:\s*)("[^"]+"|'[^']+')""", re.IGNORECASE)
"""In what scripts and attributes such as hx-headers say of requests to come."""


def is_cookie(name: bytes) -> bool:
    """The value of this cookie is random."""
    return _PREFIX.sub(b"", name).lower() in COOKIES


def is_token(name: str) -> bool:
    """By its name, a member of JSON that holds a token."""
    plain = name.lower().replace("-", "").replace("_", "")
    return "csrf" in plain or "xsrf" in plain


def policy(name: bytes, value: bytes) -> bytes:
    """The value of this header field without its nonces."""
    return _POLICY_NONCE.sub(b"'nonce-'", value) if name in _POLICIES else value


class Masked:
    """A body without what is random in it, and what that was, by what it is called in the report."""

    def __init__(self, body: bytes, *, is_html: bool, patterns: Iterable[re.Pattern[bytes]] = ()) -> None:
        self.values: dict[str, list[bytes]] = {}
        for pattern in patterns:
            self.values[f"pattern {pattern.pattern.decode('latin-1')}"] = [m[0] for m in pattern.finditer(body)]
            body = pattern.sub(b"", body)
        if is_html:
            body = _FIELD.sub(self._field, _TAG.sub(self._tag, body))
        self.body = body

    def differing(self, other: Masked) -> list[str]:
        """Names of what is in both, and is not the same there."""
        return [what for what, values in self.values.items() if values != other.values.get(what, [])]

    def _note(self, what: str, value: bytes) -> None:
        self.values.setdefault(what, []).append(value)

    def _field(self, found: re.Match[bytes]) -> bytes:
        self._note("body x-csrftoken", found[2])
        return found[1] + b'""'

    def _tag(self, found: re.Match[bytes]) -> bytes:
        attributes = {each[1].lower(): each[2].strip(b"\"'") for each in _ATTRIBUTE.finditer(found[2])}
        kind = found[1].lower()
        name = attributes.get(b"name", b"").lower()
        if kind == b"input" and attributes.get(b"type", b"").lower() == b"hidden" and _names_token(name):
            return self._without(found, b"value", f"input {name.decode('latin-1')}")
        if kind == b"meta" and _names_token(name):
            return self._without(found, b"content", f"meta {name.decode('latin-1')}")
        if b"nonce" in attributes:
            return self._without(found, b"nonce", "nonce")
        return found[0]

    def _without(self, tag: re.Match[bytes], attribute: bytes, what: str) -> bytes:
        def empty(found: re.Match[bytes]) -> bytes:
            value = found[2].strip(b"\"'")
            if found[1].lower() != attribute or not value:  # that there is none is a difference
                return found[0]
            self._note(what, value)
            return found[1] + b'="(random)"'

        return b"<" + tag[1] + _ATTRIBUTE.sub(empty, tag[2]) + b">"


def _names_token(name: bytes) -> bool:
    return name.endswith((b"csrf", b"xsrf", b"token", b"nonce")) or b"csrf" in name or b"xsrf" in name


def plain(body: bytes, encoding: bytes, most: int) -> bytes | None:
    """The body without its Content-Encoding; None if that is not known, the body is damaged, or longer than `most`.

    Compressing is no function of the content alone: some applications add a few random bytes to hide its length.
    """
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        return None
    try:
        reader = zlib.decompressobj(47)  # whichever head it has
        found = reader.decompress(body, most + 1)
    except zlib.error:
        return None
    return found if reader.eof and len(found) <= most else None
