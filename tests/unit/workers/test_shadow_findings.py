"""What the shadow worker tells the arbiter."""

from __future__ import annotations

from hybrid.contract.messages import Shadowed, decode, encode
from hybrid.routing.compare import Comparison, Difference
from hybrid_workers.shadow_findings import MOST_KINDS, OTHER, Findings


def test_each_kind_of_difference_has_a_count_and_its_first_example() -> None:
    findings = Findings()
    findings.compared("/*", "modern", "GET /a", Comparison(()), (0.01, 0.02))
    for request in ("GET /b", "GET /c"):
        comparison = Comparison((Difference("status", "200", request),), ("cookie sessionid",))
        findings.compared("/*", "modern", request, comparison, (0.01, 0.02))
    (message,) = findings.take()
    assert (message.pattern, message.pool, message.compared, message.agreed) == ("/*", "modern", 3, 1)
    assert message.differences == [
        {"what": "status", "count": 2, "request": "GET /b", "real": "200", "shadow": "GET /b"}
    ]
    assert sum(message.real.values()) == sum(message.shadow.values()) == 3
    assert message.masked == {"cookie sessionid": 2}
    assert decode(encode(message)) == message


def test_what_was_told_is_not_told_again() -> None:
    findings = Findings()
    findings.failed("/*", "modern", "no response")
    findings.skipped("/*", "modern")
    assert findings.take() == [Shadowed("/*", "modern", skipped=1, failed={"no response": 1})]
    assert findings.take() == []


def test_kinds_and_texts_are_bounded() -> None:
    findings = Findings()
    for number in range(1000):
        differences = (Difference(f"body $[{number}]" + "x" * 10_000, "r" * 10_000, "s" * 10_000),)
        comparison = Comparison(differences, (f"input {number}",))
        findings.compared("/*", "modern", "GET /" + "y" * 10_000, comparison, (0.0, 0.0))
        findings.failed("/*", "modern", f"reason {number}")
    (message,) = findings.take()
    assert len(message.differences) == MOST_KINDS + 1
    assert message.differences[-1]["what"] == OTHER
    assert sum(kind["count"] for kind in message.differences) == 1000
    assert sum(message.failed.values()) == sum(message.masked.values()) == 1000
    assert len(message.masked) == MOST_KINDS + 1
    assert len(encode(message)) < 64 * 1024
