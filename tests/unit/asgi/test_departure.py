"""What is an application's failure, and what only its client's leaving."""

from __future__ import annotations

import pytest

from hybrid.asgi import is_departure
from hybrid.errors import ClientGone


class ClientDisconnect(Exception):
    """Called as Starlette's is."""


def caused(cause: BaseException) -> BaseException:
    try:
        raise RuntimeError("wrapped") from cause
    except RuntimeError as error:
        return error


LEFT = ClientGone("left")
OTHER = ValueError("a defect")


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [
        (LEFT, True, True),
        (OTHER, False, False),
        (ClientDisconnect(), False, True),
        (caused(LEFT), False, True),
        (caused(ClientDisconnect()), False, True),
        (caused(OTHER), False, False),
        (BaseExceptionGroup("both", [LEFT, LEFT]), True, True),
        (BaseExceptionGroup("both", [LEFT, OTHER]), False, False),
        (BaseExceptionGroup("both", [caused(LEFT), LEFT]), False, True),
        (OSError("their own"), False, False),
    ],
)
def test_only_what_comes_of_the_leaving_is_quiet(error: BaseException, before: bool, after: bool) -> None:
    assert is_departure(error, is_gone=False) is before
    assert is_departure(error, is_gone=True) is after


def test_causes_that_go_in_a_circle_end() -> None:
    first, second = ValueError(), TypeError()
    first.__cause__, second.__cause__ = second, first
    assert not is_departure(first, is_gone=True)
