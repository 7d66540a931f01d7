from benchmarks.interpreter import Interpreter, best, is_optimised


def test_an_optimised_build_comes_before_a_newer_one() -> None:
    old = Interpreter("/usr/bin/python3.11", (3, 11, 2), is_optimised=True)
    new = Interpreter("/opt/python3.13", (3, 13, 0), is_optimised=False)
    newer = Interpreter("/opt/python3.12", (3, 12, 1), is_optimised=True)
    assert best([old, new]) is old
    assert best([old, new, newer]) is newer


def test_what_is_too_old_is_not_taken() -> None:
    assert best([Interpreter("/usr/bin/python3.10", (3, 10, 1), is_optimised=True)]) is None


def test_what_counts_as_optimised() -> None:
    assert is_optimised("/opt/python", "'--prefix=/opt' '--enable-optimizations'")
    assert is_optimised("/usr/bin/python3.11", "'--enable-shared'")
    assert not is_optimised("/opt/python", "'--prefix=/opt'")


def test_the_report_says_when_it_is_not() -> None:
    assert "NOT" in str(Interpreter("/opt/python", (3, 13, 0), is_optimised=False))
