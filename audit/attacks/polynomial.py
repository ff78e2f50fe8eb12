"""polynomial: the weights of a two-layer network with the activation x^k, through the tensor of its data.

The equation is that of `kkt-loss`, which holds for the maximum margin as well: lambda has a sign. What is
particular is that the samples enter it through a symmetric tensor only, and linearly. Where the weights determine
that tensor, it says what the samples are (Shen et al. 2026, theorem 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence

from audit.attacks.base import Attack, Equation, Inapplicable, Method, Observation
from audit.attacks.kkt_loss import stationary
from audit.equation.identifiability import Unsolvable, analyse, explain_undetermined
from audit.equation.objective import Objective

PAPERS = "Shen et al. 2026, arXiv 2602.08723, theorem 4.1; Leurgans, Ross and Abel 1993"
CONDITION = "of two layers with the activation x^k, k of 3 or more, that determine the tensor of the data"


class Polynomial(Attack):
    """Stationary weights that determine their data."""

    id = "polynomial"
    title = "Samples from the tensor that the weights determine"
    papers = PAPERS
    requires = f"weights {CONDITION}"
    source = "weights"
    method = Method.TENSOR

    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Need a polynomial network whose neurons are many enough, and not in too few directions.

        Stationarity does not show in the weights, but in the residual.
        """
        caveat = "its theory supposes weights that are stationary: of maximum margin, or under weight decay"
        return determine_tensor(self, [stationary(seen)], caveat=caveat, telling=True)


def determine_tensor(
    attack: Attack, objectives: Sequence[Objective], *, caveat: str | None = None, telling: bool = False
) -> Equation | Inapplicable:
    """Equation of one of the three polynomial attacks, if it determines the tensor of the data.

    Parameters
    ----------
    attack:
        Whose it is.
    objectives:
        Of normalised inputs; the one that leaves least unexplained is taken, and the first of equals.
    caveat:
        How far the theory of the attack falls short.
    telling:
        As for `explain_undetermined`.
    """
    analysed = [(objective, analyse(objective)) for objective in objectives]
    objective, found = min(analysed, key=lambda pair: pair[1].unexplained)
    if isinstance(found, Unsolvable):
        return Inapplicable(found.reason)
    if (reason := explain_undetermined(found.analysis, objective.source, telling=telling)) is not None:
        return Inapplicable(reason, found.analysis)
    return Equation(attack, objective, found.space, caveat=caveat, analysis=found.analysis)
