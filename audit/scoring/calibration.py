"""Which recoveries are more than chance: identification margins, conformal p-values, discoveries.

The score of an image z is how much closer some candidate r is to z than to every other image:

    s(z) = max_r [ ncc(r, z) - max_{z' != z} ncc(r, z') ]

For member i, z and z' range over {x_i} and the controls, and

    p_i = (1 + #{controls c : s(c) >= s(x_i)}) / (1 + #controls).

s treats that set symmetrically, so p_i is a full-conformal p-value (Vovk, Gammerman, Shafer 2005): exact
when x_i and the controls are exchangeable given the candidates, which is what "no leakage" means.
*Recovered* is SSIM, of rows of a table NCC, at or above a threshold; *confirmed* is recovered and rejected by
Benjamini-Hochberg.

The negative control is `calibrate` applied to the untouched starting candidates: it must confirm nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from audit.model.preprocessing import Preprocessing
from audit.scoring.comparison import comparison
from audit.scoring.intervals import clopper_pearson
from audit.scoring.matching import Matching, match
from audit.scoring.similarity import correlate, standardise

TIE = 1e-6
"""Scores closer than this are ties, which count against the finding: the rounding of float32."""

_LOWEST_NCC = -1.0
"""Stands in for the best NCC among no images, so that scores stay finite."""
_LOWEST_SCORE = -2.0
"""The score of every image when there are no candidates."""
_CHUNK = 512
"""Members, or candidates, handled at once; bounds the memory."""


@dataclass(frozen=True, eq=False)
class Margins:
    """Identification margins, in NCC, between -2 and 2."""

    members: NDArray[np.float64]
    """(n,), s(x_i) among x_i and the controls; without controls 1 plus the best NCC, no evidence."""
    controls: NDArray[np.float64]
    """(k,), s(c) among the controls alone: what chance gives."""
    p_values: NDArray[np.float64] | None
    """(n,), within [1 / (k + 1), 1]; None without controls."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What one set of candidates says about n members, given k controls."""

    matching: Matching
    """Candidate, similarity and NCC of every member and control."""
    margins: Margins
    """Identification margins and p-values."""
    threshold: float
    """SSIM, of rows of a table NCC, from which a match counts as recovered."""
    fdr: float
    """Expected fraction of false ones among the rejected members, at most."""
    recovered: NDArray[np.bool_]
    """(n,), members whose similarity reaches the threshold."""
    confirmed: NDArray[np.bool_]
    """(n,), recovered members that Benjamini-Hochberg rejects; all False without controls."""
    control_matches: int
    """Controls whose similarity reaches the threshold."""

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
        return clopper_pearson(self.confirmed_count, len(self.confirmed))

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
class _Field:
    """What the k controls look like from each of m candidates."""

    nearest: NDArray[np.int64]
    """(m,), the control closest to the candidate."""
    best: NDArray[np.float32]
    """(m,), its NCC."""
    second: NDArray[np.float32]
    """(m,), the NCC of the next closest control."""
    shortfall: NDArray[np.float32]
    """(k,), max over candidates of ncc(r, c) - best(r): at most 0, and 0 for a nearest control."""


def calibrate(
    candidates: NDArray[np.floating],
    members: NDArray[np.floating],
    controls: NDArray[np.floating],
    preprocessing: Preprocessing,
    threshold: float,
    fdr: float,
) -> Calibration:
    """Match candidates with members and controls, and say which matches are more than chance.

    Parameters
    ----------
    candidates, members, controls:
        (m, d), (n, d) and (k, d), normalised inputs; each may be empty.
    preprocessing:
        Leads from normalised inputs to pixels.
    threshold:
        SSIM, of rows of a table NCC, from which a match counts as recovered.
    fdr:
        Rate of Benjamini-Hochberg, within (0, 1).

    Raises
    ------
    DataError
        When images are under 3 pixels high or wide.
    """
    scale = comparison(preprocessing.modality).scale
    candidates, members, controls = scale(candidates, members, controls)
    matching = match(candidates, members, controls, preprocessing)
    margins = identification_margins(candidates, members, controls)
    recovered = _reach(matching.members.candidate, matching.members.similarity, threshold)
    if margins.p_values is None:
        confirmed = np.zeros(len(members), dtype=np.bool_)
    else:
        confirmed = recovered & benjamini_hochberg(margins.p_values, fdr)
    return Calibration(
        matching=matching,
        margins=margins,
        threshold=threshold,
        fdr=fdr,
        recovered=recovered,
        confirmed=confirmed,
        control_matches=int(
            _reach(matching.controls.candidate, matching.controls.similarity, threshold).sum()
        ),
    )


def identification_margins(
    candidates: NDArray[np.floating], members: NDArray[np.floating], controls: NDArray[np.floating]
) -> Margins:
    """Score members and controls by how well a candidate singles them out, with conformal p-values.

    Parameters
    ----------
    candidates, members, controls:
        (m, d), (n, d) and (k, d), normalised inputs; each may be empty. Candidates with NaN or infinite values
        are left out.

    Notes
    -----
    Adding x_i to the controls changes the score of control c to

        s_i(c) = max_r [ ncc(r, c) - max(ncc(r, x_i), best NCC of the other controls) ],

    but comparing it with s(x_i) needs no second pass over all pairs. If s(x_i) > 0, only candidates whose
    nearest control is c can lift s_i(c) that high. If s(x_i) <= 0, then x_i is nowhere above the best
    control, so the remaining candidates contribute `shortfall(c)`, whatever x_i is. Both cases together cost
    O((n + k) m).
    """
    usable = standardise(candidates[np.isfinite(candidates).all(axis=1)])
    field = _field(usable, standardise(controls))
    order = np.argsort(field.nearest, kind="stable")
    groups, starts = np.unique(field.nearest[order], return_index=True)

    alone = field.shortfall.astype(np.float64)
    if len(controls):
        alone[groups] = np.maximum.reduceat((field.best - field.second)[order], starts)
    scores = np.full(len(members), _LOWEST_SCORE)
    at_least = np.zeros(len(members), dtype=np.int64)
    for start in range(0, len(members), _CHUNK):
        rows = slice(start, start + _CHUNK)
        correlation = correlate(usable, standardise(members[rows]))
        margin = (correlation - field.best[:, None]).max(axis=0, initial=_LOWEST_SCORE)
        scores[rows] = margin
        rivals = np.repeat(field.shortfall[:, None], len(margin), axis=1)
        if len(controls):
            lead = field.best[:, None] - np.maximum(correlation, field.second[:, None])
            rivals[groups] = np.maximum(rivals[groups], np.maximum.reduceat(lead[order], starts, axis=0))
        at_least[rows] = (rivals >= margin - TIE).sum(axis=0)
    p_values = (1 + at_least) / (1 + len(controls)) if len(controls) else None
    return Margins(members=scores, controls=alone, p_values=p_values)


def benjamini_hochberg(p_values: NDArray[np.floating], rate: float) -> NDArray[np.bool_]:
    """Which hypotheses to reject so that at most `rate` of the rejections are false, in expectation.

    Parameters
    ----------
    p_values:
        (n,), n may be 0.
    rate:
        Within (0, 1).

    Returns
    -------
    (n,)
    """
    if len(p_values) == 0:
        return np.zeros(0, dtype=np.bool_)
    return np.asarray(false_discovery_control(p_values) <= rate, dtype=np.bool_)


def _reach(
    candidate: NDArray[np.int64], similarity: NDArray[np.float64], threshold: float
) -> NDArray[np.bool_]:
    return (candidate >= 0) & (similarity >= threshold)


def _field(candidates: NDArray[np.float32], controls: NDArray[np.float32]) -> _Field:
    """Nearest two controls of each candidate; both arguments standardised."""
    m, k = len(candidates), len(controls)
    field = _Field(
        nearest=np.zeros(m, dtype=np.int64),
        best=np.full(m, _LOWEST_NCC, dtype=np.float32),
        second=np.full(m, _LOWEST_NCC, dtype=np.float32),
        shortfall=np.full(k, _LOWEST_SCORE, dtype=np.float32),
    )
    if k == 0:
        return field
    for start in range(0, m, _CHUNK):
        rows = slice(start, start + _CHUNK)
        correlation = correlate(candidates[rows], controls)
        nearest = correlation.argmax(axis=1)[:, None]
        best = np.take_along_axis(correlation, nearest, axis=1)
        np.maximum(field.shortfall, (correlation - best).max(axis=0), out=field.shortfall)
        np.put_along_axis(correlation, nearest, np.float32(_LOWEST_NCC), axis=1)
        field.nearest[rows], field.best[rows] = nearest[:, 0], best[:, 0]
        field.second[rows] = correlation.max(axis=1)
    return field
