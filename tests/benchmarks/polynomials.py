"""What `polynomial-delta` and `polynomial` make of trained networks x^k: the errors they state, and the true ones.

    python -m tests.benchmarks.polynomials          # some minutes; writes results/polynomials.md

The sums of lambda over all steps of gradient descent are known here, and with them the tensor to be found.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median

import torch

from audit.attacks.polynomial import Polynomial
from audit.attacks.weight_delta import explain_change
from audit.budget import Budget
from audit.equation.identifiability import Identifiability, analyse, tensor_system
from audit.equation.objective import Objective
from audit.solve.base import Problem
from audit.solve.constraints import Box
from audit.solve.tensor import TensorDecomposition
from tests.planted import Clock, generator, in_row_space, observation, reason_against
from tests.polynomials import decayed, direction_errors, fitted, lazy_start, samples

RESULTS = Path(__file__).parent / "results" / "polynomials.md"
SAMPLES = {3: 12, 4: 8}
"""By order."""
INPUTS = 64
FOUND = 0.1
"""Distance of a candidate from a sample, both of unit length."""


@dataclass(frozen=True)
class Trained:
    """One network, and where its equations are written down."""

    order: int
    units: int
    size: float
    mirrored: bool
    share: float
    seed: int
    moved: float
    """Change of the first layer over its norm."""
    anchors: dict[str, tuple[Identifiability, float, int]]
    """By anchor: the analysis, true relative error of the tensor, samples found."""


def trained(order: int, units: int, size: float, mirrored: bool, share: float, seed: int) -> Trained:
    """Train, and look at the change from the start, from halfway and from where the attack does."""
    # Another seed than that of the neurons, or the first of them would be the samples.
    rows, _ = samples(SAMPLES[order], INPUTS, order, seed=seed + 10)
    rows = rows / rows.norm(dim=1, keepdim=True)
    start = lazy_start(INPUTS, units, order, size, mirrored, seed)
    after, weights = fitted(start, rows, 300, share)
    seen = replace(observation(after), initial=start)
    change = explain_change(seen)
    assert isinstance(change, Objective)
    middle = (start.parameters + after.parameters).times(0.5)
    anchors = {"middle": start.at(middle), "start": start}
    anchors["attack"] = min(
        anchors.values(), key=lambda anchor: analyse(replace(change, points=(anchor,))).unexplained
    )
    found = {}
    for name, anchor in anchors.items():
        objective, space = in_row_space(replace(change, points=(anchor,)))
        system = tensor_system(objective)
        tensor, analysis = system.solve()
        true = weights.T @ system.monomials.features(rows @ space.basis @ system.basis)
        problem = Problem(objective, Box(space.basis, seen.low, seen.high), lambda count: None)
        solution = TensorDecomposition().minimise(
            problem, Budget(1.0, Clock()), generator(), lambda step, loss: None
        )
        inputs = space.lift(solution.candidates.inputs[0])
        near = direction_errors(inputs, rows) < FOUND if len(inputs) else torch.zeros(1)
        found[name] = (analysis, float((tensor - true).norm() / true.norm()), int(near.sum()))
    first = start.weights[0]
    moved = float((after.weights[0] - first).norm() / first.norm())
    return Trained(order, units, size, mirrored, share, seed, moved, found)


def networks() -> Iterator[Trained]:
    """Of two orders, widths, sizes of the first layer, kinds of start, learning rates and seeds."""
    for settings in product((3, 4), (200, 600), (3.0, 8.0), (True, False), (0.3, 1.0), (4, 5)):
        yield trained(*settings)


def table(all_of_them: list[Trained]) -> str:
    """Everything, in Markdown."""
    lines = [
        "# Trained polynomial networks",
        "",
        f"12 samples for k = 3 and 8 for k = 4, {INPUTS} inputs, one output, 300 steps of gradient descent on the",
        "squared error, float64. In each cell, for gradients taken at the start / halfway: the residual, the error",
        "of the tensor that is stated and the true one, directions left open, samples found (within 0.1 of unit",
        "length).",
        "",
        "| k | units | size | mirrored | rate | seed | moved | residual | stated | true | open | found |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in all_of_them:
        both = [one.points[name] for name in ("start", "middle")]
        cells = [
            " / ".join(f"{analysis.residual:.1e}" for analysis, _, _ in both),
            " / ".join(f"{analysis.error:.1e}" for analysis, _, _ in both),
            " / ".join(f"{true:.1e}" for _, true, _ in both),
            " / ".join(str(analysis.undetermined) for analysis, _, _ in both),
            " / ".join(str(count) for _, _, count in both),
        ]
        given = [one.order, one.units, f"{one.size:g}", "yes" if one.mirrored else "no", one.share, one.seed]
        lines.append(f"| {' | '.join(map(str, given))} | {one.moved:.1e} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *summary(all_of_them)]) + "\n"


def summary(all_of_them: list[Trained]) -> Iterator[str]:
    """What it comes to."""
    ratios = [one.points["start"][0].residual / one.points["middle"][0].residual for one in all_of_them]
    yield (
        f"Residual at the start over that halfway: {min(ratios):.1f} to {max(ratios):.1f}, "
        f"median {median(ratios):.1f}, larger than 1 for {sum(ratio > 1 for ratio in ratios)} of "
        f"{len(ratios)} networks."
    )
    samples_in_all = sum(SAMPLES[one.order] for one in all_of_them)
    for name in ("start", "middle", "attack"):
        known = [one.points[name] for one in all_of_them if not one.points[name][0].undetermined]
        off = [true / analysis.error for analysis, true, _ in known]
        yield (
            f"\n{name}: determined {len(known)} of {len(ratios)}; {sum(count for *_, count in known)} of "
            f"{samples_in_all} samples found; true over stated error {min(off):.2g} to {max(off):.2g}, "
            f"median {median(off):.2g}, at most 1 for {sum(value <= 1 for value in off)}, at most 2 for "
            f"{sum(value <= 2 for value in off)}."
        )
    yield "\nTrained with weight decay until stationary (8 samples, 8 inputs, 200 units), `polynomial` says:\n"
    for order in (3, 4):
        for seed in (1, 2):
            rows, _ = samples(8, 8, order, seed=seed)
            yield f"- k = {order}, seed {seed}: {reason_against(Polynomial(), observation(decayed(rows, order)))}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    RESULTS.write_text(table(list(networks())))
