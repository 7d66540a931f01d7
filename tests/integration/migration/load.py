"""Clients that ask for one path again and again, and count what comes back."""

from __future__ import annotations

import http.client
import threading
from collections import Counter

from tests.integration.server import WAIT_S


class Load:
    """`with Load(port, "/"): ...`: afterwards `seen` counts the first words of the bodies, `errors` lists what failed.

    `is_kept`: each client keeps its connection; else each request has one of its own.
    """

    def __init__(self, port: int, path: str, *, clients: int = 4, is_kept: bool = True) -> None:
        self.errors: list[str] = []
        self.seen: Counter[str] = Counter()
        self._port, self._path, self._is_kept = port, path, is_kept
        self._is_ending = threading.Event()
        self._lock = threading.Condition()
        self._threads = [threading.Thread(target=self._run, name=f"client {number}") for number in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending.set()
        for thread in self._threads:
            thread.join(2 * WAIT_S)

    def wait_for(self, word: str = "", more: int = 100) -> None:
        """Until so many more answers of this pool, or of any, have come."""
        with self._lock:
            goal = self._count(word) + more
            assert self._lock.wait_for(lambda: self._count(word) >= goal, WAIT_S), (self.seen, self.errors[:5])

    def _count(self, word: str) -> int:
        return self.seen[word] if word else sum(self.seen.values())

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WAIT_S)
        while not self._is_ending.is_set():
            try:
                connection.request("GET", self._path, headers={} if self._is_kept else {"Connection": "close"})
                response = connection.getresponse()
                body = response.read().decode()
                self._note(body.split()[0] if response.status == 200 else "", f"{response.status} {body[:200]}")
            except (OSError, http.client.HTTPException) as error:
                self._note("", f"{type(error).__name__}: {error}")
                connection.close()
            if not self._is_kept:
                connection.close()
        connection.close()

    def _note(self, word: str, problem: str) -> None:
        with self._lock:
            if word:
                self.seen[word] += 1
            else:
                self.errors.append(problem)
            self._lock.notify_all()
