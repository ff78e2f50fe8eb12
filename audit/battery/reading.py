"""From what solvers found to what leaves the battery: candidates become images, and losses those of the whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import torch
from numpy.typing import NDArray

from audit.battery.attempt import Attempt
from audit.battery.outcomes import AttackResult, SplitTrace
from audit.equation.candidates import Candidates, support
from audit.solve.base import Solution
from audit.solve.certificate import Certificate, certificate
from audit.solve.images import FITTED, Rescalings, choose_rescalings, images
from audit.solve.restarts import pool

ToImages = Callable[[Candidates], NDArray[np.float32]]


def read_off(attempt: Attempt) -> AttackResult:
    """Pool the slices of an attempt that took a step, and make images of what they found."""
    seen, equation = attempt.observation, attempt.equation
    solution, box, space = pool(list(attempt.solutions)), attempt.problem.box, equation.space
    # The gradient of a bias in the first layer fixes the scale, and the tensor of extended inputs.
    scaled = seen.network.biases[0] is not None
    exact = attempt.attack.method.in_one_slice and scaled
    rescale = choose_rescalings(
        box, space, own_scale=equation.source == "gradient" and scaled, shape=seen.shape
    )

    def to_images(candidates: Candidates) -> NDArray[np.float32]:
        if exact:
            return to_array(space.lift(candidates.flatten().inputs))
        return to_array(images(candidates, space, rescale, both_signs=seen.network.sign_symmetric))

    found = to_images(solution.candidates)
    splitting = None
    with suppress(MemoryError, RuntimeError):  # what was found is returned without it
        splitting = _trace(attempt, solution, rescale, to_images)
    kinds = 1 if exact else len(rescale(box.low[None]))
    count, generator, losses = len(found) // kinds, attempt.generator, _of_whole(attempt, solution.losses)
    backing = _support(attempt, solution, found[:count], float(losses.min()))
    order = np.argsort(-backing, kind="stable")
    # Readings of all candidates, one reading after the other, become candidates in all readings.
    readings = found.reshape(kinds, count, -1)[:, order].swapaxes(0, 1)
    noise = torch.randn(count, len(box.low), generator=generator).to(box.low)
    inside = torch.randn(count, space.rank, generator=generator).to(box.low) * attempt.problem.input_unit

    def read(lifted: torch.Tensor) -> NDArray[np.float32]:
        return to_array(box.scale_to_fit(lifted, FITTED) if exact else rescale(lifted))

    notes = [
        equation.caveat,
        solution.status.value,
        solution.note,
        None if exact else rescale.note,
        attempt.failure,
    ]
    return AttackResult(
        attack=attempt.attack,
        reconstructions=np.ascontiguousarray(readings.reshape(found.shape)),
        support=np.repeat(backing[order], kinds),
        readings=kinds,
        null=read(noise),
        row_space=read(space.lift(inside)),
        losses=losses,
        history=tuple((step, attempt.of_whole(loss)) for step, loss in solution.history),
        steps=solution.steps,
        solved=attempt.solved,
        splitting=splitting,
        seconds=attempt.seconds,
        note="; ".join(filter(None, notes)),
    )


def _support(
    attempt: Attempt, solution: Solution, images: NDArray[np.float32], loss: float
) -> NDArray[np.float32]:
    """Of images (M, d) in one reading: see `AttackResult.support`."""
    candidates, basis = solution.candidates.flatten(), attempt.equation.space.basis
    directions = torch.from_numpy(images).to(basis) @ basis
    found = to_array(support(directions, candidates))
    if attempt.observation.network.sign_symmetric:  # a candidate stands for its negative too
        found = np.maximum(found, to_array(support(-directions, candidates)))
    explained = max(0.0, 1.0 - loss) if np.isfinite(loss) else 0.0
    most = found.max(initial=0.0)
    return np.asarray(found * np.float32(explained / most) if most else found, dtype=np.float32)


def _trace(
    attempt: Attempt, solution: Solution, rescale: Rescalings, to_images: ToImages
) -> SplitTrace | None:
    done = solution.splitting
    if done is None:
        return None
    before, reached = to_images(done.before), _certificate(attempt, solution)
    kept = done.rounds > 0
    parents, children = _lifted(attempt, kept, done.before), _lifted(attempt, kept, solution.candidates)

    def rescale_arrays(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return to_array(rescale(torch.from_numpy(rows).to(rescale.box.low)))

    return SplitTrace(
        images=before,
        losses=_of_whole(attempt, done.losses),
        rounds=done.rounds.numpy(),
        splits=done.splits.numpy(),
        gradient=None if reached is None else reached.gradient,
        eigenvalue=None if reached is None else reached.eigenvalue,
        parents=parents,
        children=children,
        sign_symmetric=attempt.observation.network.sign_symmetric,
        rescale=rescale_arrays,
    )


def _certificate(attempt: Attempt, solution: Solution) -> Certificate | None:
    best = int(solution.losses.argmin())
    with suppress(MemoryError, RuntimeError):
        return certificate(attempt.problem, solution.candidates.restart(best), attempt.generator)
    return None


def _lifted(attempt: Attempt, kept: torch.Tensor, candidates: Candidates) -> NDArray[np.float32]:
    """Inputs (K, m, d) of some restarts."""
    inputs, space = candidates.inputs, attempt.equation.space
    with suppress(MemoryError, RuntimeError):
        return to_array(space.lift(inputs[kept.to(inputs.device)]))
    return np.empty((0, len(candidates), len(space.basis)), np.float32)


def _of_whole(attempt: Attempt, losses: torch.Tensor) -> NDArray[np.float32]:
    return np.array([attempt.of_whole(loss) for loss in losses.tolist()], dtype=np.float32)


def to_array(values: torch.Tensor) -> NDArray[np.float32]:
    """Leave torch, from any device and in any precision."""
    return np.asarray(values.float().cpu().numpy(), dtype=np.float32)
