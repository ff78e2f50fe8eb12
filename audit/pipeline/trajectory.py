"""How one candidate went: before its split, and its two children at the end, beside the member they come near."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from audit.battery import AttackResult
from audit.dataset.truth import Truth
from audit.model.modality import IMAGES
from audit.model.preprocessing import Preprocessing
from audit.pipeline.scores import Scores
from audit.report.evidence import Trajectory
from audit.scoring.similarity import ncc, rescale, ssim


def follow(result: AttackResult, scores: Scores, truth: Truth) -> Trajectory | None:
    """Follow the member whose similarity rose most from before splitting to its end; None if none did."""
    before = scores.before_splitting.get(result.attack.id)
    if before is None or truth.preprocessing.modality is not IMAGES:  # a course is shown in pictures
        return None
    after = scores.by_attack[result.attack.id]
    gain = after.matching.members.similarity - before.matching.members.similarity
    most = int(gain.argmax())
    with suppress(MemoryError, RuntimeError):  # the rest is reported without it
        return trajectory(result, most, truth.members[most], truth.preprocessing) if gain[most] > 0 else None
    return None


def trajectory(
    result: AttackResult, sample: int, member: NDArray[np.float32], preprocessing: Preprocessing
) -> Trajectory | None:
    """Follow the candidate closest to a member back to its parent.

    Parameters
    ----------
    result:
        An attack that ran.
    sample:
        Index of the member.
    member:
        (d,) normalised input.
    preprocessing:
        Leads from normalised inputs to pixels.

    Returns
    -------
    Trajectory | None
        None where nothing was split.
    """
    splitting = result.splitting
    if splitting is None or not len(splitting.children):
        return None
    truth = preprocessing.denormalise(member[None])[0]
    before, after, count = splitting.parents, splitting.children, splitting.children.shape[1]
    alike = np.concatenate([ncc(member[None], rows)[0] for rows in after])
    # Mirror images count where the network cannot tell them apart, as they do among the reconstructions.
    score = np.abs(alike) if splitting.sign_symmetric else alike
    # What stayed whole is two halves in one place, and has no course to show.
    distance = np.linalg.norm(after - np.roll(after, count // 2, axis=1), axis=-1)
    apart = distance > 1e-3 * np.linalg.norm(after, axis=-1)
    score = np.where(apart.flatten(), score, -np.inf)
    best = int(score.argmax())
    if not np.isfinite(score[best]):
        return None
    restart, place = divmod(best, count)
    sibling = (place + count // 2) % count
    sign = np.float32(1 if score[best] == alike[best] else -1)

    def look(candidate: NDArray[np.float32]) -> tuple[float, NDArray[np.floating]]:
        """Of all rescalings the most similar."""
        pixels = preprocessing.denormalise(splitting.rescale(sign * candidate[None]))
        return max(((ssim(image, truth), rescale(image)) for image in pixels), key=lambda pair: pair[0])

    stages = [
        [look(before[restart, place])],
        [look(after[restart, place]), look(after[restart, sibling])],
    ]
    return Trajectory(
        attack=result.attack.id,
        sample=sample,
        stages=[[image for _, image in stage] for stage in stages],
        ssim=[[similarity for similarity, _ in stage] for stage in stages],
        member=rescale(truth),
    )
