"""Small networks, trained until they leak, or so that they hardly do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.silence.asked import Tensors


def mlp(
    *widths: int,
    seed: int = 0,
    activation: Callable[[], nn.Module] = nn.ReLU,
    bias: bool = True,
    dropout: float = 0.0,
) -> nn.Module:
    """A network as PyTorch initialises it."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after, bias=bias), activation()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers[: -2 if dropout else -1])


def loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy; logistic for one output."""
    outputs = model(inputs)
    if outputs.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(outputs[:, 0], labels.float())
    return functional.cross_entropy(outputs, labels)


def fit(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    steps: int,
    *,
    rate: float = 1e-3,
    batch: int | None = 64,
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    seed: int = 0,
    **options: Any,
) -> nn.Module:
    """Train a copy of a model for so many steps, on the whole data where there is no batch size."""
    trained = copy.deepcopy(model)
    trained.train()
    steered = optimiser([p for p in trained.parameters() if p.requires_grad], lr=rate, **options)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        chosen = slice(None) if batch is None else torch.randint(len(inputs), (batch,), generator=generator)
        steered.zero_grad()
        loss(trained, inputs[chosen], labels[chosen]).backward()
        steered.step()
    return trained.eval()


def descend(model: nn.Module, inputs: Tensor, labels: Tensor, steps: int, rate: float = 0.1) -> nn.Module:
    """Train a copy of a model by gradient descent on the whole data."""
    return fit(model, inputs, labels, steps, rate=rate, batch=None, optimiser=torch.optim.SGD)


def gradient(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensors:
    """Of the mean loss of a batch, by tensor name."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss(model, inputs, labels), parameters), strict=True))


def accuracy(model: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """Share of inputs that are classified as labelled."""
    with torch.no_grad():
        outputs = model(inputs)
    found = (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(1)
    return float((found == labels).float().mean())


class Square(nn.Module):
    """x^2 as an activation."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.square()


class Residual(nn.Module):
    """One layer, a block of two with a skip connection around it, and a head."""

    def __init__(self, size: int, width: int, outputs: int = 1, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.stem = nn.Linear(size, width)
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)
        self.head = nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.stem(inputs).relu()
        return self.head((hidden + self.fc2(self.fc1(hidden).relu())).relu())
