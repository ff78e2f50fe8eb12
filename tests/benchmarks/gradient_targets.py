"""Gradients under attack: of one batch, at a network as PyTorch initialises it or after a few epochs.

| name            | images                    | b                | network           | particular             |
|-----------------|---------------------------|------------------|-------------------|------------------------|
| mnist-B         | first 6,000 of t10k       | 1, 4, 8, ..., 64 | 784-500-10, ReLU  |                        |
| cifar-8         | first 2,000 of cifar10_3k | 8                | 3072-512-10, ReLU |                        |
| mnist-8-tanh    | as mnist                  | 8                | 784-500-10, tanh  |                        |
| mnist-8-noise1  | as mnist                  | 8                | 784-500-10, ReLU  | noise of 1 %           |
| mnist-8-noise10 | as mnist                  | 8                | 784-500-10, ReLU  | noise of 10 %          |
| mnist-16-late   | as mnist                  | 16               | 784-500-10, ReLU  | trained for 3 epochs   |

Biases everywhere, cross-entropy, ten classes. Noise is Gaussian, relative to the standard deviation of each
tensor's entries. Training is by Adam, on 3,000 other images. Members, 400 controls and what a network was trained
on are disjoint and drawn at random; labels of a batch may repeat. Inputs are pixels in [0, 1] as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from audit.attacks import Observation
from audit.model.network import Network
from audit.model.parameters import Parameters
from audit.model.preprocessing import Preprocessing
from tests.benchmarks.targets import _existing, _mnist
from tests.benchmarks.training import Layers

CONTROLS, PUBLIC = 400, 3_000
RATE, MINI_BATCH = 1e-3, 32
"""Of Adam, where the network is trained."""


@dataclass(frozen=True)
class GradientRecipe:
    """How a gradient is made."""

    source: str
    """Images and labels: mnist or cifar."""
    batch: int
    hidden: int = 500
    activation: str = "relu"
    noise: float = 0.0
    """Standard deviation of Gaussian noise, relative to that of each tensor's entries."""
    epochs: int = 0
    """Of training on other images before the gradient is taken."""


RECIPES: dict[str, GradientRecipe] = {
    **{f"mnist-{batch}": GradientRecipe("mnist", batch) for batch in (1, 4, 8, 16, 32, 64)},
    "cifar-8": GradientRecipe("cifar", 8, hidden=512),
    "mnist-8-tanh": GradientRecipe("mnist", 8, activation="tanh"),
    "mnist-8-noise1": GradientRecipe("mnist", 8, noise=0.01),
    "mnist-8-noise10": GradientRecipe("mnist", 8, noise=0.1),
    "mnist-16-late": GradientRecipe("mnist", 16, epochs=3),
}


@dataclass(frozen=True, eq=False)
class GradientTarget:
    """An observed gradient with the batch behind it."""

    name: str
    recipe: GradientRecipe
    seen: Observation
    """Network, box and gradient."""
    members: NDArray[np.float32]
    """(b, d), the batch, network units."""
    labels: Tensor
    """(b,), of the batch."""
    controls: NDArray[np.float32]
    """(k, d), network units."""
    format: Preprocessing
    """From pixels to network units."""

    @property
    def layers(self) -> Layers:
        """Weight and bias of every layer."""
        return list(zip(self.seen.network.weights, self.seen.network.biases, strict=True))


def make(name: str, data_dir: Path, seed: int) -> GradientTarget:
    """Draw a batch and a network, and take the gradient.

    Raises
    ------
    DataError
        When the data set is not in `data_dir`.
    """
    recipe = RECIPES[name]
    images, digits = _SOURCES[recipe.source](data_dir)
    _, height, width, channels = images.shape
    size = height * width * channels
    fmt = Preprocessing((channels, height, width), np.zeros(size, np.float32), np.ones(size, np.float32))
    order = np.random.default_rng(seed).permutation(len(images))
    members, controls, public = np.split(order, [recipe.batch, recipe.batch + CONTROLS])
    rows = torch.from_numpy(fmt.normalise(images.astype(np.float32) / np.float32(255)))
    labels = torch.from_numpy(digits.astype(np.int64))
    generator = torch.Generator().manual_seed(seed)
    network = initial(size, recipe, seed)
    if recipe.epochs:
        public = public[:PUBLIC]
        network = trained(network, rows[public], labels[public], recipe.epochs, generator)
    gradient = noisy(gradient_of(network, rows[members], labels[members]), recipe.noise, generator)
    low, high = (torch.from_numpy(bound) for bound in fmt.box())
    seen = Observation(network, None, low, high, gradient, fmt.shape)
    return GradientTarget(
        name, recipe, seen, rows[members].numpy(), labels[members], rows[controls].numpy(), fmt
    )


def initial(inputs: int, recipe: GradientRecipe, seed: int) -> Network:
    """Two layers as PyTorch initialises them."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [torch.nn.Linear(inputs, recipe.hidden), torch.nn.Linear(recipe.hidden, 10)]
    weights, biases = (tuple(getattr(layer, key).data for layer in layers) for key in ("weight", "bias"))
    return Network(Parameters(weights, biases), recipe.activation, (1.0,))


def gradient_of(network: Network, rows: Tensor, labels: Tensor) -> Parameters:
    """Gradient of the mean cross-entropy of a batch (b, d)."""
    free = network.parameters.map(lambda tensor: tensor.clone().requires_grad_())
    loss = functional.cross_entropy(network.at(free).forward(rows), labels)
    return free.rebuild(torch.autograd.grad(loss, free.tensors))


def noisy(gradient: Parameters, share: float, generator: torch.Generator) -> Parameters:
    """Add Gaussian noise to every tensor, `share` of the standard deviation of its entries."""
    tensors = gradient.tensors
    noise = [share * tensor.std() * torch.randn(tensor.shape, generator=generator) for tensor in tensors]
    return gradient.rebuild([tensor + more for tensor, more in zip(tensors, noise, strict=True)])


def trained(
    network: Network, rows: Tensor, labels: Tensor, epochs: int, generator: torch.Generator
) -> Network:
    """Train a copy by Adam on mini-batches."""
    free = network.parameters.map(lambda tensor: tensor.clone().requires_grad_())
    descent = torch.optim.Adam(free.tensors, lr=RATE)
    for _ in range(epochs):
        for batch in torch.randperm(len(rows), generator=generator).split(MINI_BATCH):
            gradient = gradient_of(network.at(free.map(torch.Tensor.detach)), rows[batch], labels[batch])
            for tensor, slope in zip(free.tensors, gradient.tensors, strict=True):
                tensor.grad = slope
            descent.step()
    return network.at(free.map(torch.Tensor.detach))


def _cifar(data_dir: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    with np.load(_existing(data_dir / "cifar10_3k.npz")) as archive:
        return archive["images"][:2000], archive["labels"][:2000]


_SOURCES = {"mnist": _mnist, "cifar": _cifar}
