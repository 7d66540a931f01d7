"""wsgi.errors: where an application writes what the operator should read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol


class TextSink(Protocol):
    """What PEP 3333 asks of wsgi.errors."""

    def write(self, text: str, /) -> object: ...

    def writelines(self, lines: Iterable[str], /) -> None: ...

    def flush(self) -> None: ...


class ErrorsStream:
    """Passes text on as it comes, unbuffered: the last words before a crash are the ones that matter."""

    __slots__ = ("_sink",)

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        """`sink` takes encoded text, whole writes at a time, from any thread."""
        self._sink = sink

    def write(self, text: str, /) -> int:
        self._sink(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        """Nothing is held back."""
