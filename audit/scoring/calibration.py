"""Which members came back beyond chance: one score, tested together and apart, and evidence beyond ranks.

The score of a sample is its cosine, in white coordinates, with the candidate that speaks for it: of all pairs of a
candidate and a sample whose similarity reaches the threshold, the closest come first, and each candidate speaks for
one sample at most (`audit.scoring.votes`). It treats members and controls alike, so that ranks among controls are
exact p-values (`audit.scoring.conformal`).

*Recovered* is SSIM, of rows of a table NCC, at or above a threshold: what papers count. *Confirmed* is one test, or
more, with the false discovery rate divided among them: all candidates together, those of each attack apart, and the
tail. Whoever any of them confirms is confirmed; false discoveries over all discoveries are at most the sum of what
they are in each, so that the rates add up. *Identified* is the same without the threshold: a diagnostic.

The negative control is `calibrate` applied to the untouched starting candidates: it must confirm nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.scoring.comparison import comparison
from audit.scoring.confirmation import CandidateSets, Ranks
from audit.scoring.conformal import benjamini_hochberg, p_values
from audit.scoring.exact import exact_candidates
from audit.scoring.intervals import clopper_pearson
from audit.scoring.matching import Matching, match
from audit.scoring.shares import TOGETHER, Evidence
from audit.scoring.tail import outlier_chance
from audit.scoring.votes import NOTHING, Field, Votes, choose, join


@dataclass(frozen=True, eq=False)
class Margins:
    """Scores and p-values."""

    members: NDArray[np.float64]
    """(n,), cosine with the candidate that speaks for each, whatever their similarity; `NOTHING` without one."""
    controls: NDArray[np.float64]
    """(k,), likewise."""
    alike: tuple[NDArray[np.float64], NDArray[np.float64]]
    """Scores of members (n,) and controls (k,) among candidates that are similar enough, all of them together."""
    p_values: NDArray[np.float64] | None
    """(n,), of the score among candidates that are similar enough: the least over all tests, each times the share
    of the first test over its own; at most 1. None without controls."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What one set of candidates says about n members, given k controls."""

    matching: Matching
    """Candidate, similarity and NCC of every member and control."""
    margins: Margins
    """Scores and p-values."""
    threshold: float
    """SSIM, of rows of a table NCC, from which a match counts as recovered."""
    fdr: float
    """Expected fraction of false ones among the rejected members, at most."""
    recovered: NDArray[np.bool_]
    """(n,), members whose similarity reaches the threshold."""
    evidence: tuple[Evidence | None, ...]
    """n times what confirms a member; None where nothing does."""
    identified: NDArray[np.bool_]
    """(n,), members that ranks confirm if no similarity is asked for."""
    by_threshold: Mapping[str, int]
    """Members that are confirmed at other thresholds."""
    at_floor: int
    """Members not confirmed that are ahead of every control in one test, whatever their similarity; in the test
    where there are most."""
    tests: int
    """Number of tests that were looked at for that."""
    outlier_chance: float
    """Probability that chance puts a few of these so far ahead of everybody else: an extrapolation, 1 where there
    are too few samples for it."""
    controls_confirmed: int
    """Controls that are confirmed against the members, the roles exchanged."""
    cut_off: float
    """Scores above it confirm a member; infinite where nothing is confirmed by a score."""

    @property
    def confirmed(self) -> NDArray[np.bool_]:
        """(n,), members that some evidence confirms."""
        return np.array([why is not None for why in self.evidence], dtype=np.bool_)

    @property
    def recovered_count(self) -> int:
        """Number of recovered members."""
        return int(self.recovered.sum())

    @property
    def confirmed_count(self) -> int:
        """Number of confirmed members."""
        return int(self.confirmed.sum())

    @property
    def confirmed_interval(self) -> tuple[float, float]:
        """Clopper-Pearson 95 % interval of the confirmed fraction."""
        return clopper_pearson(self.confirmed_count, len(self.evidence))

    @property
    def control_matches(self) -> int:
        """Controls whose similarity reaches the threshold."""
        found = self.matching.controls
        return int(_reach(found.candidate, found.similarity, self.threshold).sum())

    @property
    def control_rate(self) -> float | None:
        """Fraction of controls that reach the threshold; None without controls."""
        controls = len(self.margins.controls)
        return self.control_matches / controls if controls else None

    @property
    def expected_false(self) -> float | None:
        """Recoveries among the members that chance alone would give; None without controls."""
        rate = self.control_rate
        return None if rate is None else len(self.recovered) * rate


@dataclass(frozen=True, eq=False)
class Part:
    """What some of the candidates, such as those of one attack, have of what all together confirm."""

    matching: Matching
    """Candidate, similarity and NCC of every member and control, from these candidates alone."""
    recovered: NDArray[np.bool_]
    """(n,), members whose similarity reaches the threshold."""
    confirmed: NDArray[np.bool_]
    """(n,), members confirmed by all candidates whose score these candidates alone take to the cut-off too."""

    @property
    def recovered_count(self) -> int:
        """Number of recovered members."""
        return int(self.recovered.sum())

    @property
    def confirmed_count(self) -> int:
        """Number of confirmed members."""
        return int(self.confirmed.sum())


def calibrate(field: Field, parts: Sequence[Votes], threshold: float, fdr: float) -> Calibration:
    """Match candidates with members and controls, and say which matches are more than chance.

    Parameters
    ----------
    field:
        Members and controls.
    parts:
        Its pairs with the candidates of every attack; one part at least.
    threshold:
        SSIM, of rows of a table NCC, from which a match counts as recovered.
    fdr:
        Rate of false discoveries, within (0, 1).
    """
    calibrated, levels = len(field.controls) > 0, comparison(field.preprocessing.modality).levels
    owner = np.repeat(np.arange(len(parts)), [len(part.values) for part in parts])
    sets = CandidateSets(field, join(parts), owner, fdr)
    everything, alike = sets.ranks(-np.inf), sets.ranks(threshold)
    everybody = everything[0].controls
    found = sets.confirm(threshold, everybody)
    matching = _match(field, sets.together, sets.most_similar(found, threshold))
    identified = np.any([calibrated & ranks.confirmed(fdr) for ranks in everything], axis=0)
    p_value = np.min([ranks.p_values * (TOGETHER / ranks.share) for ranks in alike], axis=0)
    return Calibration(
        matching=matching,
        margins=Margins(
            members=everything[0].members,
            controls=everybody,
            alike=(alike[0].members, alike[0].controls),
            p_values=np.minimum(p_value, 1.0) if calibrated else None,
        ),
        threshold=threshold,
        fdr=fdr,
        recovered=_reach(matching.members.candidate, matching.members.similarity, threshold),
        evidence=tuple(found.evidence),
        identified=identified,
        by_threshold={f"{level:g}": int(sets.confirm(level, everybody).mask.sum()) for level in levels},
        at_floor=max(int((ranks.ahead & ~found.mask).sum()) for ranks in everything),
        tests=len(everything),
        outlier_chance=outlier_chance(np.where(found.mask, NOTHING, everything[0].members), everybody),
        controls_confirmed=_exchanged(alike[0], fdr),
        cut_off=found.cut_off,
    )


def part_of(whole: Calibration, field: Field, votes: Votes) -> Part:
    """Say which of the members confirmed by all candidates some of these confirm alone.

    Parameters
    ----------
    whole:
        What all candidates together say.
    field, votes:
        Members and controls, and their pairs with these candidates.
    """
    controls = len(field.controls)
    choice = choose(votes.of(votes.similarity >= whole.threshold), len(field.points))
    exact = exact_candidates(field, votes, whole.threshold)
    reached = choice.score[controls:] > whole.cut_off
    confirmed = whole.confirmed & (reached | (exact >= 0))
    fixed = np.where(reached, choice.candidate[controls:], exact)
    matching = _match(field, votes, np.where(confirmed, fixed, -1))
    recovered = _reach(matching.members.candidate, matching.members.similarity, whole.threshold)
    return Part(matching, recovered, confirmed)


def _match(field: Field, votes: Votes, confirming: NDArray[np.int64]) -> Matching:
    theirs, ours = np.split(field.scaled, [len(field.controls)])
    return match(field.scale(votes.values), ours, theirs, field.preprocessing, confirming)


def _exchanged(ranks: Ranks, fdr: float) -> int:
    """Count the controls that the same test confirms against members."""
    if not len(ranks.members):
        return 0
    return int(benjamini_hochberg(p_values(ranks.controls, ranks.members), fdr).sum())


def _reach(
    candidate: NDArray[np.int64], similarity: NDArray[np.float64], threshold: float
) -> NDArray[np.bool_]:
    return (candidate >= 0) & (similarity >= threshold)
