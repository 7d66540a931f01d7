import pytest

from benchmarks.questioning import LoadQuestion
from benchmarks.report import as_json, as_markdown, from_json, medians, spread
from benchmarks.rounds import Results


class TwoColumns(LoadQuestion):
    columns = {"cpu_us": "CPU us/request", "requests_per_s": "requests/s"}


QUESTION = TwoColumns(name="hello", title="Hello", apps={"wsgi": "a:b"}, answer=b"")


def samples(*costs: float) -> list[dict[str, float]]:
    return [{"cpu_us": cost, "requests_per_s": 1e6 / cost} for cost in costs]


def results() -> Results:
    made = Results(QUESTION, "wsgi")
    made.samples = {"slow": samples(80.0, 100.0, 90.0), "hybrid-sync": samples(10.0, 10.0, 10.0)}
    made.failures = {"broken": "answered 500\nand more"}
    return made


def test_median_over_rounds_drops_the_outlier() -> None:
    assert medians(samples(10.0, 11.0, 99.0))["cpu_us"] == 11.0


def test_spread_is_the_disagreement_of_rounds() -> None:
    assert spread(samples(80.0, 100.0, 90.0), "cpu_us") == pytest.approx(20 / 90)


def test_table_is_ordered_by_cost_with_ratios_to_ours() -> None:
    lines = as_markdown([results()], {"cpu": "some"}).splitlines()
    rows = [line for line in lines if line.startswith("| ") and "server" not in line]
    assert [row.split("|")[1].strip() for row in rows] == ["**hybrid-sync**", "slow"]
    assert "| 9.00 |" in rows[1]
    assert "Not measured: broken: answered 500" in lines


def test_table_without_our_server_has_no_ratios() -> None:
    alone = results()
    del alone.samples["hybrid-sync"]
    assert "x hybrid" not in as_markdown([alone], {})


def test_json_keeps_every_round() -> None:
    (entry,) = as_json([results()], {"date": "today"})["results"]
    assert len(entry["rounds"]["slow"]) == 3
    assert entry["medians"]["slow"]["cpu_us"] == 90.0


def test_results_of_an_earlier_run_are_read_back_whole() -> None:
    data = as_json([results()], {})
    (back,) = from_json(data, [QUESTION])
    assert as_json([back], {}) == data


def test_results_of_a_question_that_is_no_more_are_left_out() -> None:
    assert from_json(as_json([results()], {}), []) == []


def test_table_shows_the_picture_of_its_question() -> None:
    assert "![Hello](plots/hello_wsgi.svg)" in as_markdown([results()], {}, "plots").splitlines()
