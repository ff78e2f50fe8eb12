"""What a step of the solver costs, against one plain double-backward of the same batch.

    python -m tests.benchmarks.steps [--targets faces,mnist] [--repeats 5]

The plain double-backward takes the loss of the whole equation and its gradient at the same sharpness, nothing else:
no optimiser, no box, no sampling. Both are timed in turn, and the median of the ratios counts. Writes
results/steps.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import torch

from audit.attacks import BATTERY, Attack, Observation
from audit.budget import Budget
from audit.solve.base import Problem
from audit.solve.constraints import Box
from audit.solve.descent import Descent, fit_scales
from tests.benchmarks.run import RESULTS, machine, seen_by_us
from tests.benchmarks.targets import RECIPES, prepare
from tests.planted import equation, in_row_space, reason_against

RESTARTS = 8
STEPS = 40


def costs(attack: Attack, observation: Observation, repeats: int) -> dict[str, Any]:
    """Milliseconds of a step and of a plain double-backward, and the median of their ratios."""
    solved = equation(attack, observation)
    objective, space = in_row_space(solved.objective)
    box = Box(space.basis, observation.low, observation.high)
    problem = Problem(objective, box, solved.label)
    classes = max(solved.classes, 1)
    plan = Descent(count=-(-2 * space.rank // classes) * classes, restarts=RESTARTS, steps=STEPS)
    pairs = []
    for _ in range(repeats + 1):
        # The first step carries what is done once.
        once, many = (_seconds_of_descent(replace(plan, steps=s), problem) for s in (1, 1 + STEPS))
        pairs.append(((many - once) / STEPS, _seconds_of_double_backward(plan, problem)))
    pairs = pairs[1:]  # the first warms up
    return {
        "attack": attack.id,
        "rank": space.rank,
        "candidates": RESTARTS * plan.count,
        "step_ms": round(1000 * statistics.median(step for step, _ in pairs), 2),
        "double_backward_ms": round(1000 * statistics.median(plain for _, plain in pairs), 2),
        "ratio": round(statistics.median(step / plain for step, plain in pairs), 2),
    }


def _seconds_of_descent(plan: Descent, problem: Problem) -> float:
    generator = torch.Generator().manual_seed(0)
    began = time.perf_counter()
    plan.minimise(problem, Budget(float("inf"), time.monotonic), generator, lambda step, loss: None)
    return time.perf_counter() - began


def _seconds_of_double_backward(plan: Descent, problem: Problem) -> float:
    generator = torch.Generator().manual_seed(0)
    objective = fit_scales(problem)
    start = replace(plan, steps=0).minimise(
        problem, Budget(float("inf"), time.monotonic), generator, lambda step, loss: None
    )
    inputs = start.candidates.inputs.clone().requires_grad_()
    weights = start.candidates.weights.clone().requires_grad_()
    candidates = replace(start.candidates, inputs=inputs, weights=weights)
    first, last = plan.sharpness
    began = time.perf_counter()
    for step in range(STEPS):
        sharpness = first * (last / first) ** min(1.0, 2 * step / STEPS)
        torch.autograd.grad(objective.relative_loss(candidates, sharpness).sum(), (inputs, weights))
    return (time.perf_counter() - began) / STEPS


def main(arguments: Sequence[str]) -> int:
    """Measure, write, print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--targets", default=",".join(RECIPES), help="comma list (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of timings (default: %(default)s)")
    options = parser.parse_args(arguments)
    found: dict[str, list[dict[str, Any]]] = {}
    for name in options.targets.split(","):
        observation = seen_by_us(prepare(name))
        fitting = [attack for attack in BATTERY if reason_against(attack, observation) is None]
        found[name] = [costs(attack, observation, options.repeats) for attack in fitting]
        for row in found[name]:
            sys.stdout.write(
                f"{name:14} {row['attack']:13} step {row['step_ms']:7.2f} ms, double-backward "
                f"{row['double_backward_ms']:7.2f} ms, ratio {row['ratio']:.2f}\n"
            )
    content = {"command": "python -m tests.benchmarks.steps", "machine": machine(), "targets": found}
    (RESULTS / "steps.json").write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
