"""The interleaved rounds: every server once, then every server once more.

A machine drifts - clocks, neighbours, caches. Measuring one server three times and then the next
would give the drift to whoever came last; in rounds it hits all alike, and the median drops the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.load import LoadFailed
from benchmarks.peers import ROOT
from benchmarks.process import ServerFailed
from benchmarks.questioning import Bench, Question, Sample
from benchmarks.servers import Server


@dataclass(slots=True)
class Results:
    """All samples of one question for one interface."""

    question: Question
    interface: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    """Server name -> one sample for each round that worked."""
    failures: dict[str, str] = field(default_factory=dict)
    """Server name -> why it was not measured in some round."""


def ask(
    question: Question,
    interface: str,
    servers: Sequence[Server],
    rounds: int,
    bench: Bench,
    say: Callable[[str], None],
) -> Results:
    """Put one question to all servers of an interface. A server that fails is not asked again."""
    results = Results(question, interface)
    app = question.apps[interface]
    for number in range(1, rounds + 1):
        for server in servers:
            if server.interface != interface or server.name in results.failures:
                continue
            if server.is_floor and not question.has_floor:
                continue
            try:
                sample = question.measure(bench, server, app)
            except (ServerFailed, LoadFailed) as error:
                results.failures[server.name] = without_root(str(error))
                say(f"  {server.name}: {error}")
                continue
            results.samples.setdefault(server.name, []).append(sample)
            first, heading = next(iter(question.columns.items()))
            say(f"  round {number}/{rounds}  {server.name:<20} {sample[first]:>10.1f}  {heading}")
    return results


def without_root(text: str) -> str:
    """With paths as seen from the project's folder: a result is to be the same wherever that stands."""
    return text.replace(f"{ROOT}/", "")
