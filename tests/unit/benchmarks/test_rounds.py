from benchmarks.peers import ROOT
from benchmarks.rounds import without_root


def test_a_result_does_not_say_where_the_project_stands() -> None:
    said = f"{ROOT}/benchmarks/.venv-peers/bin/uvicorn: ended with 1; in {ROOT}/benchmarks/apps/plain_asgi.py"
    assert without_root(said) == ("benchmarks/.venv-peers/bin/uvicorn: ended with 1; in benchmarks/apps/plain_asgi.py")
