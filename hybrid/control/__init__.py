"""How an operator's command talks to a running arbiter: where it listens, what a line means, and the asking side."""

from hybrid.control.address import abstract_name, arbiters_of
from hybrid.control.client import Client, find_arbiter
from hybrid.control.wire import MOST_BYTES, Lines, decode, encode

__all__ = ["MOST_BYTES", "Client", "Lines", "abstract_name", "arbiters_of", "decode", "encode", "find_arbiter"]
