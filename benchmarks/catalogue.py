"""Finds the questions: every module of `benchmarks.questions` that has a QUESTION."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import cast

from benchmarks import questions
from benchmarks.questioning import Question
from benchmarks.servers import SERVERS, Server


class NothingMatches(Exception):
    """A pattern on the command line names no question or no server."""


def all_questions() -> list[Question]:
    modules = sorted(info.name for info in pkgutil.iter_modules(questions.__path__))
    found = [importlib.import_module(f"benchmarks.questions.{name}").QUESTION for name in modules]
    return cast("list[Question]", found)  # each file promises one; a missing one fails above


def select_questions(patterns: Sequence[str]) -> list[Question]:
    known = {question.name: question for question in all_questions()}
    return [known[name] for name in _matching(list(known), patterns, "question")]


def select_servers(patterns: Sequence[str]) -> list[Server]:
    known = {server.name: server for server in SERVERS}
    return [known[name] for name in _matching(list(known), patterns, "server")]


def _matching(names: list[str], patterns: Sequence[str], what: str) -> list[str]:
    """The names that any pattern matches, in table order. Raises NothingMatches for a pattern without a match."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise NothingMatches(f"no {what} matches {pattern!r}; there are: {', '.join(names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
