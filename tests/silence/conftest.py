import pytest

from tests.tiny import attack_once, fix_steps


@pytest.fixture
def enough_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attacks take steps enough to find what leaks, whatever the time; what they found is kept for other cases."""
    fix_steps(monkeypatch, steps=150, candidates=40)
    attack_once(monkeypatch)
