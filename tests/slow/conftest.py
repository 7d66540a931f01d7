"""The same servers as in tests/integration."""

from __future__ import annotations

from tests.integration.conftest import serve

__all__ = ["serve"]
