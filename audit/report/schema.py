"""The report as data: what `report.json` holds (schema version 2) and what every renderer reads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audit.model.modality import IMAGES, ROWS
from audit.report.base import Count, Fraction, Part
from audit.report.measured import Diagnostics, Exchangeability
from audit.report.outcomes import AttackReport, Control, Sample
from audit.report.reading import Reading
from audit.verdict.finding import Finding
from audit.verdict.grounds import GroundId
from audit.verdict.limits import LimitResult, Verdict
from audit.verdict.policy import Requirements

SCHEMA_VERSION = 2
Headline = Literal["PASS", "FAIL", "INCONCLUSIVE", "REPORT"]


class Tool(Part):
    """Which program wrote the report."""

    name: str
    """Name of the program."""
    version: str
    """Version of the program."""


class Picks(Part):
    """What an attacker would pick of the reconstructions, without any data to compare them with."""

    picked: Count
    """Number of reconstructions picked: the first by support, without repeats."""
    showing: Count
    """Those of them that show a confirmed member."""
    members: Count
    """Different members that they show."""


class Summary(Part):
    """The counts a reader needs first."""

    members: Annotated[int, Field(ge=1)]
    """Number of training samples that were compared."""
    controls: Count
    """Number of held-out samples that were compared; 0 means that nothing is calibrated."""
    threshold: float
    """Similarity from which a match counted as recovered."""
    recovered: Count
    """Members with a similarity at or above the threshold: the count that papers report, not calibrated."""
    confirmed: Count
    """Recovered members that are more than chance explains."""
    confirmed_fraction: Fraction
    """Share of the members that is confirmed."""
    confirmed_interval: tuple[Fraction, Fraction] | None
    """Clopper-Pearson 95 % interval of the confirmed fraction; None without controls."""
    expected_false: float | None
    """Recoveries among the members that chance alone would give: members times the control rate; None without
    controls."""
    control_matches: Count
    """Controls whose best candidate reaches the threshold."""
    null_confirmed: Count | None
    """Members confirmed by the negative control, in which the starting candidates are matched instead of
    reconstructions; None when it did not run or there are no controls."""
    fdr: Fraction
    """False discovery rate among the confirmed members."""
    by_threshold: dict[str, Count] = Field(default={})
    """Members confirmed at other thresholds, by threshold; empty in reports of version 1."""
    row_space_confirmed: Count | None = None
    """Members confirmed by random vectors in the row spaces of the attacks, as many as there are candidates: what
    these spaces reveal without any attack. None without an attack or controls, or if the audit was interrupted."""
    identified: Count | None = None
    """Members that would be confirmed if no similarity were asked for; None without controls."""
    controls_confirmed: Count | None = None
    """Controls that the same test confirms against the members, the roles exchanged; None without controls."""
    precision: list[Picks] = Field(default=[])
    """What the first picks are worth, for as many as there are members and twice as many; empty without
    controls."""
    upper_limit: Fraction | None = None
    """Share of samples like the members that the audit would confirm, at most: one-sided 95 % limit, exact. Members
    that beat every control and are not confirmed count as confirmed. None without controls."""
    upper_limit_at_power: Fraction | None = None
    """Share of samples that leak as those of the positive-control model do, at most: joint 95 % limit, by the
    audit's count and that of the positive control. None without a positive control."""


class Model(Part):
    """The audited network."""

    checkpoint: str
    """Path of the checkpoint, as it was given."""
    sha256: str
    """Digest of the checkpoint file."""
    layers: list[tuple[int, int]]
    """Sizes (outputs, inputs) of every layer, first to last."""
    activation: str
    """Activation of the hidden layers, with its parameter."""
    biases: list[bool]
    """Whether each layer has a bias, first to last."""
    parameters: Count
    """Number of parameters of the network."""
    input_shape: list[int]
    """Shape of one input: (c, h, w) for images, (d,) for rows."""


class SampleSet(Part):
    """Where samples came from."""

    source: str
    """File, folder or data set, as it was given."""
    sha256: str
    """Digest of all samples of the source: uint8 or float values in reading order."""
    count: Count
    """Number of samples that were compared."""
    left_out: Count = 0
    """Number of samples of the source that were not: exact copies of others, and controls that are members or near
    copies of them."""


class Seen(Part):
    """An observed gradient, or update, of one batch."""

    kind: Literal["gradient", "update"]
    """Whether a gradient was observed, or the update of the weights that it led to."""
    source: str
    """Path of the file, as it was given."""
    sha256: str
    """Digest of the file."""
    learning_rate: float | None
    """Learning rate of the step, if it was stated."""
    rank: Count
    """Rank of the first layer's gradient above its noise: the attacker's own estimate of how many samples the batch
    held."""


class Data(Part):
    """Members and controls, and what was observed besides the checkpoint."""

    members: SampleSet
    """Training samples; with an observed gradient, those of its batch."""
    controls: SampleSet | None
    """Held-out samples that the model never saw (non-members); None when none were given."""
    gradient: Seen | None = None
    """Observed gradient or update; None when none was given."""


class FindingReport(Finding):
    """A finding in words."""

    title: str
    """Title of the kind of finding, in a few words."""
    detail: str
    """What was found, in one or two sentences."""


class PolicyReport(Part):
    """The policy that was applied."""

    name: str
    """Name of the policy."""
    description: str = ""
    """What the policy is for, in its own words."""
    limits: list[LimitResult]
    """Every limit of the policy, and what was measured."""
    require: Requirements = Requirements()
    """What the policy asks of an audit before a negative result counts as evidence."""


class Provenance(Part):
    """How to repeat the audit."""

    command: str
    """Command line that repeats the audit."""
    seed: int
    """Seed of all random numbers."""
    device: str
    """Device on which attacks ran."""
    torch: str
    """Version of PyTorch."""
    python: str
    """Version of Python."""
    platform: str
    """Operating system and processor."""
    started: str
    """Start of the audit, ISO 8601, UTC."""
    seconds: float
    """Seconds that the audit took."""
    budget_seconds: float | None
    """Seconds that the audit was given; None where rounds were counted instead."""
    rounds: int | None = None
    """Rounds of restarts for every attack, where these were counted instead of seconds."""
    repeatable: bool = False
    """Whether the same command gives the same verdict and numbers on this machine, whatever its load: where rounds
    were counted, on a CPU, and nobody interrupted."""
    complete: bool
    """False when the audit was interrupted and this reports what was finished."""
    redacted: bool = False
    """Whether images were withheld from the reports."""
    notes: list[str] = Field(default=[])
    """Assumptions the audit made for the user, e.g. an activation that was not stated."""
    similarity: str = ""
    """Convention of the similarity, in words."""


class GroundReport(Part):
    """One ground of a PASS."""

    ground: GroundId
    """Which ground it is."""
    holds: bool | None
    """Whether it holds; None where it was not checked."""
    sentence: str
    """What it rests on, or what takes it away and what to do, in words."""


class Report(Part):
    """One audit, whole.

    Serialised with `model_dump_json`, and read back with `model_validate`, after `upgrade` for older versions.
    """

    schema_version: Literal[2] = 2
    """Version of this schema. Version 1 is still read by model-audit."""
    tool: Tool
    """Program that wrote the report."""
    verdict: Verdict
    """Verdict under the policy."""
    reasons: list[str]
    """Reasons for the verdict, in sentences, those that decided it first."""
    verdict_grounds: list[GroundReport] = Field(default=[])
    """What a PASS rests on, whether it holds or not; empty in reports of version 1."""
    modality: Literal["image", "row"]
    """Whether samples are images, compared by SSIM, or rows of a table, compared by correlation."""
    summary: Summary
    """Counts, and what they are worth."""
    exchangeability: Exchangeability | None = None
    """How members compare with controls, whatever the network; None without controls."""
    reading: Reading | None = None
    """How network and inputs were read, and how well the samples are known so; None in reports of version 1."""
    model: Model
    """Network that was audited."""
    data: Data
    """Samples that were looked for, and what was observed."""
    diagnostics: Diagnostics
    """Memorisation diagnostics: what was measured without an attack."""
    attacks: list[AttackReport]
    """Every attack of the battery, in its order."""
    samples: list[Sample]
    """Every member, in the order of the data."""
    controls: list[Control]
    """Every held-out sample, in the order of the data."""
    policy: PolicyReport
    """Policy that was applied, and its limits."""
    findings: list[FindingReport]
    """What a reviewer should know: confirmed reconstructions, then validity issues."""
    provenance: Provenance
    """Command, versions, times and assumptions."""

    @property
    def headline(self) -> Headline:
        """The verdict in a word; REPORT instead of PASS where the policy sets no limit that could be kept."""
        return "REPORT" if self.verdict == "PASS" and not self.policy.limits else self.verdict

    @property
    def similarity(self) -> str:
        """Name of the similarity that the threshold is of."""
        return (IMAGES if self.modality == IMAGES.name else ROWS).similarity

    @property
    def noun(self) -> str:
        """What a sample is called."""
        return self.modality
