"""How one candidate went: before its split, and its two children at the end, beside the member they come near."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from audit.battery import AttackResult
from audit.inputs import InputFormat
from audit.report.evidence import Trajectory
from audit.similarity import ncc, rescale, ssim
from audit.solve.images import readings


def trajectory(
    result: AttackResult, sample: int, member: NDArray[np.float32], fmt: InputFormat
) -> Trajectory | None:
    """Follow the candidate closest to a member back to its parent.

    Parameters
    ----------
    result:
        An attack that ran.
    sample:
        Index of the member.
    member:
        (d,), network units.
    fmt:
        Leads from network units to pixels.

    Returns
    -------
    Trajectory | None
        None where nothing was split.
    """
    candidates, splitting = result.solution.candidates, result.solution.splitting
    if splitting is None or not (kept := splitting.rounds > 0).any():
        return None
    truth = fmt.to_pixels(member[None])[0]
    after, before = (found.inputs[kept.to(found.inputs.device)] for found in (candidates, splitting.before))
    alike = np.concatenate([ncc(member[None], _array(result.space.lift(rows)))[0] for rows in after])
    # What stayed whole is two halves in one place, and has no course to show.
    parted = (after - after.roll(len(candidates) // 2, dims=1)).norm(dim=-1) > 1e-3 * after.norm(dim=-1)
    alike = np.where(parted.flatten().cpu().numpy(), alike, 0.0)
    # Mirror images count where the network cannot tell them apart, as they do among the reconstructions.
    blind = result.objective.anchors[0].sign_blind
    restart, place = divmod(int((np.abs(alike) if blind else alike).argmax()), len(candidates))
    twin = (place + len(candidates) // 2) % len(candidates)
    sign = -1.0 if blind and alike[restart * len(candidates) + place] < 0 else 1.0

    def look(inputs: torch.Tensor) -> tuple[float, NDArray[np.floating]]:
        """Of both readings the more similar."""
        read = readings(sign * result.space.lift(inputs)[None], result.box)
        pixels = fmt.to_pixels(_array(read))
        return max(((ssim(image, truth), rescale(image)) for image in pixels), key=lambda pair: pair[0])

    stages = [
        [look(before[restart, place])],
        [look(after[restart, place]), look(after[restart, twin])],
    ]
    return Trajectory(
        attack=result.attack.id,
        sample=sample,
        stages=[[image for _, image in stage] for stage in stages],
        ssim=[[similarity for similarity, _ in stage] for stage in stages],
        member=rescale(truth),
    )


def _array(values: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(values.float().cpu().numpy(), dtype=np.float32)
