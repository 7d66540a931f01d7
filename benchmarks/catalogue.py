"""Finds the questions: every module of `benchmarks.questions` has a QUESTION, or QUESTIONS that differ in a number."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import cast

from benchmarks import questions
from benchmarks.questioning import Question
from benchmarks.servers import SERVERS, Server

FIRST = (
    "hello",
    "post_echo",
    "browser_headers",
    "connection_each",
    "websocket_echo",
    "access_log",
    "streamed",
    "file",
    "waiting_512",
    "json_*",
    "memory_4*",
    "response_*",
    "post_1m",
)
"""What matters most is asked first, so that a run whose time is over has that."""


class NothingMatches(Exception):
    """A pattern on the command line names no question or no server."""


def all_questions() -> list[Question]:
    modules = sorted(info.name for info in pkgutil.iter_modules(questions.__path__))
    found: list[Question] = []
    for name in modules:
        module = importlib.import_module(f"benchmarks.questions.{name}")
        # Each file promises one or the other; a file with neither fails here.
        found += cast("list[Question]", module.QUESTIONS if hasattr(module, "QUESTIONS") else [module.QUESTION])
    return found


def select_questions(patterns: Sequence[str]) -> list[Question]:
    known = {question.name: question for question in all_questions()}
    chosen = _matching(list(known), patterns, "question")
    return [known[name] for name in sorted(chosen, key=_urgency)]


def _urgency(name: str) -> int:
    return next((number for number, pattern in enumerate(FIRST) if fnmatchcase(name, pattern)), len(FIRST))


def select_servers(patterns: Sequence[str]) -> list[Server]:
    known = {server.name: server for server in SERVERS}
    return [known[name] for name in _matching(list(known), patterns, "server")]


def _matching(names: list[str], patterns: Sequence[str], what: str) -> list[str]:
    """The names that any pattern matches, in table order. Raises NothingMatches for a pattern without a match."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise NothingMatches(f"no {what} matches {pattern!r}; there are: {', '.join(names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
