"""Tables: aligned, whole in a file, without their spare columns on a narrow terminal."""

import pytest

from edgewright.cli.columns import Table

TABLE = Table(
    ("NAME", "SHARE", "", "STATE"),
    [("a-long-name", "5 %", "####", "ok"), ("b", "100 %", "########", "closed")],
    right=(1,),
    wrong=("closed",),
    spare=("", "SHARE"),
)


def header(width: int | None) -> list[str]:
    return TABLE.lines(width)[0][0].split()


def test_numbers_are_flush_right_and_wrong_rows_are_red() -> None:
    assert TABLE.lines() == [
        ("NAME          SHARE              STATE", False),
        ("a-long-name     5 %   ####       ok", False),
        ("b             100 %   ########   closed", True),
    ]


@pytest.mark.parametrize(
    ("width", "columns"),
    [(None, 3), (80, 3), (39, 3), (36, 3), (35, 3), (26, 3), (25, 2), (5, 2)],
)
def test_a_narrow_terminal_loses_the_spare_columns_in_their_order(width: int, columns: int) -> None:
    assert len(header(width)) == columns
    assert {"NAME", "STATE"} <= set(header(width)), "what is not spare stays, however narrow"


def test_what_fits_is_no_wider_than_the_terminal() -> None:
    for width in range(20, 60):
        assert max(len(line) for line, _ in TABLE.lines(width)) <= width
