"""Times as users write them."""

import pytest

from audit.errors import UsageError
from audit.request.budget import parse_budget, write_budget


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("10m", 600), ("2h", 7200), ("90", 90), (" 1.5 H ", 5400), ("0.5s", 0.5)],
)
def test_budgets(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1d", "1h30m", "-1s", "0", "0.0m", "1e3", "inf", "nan", "1 0"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(UsageError, match="60s, 10m or 2h"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(60.0, "1m"), (90.0, "90s"), (120.0, "2m"), (7200.0, "2h"), (0.5, "0.5s")]
)
def test_a_time_is_written_as_it_may_be_read(seconds: float, text: str) -> None:
    assert write_budget(seconds) == text
    assert parse_budget(text) == seconds
