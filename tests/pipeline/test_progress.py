"""What is heard of an audit that is to say nothing."""

import pytest

from audit.pipeline.progress import Silent


def test_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with Silent() as told:
        told.stage("attacking")
        told.step("kkt-margin", 1.0, 60.0, 0.5)
    assert capfd.readouterr() == ("", "")
