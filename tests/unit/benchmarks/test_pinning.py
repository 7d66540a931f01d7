from benchmarks.pinning import choose

APART = {core: frozenset({core}) for core in range(4)}


def test_server_and_load_have_different_cores() -> None:
    cores = choose(frozenset({0, 1}), APART)
    assert cores.server == {1}
    assert cores.load == {0}
    assert not cores.is_shared


def test_load_avoids_the_sibling_of_the_servers_core() -> None:
    pairs = {0: frozenset({0, 2}), 2: frozenset({0, 2}), 1: frozenset({1, 3}), 3: frozenset({1, 3})}
    cores = choose(frozenset(range(4)), pairs)
    assert cores.server == {3}
    assert cores.load == {0, 2}


def test_siblings_are_used_where_there_is_no_choice() -> None:
    pair = {0: frozenset({0, 1}), 1: frozenset({0, 1})}
    assert choose(frozenset({0, 1}), pair).load == {0}


def test_a_single_core_is_shared_and_says_so() -> None:
    assert choose(frozenset({0}), APART).is_shared
