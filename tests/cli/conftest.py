import sys

import pytest


@pytest.fixture
def no_attack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if the input is accepted and the audit begins."""
    monkeypatch.setattr("audit.pipeline.run.run", lambda *_: pytest.fail("the audit began"))


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give `inspect` time for all that it measures, however slow the machine is."""
    monkeypatch.setattr(sys.modules["audit.cli.inspect"], "_INSPECTION", 3600.0)
