"""The attacks that a request names."""

from pathlib import Path

import pytest

from audit.errors import UsageError
from audit.request.attacks import check_attacks
from audit.request.request import AttackOptions, ModelOptions

MODEL = ModelOptions(Path("model.pt"))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "--attacks names no attack; known are kkt-margin, "),
        (("kkt-margin", "kkt-marign"), "unknown attack 'kkt-marign'"),
        (("weight-delta",), "weight-delta needs the weights from before training; pass --initial"),
        (("gradient-exact",), "gradient-exact needs an observed gradient or update; pass --gradient"),
    ],
)
def test_attacks_that_cannot_run_are_refused(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError) as error:
        check_attacks(AttackOptions(attacks=names), MODEL)
    assert words in str(error.value)


def test_attacks_that_have_what_they_need() -> None:
    check_attacks(AttackOptions(), MODEL)
    seen = ModelOptions(Path("model.pt"), initial=Path("before.pt"), gradient=Path("gradient.pt"))
    check_attacks(AttackOptions(attacks=("kkt-margin", "weight-delta", "gradient-exact")), seen)
