"""Names of gunicorn and uvicorn that settings files and logging configurations import, while those are not installed.

Who moves here may remove the old server, and still subclass `gunicorn.glogging.Logger` or name
`uvicorn.logging.AccessFormatter`. While such a file is read, and only then, these names lead to ours.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


class DefaultFormatter(logging.Formatter):
    """uvicorn's: `%(levelprefix)s` is the level with a colon."""

    def __init__(
        self, fmt: str | None = None, datefmt: str | None = None, style: str = "%", use_colors: bool | None = None
    ) -> None:
        super().__init__(fmt, datefmt, style)  # type: ignore[arg-type]  # one of the three that logging knows

    def format(self, record: logging.LogRecord) -> str:
        vars(record)["levelprefix"] = f"{record.levelname}:".ljust(9)
        return super().format(record)


class AccessFormatter(DefaultFormatter):
    """uvicorn's: the values of an access record also by name."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, version, status = record.args
            vars(record).update(
                client_addr=client,
                request_line=f"{method} {path} HTTP/{version}",
                status_code=status,
                method=method,
                full_path=path,
                http_version=version,
            )
        return super().format(record)


@contextmanager
def other_servers_names() -> Iterator[None]:
    """Within it `gunicorn.glogging` and `uvicorn.logging` can be imported, installed or not."""
    from hybrid.logs.logger import Logger

    wanted: dict[str, dict[str, object]] = {
        "gunicorn": {"glogging": {"Logger": Logger}},
        "uvicorn": {"logging": {"DefaultFormatter": DefaultFormatter, "AccessFormatter": AccessFormatter}},
    }
    made = []
    for package, modules in wanted.items():
        if package in sys.modules or importlib.util.find_spec(package) is not None:
            continue
        parent = ModuleType(package)
        parent.__path__ = []
        sys.modules[package] = parent
        made.append(package)
        for name, values in modules.items():
            module = ModuleType(f"{package}.{name}")
            assert isinstance(values, dict)
            vars(module).update(values)
            setattr(parent, name, module)
            sys.modules[module.__name__] = module
            made.append(module.__name__)
    try:
        yield
    finally:
        for name in made:
            sys.modules.pop(name, None)
