"""What values of options mean."""

import pytest

from audit.cli.options import parse_budget
from audit.errors import UsageError


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
