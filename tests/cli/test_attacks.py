"""`model-audit attacks`."""

import pytest

from audit.attacks import BATTERY
from tests.command import Run


@pytest.mark.parametrize("columns", [50, 200])
def test_the_list_of_attacks(model_audit: Run, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ended = model_audit("attacks")
    assert (ended.code, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= columns
    words = " ".join(ended.out.split())
    for attack in BATTERY:
        assert f"{attack.id} {attack.title}. Needs: {attack.requires}. Source: {attack.papers}" in words
