"""The report as data: what `report.json` holds (schema version 1) and what every renderer reads."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from audit.model.modality import Measure
from audit.verdict.findings import AttackStatus, Finding, Requirements
from audit.verdict.policy import LimitResult, Verdict

SCHEMA_VERSION = 1

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _finite_points(points: Any) -> Any:
    return [point for point in points if math.isfinite(point[1])]


Measured = Annotated[float | None, BeforeValidator(_finite)]


class _Part(BaseModel):
    # JSON has no NaN: a report that holds one could be written but not read back.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Tool(_Part):
    """Which program wrote the report."""

    name: str
    version: str


class Summary(_Part):
    """The counts a reader needs first."""

    members: Annotated[int, Field(ge=1)]
    controls: Count
    threshold: float
    """From which a match counted as recovered."""
    recovered: Count
    """Members with a similarity at or above the threshold: the papers' count, not calibrated."""
    confirmed: Count
    """Recovered members that Benjamini-Hochberg also rejects: recovered beyond chance."""
    confirmed_fraction: Fraction
    confirmed_interval: tuple[Fraction, Fraction] | None
    """Clopper-Pearson 95 % interval of the confirmed fraction; None without controls."""
    expected_false: float | None
    """Recoveries among the members that chance alone would give: members times the control rate; None without
    controls."""
    control_matches: Count
    """Controls whose best candidate reaches the threshold."""
    null_confirmed: Count | None
    """Members confirmed when the untouched starting candidates are matched instead; None when that did not
    run or there are no controls."""
    fdr: Fraction
    upper_limit: Fraction | None = None
    """Share of samples like the members that the audit would confirm, at most: one-sided 95 % limit, exact. Members
    that beat every control and are not confirmed for want of controls count as confirmed. None without controls."""
    upper_limit_at_power: Fraction | None = None
    """Share of them that leak as the twin's images do, at most: joint 95 % limit, by the audit's count and the
    twin's. None without a positive control."""
    metric: Measure = "ssim"
    """What the threshold is of: SSIM of images; correlation of rows of a table, to which SSIM is not applicable."""


class Model(_Part):
    """The audited network."""

    checkpoint: str
    sha256: str
    layers: list[tuple[int, int]]
    """(outputs, inputs) of every layer, first to last."""
    activation: str
    biases: list[bool]
    parameters: Count
    input_shape: list[int]


class Source(_Part):
    """Where images came from."""

    source: str
    sha256: str
    """Of the images as they were compared: uint8 or float pixels in reading order."""
    count: Count


class Seen(_Part):
    """An observed gradient, or update, of one batch."""

    kind: Literal["gradient", "update"]
    source: str
    sha256: str
    """Of the file."""
    learning_rate: float | None
    """Of the step, if it was stated."""
    rank: Count
    """Of the first layer, above its noise: the attacker's own estimate of how many samples the batch held."""


class Data(_Part):
    """Members and controls, and what was observed besides the checkpoint."""

    members: Source
    """Training images; with an observed gradient, those of its batch."""
    controls: Source | None
    gradient: Seen | None = None


class Rank(_Part):
    """How many directions of the first layer stand out of noise, such as that of an initialisation."""

    of: str = "the first layer"
    """Whose singular values they are: of the first layer, of its change or of an observed gradient of it, whichever
    the attack of lowest relative loss looked at."""

    singular_values: list[float]
    """Largest first."""
    edge: float
    """Singular values above it are kept."""
    kept: Count
    """The attacker's own estimate of how many independent samples the layer holds."""
    bulk_edge: float | None = None
    """Largest singular value that noise of the level seen leaves by itself, as an initialisation does (edge of the
    Marchenko-Pastur distribution, its level from the median); None for an observed gradient, and where only
    rounding is left of noise."""
    effective_rank: float | None = None
    """Exponential of the entropy of all singular values: 1 when one direction holds everything."""


class Exposure(_Part):
    """How much the training images account for in the equation of one attack, and whether that betrays them."""

    attack: str
    """Id."""
    of: str
    """What they account for, in words: the weights."""
    residual: float
    """Relative loss that the training images leave with the best lambda."""
    converged: bool = True
    """False when time or steps ended the fit: the residual is then an upper bound."""
    rank: Count | None = None
    """Of the gradients of all members; below `unknowns`, exposures are not unique. None if found in steps."""
    unknowns: Count
    """Number of lambdas."""
    controls: Count = 0
    """Fitted together with the members for the membership test; 0 when none was made."""
    auc: Fraction | None = None
    """Probability that a member's exposure is above a control's; .5 tells nothing apart."""
    auc_interval: tuple[Fraction, Fraction] | None = None
    """95 %: bootstrap and Newcombe 2006, whichever reaches further at either end."""
    true_positives: Fraction | None = None
    """Share of members above all but 1 % of the controls; None with fewer than 100 controls."""
    common_members: list[float] = []
    """Exposures of the members in the fit together with controls, in the order of `Report.samples`."""
    common_controls: list[float] = []
    """Likewise of the controls."""
    common_converged: bool = True
    """False when time or steps ended that fit: the membership test may then miss what more of them would tell."""
    notes: list[str] = []
    """What to keep in mind."""


class Ceiling(_Part):
    """How many members any reconstruction could recover at all, whatever the attack."""

    attacks: list[str]
    """Ids of attacks in whose row spaces was searched; every attack that ran works in one of them."""
    reachable: Count
    """Members for whom an image at the threshold was found, or one that misses it by `tolerance` at most."""
    of: Count
    """Members."""
    threshold: float
    """SSIM."""
    tolerance: float
    """By how much the search may have missed the best image."""
    complete: bool
    """False when the time did not suffice to search for all members: more may then be reachable."""


class Identifiability(_Part):
    """Whether the linear equations of a polynomial network determine the tensor of its data."""

    of: str
    """What holds the equations, in words: the weights."""
    rank_needed: Count
    """Entries of the tensor."""
    rank: Count
    """Found above rounding, and above what the residual does to the fit."""
    undetermined: Count
    """Dimension of the null space."""
    condition: Measured
    """Largest singular value over the smallest that counts; None when none does."""
    residual: Measured
    """Norm of what no tensor explains, over that of the target."""
    error: Measured
    """Expected error of the tensor relative to its norm, if the residual is white noise."""


class PositiveControl(_Part):
    """The same attacks, with the same budget, on a twin that was made to leak some of the controls."""

    kind: Literal["weights", "change", "gradient"]
    """Of the twin: a network of the same shape, its first layer begun in the span of those images, trained on them
    until it knows them by heart; the initial network trained likewise; or the gradient of a batch of them, where
    the audited network is."""
    images: Annotated[int, Field(ge=1)]
    """It was made to leak."""
    controls: Count
    """The others, which those images were compared with."""
    labels: Literal["given", "random"]
    """Of the images: the controls' own, or random ones in equal shares, which are learnt by heart only."""
    recovered: Count
    """Images with a similarity at or above the threshold."""
    confirmed: Count
    """Images confirmed as members are."""
    power: Fraction
    """The confirmed share."""
    interval: tuple[Fraction, Fraction]
    """Its Clopper-Pearson 95 % interval."""
    training_seconds: float
    seconds: float
    """Training included. It is not part of the budget."""
    note: str = ""
    """What did not go as planned."""


class DpBound(_Part):
    """What differential privacy promises, if the network was trained as its owner says."""

    sigma: float
    """Noise multiplier of DP-SGD."""
    q: Fraction
    """Probability with which a sample took part in a step."""
    steps: Annotated[int, Field(ge=1)]
    prior: Fraction
    """Probability of the best guess without the model: one in as many candidates as there are members."""
    bound: Fraction
    """Probability, at most, with which anybody finds a sample out: see `audit.diagnostics.dp_bound`."""


class Diagnostics(_Part):
    """What was measured besides the attacks."""

    stationarity: dict[str, float] | None = None
    """By attack that ran: the relative loss that the training images themselves leave in its equation, with the
    best lambda. Large values say that the equation does not describe how the model was trained."""
    rank: Rank | None = None
    identifiability: dict[str, Identifiability] | None = None
    """By attack that reads a tensor; None where none could solve its equations: their reasons say why."""
    exposure: list[Exposure] = []
    """One for every equation, the one that the training images explain best first: `Sample.exposure` is of that."""
    ceiling: Ceiling | None = None
    notes: list[str] = []
    """What was not measured for want of time or memory."""
    positive_control: PositiveControl | None = None
    """None when none was asked for, or the audit broke off before it."""
    dp: DpBound | None = None
    """The owner's statement about training, and what follows; it was not checked and does not enter the verdict."""


class Splitting(_Part):
    """What came of the candidates that an attack split in two.

    Before: the same restarts just before their first split, early in their schedule. That is no attack without
    splitting, which would have gone on from there as well.
    """

    rounds: Count
    """Rounds kept, over all restarts: those after which the objective was lower."""
    splits: Count
    """Candidates split in them, over all restarts."""
    relative_loss_before: Measured
    """Of the best restart; None when it diverged."""
    relative_loss_after: Measured
    """Of the best restart; None when it diverged."""
    recovered_before: Count
    """Members recovered by this attack's candidates before."""
    recovered_after: Count
    """Members recovered by this attack's candidates at the end."""
    confirmed_before: Count
    """Members confirmed from this attack's candidates before; 0 without controls."""
    confirmed_after: Count
    """Members confirmed from this attack's candidates at the end; 0 without controls."""
    gradient: Measured = None
    """Where the best restart stopped: its steepest slope. With `eigenvalue` the certificate of approximate
    second-order stationarity, in changes of the relative loss for a step as long as a typical image. None where it
    was not measured."""
    eigenvalue: Measured = None
    """Likewise: lowest curvature that a split would open. Below zero, a split would still lead down."""
    ssim_before: list[float] = []
    """One per member, in the order of `Report.samples`: similarity, of rows of a table correlation, of its match in
    this attack's candidates before."""
    ssim_after: list[float] = []
    """The same at the end."""

    @model_validator(mode="after")
    def _one_pair_per_member(self) -> Self:
        if len(self.ssim_before) != len(self.ssim_after):
            raise ValueError(
                f"ssim_before has {len(self.ssim_before)} values and ssim_after {len(self.ssim_after)}: "
                f"every member needs one of each"
            )
        return self


class AttackReport(_Part):
    """One attack of the battery: what happened, or why nothing did."""

    id: str
    title: str
    source: str
    status: AttackStatus
    reason: str
    """Why it was skipped, failed or stopped; notes on how far its theory applies."""
    used: list[str] = ["the weights"]
    """What it reconstructs from, in words."""
    seconds: float = 0.0
    restarts: Count = 0
    steps: Count = 0
    candidates: Count = 0
    relative_loss: Measured = None
    """Squared residual over squared norm of the whole target, of the best restart: 1 explains nothing. None also
    when it diverged."""
    recovered: Count = 0
    confirmed: Count = 0
    history: Annotated[list[tuple[int, float]], BeforeValidator(_finite_points)] = []
    """(step, relative loss) of the best restart, thinned for plotting; points that diverged are left out."""
    splitting: Splitting | None = None
    """None when the attack did not run, or ran without splitting."""


class Sample(_Part):
    """One member and its best match."""

    id: str
    label: int | None
    ssim: float | None
    """None for rows of a table."""
    ncc: float
    """Centred correlation; of rows of a table, in standard deviations of each column."""
    margin: float
    """Identification margin: how much closer a candidate is to this image than to every other one."""
    p_value: Fraction | None
    recovered: bool
    confirmed: bool
    attack: str | None
    candidate: int | None
    """Row in candidates.safetensors of that attack."""
    exposure: float | None = None
    """Norm of this member's part of what the weights hold, relative to all of it: see `Diagnostics.exposure`."""
    exposure_rank: Count | None = None
    """1 for the most exposed member."""
    ceiling: float | None = None
    """SSIM of the best image that was found in the row spaces of the attacks that ran."""
    relative_error: Measured = None
    """Of rows of a table: distance between reconstruction and member over the member's from the mean, in standard
    deviations of each column. None for images, and without a match."""

    @property
    def similarity(self) -> float:
        """SSIM, or correlation of rows of a table."""
        return self.ncc if self.ssim is None else self.ssim


class Control(_Part):
    """One control and its best match: what chance gives."""

    id: str
    ssim: float | None
    """None for rows of a table."""
    ncc: float
    margin: float

    @property
    def similarity(self) -> float:
        """SSIM, or correlation of rows of a table."""
        return self.ncc if self.ssim is None else self.ssim


class PolicyReport(_Part):
    """The policy that was applied."""

    name: str
    description: str = ""
    limits: list[LimitResult]
    require: Requirements = Requirements()


class Provenance(_Part):
    """How to repeat the audit."""

    command: str
    seed: int
    device: str
    torch: str
    python: str
    platform: str
    started: str
    """ISO 8601, UTC."""
    seconds: float
    budget_seconds: float
    complete: bool
    """False when the audit broke off and this reports what was finished."""
    redacted: bool = False
    notes: list[str] = []
    """Assumptions the audit made for the user, e.g. an activation that was not stated."""
    similarity: str = ""
    """The similarity convention, in words."""


class Report(_Part):
    """One audit, whole. Serialised with `model_dump_json`; read back with `model_validate_json`."""

    schema_version: Literal[1] = 1
    tool: Tool
    verdict: Verdict
    reasons: list[str]
    summary: Summary
    model: Model
    data: Data
    diagnostics: Diagnostics
    attacks: list[AttackReport]
    samples: list[Sample]
    controls: list[Control]
    policy: PolicyReport
    findings: list[Finding]
    provenance: Provenance

    @property
    def similarity(self) -> str:
        """Name of the similarity that the threshold is of."""
        return "SSIM" if self.summary.metric == "ssim" else "correlation"

    @property
    def noun(self) -> str:
        """What a sample is called."""
        return "image" if self.summary.metric == "ssim" else "row"
