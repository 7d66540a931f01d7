"""How long until the first answer, and what the process that supervises weighs."""

from benchmarks.questioning import HELLO, StartUpQuestion

QUESTION = StartUpQuestion(
    name="start_up",
    title="Start-up to the first answer, and memory after it",
    apps=HELLO,
)
