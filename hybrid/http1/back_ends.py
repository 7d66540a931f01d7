"""Which back end reads field lines. Only that one is imported: the other is weight in every worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid.http1.head import FieldParser


def field_parser(name: str) -> FieldParser:
    """For the value of --http: "h11", or anything else for httptools."""
    if name == "h11":
        from hybrid.http1.fields_h11 import H11Fields

        return H11Fields()
    from hybrid.http1.fields_httptools import HttptoolsFields

    return HttptoolsFields()
