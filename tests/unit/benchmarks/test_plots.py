from __future__ import annotations

from benchmarks.plots import file_name
from benchmarks.report import as_json, as_markdown
from tests.unit.benchmarks.test_report import results


def test_plot_has_the_name_that_the_table_links_to() -> None:
    run = [results()]
    (result,) = as_json(run, {})["results"]
    assert f"(plots/{file_name(result)})" in as_markdown(run, {}, "plots")
    assert (result["metric"], result["heading"]) == ("cpu_us", "CPU us/request")
