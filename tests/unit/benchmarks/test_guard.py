from benchmarks.guard import verdict


def test_a_count_near_the_baseline_passes() -> None:
    assert verdict(102, 100) == verdict(98, 100) == ""


def test_more_instructions_than_the_tolerance_fail() -> None:
    assert "more than before" in verdict(104, 100)


def test_fewer_are_to_be_recorded() -> None:
    assert "--record" in verdict(90, 100)
