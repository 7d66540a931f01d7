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
        assert server.is_floor or ("some_module" in line and "some_app" in line)


def test_number_of_workers_is_replaced_where_the_command_says_it() -> None:
    for server in SERVERS:
        if server.workers:
            assert server.workers in server.command
            assert server.workers.replace("1", "4") in server.with_workers(4).command


def test_no_two_questions_have_one_name() -> None:
    names = [question.name for question in all_questions()]
    assert sorted(set(names)) == sorted(names)


def test_ratios_are_given_against_servers_in_the_table() -> None:
    assert set(BASELINE.values()) <= {server.name for server in SERVERS}


def test_what_matters_most_is_asked_first() -> None:
    names = [question.name for question in select_questions(["*"])]
    assert names[:2] == ["hello", "post_echo"]
    assert names.index("json_flask") < names.index("workers_4")
    assert sorted(names) == sorted(question.name for question in all_questions())
