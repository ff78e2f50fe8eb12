"""Who is confirmed: ranks of all candidates together and of every attack apart, the tail, and exact copies.

Whoever any of these confirms is confirmed. Of the members that one test rejects, false ones are an expected share
of at most its part of the false discovery rate; those of all tests over all that are rejected are at most the sum
of these, so that the parts add up to the whole. A candidate confirms one member.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from audit.scoring.conformal import benjamini_hochberg, p_values
from audit.scoring.exact import exact_candidates
from audit.scoring.shares import APART, TAIL, TOGETHER, Evidence
from audit.scoring.tail import tail_bounds
from audit.scoring.votes import NOTHING, TIE, Choice, Field, Votes, choose

_NEVER, _EXACT = -1e3, 1e3
"""Gains of pairs that may not be chosen, and of those that must be."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of one set of candidates."""

    choice: Choice
    """Which candidate speaks for which sample, controls first."""
    members: NDArray[np.float64]
    """(n,) scores."""
    controls: NDArray[np.float64]
    """(k,) scores."""
    share: float
    """Of the false discovery rate."""

    @property
    def p_values(self) -> NDArray[np.float64]:
        """(n,), of members among controls."""
        return p_values(self.members, self.controls)

    def confirmed(self, fdr: float) -> NDArray[np.bool_]:
        """Members (n,) that these ranks confirm by their part of a false discovery rate."""
        return benjamini_hochberg(self.p_values, self.share * fdr)

    @property
    def ahead(self) -> NDArray[np.bool_]:
        """Members (n,) ahead of every control; none without controls."""
        best = self.controls.max(initial=NOTHING) if len(self.controls) else np.inf
        return np.asarray(self.members > best, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class CandidateSets:
    """All candidates together, and those of every attack apart."""

    field: Field
    """Members and controls."""
    together: Votes
    """Their pairs with all m candidates."""
    owner: NDArray[np.int64]
    """(m,) place of the attack that a candidate is of."""
    fdr: float
    """Rate of false discoveries."""

    def ranks(self, threshold: float) -> list[Ranks]:
        """Choose and score among pairs whose similarity reaches a threshold: together first, then apart."""
        votes = self.together.of(self.together.similarity >= threshold)
        owner, attacks = self.owner[votes.candidate], np.unique(self.owner).tolist()
        ranks = [self._rank(votes, TOGETHER)]
        if len(attacks) > 1:
            ranks += [self._rank(votes.of(owner == attack), APART / len(attacks)) for attack in attacks]
        return ranks

    def _rank(self, votes: Votes, share: float) -> Ranks:
        choice, controls = choose(votes, len(self.field.points)), len(self.field.controls)
        return Ranks(choice, choice.score[controls:], choice.score[:controls], share)

    def confirm(self, threshold: float, everybody: NDArray[np.float64]) -> Confirmed:
        """Confirm members by candidates whose similarity reaches a threshold.

        Parameters
        ----------
        threshold:
            Least similarity.
        everybody:
            (k,) scores of controls whatever their similarity, for the tail: at least as large as those at a
            threshold, so that the tail is no lighter.
        """
        ranks, found = self.ranks(threshold), Confirmed.nobody(len(self.field.members))
        if len(self.field.controls):
            for part in ranks:
                found.add("rank", part.confirmed(self.fdr), part)
            bounds = tail_bounds(ranks[0].members, everybody)
            if bounds is not None:
                found.add("tail", benjamini_hochberg(bounds, TAIL * self.fdr), ranks[0])
        found.add_copies(exact_candidates(self.field, self.together, threshold))
        return found

    def most_similar(self, found: Confirmed, threshold: float) -> NDArray[np.int64]:
        """Of the candidates that confirm a member, the most similar: (n,) distinct ones, -1 where none does.

        An attack returns several readings of one candidate, such as a smoother one. Any whose score is above the
        cut-off confirms as the closest does. Exact copies stay.
        """
        votes, chosen, confirmed = self.together, found.candidate.copy(), np.flatnonzero(found.mask)
        member = votes.sample - len(self.field.controls)
        as_good = (votes.cosine > found.cut_off + TIE) & (votes.similarity >= threshold)
        pairs = as_good & np.isin(member, confirmed)
        wanted = np.union1d(chosen[confirmed], votes.candidate[pairs])
        gain = np.full((len(confirmed), len(wanted)), _NEVER)
        rows = np.searchsorted(confirmed, member[pairs])
        gain[rows, np.searchsorted(wanted, votes.candidate[pairs])] = votes.similarity[pairs]
        exact = np.array([found.evidence[i] == "exact" for i in confirmed.tolist()], dtype=np.bool_)
        rows, own = np.arange(len(confirmed)), np.searchsorted(wanted, chosen[confirmed])
        gain[rows, own] = np.where(exact, _EXACT, np.maximum(gain[rows, own], 0.0))
        row, column = linear_sum_assignment(gain, maximize=True)
        chosen[confirmed[row]] = wanted[column]
        return chosen


@dataclass(eq=False)
class Confirmed:
    """Members confirmed so far."""

    evidence: list[Evidence | None]
    """n times what confirms a member; None where nothing does."""
    candidate: NDArray[np.int64]
    """(n,) distinct candidates that do; -1 where none does."""
    cut_off: float = np.inf
    """Scores above it confirm a member: that of the first control that would have to be passed over in vain, or, of
    the tail, just below the last member. Infinite where nothing is confirmed by a score."""

    @classmethod
    def nobody(cls, members: int) -> Confirmed:
        """Begin with n members."""
        return cls([None] * members, np.full(members, -1, dtype=np.int64))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Who is confirmed: (n,)."""
        return self.candidate >= 0

    def add(self, why: Evidence, which: NDArray[np.bool_], ranks: Ranks) -> None:
        """Add members (n,) whose scores confirm them."""
        candidates = ranks.choice.candidate[len(ranks.controls) :]
        for member in np.flatnonzero(which).tolist():
            if self._take(member, int(candidates[member]), why):
                lowest = float(ranks.members[member])
                below = ranks.controls[ranks.controls < lowest] if why == "rank" else [lowest - TIE]
                self.cut_off = min(self.cut_off, float(np.max(below, initial=NOTHING)))

    def add_copies(self, candidates: NDArray[np.int64]) -> None:
        """Add members by candidates (n,) that equal them, -1 for those without one."""
        for member in np.flatnonzero(candidates >= 0).tolist():
            self._take(member, int(candidates[member]), "exact")

    def _take(self, member: int, candidate: int, why: Evidence) -> bool:
        free = self.evidence[member] is None and candidate not in self.candidate
        if free:
            self.evidence[member], self.candidate[member] = why, candidate
        return free
