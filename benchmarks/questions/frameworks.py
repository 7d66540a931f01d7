"""A JSON answer of a real framework: how much of the server's cost is left to see behind an application's."""

from benchmarks.load import Load
from benchmarks.questioning import LoadQuestion

_ANSWER = b'{"message":"Hello, World!"}'


def _question(framework: str, title: str, path: str = "/json", **apps: str) -> LoadQuestion:
    return LoadQuestion(
        name=f"json_{framework}",
        title=f"JSON with {title}, on 64 keep-alive connections",
        apps=apps,
        answer=_ANSWER,
        load=Load(path=path),
    )


QUESTIONS = [
    _question("fastapi", "FastAPI", asgi="with_fastapi:app"),
    _question("flask", "Flask", wsgi="with_flask:app"),
    _question("django", "Django", wsgi="with_django:wsgi"),
    _question("django_async", "Django's async views", "/async", asgi="with_django:asgi"),
    # A sync view behind ASGI: Django calls it in a thread, whatever the server.
    _question("django_sync", "Django's sync views under ASGI", asgi="with_django:asgi"),
]
