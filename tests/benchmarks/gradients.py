"""Attacks on an observed gradient, ours and the published ones, in equal wall-clock.

    python -m tests.benchmarks.gradients [--targets mnist-4 cifar-8] [--arms gradient dlg] [--seeds 0 1 2]

Every arm gets the same seconds and the same threads, one after the other. gradient_targets.py says what is
attacked, published_gradients.py how others do it. Writes results/gradients.json and .md; what is there of other
targets, seeds and arms stays.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, for all arms

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from audit.attacks import BATTERY, Attack, Method
from audit.battery import AttackResult
from audit.budget import Budget
from audit.errors import AuditError
from audit.scoring.calibration import calibrate
from audit.scoring.votes import Field
from tests.benchmarks.gradient_targets import RECIPES, GradientTarget, make
from tests.benchmarks.gradients_table import table
from tests.benchmarks.published_gradients import SOLVED, Run, Seen, dlg, geiping
from tests.benchmarks.run import FDR, RESULTS, THRESHOLD, machine
from tests.benchmarks.targets import DATA_DIR
from tests.planted import run_battery

THREADS = 2
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}
WORTHLESS = 1.0
"""Loss of a published run from which it explains nothing of the gradient; it is not pooled."""

APPLYING = tuple(
    attack for attack in BATTERY if attack.source == "gradient" and attack.method is not Method.TENSOR
)
"""No target has a polynomial activation."""
OURS: dict[str, tuple[Attack, ...]] = {attack.id: (attack,) for attack in APPLYING} | {"battery": APPLYING}


@dataclass(frozen=True, eq=False)
class Found:
    """What one arm returned."""

    pool: NDArray[np.float32]
    """(m, d), network units."""
    loss: float | None
    """Of its best run, as it counts; None where nothing ran."""
    solved: bool
    """Whether it says so itself."""
    note: str
    best: NDArray[np.float32] | None = None
    """(b, d), the published run of lowest loss alone."""
    runs: list[dict[str, Any]] = field(default_factory=list)


def ours(attacks: Sequence[Attack], target: GradientTarget, seconds: float, seed: int) -> Found:
    """Attack with this tool; what does not apply or fails leaves nothing but its reason."""
    outcomes = run_battery(target.seen, attacks, None, Budget(seconds, time.monotonic), seed)
    ran = [outcome for outcome in outcomes if isinstance(outcome, AttackResult)]
    notes = [
        f"{outcome.attack.id}: {outcome.note if isinstance(outcome, AttackResult) else outcome.reason}"
        for outcome in outcomes
    ]
    return Found(
        pool=np.concatenate([target.members[:0], *(result.reconstructions for result in ran)]),
        loss=min((result.relative_loss for result in ran), default=None),
        solved=any(result.solved for result in ran),
        note="; ".join(notes),
    )


def published(runs: Sequence[Run], target: GradientTarget) -> Found:
    """Pool the runs that came to something; the lowest loss is how their authors choose one."""
    useful = [run for run in runs if run.loss < WORTHLESS]
    best = min(useful, key=lambda run: run.loss, default=None)
    return Found(
        pool=np.concatenate([target.members[:0], *(run.images for run in useful)]),
        loss=None if best is None else best.loss,
        solved=best is not None and best.name != "geiping" and best.loss < SOLVED,
        note=f"{len(runs)} runs, {len(useful)} pooled",
        best=target.members[:0] if best is None else best.images,
        runs=[{"name": run.name, "loss": finite(run.loss), "evaluations": run.evaluations} for run in runs],
    )


def attack(arm: str, target: GradientTarget, seconds: float, seed: int) -> Found:
    """Run one arm."""
    if arm in OURS:
        return ours(OURS[arm], target, seconds, seed)
    assert target.seen.gradient is not None
    activate = ACTIVATIONS[target.recipe.activation]
    seen = Seen(target.layers, activate, list(target.seen.gradient.tensors), target.recipe.batch)
    if arm == "dlg":
        return published(dlg(seen, seconds=seconds, seed=seed), target)
    box, shape = target.format.box(), target.format.shape
    return published(geiping(seen, target.labels, shape, box, seconds=seconds, seed=seed), target)


ARMS = (*OURS, "dlg", "geiping")


def score(candidates: NDArray[np.float32], target: GradientTarget) -> dict[str, Any]:
    """Figures of one set of candidates, cut off at the box, against the batch and the controls."""
    low, high = target.format.box()
    inside = np.clip(candidates, low, high)
    field = Field.of(target.members, target.controls, target.format)
    belief = calibrate(field, [field.votes(inside)], THRESHOLD, FDR)
    ssim = belief.matching.members.similarity
    return {
        "recovered": belief.recovered_count,
        "confirmed": belief.confirmed_count,
        "mean_ssim": round(float(ssim.mean()), 5),
        "lowest_ssim": round(float(ssim.min()), 5),
        "largest_error": largest_error(inside, target),
        "candidates": len(candidates),
    }


def largest_error(candidates: NDArray[np.float32], target: GradientTarget) -> float | None:
    """Largest absolute error of any pixel, in pixels, each member having a candidate of its own; None with too few.

    Of all assignments it is that with the least sum of the members' largest errors.
    """
    if len(candidates) < len(target.members):
        return None
    pixels = [target.format.denormalise(rows).reshape(len(rows), -1) for rows in (target.members, candidates)]
    errors = cdist(*pixels, metric="chebyshev")
    return float(errors[linear_sum_assignment(errors)].max())


def measure(arm: str, target: GradientTarget, seconds: float, seed: int) -> dict[str, Any]:
    """Run and score one arm."""
    began = time.perf_counter()
    found = attack(arm, target, seconds, seed)
    elapsed = time.perf_counter() - began
    figures = {
        "target": target.name,
        "batch": target.recipe.batch,
        "seed": seed,
        "arm": arm,
        "seconds": round(elapsed, 2),
        **score(found.pool, target),
        "loss": finite(found.loss),
        "solved": found.solved,
        "note": found.note,
    }
    if found.best is not None:
        figures |= {"best_run": score(found.best, target), "runs": found.runs}
    return figures


def finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is not None and math.isfinite(value) else None


def warm_up(data_dir: Path) -> None:
    """Build the first optimisers of the process, which takes seconds that must not count as one arm's time."""
    target = make("mnist-1", data_dir, 0)
    for arm in ("gradient", "dlg", "geiping"):
        attack(arm, target, 0.5, 0)


def write(path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put rows in place of those of their target, seed and arm, and write the table beside them; all rows."""
    before = json.loads(path.read_text())["rows"] if path.exists() else []
    kept = {(row["target"], row["seed"], row["arm"]): row for row in [*before, *rows]}
    every = sorted(kept.values(), key=_place)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")  # broken off while it is written, the file would be lost
    part.write_text(json.dumps({"rows": every}, indent=1, allow_nan=False) + "\n")
    part.replace(path)
    path.with_suffix(".md").write_text(table(every))
    return every


def _place(row: dict[str, Any]) -> tuple[int, int, int]:
    return list(RECIPES).index(row["target"]), row["seed"], ARMS.index(row["arm"])


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.gradients", description=__doc__.split("\n")[0]
    )
    option: Callable[..., Any] = parser.add_argument
    option("--targets", nargs="+", choices=[*RECIPES], default=[*RECIPES], help="default: all")
    option("--arms", nargs="+", choices=ARMS, default=ARMS, help="default: all")
    option("--seconds", type=float, default=60.0, help="for every arm (default: %(default)g)")
    option("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of target and attack (default: 0 1 2)")
    option("--threads", type=int, default=THREADS, help="of torch (default: %(default)d)")
    option("--data-dir", type=Path, default=DATA_DIR, help="MNIST and CIFAR-10 files")
    option("--out", type=Path, default=RESULTS, help="folder of JSON and table (default: %(default)s)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure, write, print; returns the exit code."""
    options, console = parse(arguments), Console(highlight=False)
    torch.set_num_threads(options.threads)
    command = shlex.join(["python", "-m", "tests.benchmarks.gradients", *arguments])
    rows: list[dict[str, Any]] = []
    try:
        warm_up(options.data_dir)
        for name, seed in ((name, seed) for name in options.targets for seed in options.seeds):
            target = make(name, options.data_dir, seed)
            for arm in options.arms:
                row = measure(arm, target, options.seconds, seed)
                how = {"budget": options.seconds, "command": command, "machine": machine()}
                rows = write(options.out / "gradients.json", [{**row, **how}])
                said = ("seconds", "recovered", "confirmed", "lowest_ssim", "largest_error", "loss", "note")
                console.print(
                    name, seed, arm, *(f"{key} {row[key]}" for key in said), markup=False, soft_wrap=True
                )
    except AuditError as error:
        console.print(f"error: {error}", markup=False)
        return 2
    console.print(table(rows), markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
