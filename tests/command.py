"""What came of a command, for tests that run the console script in their own process: see conftest.model_audit."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def complains(ended: Ended, *words: str) -> None:
    """One line, exit code 2."""
    assert ended.code == 2
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("model-audit: ")
    for word in words:
        assert word in line
