"""What the arbiter needs as Python made it, kept from before the settings file runs.

Settings files written for gunicorn often begin with gevent's `monkey.patch_all()`. That is meant for the workers,
but it happens here: from then on `os.fork` hands the children's deaths to an event loop that nobody runs.
Hence this module is imported first, and these names are used where the patched ones would lose a signal.
"""

from os import fork
from selectors import DefaultSelector
from signal import signal as handle_signal

__all__ = ["DefaultSelector", "fork", "handle_signal"]
