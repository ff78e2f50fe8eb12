"""Everything that findings and a verdict depend on, as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from audit.model.modality import Source
from audit.scoring.intervals import resolution
from audit.scoring.shares import Evidence as Evidence  # and for reports
from audit.verdict.finding import Suppression, confirmed_id

AttackStatus = Literal["ran", "skipped", "failed"]


@dataclass(frozen=True)
class AttackFact:
    """What became of one attack."""

    status: AttackStatus
    """Whether it ran."""
    reason: str
    """Why it was skipped or failed; ignored for an attack that ran."""
    relative_loss: float | None = None
    """Of its best restart; None where it did not run, or diverged."""
    true_loss: float | None = None
    """Relative loss that the members leave in its equation; None where it was not measured."""
    freedom: float = 0.0
    """Unknowns of that fit for every parameter of the target: near 1, any samples would explain it."""

    @property
    def adjusted_loss(self) -> float | None:
        """The loss at the members, times what as many unrelated directions would leave for what they explain.

        As an adjusted R^2: p unknowns explain p of N dimensions of anything, so that what the members leave is held
        against the (N - p) / N that is left. Infinite where there are as many unknowns as parameters.
        """
        if self.true_loss is None:
            return None
        return self.true_loss / (1 - self.freedom) if self.freedom < 1 else math.inf


@dataclass(frozen=True)
class PowerFact:
    """What the battery found in a positive-control model."""

    images: int
    """Samples that the model was made to leak, at least 1."""
    confirmed: int
    """Samples of those that were confirmed."""
    note: str = ""
    """What did not go as planned."""


@dataclass(frozen=True)
class MembershipFact:
    """How well contributions distinguish members from controls."""

    auc: float
    """Area under the ROC curve: 0.5 is chance."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end."""


@dataclass(frozen=True)
class ReadingFact:
    """How well the network as read knows the samples, and whether it would know them better read otherwise."""

    members: int
    """Looked at, at least 1."""
    right: int | None = None
    """Of these, those whose label the network gives; None without labels."""
    majority: float | None = None
    """Share of their most frequent label; None without labels."""
    controls: int = 0
    """Looked at."""
    controls_right: int | None = None
    """Of these, those whose label the network gives; None without labels."""
    p_chance: float | None = None
    """Of as many right members by guessing."""
    p_fewer_right: float | None = None
    """Of members being right less often than controls."""
    p_higher_loss: float | None = None
    """Of smaller margins of members."""
    p_surer: float | None = None
    """Of the network being surer of members."""
    correlation: float | None = None
    """Of outputs at members with the targets of a regression; None without such targets."""
    p_correlation: float | None = None
    """Of no correlation."""
    renumbered: bool = False
    """Whether it tells the classes apart, but numbers them otherwise."""
    columns: int | None = None
    """Of a table; None for images."""
    columns_off: int | None = None
    """Of these, those far from normalised."""
    tried: int = 0
    """Single changes that were tried."""
    change: str | None = None
    """What has to be changed; None if no change mends the reading."""
    value: str = ""
    """To what."""
    tried_on: int = 0
    """Members on which changes were tried."""
    mended: int | None = None
    """Of these, those whose label the network gives with the change; None without labels."""
    assumed: tuple[str, ...] = ()
    """What was assumed, not stated, as `what=value`."""


@dataclass(frozen=True)
class ExchangeFact:
    """How members compare with controls, whatever the network."""

    p_value: float
    """Of all tests of whether they could be of one source, together."""
    aspects: tuple[str, ...] = ()
    """Aspects in which they differ significantly, the most significant first; empty where they do not."""
    confirmable: int = 0
    """Members that could be confirmed at best, if every control counts by how like members it is."""
    explained: tuple[str, ...] = ()
    """Ids of confirmed members that would then not be confirmed: the difference may explain them."""


@dataclass(frozen=True)
class Facts:
    """Everything a verdict depends on, filled in by the pipeline."""

    members: int
    """Training samples compared, at least 1."""
    controls: int
    """Control images compared; 0 means that nothing is calibrated."""
    threshold: float
    """From which a match counted as recovered in this audit."""
    fdr: float
    """False discovery rate among confirmed members."""
    recovered: int
    """Members with a similarity at or above the threshold."""
    confirmed: int
    """Recovered members that are more than chance explains."""
    unresolved: int
    """Members not confirmed that are ahead of every control, whatever their similarity, in the test where there are
    most."""
    null_confirmed: int | None
    """Members confirmed by the negative control; None when it did not run or there are no controls."""
    attacks: Mapping[str, AttackFact]
    """By attack id, every attack of the battery."""
    sources: tuple[Source, ...] = ()
    """What confirmed members were reconstructed from."""
    tests: int = 1
    """Number of tests that were looked at for `unresolved`."""
    outlier_chance: float = 1.0
    """Probability that chance puts a few of these as far ahead of everybody else, by the tail of their scores."""
    identified: int = 0
    """Members that would be confirmed if no similarity were asked for."""
    controls_confirmed: int = 0
    """Controls that the same test confirms against the members, the roles exchanged."""
    gradient_kind: Literal["gradient", "update"] = "gradient"
    """What was observed, if anything."""
    observed: tuple[str, ...] = ()
    """Ids of the attacks on an observed gradient or update; empty when none was given."""
    initial: tuple[str, ...] = ()
    """Ids of the attacks on the change since the weights from before training; empty when none were given."""
    membership: MembershipFact | None = None
    """Of the equation that distinguishes members best; None when no membership test was made."""
    untrained: bool | None = None
    """Whether the weights of every layer cannot be told from a random initialisation; None when nobody looked."""
    batch_rank: int | None = None
    """Rank of an observed gradient above its noise, where far more members than that were given; None otherwise."""
    reading: ReadingFact | None = None
    """How well the network as read knows the samples; None when nobody looked."""
    exchangeability: ExchangeFact | None = None
    """How members compare with controls; None without controls."""
    positive_control: PowerFact | None = None
    """What came of the positive control; None when none was run."""
    complete: bool = True
    """False when the audit was interrupted."""
    similarity: str = "SSIM"
    """What the threshold is of: SSIM, or correlation for rows of a table."""
    suppressed: Mapping[str, Suppression] = field(default_factory=dict)
    """By id, the findings of this audit that are suppressed, and why."""

    @property
    def confirmed_counted(self) -> int:
        """Confirmed members without those that are suppressed: what a limit sees."""
        return self.confirmed - sum(name.startswith(confirmed_id("")) for name in self.suppressed)

    @property
    def standing_counted(self) -> int:
        """Those of them that no difference between members and controls explains."""
        found = self.exchangeability
        if found is None or "controls-differ" in self.suppressed:
            return self.confirmed_counted
        doubtful = [name for name in found.explained if confirmed_id(name) not in self.suppressed]
        return self.confirmed_counted - len(doubtful)

    @property
    def recovered_counted(self) -> int:
        """Recovered members without those that are suppressed: what a limit sees."""
        others = 0 if "recovered-not-confirmed" in self.suppressed else self.recovered - self.confirmed
        return self.confirmed_counted + others

    @property
    def possible(self) -> int:
        """Members that are confirmed, or would be if there were controls enough."""
        return self.confirmed + self.unresolved

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that this many controls can give."""
        return 1.0 / (1 + self.controls)

    @property
    def resolution(self) -> int:
        """Smallest number of members that can be confirmed together: `resolution(..)` of this audit."""
        return resolution(self.members, self.controls, self.fdr)

    @property
    def unresolved_chance(self) -> float:
        """Probability that chance alone puts so many members ahead of every control in some test, or so far ahead.

        If members and controls are exchangeable, the u highest of n + k scores all belong to members with
        probability C(n, u) / C(n + k, u), and in one of several tests with at most their sum. Only ever used to
        withhold a PASS.
        """
        every = self.members + self.controls
        first = math.comb(self.members, self.unresolved) / math.comb(every, self.unresolved)
        return min(1.0, self.tests * first, self.outlier_chance)


class Matched(Protocol):
    """What findings need to know of a member; `audit.report.outcomes.Sample` fits."""

    @property
    def id(self) -> str:
        """Name of the member."""

    @property
    def similarity(self) -> float:
        """To its best candidate: SSIM, or correlation of rows of a table."""

    @property
    def p_value(self) -> float | None:
        """Conformal p-value; None without controls."""

    @property
    def recovered(self) -> bool:
        """Whether it reached the threshold."""

    @property
    def confirmed(self) -> bool:
        """Whether it was recovered beyond chance."""

    @property
    def evidence(self) -> Evidence | None:
        """What confirms it."""
