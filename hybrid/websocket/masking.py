"""The mask of a client's frames (RFC 6455 section 5.3), taken off in C by a function of `websockets`.

Its extension module is loaded without its package. That one asks for its version when it is imported, which brings
importlib.metadata, email and zipfile: 18 ms of an asgi worker's boot and 2.5 MB of its memory, for one function.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec

Mask = Callable[[bytes | bytearray | memoryview, bytes | bytearray], bytes]


def _load() -> Mask:
    package = find_spec("websockets")  # finds it, and does not import it
    spec = PathFinder.find_spec("websockets.speedups", package.submodule_search_locations) if package else None
    if spec is None or spec.loader is None:
        raise ImportError("websockets has no C extension on this platform")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Mask = module.apply_mask
    return found


try:
    apply_mask = _load()
except (ImportError, AttributeError):
    from websockets import utils  # the same in Python

    apply_mask = utils.apply_mask
