"""Where arbiters listen for commands."""

from hybrid.control.address import abstract_name, arbiters_of

TABLE = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 4711 @hybrid/1000/77
0000000000000000: 00000003 00000000 00000000 0001 03 4712 @hybrid/1000/77
0000000000000000: 00000002 00000000 00010000 0001 01 4713 @hybrid/1000/12
0000000000000000: 00000002 00000000 00010000 0001 01 4714 @hybrid/0/99
0000000000000000: 00000003 00000000 00000000 0001 03 4715 @hybrid/1000/66
0000000000000000: 00000002 00000000 00010000 0001 01 4716 /run/other.sock
0000000000000000: 00000002 00000000 00010000 0001 01 4717
"""


def test_arbiters_of_a_user_are_found_by_name() -> None:
    assert arbiters_of(1000, TABLE.splitlines()) == [12, 77]
    assert arbiters_of(0, TABLE.splitlines()) == [99]
    assert arbiters_of(5, TABLE.splitlines()) == []


def test_name_is_abstract_and_says_whose_it_is() -> None:
    assert abstract_name(1000, 77) == "\0hybrid/1000/77"
