from __future__ import annotations

import subprocess
import sys

from hybrid.websocket import masking


def test_the_mask_comes_off() -> None:
    masked = bytes(byte ^ mask for byte, mask in zip(b"Hello, World!", b"\x01\x02\xfe\xff" * 4, strict=False))
    for data in (masked, bytearray(masked), memoryview(masked)):
        assert masking.apply_mask(data, b"\x01\x02\xfe\xff") == b"Hello, World!"


def test_the_package_that_it_is_from_is_not_imported_for_it() -> None:
    program = (
        "import sys, hybrid.websocket as ours; from hybrid.websocket.masking import apply_mask;"
        "assert not {'websockets', 'importlib.metadata', 'email'} & set(sys.modules);"
        "import websockets.speedups as theirs;"  # and can still be: an application may use it
        "assert theirs.apply_mask(b'abcde', b'1234') == apply_mask(b'abcde', b'1234')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_the_extension_it_is_the_same_in_python() -> None:
    program = (
        "import sys; sys.modules['websockets.speedups'] = None;"
        "from importlib.machinery import PathFinder; find = PathFinder.find_spec;"
        "PathFinder.find_spec = lambda name, *given: None if name == 'websockets.speedups' else find(name, *given);"
        "from hybrid.websocket.masking import apply_mask; import websockets.utils as utils;"
        "assert apply_mask is utils.apply_mask; assert apply_mask(b'abcde', b'1234') == bytes([80, 80, 80, 80, 84])"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
