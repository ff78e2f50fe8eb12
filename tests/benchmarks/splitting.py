"""Sample splitting against none, more candidates from the start, and random splits, in equal wall-clock.

    python -m tests.benchmarks.splitting [--targets faces,mnist] [--attacks kkt-margin] [--initial]

With --initial: none and splitting, from n/2, n, 2n and 4n candidates (n members); splitting ends with twice
as many. Writes results/splitting.json and .md, or splitting-initial; what is there of other targets and
attacks stays.
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from audit.attacks import BATTERY, Attack, Observation
from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.equation.objective import Objective
from audit.equation.row_space import RowSpace
from audit.scoring.calibration import calibrate
from audit.scoring.votes import Field
from audit.solve.base import Problem, Solver
from audit.solve.constraints import Box
from audit.solve.descent import Descent
from audit.solve.images import Rescalings, images
from audit.solve.restarts import pool
from audit.solve.splitting import SampleSplitting, SplitPlan
from tests.benchmarks.run import BEST, FDR, RESULTS, THRESHOLD, machine, seed_list, seen_by_us, target_names
from tests.benchmarks.splitting_table import INITIAL, NOTE, OURS, rows, summary
from tests.benchmarks.targets import CACHE, DATA_DIR, RECIPES, Target, prepare
from tests.planted import equation, in_row_space, reason_against

RESTARTS = 4


@dataclass(frozen=True, eq=False)
class Case:
    """One attack on one target, ready to be solved and scored."""

    problem: Problem
    space: RowSpace
    share: float
    """Of the squared norm of the equation's target, what lies in the row space."""
    classes: int
    both_signs: bool
    target: Target


def case_of(attack: Attack, seen: Observation, target: Target) -> Case:
    """Make the problem as the battery does."""
    solved = equation(attack, seen)
    whole = solved.objective
    objective, space = in_row_space(whole)
    problem = Problem(objective, Box(space.basis, seen.low, seen.high), solved.label)
    share = min(1.0, (objective.target_norm / whole.target_norm) ** 2)
    return Case(problem, space, share, solved.classes, seen.network.sign_symmetric, target)


def random_plan(
    objective: Objective, candidates: Candidates, sharpness: float, generator: torch.Generator
) -> SplitPlan:
    """Split every candidate into twins along a random direction."""
    inputs = candidates.inputs
    directions = torch.randn(inputs.shape, generator=generator).to(inputs)
    one = torch.ones_like(inputs[..., 0])
    halves = torch.stack([one, one]) / 2
    return SplitPlan(directions / directions.norm(dim=-1, keepdim=True), torch.stack([one, -one]), halves)


def arms(start: int) -> dict[str, Solver]:
    """From `start` candidates, or with twice as many at the end; their schedule lasts as long as the budget."""
    few = Descent(count=start, restarts=RESTARTS, steps=10**9)
    many = replace(few, count=2 * start)
    random = SampleSplitting(many, choose=random_plan)
    return {"none": few, "more": many, "random": random, OURS: SampleSplitting(many)}


def solvers(case: Case, *, initial: bool) -> dict[tuple[str, str], Solver]:
    """By (start, arm): from as many candidates as the tool starts from, or from multiples of n."""
    shares, members = max(case.classes, 1), len(case.target.members)
    counts = (
        {name: times * members for name, times in INITIAL.items()} if initial else {"rank": case.problem.rank}
    )
    return {
        (start, arm): solver
        for start, count in counts.items()
        for arm, solver in arms(math.ceil(count / shares) * shares).items()
        if arm in ("none", OURS) or not initial
    }


def measure(
    case: Case,
    chosen: dict[tuple[str, str], Solver],
    seeds: Sequence[int],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[dict[str, Any]]:
    """Figures of every solver and seed; the order rotates with the seed, so that drift hits all arms alike."""
    # The first optimiser and the first split of a process take long: that must not count as one arm's time.
    short = SampleSplitting(Descent(count=2 * max(case.classes, 1), restarts=RESTARTS, steps=10))
    short.minimise(case.problem, Budget(math.inf, clock), torch.Generator().manual_seed(0), lambda *_: None)
    keys, measurements = list(chosen), []
    for seed in seeds:
        turn = seed % len(keys)
        for start, arm in keys[turn:] + keys[:turn]:
            found = attacked(case, chosen[start, arm], seed, Budget(seconds, clock))
            measurements.append({"seed": seed, "start": start, "arm": arm, **found})
    return measurements


def attacked(case: Case, solver: Solver, seed: int, budget: Budget) -> dict[str, Any]:
    """What one solver finds in its time, against members and controls; nothing, if all restarts diverge."""
    began, generator = time.perf_counter(), torch.Generator().manual_seed(seed)
    solution = solver.minimise(case.problem, budget, generator, lambda *_: None)
    elapsed, target = time.perf_counter() - began, case.target
    found, loss = target.members[:0], None
    if math.isfinite(solution.relative_loss):
        kept, box = pool([solution]).candidates, case.problem.box  # without restarts that diverged
        found = images(kept, case.space, Rescalings(box), both_signs=case.both_signs).float().cpu().numpy()
        loss = 1 - case.share * (1 - solution.relative_loss)
    field = Field.of(target.members, target.controls, target.format)
    belief = calibrate(field, [field.votes(found)], THRESHOLD, FDR)
    ssim, split = np.sort(belief.matching.members.similarity), solution.splitting
    return {
        "confirmed": belief.confirmed_count,
        "recovered": belief.recovered_count,
        "mean_ssim": round(float(ssim.mean()), 5),
        "best_ssim": round(float(ssim[-BEST:].mean()), 5),
        "relative_loss": loss,
        "candidates": len(solution.candidates),
        "steps": solution.steps // solution.restarts,
        "seconds": round(elapsed, 2),
        **({"rounds": split.rounds.tolist(), "splits": split.splits.tolist()} if split else {}),
    }


def write(path: Path, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Put an entry in place of that of its target and attack, and write the table beside it; all entries."""
    before = json.loads(path.read_text())["results"] if path.exists() else []
    kept = {(old["target"], old["attack"]): old for old in [*before, entry]}
    results = [kept[name, attack.id] for name in RECIPES for attack in BATTERY if (name, attack.id) in kept]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")  # broken off while it is written, the file would be lost
    part.write_text(json.dumps({"results": results}, indent=1, allow_nan=False) + "\n")
    part.replace(path)
    head, *body = rows(results, "<br>")
    table = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]
    text = [NOTE, "", *table, "", *(f"- {line}" for line in summary(results))]
    path.with_suffix(".md").write_text("\n".join(text) + "\n")
    return results


def show(results: list[dict[str, Any]], console: Console) -> None:
    """Print the table and the summary."""
    head, *body = rows(results, "\n")
    grid = Table(*head, caption=NOTE, show_lines=True)
    for row in body:
        grid.add_row(*row)
    console.print(grid, *summary(results), sep="\n")


def main(arguments: Sequence[str]) -> int:
    """Measure, write, print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    option, every = parser.add_argument, [attack.id for attack in BATTERY]
    option(
        "--targets", type=target_names, default=",".join(RECIPES), help="comma list (default: %(default)s)"
    )
    option("--attacks", default=",".join(every), help="comma list (default: %(default)s)")
    option("--seconds", type=float, default=12.0, help="for every run (default: %(default)g)")
    option("--seeds", type=seed_list, default="0,1,2,3,4", help="of the attacks (default: %(default)s)")
    option("--initial", action="store_true", help="compare initial numbers of candidates instead")
    option("--data-dir", type=Path, default=DATA_DIR, help="MNIST and CIFAR-10 files")
    option("--cache", type=Path, default=CACHE, help="trained targets (default: %(default)s)")
    option("--out", type=Path, default=RESULTS, help="folder of JSON and table (default: %(default)s)")
    options = parser.parse_args(arguments)
    if unknown := set(options.attacks.split(",")) - set(every):
        parser.error(f"unknown attacks {', '.join(unknown)}; there are {', '.join(every)}")
    console = Console(width=None if sys.stdout.isatty() else 170, highlight=False)
    path = options.out / ("splitting-initial.json" if options.initial else "splitting.json")
    # Goes with every entry: those of one file may be from different runs.
    how = {
        "command": shlex.join(["python", "-m", "tests.benchmarks.splitting", *arguments]),
        "settings": {"seconds": options.seconds, "seeds": options.seeds, "restarts": RESTARTS}
        | {"threshold": THRESHOLD, "fdr": FDR},
    }
    results: list[dict[str, Any]] = []
    for name in options.targets:
        target = prepare(name, data_dir=options.data_dir, cache=options.cache)
        seen = seen_by_us(target)
        for attack in BATTERY:
            if attack.id in options.attacks.split(",") and reason_against(attack, seen) is None:
                console.print(f"{name}, {attack.id}")
                case = case_of(attack, seen, target)
                entry = {
                    "target": name,
                    "attack": attack.id,
                    "n": len(target.members),
                    "rank": case.problem.rank,
                }
                chosen = solvers(case, initial=options.initial)
                measurements = measure(case, chosen, options.seeds, options.seconds)
                results = write(path, {**entry, **how, "machine": machine(), "measurements": measurements})
    show(results, console)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
