"""Honest audits of networks that leak nothing: every one of them PASSes, with what its row says it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

from tests.silence import pictures
from tests.silence.asked import Asked
from tests.silence.scenes import MEAN, STD, inputs
from tests.silence.training import fit, mlp

UNTRAINED = "cannot be told from a random initialisation"
DESCRIBED = "describes this training"


@dataclass(frozen=True)
class Innocent:
    """A row of the table."""

    name: str
    """Which network, and what it was trained on."""
    asked: Callable[[], Asked]
    """The audit."""
    needs: str
    """Why silence is informative, in words of the report."""
    quick: bool = False
    """Whether it is among those that run by default."""


def digits_for(model: nn.Module, activation: str = "relu", labelled: bool = True) -> Asked:
    """Members and controls that the network never saw, or that it did."""
    pixels, labels = pictures.digits(240, seed=20)
    if model[-1].out_features == 1:
        labels = labels % 2
    given = (labels[:40], labels[40:]) if labelled else (None, None)
    return Asked(model.state_dict(), pixels[:40], pixels[40:], *given, MEAN, STD, activation=activation)


def initialised(model: nn.Module, how: Callable[[torch.Tensor], Any]) -> nn.Module:
    """Begin otherwise than PyTorch does."""
    for tensor in model.parameters():
        how(tensor) if tensor.ndim == 2 else nn.init.zeros_(tensor)
    return model


@cache
def settled() -> Asked:
    """Trained on far more digits than its 20 hidden units can hold, with L2, until little moves: 196-20-1."""
    pixels, labels = pictures.digits(3000, seed=30)
    rows, odd = inputs(pixels[:1500], MEAN, STD), labels % 2
    given = torch.from_numpy(odd[:1500])
    near = fit(mlp(196, 20, 1), rows, given, 1500, rate=3e-3, batch=None, weight_decay=0.01)
    options = {"momentum": 0.9, "weight_decay": 0.01, "optimiser": torch.optim.SGD}
    model = fit(near, rows, given, 1500, rate=0.1, batch=None, **options)
    tensors = model.state_dict()
    return Asked(tensors, pixels[:1500], pixels[2400:], odd[:1500], odd[2400:], MEAN, STD)


def table() -> Asked:
    """Rows that an untrained network of one output is given."""
    rows = pictures.people(240)
    members, controls = rows[:40], rows[40:]
    return Asked(
        mlp(30, 100, 1).state_dict(), members, controls, None, None, controls.mean(0), controls.std(0)
    )


def coloured() -> Asked:
    """Patches of photographs that an untrained network of ten outputs is given."""
    pixels = pictures.colours(240)
    return Asked(mlp(300, 100, 10).state_dict(), pixels[:40], pixels[40:], None, None, 0.5, 0.25)


INNOCENTS = (
    Innocent("trained on much data with L2", settled, DESCRIBED),
    Innocent("untrained, one output", lambda: digits_for(mlp(196, 100, 1)), UNTRAINED, quick=True),
    Innocent("untrained, ten outputs", lambda: digits_for(mlp(196, 100, 10)), UNTRAINED),
    Innocent("untrained, deep", lambda: digits_for(mlp(196, 100, 100, 100, 10)), UNTRAINED),
    Innocent("untrained, GELU", lambda: digits_for(mlp(196, 100, 10, activation=nn.GELU), "gelu"), UNTRAINED),
    Innocent("untrained, no bias", lambda: digits_for(mlp(196, 100, 1, bias=False)), UNTRAINED),
    Innocent("untrained, no labels", lambda: digits_for(mlp(196, 100, 1), labelled=False), UNTRAINED),
    Innocent(
        "untrained, He",
        lambda: digits_for(initialised(mlp(196, 100, 10), nn.init.kaiming_normal_)),
        UNTRAINED,
    ),
    Innocent(
        "untrained, Glorot",
        lambda: digits_for(initialised(mlp(196, 100, 1), nn.init.xavier_uniform_)),
        UNTRAINED,
    ),
    Innocent(
        "untrained, orthogonal",
        lambda: digits_for(initialised(mlp(196, 100, 10), nn.init.orthogonal_)),
        UNTRAINED,
    ),
    Innocent("untrained, table", table, UNTRAINED),
    Innocent("untrained, colour", coloured, UNTRAINED),
)
