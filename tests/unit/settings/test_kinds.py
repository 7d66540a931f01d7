"""What each kind of value takes, as text and as a native value."""

from __future__ import annotations

import pytest

from hybrid.settings import kinds
from hybrid.settings.kinds import Kind


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (kinds.FLAG, True, True),
        (kinds.FLAG, "off", False),
        (kinds.FLAG, "YES", True),
        (kinds.FLAG, 0, False),
        (kinds.COUNT, "1_000", 1000),
        (kinds.COUNT, 0, 0),
        (kinds.COUNT, 3.0, 3),
        (kinds.POSITIVE, " 4 ", 4),
        (kinds.WORKERS, "AUTO", kinds.AUTO),
        (kinds.WORKERS, 2, 2),
        (kinds.DURATION, "30", 30.0),
        (kinds.DURATION, "500ms", 0.5),
        (kinds.DURATION, "1.5 m", 90.0),
        (kinds.DURATION, "1h", 3600.0),
        (kinds.DURATION, ".5", 0.5),
        (kinds.DURATION, 0, 0.0),
        (kinds.SIZE, "64k", 65536),
        (kinds.SIZE, "16 MiB", 16 << 20),
        (kinds.SIZE, "1GB", 1 << 30),
        (kinds.SIZE, 8190, 8190),
        (kinds.MODE, "022", 0o022),
        (kinds.MODE, "0o077", 0o077),
        (kinds.MODE, "18", 18),
        (kinds.MODE, 0o27, 0o27),
        (kinds.MODE, "0", 0),
        (kinds.ADDRESSES, "a:1, b:2", ("a:1", "b:2")),
        (kinds.ADDRESSES, ["a:1", "[::1]:2,c:3"], ("a:1", "[::1]:2", "c:3")),
        (kinds.ADDRESSES, "", ()),
        (kinds.PAIRS, ("A=1,2", "B="), ("A=1,2", "B=")),
        (kinds.PAIRS, {"A": 1, "B": "x"}, ("A=1", "B=x")),
        (kinds.COMMA_TEXT, ["10.0.0.0/8", "::1"], "10.0.0.0/8,::1"),
        (kinds.COMMA_TEXT, "a, b", "a,b"),
        (kinds.TEXT, 1000, "1000"),
        (kinds.URL_PATH, "/api/", "/api"),
        (kinds.URL_PATH, "", ""),
        (kinds.choice("on", "off", also={True: "on"}), True, "on"),
        (kinds.choice("on", "off"), "ON", "on"),
        (kinds.number_choice(0, 1, 2), "2", 2),
    ],
)
def test_kind_reads(kind: Kind, given: object, value: object) -> None:
    assert kind.parse(given) == value
    assert type(kind.parse(given)) is type(value)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (kinds.FLAG, "maybe"),
        (kinds.FLAG, 2),
        (kinds.FLAG, None),
        (kinds.COUNT, -1),
        (kinds.COUNT, True),
        (kinds.COUNT, 1.5),
        (kinds.COUNT, float("inf")),
        (kinds.COUNT, "1.5"),
        (kinds.COUNT, ""),
        (kinds.POSITIVE, 0),
        (kinds.WORKERS, "many"),
        (kinds.WORKERS, 0),
        (kinds.DURATION, -1),
        (kinds.DURATION, "-1"),
        (kinds.DURATION, "1 day"),
        (kinds.DURATION, float("nan")),
        (kinds.DURATION, float("inf")),
        (kinds.DURATION, True),
        (kinds.SIZE, "1.5M"),
        (kinds.SIZE, -5),
        (kinds.MODE, "089"),
        (kinds.MODE, "0o10000"),
        (kinds.MODE, -1),
        (kinds.ADDRESSES, 8000),
        (kinds.PAIRS, "NO_VALUE"),
        (kinds.TEXT, ["list"]),
        (kinds.TEXT, True),
        (kinds.URL_PATH, "api"),
        (kinds.choice("on", "off"), True),
        (kinds.number_choice(0, 1), 2),
    ],
)
def test_kind_refuses(kind: Kind, given: object) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        kind.parse(given)
