"""gradient-exact: the inputs behind an observed gradient, exactly, from its first layer.

The equation is that of `gradient`. What is particular is the first layer: dL/dW = D X and dL/db = D 1, with
D (h, b) the slopes of the loss at the first pre-activations and X (b, d) the inputs. For b = 1 the ratio is the
input (Phong et al. 2018). For more, the span of D is known, and one input alone says what its slopes may be: where
they lie in the span, it was in the batch (`solve.span`). A ReLU leaves slopes of zero wherever a sample does not
reach a unit, and among all factorisations of dL/dW such a sparse one is the truth (Dimitrov et al. 2024).
"""

from __future__ import annotations

from audit.attacks.base import Observation
from audit.attacks.gradient import Gradient
from audit.equation.row_space import row_space
from audit.model.activations import activation

MOST_SAMPLES = 64
"""With 500 hidden units that takes a minute."""


class GradientExact(Gradient):
    """Exact inputs of a batch that is small enough."""

    id = "gradient-exact"
    title = "Exact inputs from a gradient, by the span of its first layer"
    source = (
        "Dimitrov et al. 2024, arXiv 2403.03945; for one sample Phong et al. 2018; cf. Petrov et al. 2024, "
        "arXiv 2405.15586"
    )
    requires = (
        f"as gradient (--gradient), of a batch of at most {MOST_SAMPLES}, less than half of the first hidden "
        "units; smooth activations, or ReLU with a bias in the first layer"
    )
    method = "exact"

    def inapplicable(self, observation: Observation) -> str | None:
        """Need slopes that say something, and fewer samples than hidden units."""
        if (reason := super().inapplicable(observation)) is not None:
            return reason
        assert observation.gradient is not None
        network, gradient = observation.network, observation.gradient
        if network.activation == "relu":
            if gradient.biases[0] is None:
                return "the first layer has no bias, whose gradient fixes the scale of the inputs"
            if not gradient.biases[0].any():
                return "the gradient of the first bias is zero everywhere: it leaves the scale of the inputs open"
        elif not activation(network.activation).smooth:
            return f"looks for smooth slopes, or the zeros that a ReLU leaves; those of {network.activation} jump"
        rank = row_space(gradient.weights[0], gradient=True).signals
        if not rank:
            return "nothing in the gradient of the first layer stands out of its noise"
        if rank > MOST_SAMPLES:
            return (
                f"the gradient of the first layer has rank {rank}, so that the batch held about as many samples: "
                f"more than {MOST_SAMPLES} take too long"
            )
        units = len(gradient.weights[0])
        if rank > 1 and units < (needed := 2 * rank + network.outputs + 1):
            return f"rank {rank} of the gradient of the first layer needs {needed} hidden units, there are {units}"
        return None
