"""How long a client may take for each thing: pure rules, the same for every worker.

A worker keeps one moment per connection and compares it some times a second; what the moment is comes
from here. No rule can be stretched by a byte now and then: a head has one deadline from its first byte
on, and a body has a rate to keep as well as a silence not to exceed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from hybrid.settings import Settings

HELD_S: Final = 1.0
HELD_RATE: Final = 65536.0
"""For a body that holds up other clients: the seconds that it may do so, and the bytes per second that bring it more."""
WARY_S: Final = 0.1
"""The seconds after others have taken all of theirs."""
LINGER_S: Final = 5.0
"""How long the rest of a refused request is read and thrown away, so that the client gets to read why."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds; inf for none."""

    first_byte: float = 30.0
    """From accept to the first byte."""
    head: float = 15.0
    """From the first byte of a head to its end."""
    body: float = 30.0
    """Longest silence inside a body; also the time before `body_min_rate` counts."""
    body_min_rate: float = 240.0
    """Bytes per second; 0 for any."""
    write: float = 30.0
    """Longest time in which the client takes nothing of what is to be written."""
    keepalive: float = 5.0
    """Longest wait for the next request; 0: none is waited for."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Deadlines:
        return cls(
            first_byte=settings.first_byte_timeout or inf,
            head=settings.header_timeout or inf,
            body=settings.body_timeout or inf,
            body_min_rate=settings.body_min_rate,
            write=settings.write_timeout or inf,
            keepalive=settings.keepalive,
        )

    def body_patience(self, received: int, waited: float) -> float:
        """How long to wait for the next bytes of a body, of which `received` came in `waited` seconds.

        Only time spent waiting counts, so that an application slow to read is not held against the
        client. Zero or less: it was too slow already.
        """
        if not self.body_min_rate:
            return self.body
        return min(self.body, max(self.body, received / self.body_min_rate) - waited)


def held_patience(received: int, waited: float, *, is_wary: bool) -> float:
    """The same where the application waits in a thread that others want. `is_wary`: clients have made use of that."""
    return max(WARY_S if is_wary else HELD_S, received / HELD_RATE) - waited
