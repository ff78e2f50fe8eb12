"""The audited MLP as a function of its parameters, with a smooth stand-in for its activation.

Plain ReLU has no useful second derivative, and its first one jumps. The stand-ins of `audit.model.activations` are
true functions, so that first and second derivatives agree. Their sharpness is given here as a pure number,
`sharpness`: beta times the typical size of the layer's pre-activations. The same schedule then means the same
thing for every network, however its weights are scaled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from audit.model.activations import activation
from audit.model.architecture import Architecture
from audit.model.checkpoint import Checkpoint
from audit.model.parameters import Parameters


@dataclass(frozen=True, eq=False)
class Network:
    """An MLP. Its parameters may carry leading batch dimensions, one network per restart."""

    parameters: Parameters
    """Weights and biases."""
    activation: str
    """Name, as `audit.model.activations.activation` reads it."""
    scales: tuple[float, ...]
    """Typical size of the pre-activations of every hidden layer; sharpness is counted in it."""

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """Of every layer, first to last."""
        return self.parameters.weights

    @property
    def biases(self) -> tuple[Tensor | None, ...]:
        """Of every layer, or None."""
        return self.parameters.biases

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.weights[0].shape[-1]

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.weights[-1].shape[-2]

    @property
    def sign_symmetric(self) -> bool:
        """Whether gradients at x and at -x differ in sign only, if at all, so that either may be the sample.

        So it is with an odd or even activation and no bias in the first layer. Odd ones need no later bias
        either, but those are small, and the test errs on the side of looking at both.
        """
        return activation(self.activation).symmetric and self.biases[0] is None

    def at(self, parameters: Parameters) -> Network:
        """Return the same network at other parameters."""
        return replace(self, parameters=parameters)

    def with_inputs(self, columns: Tensor) -> Network:
        """Return the same network for inputs in another order: input j is what was input columns[j], (d,)."""
        first = self.weights[0]
        return self.at(self.parameters.with_first_weight(first[:, columns.to(first.device)].contiguous()))

    def forward(self, inputs: Tensor, sharpness: float | None = None) -> Tensor:
        """Outputs of the network.

        Parameters
        ----------
        inputs:
            (..., m, d) normalised inputs.
        sharpness:
            Sharpness of the smooth stand-in; None for the activation itself.

        Returns
        -------
        Tensor
            (..., m, c).
        """
        return self.layers(inputs, sharpness)[-1][1]

    def fit_scales(self, inputs: Tensor) -> Network:
        """Set `scales` to the root mean square of the pre-activations that `inputs` (m, d) cause."""
        with torch.no_grad():
            hidden = [pre for _, pre in self.layers(inputs)[:-1]]
        return replace(self, scales=tuple(_rms(pre) or 1.0 for pre in hidden))

    def layers(self, inputs: Tensor, sharpness: float | None = None) -> list[tuple[Tensor, Tensor]]:
        """What enters every layer (..., m, inputs), and its pre-activations (..., m, outputs).

        The pre-activations of the last layer are the outputs of the network.
        """
        activate = activation(self.activation).function
        found: list[tuple[Tensor, Tensor]] = []
        current = inputs
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if index:
                beta = None if sharpness is None else sharpness / self.scales[index - 1]
                current = activate(found[-1][1], beta)
            product = current @ weight.mT
            found.append((current, product if bias is None else product + bias.unsqueeze(-2)))
        return found


def network(
    checkpoint: Checkpoint,
    architecture: Architecture,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Network:
    """Build the network that `architecture` found in `checkpoint`."""

    def parameter(name: str) -> Tensor:
        return checkpoint.tensors[name].to(device=device, dtype=dtype).contiguous()

    layers = architecture.layers
    parameters = Parameters(
        weights=tuple(parameter(layer.weight) for layer in layers),
        biases=tuple(None if layer.bias is None else parameter(layer.bias) for layer in layers),
    )
    return Network(parameters, architecture.activation, scales=tuple(1.0 for _ in pairwise(layers)))


def _rms(values: Tensor) -> float:
    return math.sqrt(float(values.square().mean()))
