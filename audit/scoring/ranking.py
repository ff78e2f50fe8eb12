"""What an attacker would pick: candidates ranked without any data, and how many of the first show a member.

An attacker has thousands of candidates and no members to compare them with. Support (`AttackResult.support`) ranks
them by what the attacks themselves know. Here that ranking, which has seen no sample, is held against what the
comparison with members and controls confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.scoring.calibration import Calibration
from audit.scoring.votes import Field, Votes

_REPEATED = 0.9
"""Cosine of two candidates from which the second says nothing new."""
_BLOCK = 256


@dataclass(frozen=True)
class Picks:
    """What the first candidates of a ranking are worth."""

    picked: int
    """Number of candidates."""
    showing: int
    """Those of them that show a confirmed member."""
    members: int
    """Different members that they show."""


def precision(
    support: NDArray[np.floating],
    places: NDArray[np.int64],
    field: Field,
    votes: Votes,
    whole: Calibration,
) -> tuple[Picks, ...]:
    """Pick candidates blindly, as many as there are members and twice as many, and look at what they show.

    Parameters
    ----------
    support:
        (M,) of every image, by which they are ranked.
    places:
        (M,) the candidate that an image is a reading of: readings of one are picked together.
    field, votes:
        Members and controls, and their pairs with the images (M, d).
    whole:
        What was confirmed. An image shows a member if it is similar enough to a confirmed one, and as close as what
        confirms others.

    Returns
    -------
    tuple[Picks, ...]
        For n and 2 n picks, as far as there are candidates that are no repeats.
    """
    shown = _shown(field, votes, whole)
    readings: dict[int, set[int]] = {}
    for image, place in enumerate(places.tolist()):
        readings.setdefault(place, set()).update(shown.get(image, ()))
    wanted, found, showing = len(field.members), set[int](), 0
    counts: list[Picks] = []
    for picked, image in enumerate(_distinct(support, votes.values, 2 * wanted), start=1):
        members = readings[int(places[image])]
        showing += bool(members)
        found |= members
        if picked in (wanted, 2 * wanted):
            counts.append(Picks(picked, showing, len(found)))
    return tuple(counts)


def _shown(field: Field, votes: Votes, whole: Calibration) -> dict[int, set[int]]:
    """By image, the confirmed members that it shows."""
    controls, confirmed = len(field.controls), whole.confirmed
    good = (votes.sample >= controls) & (votes.similarity >= whole.threshold)
    good &= votes.cosine > whole.cut_off
    shown: dict[int, set[int]] = {}
    pairs = zip(votes.candidate[good].tolist(), (votes.sample[good] - controls).tolist(), strict=True)
    for image, member in pairs:
        if confirmed[member]:
            shown.setdefault(image, set()).add(member)
    for member in np.flatnonzero(confirmed).tolist():
        shown.setdefault(int(whole.matching.members.candidate[member]), set()).add(member)
    return shown


def _distinct(support: NDArray[np.floating], values: NDArray[np.floating], most: int) -> Iterator[int]:
    """Images by falling support, without those close to an earlier one; at most so many."""
    usable = np.flatnonzero(np.isfinite(values).all(axis=1))
    order = usable[np.argsort(-support[usable], kind="stable")]
    picked = np.zeros((0, values.shape[1]), dtype=np.float32)
    for start in range(0, len(order), _BLOCK):
        rows = values[order[start : start + _BLOCK]].astype(np.float32)
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        free = (rows @ picked.T).max(axis=1, initial=-1.0) <= _REPEATED
        alike = rows @ rows.T > _REPEATED
        new: list[int] = []
        for row in np.flatnonzero(free).tolist():
            if not alike[row, new].any() and len(picked) + len(new) < most:
                new.append(row)
                yield int(order[start + row])
        picked = np.concatenate([picked, rows[new]])
        if len(picked) >= most:
            return
