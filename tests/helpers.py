"""What tests of many kinds need."""

from collections.abc import Iterable

import torch
from torch import Tensor

from tests.planted import generator


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """All values of `tensors` as one vector."""
    return torch.cat([tensor.flatten() for tensor in tensors])


def norm(values: Tensor) -> float:
    return float(values.detach().norm())


def silent(step: int, loss: float) -> None:
    """Watch a solver and say nothing."""
