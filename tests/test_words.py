import pytest

from audit import words
from audit.words import bound, listed


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (4.23, "4.2 s"),
        (9.99, "10.0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3599.8, "1 h"),
        (4230, "1 h 10 min"),
    ],
)
def test_durations(seconds: float, written: str) -> None:
    assert words.duration(seconds) == written


def test_numbers() -> None:
    assert words.number(0.126) == "0.13"
    assert words.significant(1 / 61) == "0.016"
    assert words.significant(0.0) == "0"
    assert words.number(None) == words.significant(None) == "—"
    assert words.percent(0.925) == "92.5 %"


@pytest.mark.parametrize(
    ("bound", "written"),
    [(0.25, "25.0 %"), (0.2501, "25.1 %"), (1.0, "100.0 %"), (0.99999, "100.0 %"), (1.234e-5, "0.0013 %")],
)
def test_a_bound_is_rounded_up(bound: float, written: str) -> None:
    assert words.probability(bound) == written


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["a", "a"], "a"), (["a", "b", "a"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_listed(words: list[str], sentence: str) -> None:
    assert listed(words) == sentence


@pytest.mark.parametrize(
    ("fraction", "lower", "upper"),
    [
        (0.07211, "7.21 %", "7.22 %"),
        (0.07, "7 %", "7 %"),  # in binary a little above
        (0.99951, "99.9 %", "100 %"),
        (0.6666666, "66.6 %", "66.7 %"),
        (2.5312e-6, "0.000253 %", "0.000254 %"),
        (0.0, "0 %", "0 %"),
        (1.0, "100 %", "100 %"),
    ],
)
def test_ends_of_intervals_are_rounded_outwards(fraction: float, lower: str, upper: str) -> None:
    assert (bound(fraction, up=False), bound(fraction, up=True)) == (lower, upper)
