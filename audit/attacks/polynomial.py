"""polynomial: the weights of a two-layer network with the activation x^k, through the tensor of its data.

The equation is that of `kkt-loss`, which holds for the maximum margin as well: lambda has a sign. What is
particular is that the samples enter it through a symmetric tensor only, and linearly. Where the weights determine
that tensor, it says what the samples are (Shen et al. 2026, theorem 4.1).
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from audit.attacks.base import Attack, Observation
from audit.attacks.kkt_loss import KktLoss
from audit.equation.identifiability import Identifiability, analyse, undetermined

SOURCE = "Shen et al. 2026, arXiv 2602.08723, theorem 4.1; Leurgans, Ross and Abel 1993"
CONDITION = "of two layers with the activation x^k, k of 3 or more, that determine the tensor of the data"


_ANALYSED: WeakKeyDictionary[Observation, dict[str, Identifiability | str]] = WeakKeyDictionary()


def analysed(attack: Attack, observation: Observation) -> Identifiability | str:
    """Analyse the equations of one of the three polynomial attacks, once for all who ask.

    Large systems take seconds, and both whether the attack applies and the report depend on them.
    """
    known = _ANALYSED.setdefault(observation, {})
    if attack.id not in known:
        objective = attack.objective(observation)
        known[attack.id] = analyse(objective, _subject(attack), gradient=attack.needs_gradient)
    return known[attack.id]


def left_open(attack: Attack, observation: Observation, *, telling: bool = False) -> str | None:
    """Why the samples cannot be read off the tensor, or None; `telling` as for `undetermined`."""
    return undetermined(analysed(attack, observation), _subject(attack), telling=telling)


def _subject(attack: Attack) -> str:
    if attack.needs_gradient:
        return "the gradient"
    return "the change" if attack.needs_initial else "the weights"


class Polynomial(KktLoss):
    """Stationary weights that determine their data."""

    id = "polynomial"
    title = "Samples from the tensor that the weights determine"
    source = SOURCE
    requires = f"weights {CONDITION}"
    method = "tensor"

    def inapplicable(self, observation: Observation) -> str | None:
        """Need a polynomial network whose neurons are many enough, and not in too few directions."""
        if (reason := super().inapplicable(observation)) is not None:
            return reason
        return left_open(self, observation, telling=True)

    def caveat(self, observation: Observation) -> str | None:
        """Stationarity does not show in the weights, but in the residual."""
        return "its theory supposes weights that are stationary: of maximum margin, or under weight decay"
