"""How long until the first answer, and what the process that supervises weighs."""

from benchmarks.questioning import StartUpQuestion

QUESTION = StartUpQuestion(
    name="start_up",
    title="Start-up to the first answer, and memory after it",
    apps={"wsgi": "plain_wsgi:hello", "asgi": "plain_asgi:hello"},
)
