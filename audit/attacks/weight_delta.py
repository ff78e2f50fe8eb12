"""weight-delta: the change of the weights as a signed sum of output gradients, before and after training.

Where training moves the weights little, their change is spanned by gradients taken where it began, and where it
ended (Loo et al. 2024, section 4, which combines both):

    theta_final - theta_initial = sum_i sum_c ( lambda_ic grad Phi_c(theta_final; x_i)
                                              + lambda'_ic grad Phi_c(theta_initial; x_i) ).

The initial weights are a published initialisation, a known seed, or the public model that was fine-tuned.
"""

from __future__ import annotations

from audit.attacks.base import Attack, Observation
from audit.equation.objective import Objective, every_output


class WeightDelta(Attack):
    """Change of the weights from a known start."""

    id = "weight-delta"
    title = "Change of the weights from a known start"
    source = "Loo et al. 2024, arXiv 2302.01428"
    requires = "weights, and the initial weights or the public base model (--initial)"
    needs_initial = True

    def inapplicable(self, observation: Observation) -> str | None:
        """Need weights from before training that differ from those after it."""
        if observation.initial is None:
            return "needs the weights from before training, or the public base model: pass --initial"
        pairs = zip(observation.initial.tensors, observation.network.tensors, strict=True)
        first, *others = [bool((before != after).any()) for before, after in pairs]
        if not first and not any(others):
            return "the initial weights are those of the checkpoint: nothing changed"
        if not first:
            return "the first layer is as it was before training: its change holds nothing of the inputs"
        return None

    def caveat(self, observation: Observation) -> str | None:
        """Say nothing: a long way from the start shows in the loss."""
        return None

    def objective(self, observation: Observation) -> Objective:
        """Target is the change; anchors are the final and the initial weights."""
        final, initial = observation.network, observation.initial
        assert initial is not None
        return Objective(
            target=tuple(
                after - before for after, before in zip(final.tensors, initial.tensors, strict=True)
            ),
            anchors=(final, initial),
            head=every_output,
            non_negative=False,
            linear_head=True,
        )

    def classes(self, observation: Observation) -> int:
        """Need no labels."""
        return 0
