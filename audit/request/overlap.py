"""Members and controls as two sets of distinct samples: copies count once, and what is a member is no control."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from audit.dataset.copies import distinct, shared
from audit.dataset.samples import Samples
from audit.errors import DataError
from audit.model.modality import IMAGES
from audit.scoring.near_copies import SIMILAR, near_copies
from audit.words import plural

_MOST = 0.1
"""Share of the controls that may be near copies of members."""


def without_copies(samples: Samples, kind: str) -> tuple[Samples, list[str]]:
    """Count exact copies of a sample once.

    Parameters
    ----------
    samples:
        Members or controls.
    kind:
        Which of them, in the plural.

    Returns
    -------
    tuple[Samples, list[str]]
        With a note on what was left out.
    """
    kept = distinct(samples)
    copies = len(samples) - len(kept)
    return kept, [f"exact copies among the {kind}: {copies}; each sample counts once"] if copies else []


def set_apart(members: Samples, controls: Samples, *, chosen: bool) -> tuple[Samples, list[str]]:
    """Take out of the controls what is a member, or nearly.

    Parameters
    ----------
    members, controls:
        Of the same shape, each without copies.
    chosen:
        Whether the user named the controls. Exact copies of members among them are then a mistake; among the
        controls that come with a named data set they are left out.

    Returns
    -------
    tuple[Samples, list[str]]
        The controls that are left, and notes on the others.

    Raises
    ------
    DataError
        When the user named controls that are members, when more than a tenth are near copies of members, or when
        no control is left.
    """
    notes = []
    if copies := shared(members, controls):
        if chosen:
            raise _overlap(members, controls, copies)
        notes.append(f"left out of the controls, being members: {len(copies)} of {len(controls)}")
        controls = _without(controls, copies)
    original = near_copies(members.values, controls.values, members.modality)
    near = np.flatnonzero(original >= 0)
    if len(near) > _MOST * len(controls):
        first = (int(near[0]), int(original[near[0]]))
        raise _too_near(members, controls, len(near), first)
    if len(near):
        how = _how(members)
        notes.append(
            f"left out of the controls, being near copies of members ({how}): {len(near)} of {len(controls)}"
        )
        controls = _without(controls, near)
    return controls, notes


def _without(controls: Samples, places: Iterable[int] | NDArray[np.int64]) -> Samples:
    left = np.setdiff1d(np.arange(len(controls)), np.array(list(places), dtype=np.int64))
    if not len(left):
        raise DataError(
            f"every control of {controls.source} is also a member", "pass --controls that the model never saw"
        )
    return controls.keep(left)


def _overlap(members: Samples, controls: Samples, copies: dict[int, int]) -> DataError:
    noun = members.modality.name
    if len(copies) == len(controls) and members.source == controls.source:
        return DataError(
            f"--data and --controls are both {members.source}",
            f"controls must be {noun}s the model never saw; pass others",
        )
    place, member = next(iter(copies.items()))
    return DataError(
        f"{len(copies)} of the {len(controls)} controls are also members: {noun} {controls.ids[place]} of "
        f"{controls.source} is {noun} {members.ids[member]} of {members.source}",
        f"controls must be {noun}s the model never saw; remove the shared ones",
    )


def _too_near(members: Samples, controls: Samples, count: int, first: tuple[int, int]) -> DataError:
    noun, (place, member) = members.modality.name, first
    return DataError(
        f"{count} of the {plural(len(controls), 'control')} are near copies of members ({_how(members)}): {noun} "
        f"{controls.ids[place]} of {controls.source} is nearly {noun} {members.ids[member]} of {members.source}",
        f"controls must be {noun}s the model never saw; remove the near copies, or pass others",
    )


def _how(samples: Samples) -> str:
    return f"SSIM of at least {SIMILAR:g}" if samples.modality is IMAGES else "equal to a tenth"
