"""What an attack is: a choice of target, linearisation points, readout and labels. It solves nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor

from audit.equation.identifiability import Identifiability
from audit.equation.objective import Objective
from audit.equation.row_space import RowSpace
from audit.model.modality import Source
from audit.model.network import Network
from audit.model.parameters import Parameters


@dataclass(frozen=True, eq=False)
class Observation:
    """What the attacker sees. Never members, their mean, or their number."""

    network: Network
    """The checkpoint under audit."""
    initial: Network | None
    """The network before training, or the public base model it was fine-tuned from; None if unknown."""
    low: Tensor
    """(d,) the smallest input each pixel can give, or each column usually gives, normalised."""
    high: Tensor
    """(d,) the largest."""
    gradient: Parameters | None = None
    """A gradient of the loss over one batch, taken at the network; None if none was seen. An update stands for the
    gradient it went down."""
    shape: tuple[int, ...] | None = None
    """(c, h, w) of the images that inputs are, (d,) if they are rows of a table; None if unknown."""


class Method(Enum):
    """How an equation is solved; `audit.battery` knows the solvers."""

    DESCENT = "descent from random starts"
    EXACT = "exactly, through the first layer"
    MOMENTS = "descent from what the moments of random weights say"
    TENSOR = "decomposition of a tensor"

    @property
    def in_one_slice(self) -> bool:
        """Whether the solver is done, or has given up, in one slice of the budget."""
        return self in (Method.EXACT, Method.TENSOR)


@dataclass(frozen=True, eq=False)
class Labels:
    """What the attacker supposes of labels (class indices)."""

    cycle: Tensor
    """(b,) labels that candidates are given in turn, over and over."""
    in_proportion: bool = False
    """Whether the target says how often each occurs in the batch; otherwise all classes have equal shares."""

    @property
    def classes(self) -> int:
        """Number of classes that share candidates equally; 0 where shares are known."""
        return 0 if self.in_proportion else len(self.cycle)

    def give(self, count: int) -> Tensor:
        """Labels (count,) of candidates."""
        return self.cycle.repeat(-(-count // len(self.cycle)))[:count]


@dataclass(frozen=True, eq=False)
class Equation:
    """What an attack solves, given one observation; built once, for all who ask."""

    attack: Attack
    """Whose it is."""
    objective: Objective
    """Of normalised inputs, not reduced."""
    space: RowSpace
    """Of the first layer of the objective's target."""
    labels: Labels | None = None
    """None where the readout needs none."""
    caveat: str | None = None
    """How far the theory of the attack falls short of this network, or None."""
    analysis: Identifiability | None = None
    """How far the data's tensor is determined, for attacks that decompose it."""

    @property
    def source(self) -> Source:
        """What the target holds."""
        return self.objective.source

    @property
    def classes(self) -> int:
        """Number of classes that share candidates equally; 0 without labels, or where shares are known."""
        return self.labels.classes if self.labels else 0

    def label(self, count: int) -> Tensor | None:
        """Labels (count,) of candidates; None where the readout needs none."""
        return self.labels.give(count) if self.labels else None

    def equals(self, other: Equation) -> bool:
        """Whether members fit both alike: some attacks differ in how they solve an equation only."""
        mine, theirs = self.objective, other.objective
        return (
            mine.readout is theirs.readout
            and len(mine.points) == len(theirs.points)
            and all(a is b for a, b in zip(mine.points, theirs.points, strict=True))
            and all(
                torch.equal(a, b) for a, b in zip(mine.target.tensors, theirs.target.tensors, strict=True)
            )
        )

    def shares_space(self, other: Equation) -> bool:
        """Whether both attacks work in the same row space."""
        same_noise = (self.source == "gradient") == (other.source == "gradient")
        return same_noise and torch.equal(self.objective.target.weights[0], other.objective.target.weights[0])


@dataclass(frozen=True)
class Inapplicable:
    """Why an attack has no equation for an observation."""

    reason: str
    """For a reader."""
    analysis: Identifiability | None = None
    """How far the data's tensor is determined, where that is the reason."""


@dataclass(frozen=True)
class Broken:
    """Writing down the equation of an attack failed."""

    reason: str
    """What happened, for a reader."""


Prepared = Equation | Inapplicable | Broken
"""What came of asking an attack for its equation."""


class Attack(ABC):
    """One attack of the battery."""

    id: ClassVar[str]
    """Name on the command line and in reports."""
    title: ClassVar[str]
    """A few words for a reader."""
    papers: ClassVar[str]
    """Where it is from."""
    requires: ClassVar[str]
    """What the attacker must hold, in words."""
    source: ClassVar[Source]
    """What its target holds: a change needs the weights from before training, a gradient one that was observed."""
    method: ClassVar[Method] = Method.DESCENT
    """How its equation is solved."""

    @abstractmethod
    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Write down the equation to solve, or say why there is none."""
