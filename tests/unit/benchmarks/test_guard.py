import pytest

from benchmarks.guard import CountFailed, per_request, verdict


def test_a_count_near_the_baseline_passes() -> None:
    assert verdict(102, 100) == verdict(98, 100) == ""


def test_more_instructions_than_the_tolerance_fail() -> None:
    assert "more than before" in verdict(104, 100)


def test_fewer_are_to_be_recorded() -> None:
    assert "--record" in verdict(90, 100)


def test_what_a_request_executes_is_the_slope_of_three_runs() -> None:
    assert per_request({500: 10_050_000, 3500: 10_350_000, 6500: 10_650_000}) == 100


@pytest.mark.parametrize(
    ("middle", "last"),
    [
        pytest.param(10_350_000, 11_000_000, id="more in the second half"),
        pytest.param(10_400_000, 10_650_000, id="more in the first half"),
        pytest.param(10_000_000, 9_950_000, id="fewer with more requests"),
        pytest.param(10_050_000, 10_050_000, id="nothing at all"),
    ],
)
def test_runs_that_were_disturbed_are_no_count(middle: int, last: int) -> None:
    with pytest.raises(CountFailed, match="Something disturbs the runs"):
        per_request({500: 10_050_000, 3500: middle, 6500: last})
