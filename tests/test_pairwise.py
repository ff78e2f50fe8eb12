from itertools import combinations, product

import pytest

from audit.attacks import BATTERY
from tests import pairwise as table
from tests.pairwise import covering, name_of, pairwise


@pytest.mark.parametrize("sizes", [(2, 3), (3, 2, 2), (6, 2, 2, 3, 12, 2), (4, 1, 4, 4)])
def test_every_two_choices_share_a_row(sizes: tuple[int, ...]) -> None:
    rows = covering(sizes)
    for one, other in combinations(range(len(sizes)), 2):
        met = {(row[one], row[other]) for row in rows}
        assert met == set(product(range(sizes[one]), range(sizes[other])))


def test_there_are_hardly_more_rows_than_the_two_widest_factors_need() -> None:
    assert len(covering([10, 2, 2, 3, 12])) == 120
    assert len(covering([2] * 10)) <= 10


def test_all_other_combinations_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "EVERYTHING", True)
    cases = pairwise(first=[1, 2, 3], second="ab", third="cd").args[1]
    assert {case.values for case in cases} == set(product([1, 2, 3], "ab", "cd"))
    assert len([case for case in cases if not case.marks]) == 7
    assert {mark.name for case in cases for mark in case.marks} == {"slow"}
    assert cases[0].id == "first 1, second a, third c"


def test_slow_combinations_are_made_only_where_they_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "EVERYTHING", False)
    cases = pairwise(first=[1, 2, 3], second="ab", third="cd").args[1]
    assert len(cases) == 7
    assert [mark for case in cases for mark in case.marks] == []


def test_names_of_cases_are_the_same_in_every_process() -> None:
    assert name_of("hidden", (name_of, "change", 3)) == "name_of change 3"
    assert name_of("attack", BATTERY[0]) == "kkt-margin"
    assert name_of("smoothing", None) == "smoothing None"
