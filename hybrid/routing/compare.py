"""Do two responses to the same request agree? What shadow traffic is judged by.

Compared are status, header fields and body; each difference is one line that names the field or the place in the
body. A body is equal if its bytes are; else if both are JSON of the same value (members in any order, whatever white
space, but 1.0 is not 1.5, nor "1"); else if both are HTML of the same text once white space counts as a browser
counts it. Work and memory are bounded: bodies over a limit are compared by their bytes only, nesting is cut off, and
after a few differences it stops.

Fields that differ between any two responses (Date), that a worker makes and not the application (Connection), or that
follow from the body, which is compared itself, are left out, as are those the caller names. What is random in each
response is masked: see `hybrid.routing.masks`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from hybrid.routing import masks

Fields = Sequence[tuple[bytes, bytes]]

IGNORED = frozenset(
    {
        b"age",
        b"alt-svc",
        b"connection",
        b"content-length",
        b"date",
        b"keep-alive",
        b"server",
        b"transfer-encoding",
        b"x-request-id",
    }
)
"""Fields that say nothing about the application."""

UNORDERED = frozenset(
    {b"vary", b"allow", b"access-control-allow-headers", b"access-control-allow-methods", b"cache-control"}
)
"""Lists whose order has no meaning."""

MOST_DIFFERENCES = 10
MOST_BODY = 256 * 1024
"""Bytes of a body that are looked into; larger ones are equal or not."""

_MOST_DEPTH = 64
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. Names of fields are lower-case. `is_whole`: the body was not cut off when it was copied.

    Of one that was, `length` and `digest` tell more, where they are known.
    """

    status: int
    headers: Fields
    body: bytes = b""
    is_whole: bool = True
    length: int = -1
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` is status, header NAME, cookie NAME, or body; `real` and `shadow` are what was found, shortened."""

    what: str
    real: str
    shadow: str

    def __str__(self) -> str:
        return f"{self.what}: {self.real} | {self.shadow}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`masked` names what was not the same and does not count, since it is random in each response."""

    differences: tuple[Difference, ...]
    masked: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    """Differences, up to a number."""

    items: list[Difference] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return len(self.items) >= MOST_DIFFERENCES

    def add(self, what: str, real: object, shadow: object) -> None:
        if not self.is_full:
            self.items.append(Difference(what, _shown(real), _shown(shadow)))


def compare(
    real: Answer, shadow: Answer, ignored: Collection[bytes] = (), patterns: Sequence[re.Pattern[bytes]] = ()
) -> Comparison:
    """No differences if the answers agree. `ignored` are names of fields, or `cookie:NAME`, lower-case; what matches
    `patterns` is left out of the bodies."""
    found, content = _Found(), _Found()
    if real.status != shadow.status:
        found.add("status", real.status, shadow.status)
    if real.status // 100 == shadow.status // 100:  # an error page differs anyhow, and its status says it
        _compare_bodies(_decoded(real), _decoded(shadow), patterns, content)
    if content.masked and not content.items and all(_has_tag(one.headers) for one in (real, shadow)):
        ignored = {*ignored, b"etag"}  # it is made of the body
        content.masked.append("header etag")
    _compare_headers(real.headers, shadow.headers, IGNORED.union(ignored), found)
    found.masked += content.masked
    for item in content.items:
        if not found.is_full:
            found.items.append(item)
    return Comparison(tuple(found.items), tuple(dict.fromkeys(found.masked)))


def _has_tag(headers: Fields) -> bool:
    return any(name == b"etag" for name, _ in headers)


# -- header fields ---------------------------------------------------------------------------------


def _compare_headers(real: Fields, shadow: Fields, ignored: Collection[bytes], found: _Found) -> None:
    ours, theirs = _by_name(real, ignored), _by_name(shadow, ignored)
    for name in dict.fromkeys([*ours, *theirs]):
        one, other = ours.get(name), theirs.get(name)
        if name == b"set-cookie":
            _compare_cookies(one or [], other or [], ignored, found)
        elif one != other:
            what = f"header {name.decode('latin-1')}"
            if one and other and [masks.policy(name, v) for v in one] == [masks.policy(name, v) for v in other]:
                found.masked.append(f"{what} nonce")
            else:
                found.add(what, _field(one), _field(other))


def _by_name(fields: Fields, ignored: Collection[bytes]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        if name not in ignored:
            found.setdefault(name, []).append(_normal(name, value))
    for name in UNORDERED.intersection(found):
        found[name] = sorted({item.strip().lower() for value in found[name] for item in value.split(b",")})
    return found


def _normal(name: bytes, value: bytes) -> bytes:
    if name == b"content-type":
        return re.sub(rb"\s*;\s*", b"; ", value).lower().replace(b'"', b"")
    return value


def _field(values: list[bytes] | None) -> str:
    return "(none)" if values is None else b", ".join(values).decode("latin-1")


def _compare_cookies(real: list[bytes], shadow: list[bytes], ignored: Collection[bytes], found: _Found) -> None:
    """By the cookie's name, as each has its own field and their order means nothing."""
    ours, theirs = _cookies(real), _cookies(shadow)
    for name in dict.fromkeys([*ours, *theirs]):
        one, other = ours.get(name), theirs.get(name)
        if one == other or b"cookie:" + name.lower() in ignored:
            continue
        what = f"cookie {name.decode('latin-1')}"
        if masks.is_cookie(name) and one and other and one[1] == other[1] and _is_set(one) == _is_set(other):
            found.masked.append(what)
        else:
            found.add(what, _cookie(one), _cookie(other))


def _is_set(cookie: tuple[bytes, frozenset[bytes]]) -> bool:
    """It has a value; one that is taken back has none."""
    return bool(cookie[0].strip(b'"'))


def _cookies(values: Iterable[bytes]) -> dict[bytes, tuple[bytes, frozenset[bytes]]]:
    """Value and attributes. Expires is left out: it counts from now; Max-Age says the same without a clock."""
    found = {}
    for text in values:
        pair, *attributes = (part.strip() for part in text.split(b";"))
        name, _, value = pair.partition(b"=")
        found[name] = (value, frozenset(a.lower() for a in attributes if a and not a.lower().startswith(b"expires")))
    return found


def _cookie(cookie: tuple[bytes, frozenset[bytes]] | None) -> str:
    return "(none)" if cookie is None else b"; ".join([cookie[0], *sorted(cookie[1])]).decode("latin-1")


# -- bodies ----------------------------------------------------------------------------------------


def _compare_bodies(real: Answer, shadow: Answer, patterns: Sequence[re.Pattern[bytes]], found: _Found) -> None:
    if real.body == shadow.body and real.is_whole and shadow.is_whole:
        return
    kind = _kind(real.headers)
    if kind != _kind(shadow.headers):
        kind = "bytes"
    if max(len(real.body), len(shadow.body)) > MOST_BODY:
        kind, patterns = "bytes", ()
    ours, theirs = (masks.Masked(one.body, is_html=kind == "html", patterns=patterns) for one in (real, shadow))
    masked = ours.differing(theirs)
    before = len(found.items)
    if not (real.is_whole and shadow.is_whole):
        _compare_cut(replace(real, body=ours.body), replace(shadow, body=theirs.body), found, is_masked=bool(masked))
    elif kind == "json" and _compare_json(ours.body, theirs.body, found):
        pass
    elif kind == "html":
        one, other = _html(ours.body), _html(theirs.body)
        if one != other:
            found.add("body", *_around(one, other))
    elif ours.body != theirs.body:
        found.add("body", *_around(ours.body, theirs.body))
    if len(found.items) == before:
        found.masked += masked


def _compare_cut(real: Answer, shadow: Answer, found: _Found, *, is_masked: bool) -> None:
    """Of bodies that are there in part: the beginning, and what is known of the rest.

    `is_masked`: their beginnings differ in what is random, so that the digests must, and so may a tag that was cut.
    """
    if is_masked:
        length = min(_end_of_tags(one.body) for one in (real, shadow))
    else:
        length = min(len(real.body), len(shadow.body))
    if real.body[:length] != shadow.body[:length]:
        found.add("body", *_around(real.body, shadow.body))
    elif -1 not in (real.length, shadow.length) and real.length != shadow.length:
        found.add("body", f"{real.length} bytes", f"{shadow.length} bytes")
    elif real.digest and shadow.digest and real.digest != shadow.digest and not is_masked:
        found.add("body", *(f"other content after byte {length}, SHA-256 {one.digest.hex()}" for one in (real, shadow)))


def _end_of_tags(body: bytes) -> int:
    opening = body.rfind(b"<")
    return opening if opening > body.rfind(b">") else len(body)


def _decoded(answer: Answer) -> Answer:
    """With its body as it was before it was compressed, if that can be told."""
    encoding = next((value.strip().lower() for name, value in answer.headers if name == b"content-encoding"), b"")
    if not encoding or not answer.is_whole or len(answer.body) > MOST_BODY:
        return answer
    body = masks.plain(answer.body, encoding, MOST_BODY)
    if body is None:
        return answer
    return replace(answer, headers=[field for field in answer.headers if field[0] != b"content-encoding"], body=body)


def _kind(headers: Fields) -> str:
    if any(name == b"content-encoding" and value != b"identity" for name, value in headers):
        return "bytes"
    kind = next((value.partition(b";")[0].strip().lower() for name, value in headers if name == b"content-type"), b"")
    if kind.endswith((b"/json", b"+json")):
        return "json"
    return "html" if kind in (b"text/html", b"application/xhtml+xml") else "bytes"


def _compare_json(real: bytes, shadow: bytes, found: _Found) -> bool:
    """False where one of them is no JSON, so that only the bytes can tell."""
    try:
        ours, theirs = json.loads(real), json.loads(shadow)
    except (ValueError, RecursionError):
        return False
    _walk(ours, theirs, "$", found, 0)
    return True


def _walk(real: object, shadow: object, place: str, found: _Found, depth: int) -> None:
    if found.is_full:
        return
    if depth > _MOST_DEPTH:
        found.add(f"body {place[:_SHOWN]}", "nested too deeply to compare", "the same")
    elif isinstance(real, dict) and isinstance(shadow, dict):
        for name in dict.fromkeys([*real, *shadow]):
            inner = f"{place}.{name}"
            if name not in real or name not in shadow:
                found.add(f"body {inner[:_SHOWN]}", *(_member(owner, name) for owner in (real, shadow)))
            else:
                _walk(real[name], shadow[name], inner, found, depth + 1)
    elif isinstance(real, list) and isinstance(shadow, list):
        if len(real) != len(shadow):
            found.add(f"body {place[:_SHOWN]}", f"{len(real)} items", f"{len(shadow)} items")
        for index, (one, other) in enumerate(zip(real, shadow, strict=False)):
            if one is not other:
                _walk(one, other, f"{place}[{index}]", found, depth + 1)
    elif type(real) is type(shadow) is str and real and shadow and real != shadow and masks.is_token(_last(place)):
        found.masked.append(f"body {place[:_SHOWN]}")
    elif type(real) is not type(shadow) or (real != shadow and not _is_nan(real)):
        # 1 and 1.0 are different texts, and clients in other languages take them for different types
        found.add(f"body {place[:_SHOWN]}", json.dumps(real), json.dumps(shadow))


def _last(place: str) -> str:
    return place.rpartition(".")[2]


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _member(owner: dict[str, object], name: str) -> str:
    return json.dumps(owner[name])[:_SHOWN] if name in owner else "(none)"


_OPENING = re.compile(rb"<(pre|textarea|script|style)\b", re.IGNORECASE)
_CLOSING = {
    name: re.compile(rb"</" + name + rb"\s*>", re.IGNORECASE) for name in (b"pre", b"textarea", b"script", b"style")
}
_BETWEEN_TAGS = re.compile(rb">\s+<")
_SPACE = re.compile(rb"[ \t\r\n\f]+")


def _html(body: bytes) -> bytes:
    """With each run of white space as one space, and none between tags or before the end of one.

    Where white space is text (pre, textarea) or may be (script, style), it stays. An element that is never closed
    lasts to the end, and ends the search: looking again from each opening would take the square of the length.
    """
    found = []
    place = 0
    while (opening := _OPENING.search(body, place)) is not None:
        found.append(_squeezed(body[place : opening.start()]))
        closing = _CLOSING[opening[1].lower()].search(body, opening.end())
        place = len(body) if closing is None else closing.end()
        found.append(body[opening.start() : place])
    found.append(_squeezed(body[place:]))
    return b"".join(found).strip()


def _squeezed(markup: bytes) -> bytes:
    return _BETWEEN_TAGS.sub(b"><", _SPACE.sub(b" ", markup)).replace(b" >", b">").replace(b" />", b"/>")


def _around(real: bytes, shadow: bytes) -> tuple[str, str]:
    """Where they begin to differ, with what is there."""
    length = min(len(real), len(shadow))
    low, high = 0, length
    while low < high:  # by halves: comparing slices is a thousand times faster than comparing bytes
        middle = (low + high + 1) // 2
        if real[low:middle] == shadow[low:middle]:
            low = middle
        else:
            high = middle - 1
    start = max(0, low - 10)
    return tuple(  # type: ignore[return-value]  # of two
        f"byte {low} of {len(body)}: {body[start : start + _SHOWN]!r}" for body in (real, shadow)
    )


def _shown(value: object) -> str:
    text = str(value)
    most = 2 * _SHOWN
    return text if len(text) <= most else text[: most - 3] + "..."
