"""Runs one arbiter for a test: `python driver.py '{"workers": 2, ...}'`.

With `settings.json` in the current folder its values go on top, at each load: that is what a reload changes.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

from hybrid.arbiter import run_arbiter
from hybrid.errors import SettingsError
from hybrid.settings import Settings
from hybrid_workers.child import run_worker

_START = Path.cwd()


def load_settings() -> Settings:
    values = json.loads(sys.argv[1])
    extra = _START / "settings.json"
    if extra.exists():
        values |= json.loads(extra.read_text())
    if "error" in values:
        raise SettingsError(values["error"])
    for name in ("bind", "pythonpath", "raw_env", "reload_extra_files"):
        if name in values:
            values[name] = tuple(values[name])
    return Settings(**values)


def main() -> int:
    for name in os.environ.get("HYBRID_TEST_IMPORT", "").split():
        importlib.import_module(name)
    try:
        code = run_arbiter(load_settings, run_worker)
    except SettingsError as error:
        print(f"hybrid: error: {error}", file=sys.stderr)
        return error.exit_code
    if report := os.environ.get("HYBRID_TEST_MODULES"):
        Path(report).write_text("\n".join(sys.modules))
    return code


if __name__ == "__main__":
    sys.exit(main())
