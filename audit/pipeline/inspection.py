"""What can be said of a checkpoint without attacking it: its network, the attacks that apply, what it holds."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict

from audit.attacks import BATTERY, Attack, Equation, Observation, Prepared
from audit.battery import prepare
from audit.budget import Budget
from audit.diagnostics.measure import (
    Measurements,
    distinct_spaces,
    identifiability,
    measure,
)
from audit.model.architecture import Architecture
from audit.model.network import network
from audit.pipeline.entries import model_entry
from audit.pipeline.measured import (
    attainable_entry,
    contribution_entries,
    identifiability_entries,
    member_fields,
    spectrum,
)
from audit.pipeline.reading import read_network
from audit.pipeline.run import observe_inputs
from audit.report.measured import AttainableReport, ContributionReport, IdentifiabilityReport, Rank
from audit.report.reading import Assumption, Reading
from audit.report.schema import Model
from audit.request.assumed import assumptions
from audit.request.check import (
    Inputs,
    check,
    check_weights,
)
from audit.request.request import Request
from audit.request.weights import Weights
from audit.words import printable


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Applicability(_Part):
    """Whether an attack applies."""

    id: str
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


class Known(_Part):
    """What is known of one member."""

    id: str
    label: int | None
    contribution: float | None
    """Norm of its part in the first equation of `Inspection.contribution`."""
    contribution_rank: int | None
    """Rank by contribution: 1 for the member that contributes most."""
    attainable: float | None
    """Attainable SSIM: that of the best image that was found in the row spaces."""


class Inspection(_Part):
    """What was found."""

    network: str
    """Sizes, activation, biases and number of parameters, in words."""
    model: Model
    assumed: list[Assumption]
    """How the network was read, and its inputs if there are any."""
    reading: Reading | None
    """How well it knows members and controls as it was read; None without members."""
    notes: list[str]
    """Assumptions made for the user, and what was not measured."""
    attacks: list[Applicability]
    """One per attack of the battery."""
    spectra: list[Rank]
    """One per row space that attacks work in."""
    identifiability: dict[str, IdentifiabilityReport] | None
    """By attack that reads a tensor; None where none could solve its equations: `attacks` say why."""
    stationarity: dict[str, float] | None
    """By attack that applies, the relative loss that members leave; None without members."""
    contribution: list[ContributionReport]
    """One per equation, the one that members explain best first; empty without members."""
    attainable: AttainableReport | None
    """None without members."""
    samples: list[Known]
    """One per member."""


def inspect(request: Request, budget: Budget) -> Inspection:
    """Look at a checkpoint, and with members at what it holds of them.

    Parameters
    ----------
    request:
        As for `scan`, but `data` may be None.
    budget:
        For what is measured at members.

    Raises
    ------
    AuditError
        As `scan` would.
    """
    if request.samples.data is None:
        weights, notes = check_weights(request)
        observation, shape = _without_box(weights), [weights.architecture.inputs]
        prepared = prepare(observation, BATTERY)
        known, samples = Measurements(identifiability=identifiability(prepared)), []
        threshold, controls, reading = 0.0, 0, None
        assumed = assumptions(request, weights, None)
    else:
        inputs = check(request)
        weights, notes = inputs.weights, [*inputs.notes, *_missing(inputs)]
        observation, shape = observe_inputs(inputs), list(inputs.truth.preprocessing.shape)
        generator = torch.Generator().manual_seed(request.attack.seed)
        prepared = prepare(observation, BATTERY)
        threshold, controls = inputs.rule.threshold, len(inputs.truth.controls)
        known = measure(_equations(prepared), prepared, inputs.truth, generator, budget)
        samples = _samples(inputs, known)
        assumed = list(inputs.assumed)
        reading = read_network(observation.network, inputs)
    spaces = distinct_spaces(_equations(prepared))
    return Inspection(
        network=_words(weights.architecture),
        model=model_entry(weights.checkpoint, weights.architecture, shape),
        assumed=assumed,
        reading=reading,
        notes=[*notes, *known.notes],
        attacks=[_applicability(attack, found) for attack, found in prepared.items()],
        spectra=[spectrum(item) for item in spaces],
        identifiability=identifiability_entries(known.identifiability),
        stationarity=known.stationarity or None,
        contribution=contribution_entries(known, controls),
        attainable=attainable_entry(known, threshold),
        samples=samples,
    )


def _equations(prepared: dict[Attack, Prepared]) -> list[Equation]:
    return [found for found in prepared.values() if isinstance(found, Equation)]


def _applicability(attack: Attack, found: Prepared) -> Applicability:
    if isinstance(found, Equation):
        return Applicability(id=attack.id, reason=None, caveat=found.caveat)
    return Applicability(id=attack.id, reason=found.reason, caveat=None)


def _without_box(weights: Weights) -> Observation:
    bound = torch.ones(weights.architecture.inputs)
    return Observation(
        network(*weights.model),
        None if weights.initial is None else network(*weights.initial),
        -bound,
        bound,
        None if weights.gradient_model is None else network(*weights.gradient_model).parameters,
    )


def _missing(inputs: Inputs) -> list[str]:
    if inputs.data.controls is not None or len(inputs.data.members) < 2:
        return []
    return [
        "no controls: pass --controls to learn whether contributions distinguish members from non-members"
    ]


def _samples(inputs: Inputs, known: Measurements) -> list[Known]:
    members = inputs.data.members
    return [
        Known.model_validate(
            {
                "id": printable(members.ids[i]),
                "label": None if members.labels is None else int(members.labels[i]),
                **member_fields(known, i),
            }
        )
        for i in range(len(members))
    ]


def _words(architecture: Architecture) -> str:
    where = [str(index) for index, biased in enumerate(architecture.biases, 1) if biased]
    biases = "no biases"
    if where:
        biases = "biases everywhere" if all(architecture.biases) else f"biases in layer {', '.join(where)}"
    return (
        f"{architecture.sizes}, {architecture.activation}, {biases}, {architecture.parameters:,} parameters"
    )
