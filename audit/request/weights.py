"""The checkpoint with what else of training was seen: weights from before it, and a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch

from audit.errors import ArchitectureError, UsageError
from audit.model.architecture import Architecture, check_same_layers, infer_architecture
from audit.model.checkpoint import Checkpoint, load_checkpoint
from audit.request.observed import Observed, load_gradient
from audit.request.request import Kind, ModelOptions

Model = tuple[Checkpoint, Architecture]
"""Tensors, and which network they are."""


@dataclass(frozen=True, eq=False)
class Weights:
    """All tensors that a request names, read and checked against each other."""

    checkpoint: Checkpoint
    """Tensors of the audited model."""
    architecture: Architecture
    """The network that they form."""
    initial: Model | None
    """The same layers before training; None if the attacker does not know them."""
    gradient: Observed | None
    """An observed gradient, in the layers of the checkpoint; None if there is none."""

    @property
    def model(self) -> Model:
        """The audited model."""
        return self.checkpoint, self.architecture

    @property
    def gradient_model(self) -> Model | None:
        """The observed gradient, in the layers of the checkpoint."""
        return None if self.gradient is None else (self.gradient.checkpoint, self.architecture)


def read_weights(asked: ModelOptions) -> tuple[Weights, list[str]]:
    """Read the checkpoint, the weights from before training and the observed gradient.

    Returns
    -------
    tuple[Weights, list[str]]
        With the assumptions made for the user.

    Raises
    ------
    AuditError
        When a file cannot be read, holds no network that can be audited, or does not fit the checkpoint.
    """
    checkpoint, architecture = load_model(asked.checkpoint, asked.activation, asked.layers)
    notes = list(architecture.notes)
    initial = gradient = None
    if asked.initial is not None:
        initial = load_initial(asked.initial, checkpoint, architecture)
        notes.append(f"weights before training: {initial[0].path}, sha256 {initial[0].sha256}")
        notes += [f"--initial: {note}" for note in initial[1].notes if note not in architecture.notes]
        notes += _frozen((checkpoint, architecture), initial)
    if asked.gradient is not None:
        kind, rate = cast("Kind", asked.gradient_kind), asked.learning_rate
        gradient = load_gradient(asked.gradient, checkpoint, architecture, kind, rate)
        notes += gradient.notes
    return Weights(checkpoint, architecture, initial, gradient), notes


def load_model(path: Path, activation: str | None, order: Sequence[str] | None = None) -> Model:
    """Read a checkpoint and find out which network it is, in a stated order of layers if there is one."""
    checkpoint = load_checkpoint(path)
    return checkpoint, infer_architecture(checkpoint, activation, order)


def load_initial(path: Path, checkpoint: Checkpoint, architecture: Architecture) -> Model:
    """Read the checkpoint from before training, which must hold the same layers.

    Where its layers have the names and shapes that they have in the checkpoint, names decide which is which.
    """
    try:
        initial = load_checkpoint(path)
        names = [layer.weight for layer in architecture.layers]
        same = all(name in initial.tensors for name in names) and architecture.chosen
        before = infer_architecture(initial, architecture.activation, names if same else None)
        by_name = {layer.weight: layer for layer in before.layers}
        ordered = tuple(by_name[name] for name in names if name in by_name)
        shapes = [[(one.outputs, one.inputs) for one in some] for some in (ordered, architecture.layers)]
        if len(ordered) == len(before.layers) and shapes[0] == shapes[1]:
            before = replace(before, layers=ordered)
    except ArchitectureError as error:  # which names tensors, and there are two files with such tensors
        raise ArchitectureError(f"--initial {path}: {error.problem}", error.remedy) from error
    check_same_layers(architecture, before, str(checkpoint.path), str(path))
    return initial, before


def _frozen(model: Model, initial: Model) -> list[str]:
    """Name the layers that training left as they were.

    Raises
    ------
    UsageError
        When these are all layers: there is no change to attack then.
    """
    checkpoint, before = model[0], initial[0]
    pairs = list(zip(model[1].layers, initial[1].layers, strict=True))
    same = [
        after.weight
        for after, first in pairs
        if all(
            torch.equal(checkpoint.tensors[name].double(), before.tensors[other].double())
            for name, other in ((after.weight, first.weight), (after.bias, first.bias))
            if name is not None and other is not None
        )
    ]
    if len(same) == len(pairs):
        raise UsageError(
            f"--initial {before.path} holds the same weights as {checkpoint.path}: nothing changed between them",
            "give the weights from before training, or the public base model, or leave out --initial",
        )
    return [f"layers that are as before training: {', '.join(same)}"] if same else []
