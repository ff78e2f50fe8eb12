"""What became of every attack, and of every sample: the entries of a report."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from audit.model.modality import Source
from audit.report.base import Count, Curve, Fraction, Measured, Part
from audit.verdict.facts import AttackStatus, Evidence


class Splitting(Part):
    """What came of the candidates that an attack split in two.

    Before: the same restarts just before their first split, early in their schedule. That is no attack without
    splitting, which would have gone on from there as well.
    """

    rounds: Count
    """Rounds kept, over all restarts: those after which the objective was lower."""
    splits: Count
    """Candidates split in the rounds kept, over all restarts."""
    relative_loss_before: Measured
    """Relative loss of the best restart before; None when it diverged."""
    relative_loss_after: Measured
    """Relative loss of the best restart at the end; None when it diverged."""
    recovered_before: Count
    """Members recovered by this attack's candidates before."""
    recovered_after: Count
    """Members recovered by this attack's candidates at the end."""
    confirmed_before: Count
    """Members confirmed from this attack's candidates before; 0 without controls."""
    confirmed_after: Count
    """Members confirmed from this attack's candidates at the end; 0 without controls."""
    gradient: Measured = None
    """Steepest descent left where the best restart stopped. With `eigenvalue` the certificate of approximate
    second-order stationarity, in changes of the relative loss for a step as long as a typical sample. None where it
    was not measured."""
    eigenvalue: Measured = None
    """Lowest curvature that a split would open where the best restart stopped. Below zero, a split would still lead
    down. None where it was not measured."""
    similarity_before: list[float] = Field(default=[])
    """Similarity of every member with its match in this attack's candidates before, in the order of
    `Report.samples`."""
    similarity_after: list[float] = Field(default=[])
    """Similarity of every member with its match in this attack's candidates at the end, in that order."""

    @model_validator(mode="after")
    def _one_pair_per_member(self) -> Self:
        before, after = len(self.similarity_before), len(self.similarity_after)
        if before != after:
            raise ValueError(
                f"similarity_before has {before} values and similarity_after {after}: "
                f"every member needs one of each"
            )
        return self


class AttackReport(Part):
    """One attack of the battery: what happened, or why nothing did."""

    id: str
    """Name of the attack, as in `--attacks`."""
    title: str
    """What the attack exploits, in a few words."""
    reference: str
    """Paper that the attack is from."""
    status: AttackStatus
    """Whether it ran, was skipped, or failed."""
    reason: str
    """Why it was skipped, failed or stopped; notes on how far its theory applies."""
    source: Source
    """What it reconstructs from: the weights, their change since the initial weights, or an observed gradient."""
    seconds: float = 0.0
    """Seconds that the attack took."""
    restarts: Count = 0
    """Number of random starts."""
    steps: Count = 0
    """Number of optimisation steps, over all restarts."""
    candidates: Count = 0
    """Number of reconstructions that were compared with members."""
    relative_loss: Measured = None
    """Squared residual over squared norm of the whole target, of the best restart: 1 explains nothing. None also
    when it diverged."""
    recovered: Count = 0
    """Members recovered by this attack's candidates alone."""
    confirmed: Count = 0
    """Members confirmed from this attack's candidates alone; 0 without controls."""
    history: Curve = Field(default=[])
    """Points (step, relative loss) of the best restart, thinned for plotting; those that diverged are left out."""
    splitting: Splitting | None = None
    """Outcome of sample splitting; None when the attack did not run, or ran without splitting."""


class Match(Part):
    """A sample and its best match among the candidates."""

    id: str
    """Name of the sample in its set."""
    similarity: float
    """Similarity to its best candidate: SSIM of images, correlation of rows of a table."""
    ncc: float
    """Centred correlation; of rows of a table, in standard deviations of each column."""
    margin: float
    """Identification score: cosine with the candidate that speaks for this sample, whatever their similarity, in
    coordinates in which members and controls together vary alike in all directions; -2 where none speaks for it. In
    reports of version 1, how much closer a candidate is to this sample than to every other one."""


class Sample(Match):
    """One member and its best match."""

    label: int | None
    """Label (class index) of the sample; None if it was not given."""
    p_value: Fraction | None
    """Conformal p-value of the score among candidates that reach the threshold, against the controls; None without
    controls."""
    recovered: bool
    """Whether its similarity reached the threshold."""
    confirmed: bool
    """Whether it was recovered beyond chance."""
    evidence: Evidence | None = None
    """What confirms it: its rank among controls, the tail of their scores (extrapolated), or that the
    reconstruction is exact to 1 % of its range. None where it is not confirmed, and in reports of version 1."""
    identified: bool = False
    """Whether its rank would confirm it if no similarity were asked for."""
    attack: str | None
    """Id of the attack that made the candidate; None without a match."""
    candidate: int | None
    """Row of the candidate in candidates.safetensors of that attack; None without a match."""
    contribution: float | None = None
    """Norm of this member's part of the sum that an equation explains, relative to the whole: see
    `Diagnostics.contribution`."""
    contribution_rank: Count | None = None
    """Rank by contribution: 1 for the member that contributes most."""
    attainable: float | None = None
    """Attainable SSIM: that of the best image that was found in the row spaces of the attacks that ran."""
    relative_error: Measured = None
    """Relative error of a row of a table: distance between reconstruction and member over the member's from the
    mean, in standard deviations of each column. None for images, and without a match."""


class Control(Match):
    """One held-out sample and its best match: what chance gives."""
