"""gradient-exact: the inputs behind an observed gradient, in closed form where the first layer has a ReLU.

The equation is that of `gradient`. What is particular is the first layer: dL/dW = D X and dL/db = D 1, with D
(h, b) the slopes of the loss at the pre-activations and X (b, d) the inputs. For b = 1 the ratio of both is the
input (Phong et al. 2018). For more, a ReLU leaves D zero wherever a sample does not reach a unit, and among all
factorisations of dL/dW such a sparse one is the truth (Dimitrov et al. 2024).
"""

from __future__ import annotations

from audit.attacks.base import Observation
from audit.attacks.gradient import Gradient
from audit.reduction import row_space

MOST_SAMPLES = 20
"""The number of draws grows as 2^(b-1): twenty take hours."""


class GradientExact(Gradient):
    """Exact inputs of a batch that is small enough."""

    id = "gradient-exact"
    title = "Exact inputs from a gradient, by the zeros a ReLU leaves"
    source = "Dimitrov et al. 2024, arXiv 2403.03945; for one sample Phong et al. 2018"
    requires = (
        "as gradient (--gradient), of a ReLU network with biases in its first layer and a batch of at most "
        f"{MOST_SAMPLES}"
    )
    method = "sparse"

    def inapplicable(self, observation: Observation) -> str | None:
        """Need zeros to look for, a bias to fix the scale, and few samples."""
        if (reason := super().inapplicable(observation)) is not None:
            return reason
        assert observation.gradient is not None
        network, gradient = observation.network, observation.gradient
        if network.activation != "relu":
            return f"looks for the zeros that a ReLU leaves in gradients; {network.activation} leaves none"
        if gradient.biases[0] is None:
            return "the first layer has no bias, whose gradient fixes the scale of the inputs"
        if not gradient.biases[0].any():
            return "the gradient of the first bias is zero everywhere: it leaves the scale of the inputs open"
        rank = row_space(gradient.weights[0]).signals
        if not 0 < rank <= MOST_SAMPLES:
            return (
                f"the gradient of the first layer has rank {rank}, so that the batch held about as many samples: "
                f"more than {MOST_SAMPLES} take too many draws"
                if rank
                else "nothing in the gradient of the first layer stands out of its noise"
            )
        return None
