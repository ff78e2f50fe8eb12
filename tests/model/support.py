"""Networks that are nothing but shapes, and what is said of them."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from audit.errors import ArchitectureError
from audit.model.architecture import (
    Architecture,
    infer_architecture,
)
from audit.model.checkpoint import Checkpoint


def checkpoint(shapes: Mapping[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Checkpoint:
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
    return Checkpoint(Path("model.pt"), tensors, metadata or {}, "0" * 64)


def infer(shapes: Mapping[str, tuple[int, ...]], activation: str | None = "relu") -> Architecture:
    return infer_architecture(checkpoint(shapes), activation)


def order(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    return [layer.weight for layer in infer(shapes).layers]


def refusal(shapes: Mapping[str, tuple[int, ...]], activation: str | None = None) -> str:
    with pytest.raises(ArchitectureError) as raised:
        infer(shapes, activation)
    message = str(raised.value)
    assert "\n" not in message
    return message


def state(*between: torch.nn.Module, outputs: int = 3) -> Checkpoint:
    """What a network with these modules after its first layer saves."""
    first, last = torch.nn.Linear(16, 16), torch.nn.Linear(16, outputs)
    model = torch.nn.Sequential(first, *between, torch.nn.Linear(16, 16), *between, last)
    return Checkpoint(Path("m"), model.state_dict(), {}, "")
