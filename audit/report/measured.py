"""The memorisation diagnostics of a report: what was measured at the training samples, without an attack."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audit.model.modality import Source
from audit.report.base import Count, Fraction, Measured, Part


class Rank(Part):
    """How many directions of the first layer stand out of noise, such as that of an initialisation."""

    source: Source
    """Whose first layer was decomposed: that of the weights, of their change, or of an observed gradient, whichever
    the attack of lowest relative loss looked at."""
    singular_values: list[float]
    """Singular values of that layer, largest first."""
    edge: float
    """Threshold that separates signal from noise: singular values above it are kept."""
    kept: Count
    """Number of singular values above the edge: the attacker's own estimate of how many independent samples the
    layer holds."""
    bulk_edge: float | None = None
    """Largest singular value that noise of the level seen leaves by itself, as an initialisation does (edge of the
    Marchenko-Pastur distribution, its level from the median); None for an observed gradient, and where only
    rounding is left of noise."""
    effective_rank: float | None = None
    """Exponential of the entropy of all singular values: 1 when one direction holds everything."""


class ContributionReport(Part):
    """How much the training samples account for in the equation of one attack, and whether that reveals them."""

    attack: str
    """Id of the attack whose equation was fitted."""
    source: Source
    """What the equation explains: the weights, their change, or an observed gradient."""
    residual: float
    """Relative loss that the training samples leave with the best lambda."""
    converged: bool = True
    """False when time or steps ended the fit: the residual is then an upper bound."""
    rank: Count | None = None
    """Rank of the gradients of all members; below `unknowns`, contributions are not unique. None if the fit was
    found in steps."""
    unknowns: Count
    """Number of lambdas that were fitted."""
    controls: Count = 0
    """Number of held-out samples fitted together with the members for the membership test; 0 when none was made."""
    auc: Fraction | None = None
    """Probability that a member's contribution is above a held-out sample's; 0.5 distinguishes nothing. None when
    no membership test was made."""
    auc_interval: tuple[Fraction, Fraction] | None = None
    """95 % interval of the AUC: bootstrap and Newcombe 2006, whichever reaches further at either end."""
    true_positives: Fraction | None = None
    """Share of members above all but 1 % of the held-out samples; None with fewer than 100 of the latter."""
    common_members: list[float] = Field(default=[])
    """Contributions of the members in the fit together with held-out samples, in the order of `Report.samples`."""
    common_controls: list[float] = Field(default=[])
    """Contributions of the held-out samples in that fit, in the order of `Report.controls`."""
    common_converged: bool = True
    """False when time or steps ended that fit: the membership test may then miss what more of them would show."""
    notes: list[str] = Field(default=[])
    """Caveats to this measurement, such as copies among the members."""


class AttainableReport(Part):
    """How many members any reconstruction could recover at all, whatever the attack."""

    attacks: list[str]
    """Ids of the attacks in whose row spaces was searched; every attack that ran works in one of them."""
    reachable: Count
    """Number of members for whom an image was found that reaches the threshold, or misses it by `tolerance`."""
    members: Count
    """Number of members for whom an image was searched."""
    threshold: float
    """SSIM from which a member counts as reachable."""
    tolerance: float
    """SSIM by which the search may have missed the best image."""
    complete: bool
    """False when the time did not suffice to search for all members: more may then be reachable."""


class IdentifiabilityReport(Part):
    """Whether the linear equations of a polynomial network determine the tensor of its data."""

    source: Source
    """What the equations are read from: the weights, their change, or an observed gradient."""
    rank_needed: Count
    """Number of unknown entries of the tensor: the rank at which the equations determine it."""
    rank: Count
    """Rank of the equations above rounding, and above what the residual does to the fit."""
    undetermined: Count
    """Dimension of the null space: directions of the tensor that the equations leave open."""
    condition: Measured
    """Largest singular value over the smallest that counts; None when none does."""
    residual: Measured
    """Norm of what no tensor explains, over the norm of the target."""
    error: Measured
    """Expected error of the tensor relative to its norm, if the residual is white noise."""


class PositiveControl(Part):
    """The same attacks, with the same budget, on a model that was made to leak some of the held-out samples."""

    source: Source
    """What the positive-control model offers the attacks. Weights: a network of the same shape, trained until it
    memorises those samples; change: the initial network trained likewise; gradient: the gradient of a batch of them
    at the audited network."""
    noise: list[float] = Field(default=[])
    """Standard deviation of the noise in every layer, first to last, as in the audited network: weights begin with
    it; it is added to a change or a gradient, where 0 is none. Empty where that was not measured."""
    margin: float | None = None
    """Smallest margin that the model was to be trained to: the one that half of the members have in the audited
    network, from 1 to 100 (3 for a change). None for a gradient, which needs no training."""
    images: Annotated[int, Field(ge=1)]
    """Number of held-out samples that the model was made to leak."""
    controls: Count
    """Number of the other held-out samples, which those were compared with."""
    labels: Literal["given", "random"]
    """Labels of the leaked samples: their own, or random ones in equal shares, which can only be memorised."""
    recovered: Count
    """Number of leaked samples with a similarity at or above the threshold."""
    confirmed: Count
    """Number of leaked samples that were confirmed as members are."""
    power: Fraction
    """Share of the leaked samples that was confirmed."""
    interval: tuple[Fraction, Fraction]
    """Clopper-Pearson 95 % interval of the power."""
    training_seconds: float
    """Seconds that training the model took."""
    seconds: float
    """Seconds that the positive control took, training included; they are not part of the budget."""
    note: str = ""
    """What did not go as planned; empty if nothing."""


class DpBound(Part):
    """What differential privacy promises, if the network was trained as its owner states."""

    sigma: float
    """Noise multiplier of DP-SGD, as stated."""
    q: Fraction
    """Probability with which a sample took part in a step, as stated."""
    steps: Annotated[int, Field(ge=1)]
    """Number of steps of training, as stated."""
    prior: Fraction
    """Probability of the best guess without the model: one in as many candidates as there are members."""
    bound: Fraction
    """Probability, at most, with which anybody finds a sample out: see `audit.diagnostics.dp_bound`."""


class Diagnostics(Part):
    """What was measured besides the attacks."""

    stationarity: dict[str, float] | None = None
    """By attack that ran: the relative loss that the training samples themselves leave in its equation, with the
    best lambda. Large values say that the equation does not describe how the model was trained."""
    rank: Rank | None = None
    """Singular values of the first layer, and how many stand out of noise; None when no attack ran."""
    identifiability: dict[str, IdentifiabilityReport] | None = None
    """By attack that reads a tensor; None where none could solve its equations: their reasons say why."""
    contribution: list[ContributionReport] = Field(default=[])
    """One entry per equation, the one that the training samples explain best first: `Sample.contribution` is of
    that equation."""
    attainable: AttainableReport | None = None
    """How many members any reconstruction could recover; None for rows of a table, or where it was not measured."""
    notes: list[str] = Field(default=[])
    """What was not measured for want of time or memory."""
    positive_control: PositiveControl | None = None
    """Result of the positive control; None when none was asked for, or the audit was interrupted before it."""
    dp: DpBound | None = None
    """The owner's statement about training, and what follows; it was not checked and does not enter the verdict."""


class Exchangeability(Part):
    """A comparison of members with controls that does not look at the network."""

    p_value: Fraction
    """Of all tests together: the least p-value times their number."""
    p_values: dict[str, Fraction]
    """Of every test, by aspect: classes, mean, spread, neighbours, noise (scores in the negative control)."""
    differ: bool
    """Whether members and controls are told apart."""
    confirmable: Count
    """Members that could be confirmed at best, if every control counted by how like members it is."""
    explained: Count
    """Confirmed members that would then not be confirmed; 0 where the sets are not told apart."""
