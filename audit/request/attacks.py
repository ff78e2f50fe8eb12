"""The attacks that a request names."""

from __future__ import annotations

from audit.attacks import BATTERY
from audit.errors import UsageError
from audit.request.request import AttackOptions, ModelOptions

_ATTACKS = ", ".join(attack.id for attack in BATTERY)


def check_attacks(asked: AttackOptions, model: ModelOptions) -> None:
    """Check that there are such attacks, and that they have what they need.

    Raises
    ------
    UsageError
        Naming the first attack that is unknown or lacks something.
    """
    if asked.attacks is None:
        return
    if not asked.attacks:
        raise UsageError("--attacks names no attack", f"known are {_ATTACKS}")
    known = {attack.id: attack for attack in BATTERY}
    for name in asked.attacks:
        if name not in known:
            raise UsageError(f"unknown attack {name!r} in --attacks", f"known are {_ATTACKS}")
    for attack in (known[name] for name in asked.attacks):
        if attack.source == "change" and model.initial is None:
            raise UsageError(
                f"--attacks {attack.id} needs the weights from before training", "pass --initial"
            )
        if attack.source == "gradient" and model.gradient is None:
            raise UsageError(f"--attacks {attack.id} needs an observed gradient or update", "pass --gradient")
