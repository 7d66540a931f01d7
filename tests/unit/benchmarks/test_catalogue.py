import pytest

from benchmarks.catalogue import NothingMatches, all_questions, select_questions, select_servers
from benchmarks.servers import BASELINE, SERVERS


def test_every_question_file_is_found() -> None:
    assert {"hello", "post_echo", "start_up"} <= {question.name for question in all_questions()}


def test_patterns_select_in_table_order() -> None:
    names = [server.name for server in select_servers(["gunicorn-*", "hybrid-sync"])]
    assert names[0] == "hybrid-sync"
    assert "gunicorn-gthread" in names


def test_a_pattern_without_a_match_names_what_there_is() -> None:
    with pytest.raises(NothingMatches, match=r"no question matches 'helo'; there are: .*hello"):
        select_questions(["helo"])


def test_every_command_names_its_port_and_its_application() -> None:
    for server in SERVERS:
        line = " ".join(server.arguments(python="python", bin="bin", port=4711, app="some_module:some_app"))
        assert "4711" in line
        assert "some_module" in line
        assert "some_app" in line


def test_ratios_are_given_against_servers_in_the_table() -> None:
    assert set(BASELINE.values()) <= {server.name for server in SERVERS}
