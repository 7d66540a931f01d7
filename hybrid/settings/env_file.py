"""`--env-file`: KEY=VALUE lines, as shells and process managers write them."""

from __future__ import annotations

import os
import re

from hybrid.errors import SettingsError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_env_file(name: str, cwd: str) -> tuple[str, ...]:
    """The "KEY=VALUE" pairs of the file, in order. Raises SettingsError with file and line."""
    try:
        with open(os.path.join(cwd, name), encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else str(error)
        raise SettingsError(f"setting env_file: cannot read {name}: {reason}") from error
    return parse_env(text, name)


def parse_env(text: str, name: str) -> tuple[str, ...]:
    """The pairs in the text of such a file.

    Comments and `export` are left out. A value in single quotes is taken as it is, one in double quotes with
    its escapes replaced; an unquoted one ends before ` #`. References to other variables are not followed.
    """
    pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        key, separator, value = line.partition("=")
        key = key.strip()
        if not separator or not _NAME.fullmatch(key):
            raise SettingsError(f"setting env_file: {name}:{number}: found {line[:60]!r}, expected KEY=VALUE")
        pairs.append(f"{key}={_value(value.strip(), f'{name}:{number}')}")
    return tuple(pairs)


def _value(text: str, where: str) -> str:
    if text[:1] not in ("'", '"'):
        return re.split(r"\s#", text, maxsplit=1)[0].rstrip()
    quote = text[0]
    match = re.match(r"'([^']*)'" if quote == "'" else r'"((?:[^"\\]|\\.)*)"', text)
    if match is None:
        raise SettingsError(f"setting env_file: {where}: the quote {quote} is not closed")
    if quote == "'":
        return match[1]
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), match[1])
