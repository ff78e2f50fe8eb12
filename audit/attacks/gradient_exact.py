"""gradient-exact: the inputs behind an observed gradient, exactly, from its first layer.

The equation is that of `gradient`. What is particular is the first layer: dL/dW = D X and dL/db = D 1, with
D (h, b) the derivatives of the loss at the first pre-activations and X (b, d) the inputs. For b = 1 the ratio is
the input (Phong et al. 2018). For more, the span of D is known, and one input alone says what its derivatives may
be: where they lie in the span, it was in the batch (`solve.span`). A ReLU leaves derivatives of zero wherever a
sample does not reach a unit, and among all factorisations of dL/dW such a sparse one is the truth (Dimitrov et al.
2024).
"""

from __future__ import annotations

from audit.attacks.base import Attack, Equation, Inapplicable, Method, Observation
from audit.attacks.gradient import match_gradient
from audit.model.activations import activation
from audit.model.network import Network
from audit.model.parameters import Parameters

MOST_SAMPLES = 64
"""With 500 hidden units that takes a minute."""


class GradientExact(Attack):
    """Exact inputs of a batch that is small enough."""

    id = "gradient-exact"
    title = "Exact inputs from a gradient, by the span of its first layer"
    papers = (
        "Dimitrov et al. 2024, arXiv 2403.03945; for one sample Phong et al. 2018; cf. Petrov et al. 2024, "
        "arXiv 2405.15586"
    )
    requires = (
        f"as gradient (--gradient), of a batch of at most {MOST_SAMPLES}, less than half of the first hidden "
        "units; smooth activations, or ReLU with a bias in the first layer"
    )
    source = "gradient"
    method = Method.EXACT

    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Need derivatives that say something, and fewer samples than hidden units."""
        found = match_gradient(self, seen)
        if isinstance(found, Inapplicable):
            return found
        network, gradient = seen.network, found.objective.target
        reason = _why_silent(network, gradient, found.space.signals) or _why_too_large(
            found.space.signals, len(gradient.weights[0]), network.outputs
        )
        return Inapplicable(reason) if reason else found


def _why_silent(network: Network, gradient: Parameters, rank: int) -> str | None:
    """Why derivatives at the first pre-activations do not tell samples apart, or None if they do."""
    if network.activation == "identity" and rank > 1:
        return "without activations the derivatives of all samples of a class are the same"
    if network.activation == "relu":
        if gradient.biases[0] is None:
            return "the first layer has no bias, whose gradient fixes the scale of the inputs"
        if not gradient.biases[0].any():
            return "the gradient of the first bias is zero everywhere: it leaves the scale of the inputs open"
    elif not activation(network.activation).smooth:
        return f"looks for smooth derivatives, or the zeros that a ReLU leaves; those of {network.activation} jump"
    return None


def _why_too_large(rank: int, units: int, outputs: int) -> str | None:
    if rank > MOST_SAMPLES:
        return (
            f"the gradient of the first layer has rank {rank}, so that the batch held about as many samples: "
            f"more than {MOST_SAMPLES} take too long"
        )
    if rank > 1 and units < (needed := 2 * rank + outputs + 1):
        return (
            f"rank {rank} of the gradient of the first layer needs {needed} hidden units, there are {units}"
        )
    return None
