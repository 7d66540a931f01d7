from hybrid.http.status import PHRASES
from hybrid.logs.views import ResponseView


def test_hooks_are_told_the_phrases_that_clients_are_told_whatever_the_version_of_python() -> None:
    told = {status: ResponseView(status, (), 0).status for status in PHRASES}
    assert told == {status: f"{status} {phrase.decode()}" for status, phrase in PHRASES.items()}


def test_a_status_without_a_registered_phrase_is_its_number() -> None:
    assert ResponseView(299, (), 0).status == "299"
