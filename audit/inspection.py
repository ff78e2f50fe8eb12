"""What can be said of a checkpoint without attacking it: which network it is, and which attacks apply."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from audit.architecture import Architecture
from audit.attacks import BATTERY, Attack, Observation
from audit.network import network
from audit.observed import load_gradient
from audit.request import load_initial, load_model


@dataclass(frozen=True)
class Applicability:
    """Whether an attack applies."""

    attack: Attack
    """Which one."""
    reason: str | None
    """Why it does not; None if it does."""
    caveat: str | None
    """How far its theory falls short of the network although it runs."""

    @property
    def sentence(self) -> str:
        """In words."""
        if self.reason:
            return f"does not apply: {self.reason}"
        return f"applies, but {self.caveat}" if self.caveat else "applies"


@dataclass(frozen=True)
class Inspection:
    """What was found."""

    network: str
    """Sizes, activation, biases and number of parameters, in words."""
    notes: tuple[str, ...]
    """Assumptions made for the user."""
    attacks: tuple[Applicability, ...]
    """One per attack of the battery."""


def inspect(
    checkpoint: Path, initial: Path | None, activation: str | None, gradient: Path | None = None
) -> Inspection:
    """Look at a checkpoint.

    Raises
    ------
    AuditError
        As `scan` would.
    """
    tensors, architecture = load_model(checkpoint, activation)
    before = None if initial is None else load_initial(initial, tensors, architecture)
    observed = None if gradient is None else load_gradient(gradient, tensors, architecture)
    bound = torch.ones(architecture.inputs)
    observation = Observation(
        network(tensors, architecture),
        None if before is None else network(*before),
        -bound,
        bound,
        None if observed is None else network(observed.checkpoint, architecture),
    )
    attacks = tuple(
        Applicability(attack, attack.inapplicable(observation), attack.caveat(observation))
        for attack in BATTERY
    )
    notes = architecture.notes if observed is None else (*architecture.notes, *observed.notes)
    return Inspection(_words(architecture), notes, attacks)


def _words(architecture: Architecture) -> str:
    where = [str(index) for index, biased in enumerate(architecture.biases, 1) if biased]
    biases = "no biases"
    if where:
        biases = "biases everywhere" if all(architecture.biases) else f"biases in layer {', '.join(where)}"
    return (
        f"{architecture.sizes}, {architecture.activation}, {biases}, {architecture.parameters:,} parameters"
    )
