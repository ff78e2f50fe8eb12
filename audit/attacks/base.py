"""What an attack is: a choice of target, anchors, head and start for the one equation. No optimisation in here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from audit.equation.objective import Objective
from audit.model.network import Network


@dataclass(frozen=True, eq=False)
class Observation:
    """What the attacker sees. Never members, their mean, or their number."""

    network: Network
    """The checkpoint under audit."""
    initial: Network | None
    """The network before training, or the public base model it was fine-tuned from; None if unknown."""
    low: Tensor
    """(d,) the smallest input each pixel can give, or each column usually gives, in network units."""
    high: Tensor
    """(d,) the largest."""
    gradient: Network | None = None
    """A gradient of the loss over one batch, taken at the network, in its layout; None if none was seen. An update
    stands for the gradient it went down."""
    shape: tuple[int, ...] | None = None
    """(c, h, w) of the images that inputs are, (d,) if they are rows of a table; None if unknown."""


class Attack(ABC):
    """One attack of the battery."""

    id: ClassVar[str]
    """Name on the command line and in reports."""
    title: ClassVar[str]
    """A few words for a reader."""
    source: ClassVar[str]
    """Papers."""
    requires: ClassVar[str]
    """What the attacker must hold, in words."""
    needs_initial: ClassVar[bool] = False
    """Whether that includes the weights from before training."""
    needs_gradient: ClassVar[bool] = False
    """Whether that includes an observed gradient."""
    method: ClassVar[Literal["descent", "exact", "moments", "tensor"]] = "descent"
    """How the equation is solved: by descent from random starts, exactly through the first layer, by descent from
    what the moments of random weights say, or by decomposing a tensor."""

    @abstractmethod
    def inapplicable(self, observation: Observation) -> str | None:
        """Why the attack cannot run against this observation, or None if it can."""

    @abstractmethod
    def caveat(self, observation: Observation) -> str | None:
        """How far its theory falls short of this network although it runs, or None."""

    @abstractmethod
    def objective(self, observation: Observation) -> Objective:
        """Build the equation to solve, in network units."""

    @abstractmethod
    def classes(self, observation: Observation) -> int:
        """Count the class numbers that candidates share equally; 0 if the head needs no labels."""

    def labels(self, observation: Observation, count: int) -> Tensor | None:
        """(count,) class numbers in equal shares, 0, 1, ..., 0, 1, ...: the attacker knows none."""
        classes = self.classes(observation)
        return torch.arange(count, device=observation.low.device) % classes if classes else None
