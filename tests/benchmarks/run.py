"""The benchmark: model-audit and the published attack, in turn, on the same networks.

    python -m tests.benchmarks.run [--targets faces,mnist] [--seconds 60] [--published-seconds 120] [--seeds 0]

Every target is trained (or taken from the cache), attacked by this tool for `--seconds` and by the published
attack for `--published-seconds`, and both sets of candidates are scored by the same calibration. README.md
beside this file says what the figures mean. One JSON per target goes to `--out`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, for both attacks

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import audit
from audit.attacks import BATTERY, Equation, Observation
from audit.battery import AttackFailed, AttackResult, reconstruct
from audit.battery import prepare as prepare_equations
from audit.budget import Budget
from audit.diagnostics.stationarity import stationarity
from audit.errors import AuditError
from audit.pipeline.run import observe
from audit.request.weights import load_initial, load_model
from audit.scoring.calibration import calibrate
from audit.scoring.votes import Field
from audit.solve.constraints import Box
from audit.solve.images import choose_rescalings
from tests.benchmarks.published import attack_for
from tests.benchmarks.targets import CACHE, DATA_DIR, RECIPES, Target, prepare

THRESHOLD = 0.4
"""SSIM from which a match counts as recovered: the papers' value."""
FDR = 0.05
BEST = 10
"""Matches whose SSIM is averaged."""
RESULTS = Path(__file__).resolve().parent / "results"

UNSEEN = "faces"
"""The target whose controls are also put forward as members the network never saw."""


@dataclass(frozen=True, eq=False)
class Found:
    """What one attack returned."""

    candidates: list[NDArray[np.float32]]
    """(m, d) of each of its runs, network units."""
    null: NDArray[np.float32]
    """(M0, d), network units: what it would return had it never looked at the weights."""
    seconds: float
    """Wall-clock it really took."""
    log: list[dict[str, Any]]
    """What it says about each run."""


def seen_by_us(target: Target) -> Observation:
    """Checkpoint, input format, and the weights before training where the attacker has them."""
    model = load_model(target.checkpoint, None)
    initial = None if target.initial is None else load_initial(target.initial, *model)
    return observe(model, initial, target.format)


def ours(target: Target, seconds: float, seed: int) -> Found:
    """Attack with this tool, as `model-audit scan` does; it sees the checkpoint and the input format only."""
    began = time.perf_counter()
    seen, budget = seen_by_us(target), Budget(seconds, time.monotonic)
    prepared = prepare_equations(seen, BATTERY)
    outcomes = reconstruct(seen, prepared, None, budget, seed)
    elapsed = time.perf_counter() - began
    for outcome in outcomes:
        if isinstance(outcome, AttackFailed):
            raise RuntimeError(f"{outcome.attack.id} failed on {target.name}: {outcome.reason}")
    ran = [outcome for outcome in outcomes if isinstance(outcome, AttackResult)]
    log = [
        {
            "attack": result.attack.id,
            "seconds": round(result.seconds, 2),
            "rank": found.space.rank,
            "restarts": result.restarts,
            "steps": result.steps,
            "relative_loss": result.relative_loss,
            "relative_loss_at_the_truth": at_the_truth(found, target),
        }
        for result in ran
        if isinstance(found := prepared[result.attack], Equation)
    ]
    candidates = [result.reconstructions for result in ran]
    return Found(candidates, np.concatenate([result.null for result in ran]), elapsed, log)


def at_the_truth(equation: Equation, target: Target) -> float | None:
    """Relative loss that the members themselves reach in an attack's equation; looked at afterwards only."""
    labels = torch.from_numpy(target.labels) if equation.labels else None
    found = stationarity(equation.objective, torch.from_numpy(target.members), labels)
    return None if found is None else found.residual


def published(target: Target, seconds: float, seed: int) -> Found:
    """Attack as published; unlike ours it is told the number of members."""
    began = time.perf_counter()
    attacked = attack_for(target)(seconds=seconds, seed=seed)
    elapsed = time.perf_counter() - began
    log = [asdict(run) for run in attacked.runs]
    return Found(attacked.candidates, attacked.start, elapsed, log)


def row_space(found: Found, target: Target) -> NDArray[np.float32] | None:
    """As many random vectors in the row spaces of our attacks as they have candidates; None for other attacks."""
    ids = [entry.get("attack") for entry in found.log]
    if None in ids:
        return None
    seen, generator = seen_by_us(target), torch.Generator().manual_seed(0)
    equations = {attack.id: one for attack, one in prepare_equations(seen, BATTERY).items()}
    parts = [np.zeros((0, target.members.shape[1]), np.float32)]
    for name, candidates in zip(ids, found.candidates, strict=True):
        equation = equations[name]
        assert isinstance(equation, Equation)
        space = equation.space
        rescale = choose_rescalings(
            Box(space.basis, seen.low, seen.high), space, own_scale=False, shape=seen.shape
        )
        count = len(candidates) // len(rescale(seen.low[None]))
        parts.append(rescale(space.lift(torch.randn(count, space.rank, generator=generator))).numpy())
    return np.concatenate(parts)


def score(found: Found, target: Target) -> dict[str, Any]:
    """Count what was found, against members, against controls, and against chance."""
    members, controls = target.members, target.controls
    field = Field.of(members, controls, target.format)
    votes = [field.votes(candidates) for candidates in found.candidates or [members[:0]]]
    belief = calibrate(field, votes, THRESHOLD, FDR)
    null = calibrate(field, [field.votes(found.null)], THRESHOLD, FDR)
    runs = []
    for entry, candidates in zip(found.log, votes, strict=False):
        alone = calibrate(field, [candidates], THRESHOLD, FDR)
        runs.append({**entry, "recovered": alone.recovered_count, "confirmed": alone.confirmed_count})
    figures: dict[str, Any] = {
        "confirmed": belief.confirmed_count,
        "confirmed_interval": [round(bound, 4) for bound in belief.confirmed_interval],
        "recovered": belief.recovered_count,
        "expected_false": belief.expected_false,
        "control_matches": belief.control_matches,
        "best_ssim": round(float(np.sort(belief.matching.members.similarity)[-BEST:].mean()), 4),
        "best_run_confirmed": max((run["confirmed"] for run in runs), default=0),
        "candidates": sum(len(part.values) for part in votes),
        "null_confirmed": null.confirmed_count,
        "by_threshold": dict(belief.by_threshold),
        "identified": int(belief.identified.sum()),
        "seconds": round(found.seconds, 2),
    }
    inside = row_space(found, target)
    if inside is not None:
        baseline = calibrate(field, [field.votes(inside)], THRESHOLD, FDR)
        figures["row_space_confirmed"] = dict(baseline.by_threshold)
    if target.name == UNSEEN:
        half = len(controls) // 2
        strangers = Field.of(controls[:half], controls[half:], target.format)
        unseen = [strangers.votes(part.values) for part in votes]
        figures["unseen_confirmed"] = calibrate(strangers, unseen, THRESHOLD, FDR).confirmed_count
    return {**figures, "runs": runs}


def ratio(ours_scored: dict[str, Any], published_scored: dict[str, Any]) -> float | None:
    """Confirmed by our pool over what the published attack confirms; None when that is nothing.

    Its pool or its best run, whichever confirms more: runs that found nothing make a pool harder to confirm,
    and its authors choose a run by its count.
    """
    other = max(published_scored["confirmed"], published_scored["best_run_confirmed"])
    return round(ours_scored["confirmed"] / other, 2) if other else None


def kept(path: Path | None, attack: Callable[[], Found]) -> Found:
    """Attack and keep what was found in a file, or take it from there, so that it can be scored again."""
    if path is None:
        return attack()
    if path.exists():
        with np.load(path) as file:
            log = json.loads(str(file["log"]))
            candidates = [file[f"candidates_{run}"] for run in range(len(log))]
            return Found(candidates, file["null"], float(file["seconds"]), log)
    found = attack()
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = {f"candidates_{run}": values for run, values in enumerate(found.candidates)}
    log = np.array(json.dumps(found.log))
    np.savez(path, null=found.null, seconds=np.array(found.seconds), log=log, **runs)
    return found


def measure(
    target: Target, seed: int, seconds: float, published_seconds: float | None, pools: Path | None = None
) -> dict[str, Any]:
    """Run both attacks on one target; only ours when the other is given no time."""

    def pool(attack: str, limit: float) -> Path | None:
        return None if pools is None else pools / f"{target.name}-{seed}-{attack}-{limit:g}s.npz"

    figures: dict[str, Any] = {"seed": seed, "training": target.training}
    found = kept(pool("ours", seconds), lambda: ours(target, seconds, seed))
    figures["ours"] = {"budget": seconds, **score(found, target)}
    if published_seconds is not None:
        limit = published_seconds
        found = kept(pool("published", limit), lambda: published(target, limit, seed))
        figures["published"] = {"budget": published_seconds, **score(found, target)}
        figures["confirmed_ratio"] = ratio(figures["ours"], figures["published"])
    return figures


def machine() -> dict[str, Any]:
    """Where and with what the figures were measured."""
    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "model_audit": audit.__version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(results: dict[str, list[dict[str, Any]]]) -> Table:
    """All figures as a table for people."""
    grid = Table(title=f"recovered: SSIM >= {THRESHOLD}; confirmed: also more than chance, FDR {FDR}")
    columns = (
        "confirmed",
        "best run",
        "recovered",
        f"SSIM of {BEST} best",
        "candidates",
        "null",
        "never saw",
        "seconds",
    )
    grid.add_column("target (seed)")
    grid.add_column("attack")
    for column in columns:
        grid.add_column(column, justify="right")
    grid.add_column("ratio", justify="right")
    for name, repeats in results.items():
        for figures in repeats:
            for attack in ("ours", "published"):
                if attack in figures:
                    grid.add_row(*_row(name, attack, figures))
            grid.add_section()
    return grid


def _row(name: str, attack: str, figures: dict[str, Any]) -> list[str]:
    found, members, both = figures[attack], RECIPES[name].members, "published" in figures
    times = figures.get("confirmed_ratio")
    return [
        f"{name} ({figures['seed']})",
        attack,
        f"{found['confirmed']} of {members}",
        str(found["best_run_confirmed"]),
        str(found["recovered"]),
        f"{found['best_ssim']:.2f}",
        str(found["candidates"]),
        str(found["null_confirmed"]),
        str(found.get("unseen_confirmed", "")),
        f"{found['seconds']:.0f}",
        ("-" if times is None else f"{times:.2f}") if both and attack == "ours" else "",
    ]


def write(out: Path, name: str, repeats: list[dict[str, Any]], command: str) -> Path:
    """Write one target's figures as JSON."""
    recipe = {key: None if value == math.inf else value for key, value in asdict(RECIPES[name]).items()}
    content = {
        "target": name,
        "recipe": recipe,
        "scoring": {"threshold": THRESHOLD, "fdr": FDR, "best": BEST},
        "command": command,
        "machine": machine(),
        "repeats": repeats,
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.run", description=__doc__.split("\n")[0]
    )
    every = ",".join(RECIPES)
    parser.add_argument(
        "--targets", type=target_names, default=every, help="comma list (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="for this tool (default: %(default)g)")
    parser.add_argument(
        "--published-seconds",
        type=float,
        default=120.0,
        help="for the published attack (default: %(default)g)",
    )
    parser.add_argument(
        "--seeds",
        type=seed_list,
        default="0",
        help="of target and attacks, comma list (default: %(default)s)",
    )
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR, help="MNIST and CIFAR-10 files")
    parser.add_argument("--cache", type=Path, default=CACHE, help="trained targets (default: %(default)s)")
    parser.add_argument(
        "--pools", type=Path, help="keep candidates there, and score again those that are there already"
    )
    parser.add_argument(
        "--out", type=Path, help="folder of the JSON files (default: results/ beside this file)"
    )
    parser.add_argument(
        "--ours-only", action="store_true", help="skip the published attack; write only if --out is given"
    )
    return parser.parse_args(arguments)


def target_names(text: str) -> list[str]:
    """Read a comma list of targets."""
    names = text.split(",")
    for name in names:
        if name not in RECIPES:
            raise argparse.ArgumentTypeError(f"unknown target {name!r}; there are {', '.join(RECIPES)}")
    return names


def seed_list(text: str) -> list[int]:
    """Read a comma list of seeds."""
    if not all(word.isdecimal() for word in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is not a comma list of whole numbers")
    return [int(word) for word in text.split(",")]


def main(arguments: Sequence[str]) -> int:
    """Measure, write, print; returns the exit code."""
    options = parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    command = shlex.join(["python", "-m", "tests.benchmarks.run", *arguments])
    out = options.out if options.out or options.ours_only else RESULTS
    limit = None if options.ours_only else options.published_seconds
    results: dict[str, list[dict[str, Any]]] = {}
    try:
        for name in options.targets:
            results[name] = []
            for seed in options.seeds:
                console.print(f"{name}, seed {seed}: training, or taking it from {options.cache}")
                target = prepare(name, data_dir=options.data_dir, cache=options.cache, seed=seed)
                console.print(f"{name}, seed {seed}: attacking {target.checkpoint}")
                results[name].append(measure(target, seed, options.seconds, limit, options.pools))
            if out:
                console.print(f"{name}: written to {write(out, name, results[name], command)}")
    except AuditError as error:
        console.print(f"error: {error}", markup=False)
        return 2
    console.print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
