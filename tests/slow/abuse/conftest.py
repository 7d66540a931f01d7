"""The same servers as in tests/integration/abuse."""

from tests.integration.abuse.conftest import bulk

__all__ = ["bulk"]
