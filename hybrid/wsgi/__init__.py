"""WSGI (PEP 3333) between a request and an application, without sockets: for every worker that serves WSGI."""

from hybrid.wsgi.environ import Environ, Environs
from hybrid.wsgi.errors_stream import ErrorsStream
from hybrid.wsgi.exchange import App, Exchange, Piece
from hybrid.wsgi.file_wrapper import FilePart, FileWrapper
from hybrid.wsgi.input import NO_INPUT, BrokenBody, Input

__all__ = [
    "NO_INPUT",
    "App",
    "BrokenBody",
    "Environ",
    "Environs",
    "ErrorsStream",
    "Exchange",
    "FilePart",
    "FileWrapper",
    "Input",
    "Piece",
]
