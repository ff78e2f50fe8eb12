"""What the weights hold of every member, as seen by someone who knows the members: exposure and rank ceiling.

    python -m tests.benchmarks.knowing [--targets faces,mnist] [--seconds 60] [--attack-seconds 10]

For every target and attack on weights: the stationarity residual at the members, the membership test by exposure
against the controls, and how many members the row space lets anybody recover. The attacks then run for
`--attack-seconds` a target, and what they reach is held against the ceiling. Writes results/knowing.json and
results/knowing.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import numpy as np
import torch
from numpy.typing import NDArray

from audit.attacks import BATTERY, Attack, Observation
from audit.battery import AttackResult, reconstruct
from audit.battery import prepare as prepare_equations
from audit.budget import Budget
from audit.diagnostics import stationarity as fits
from audit.diagnostics.attainable import TOLERANCE, attainable_ssim, local_ssim
from audit.diagnostics.contribution import OUTSIDE, auc, measure_contributions, weighted
from audit.diagnostics.stationarity import stationarity
from audit.equation.gradient_map import GradientMap
from audit.equation.row_space import bulk_edge, row_space
from audit.model.network import Network
from audit.model.parameters import Parameters
from tests.benchmarks.run import RESULTS, THRESHOLD, machine, seen_by_us, target_names
from tests.benchmarks.targets import DATA_DIR, RECIPES, Target, prepare
from tests.planted import equation, reason_against


def budget(seconds: float) -> Budget:
    return Budget(seconds, time.monotonic)


def known(attack: Attack, observation: Observation, target: Target, seconds: float) -> dict[str, Any]:
    """Exposure and ceiling for the equation of one attack."""
    solved = equation(attack, observation)
    objective = solved.objective
    members, controls = torch.from_numpy(target.members), torch.from_numpy(target.controls)
    labels = torch.from_numpy(target.labels) if solved.classes else None
    generator = torch.Generator().manual_seed(0)
    began = time.perf_counter()
    space = row_space(objective.target.weights[0], "weights")
    found = measure_contributions(
        objective, space, members, labels, controls, None, generator, budget(seconds)
    )
    exposed = time.perf_counter()
    most = attainable_ssim(space, target.members, target.format, budget(seconds))
    done = time.perf_counter()
    assert found is not None
    assert found.membership is not None
    test = found.membership
    return {
        "attack": attack.id,
        "unknowns": found.fit.unknowns,
        "steps": found.fit.steps,
        "residual": round(found.fit.residual, 4),
        "auc": round(test.auc, 4),
        "auc_interval": [round(bound, 4) for bound in test.interval],
        "true_positives_at_1_percent": None if test.true_positives is None else round(test.true_positives, 4),
        "exposure_seconds": round(exposed - began, 2),
        "rank": space.rank,
        "effective_rank": round(space.effective_rank, 1),
        "edge": space.edge,
        "bulk_edge": bulk_edge(space.singular_values, *objective.target.weights[0].shape),
        "members": len(target.members),
        "reachable": most.reachable(THRESHOLD),
        "reachable_by_projection": int((most.projection >= THRESHOLD).sum()),
        "ceiling_mean": round(float(most.ssim.mean()), 4),
        "ceiling_least": round(float(most.ssim.min()), 4),
        "ceiling_complete": most.complete,
        "ceiling_seconds": round(done - exposed, 2),
        "notes": list(found.notes),
    }


def reached(result: AttackResult, target: Target) -> NDArray[np.float64]:
    """Largest SSIM of any reconstruction with every member, (n,): all pairs, chance matches included."""

    def pixels(inputs: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(target.format.denormalise(inputs)).permute(0, 3, 1, 2)

    found = pixels(result.reconstructions)
    return np.array([float(local_ssim(one.expand_as(found), found).max()) for one in pixels(target.members)])


def against_attacks(observation: Observation, target: Target, seconds: float) -> dict[str, dict[str, float]]:
    """By how much attacks stayed under the ceiling of their own row space; negative where they came above it."""
    prepared = prepare_equations(observation, BATTERY)
    rooms = {}
    for result in reconstruct(observation, prepared, None, budget(seconds), 0):
        if isinstance(result, AttackResult):
            got = reached(result, target)
            room = (
                attainable_ssim(
                    prepared[result.attack].space, target.members, target.format, budget(1e6)
                ).ssim
                - got
            )
            rooms[result.attack.id] = {
                "least_room": round(float(room.min()), 4),
                "reached": int((got >= THRESHOLD).sum()),
            }
    return rooms


def measure(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    target = prepare(name, data_dir=options.data_dir)
    observation = seen_by_us(target)
    fitting = [attack for attack in BATTERY if reason_against(attack, observation) is None]
    rooms = against_attacks(observation, target, options.attack_seconds) if options.attack_seconds else {}
    return [
        {**known(attack, observation, target, options.seconds), **rooms.get(attack.id, {})}
        for attack in fitting
    ]


def untrained(seed: int) -> Observation:
    """784-500-10, as PyTorch initialises it."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, inputs: int) -> torch.Tensor:
        return (2 * torch.rand(*shape, generator=generator) - 1) / inputs**0.5

    weights = (uniform(500, 784, inputs=784), uniform(10, 500, inputs=500))
    biases = (uniform(500, inputs=784), uniform(10, inputs=500))
    return Observation(
        Network(Parameters(weights, biases), "relu", (1.0,)), None, torch.zeros(784), torch.ones(784)
    )


def without_training(data_dir: Path, seconds: float, seeds: int = 5) -> dict[str, list[float]]:
    """AUC of networks that have seen nothing, by attack."""
    target = prepare("mnist10", data_dir=data_dir)
    found: dict[str, list[float]] = {"kkt-margin": [], "kkt-loss": []}
    for attack in BATTERY[:2]:
        for seed in range(seeds):
            objective = equation(attack, untrained(seed)).objective
            members, controls = torch.from_numpy(target.members), torch.from_numpy(target.controls)
            labels = torch.from_numpy(target.labels) if attack.id == "kkt-margin" else None
            generator = torch.Generator().manual_seed(seed)
            space = row_space(objective.target.weights[0], "weights")
            test = measure_contributions(
                objective, space, members, labels, controls, None, generator, budget(seconds)
            )
            assert test is not None
            assert test.membership is not None
            found[attack.id].append(round(test.membership.auc, 4))
    return found


def accuracy(name: str, data_dir: Path) -> dict[str, Any]:
    """What fits step by step come to after so many steps, and the exact one (null): 5,000 unknowns of kkt-loss."""
    target = prepare(name, data_dir=data_dir)
    objective = equation(BATTERY[1], seen_by_us(target)).objective
    both = torch.from_numpy(np.concatenate([target.members, target.controls]))
    common_equation = weighted(objective, row_space(objective.target.weights[0], "weights"), both)
    count, most, figures = len(target.members), (fits.STEPS, fits.MOST_NON_NEGATIVE), []
    for steps in (None, 20, 40, 80, 200):
        if steps is not None:
            fits.STEPS, fits.MOST_NON_NEGATIVE = steps, 0
        found = []
        for fitted, inputs, factors in ((objective, both[:count], None), common_equation):
            began = time.perf_counter()
            part = None if steps is None else budget(600.0)
            fit = stationarity(fitted, inputs, None, part, factors)
            assert fit is not None
            found.append((fit, round(time.perf_counter() - began, 1)))
        (alone, _), (common, seconds) = found
        lengths = common.lengths
        figures.append(
            {
                "steps": steps,
                "residual_of_members": round(alone.residual, 5),
                "residual_of_all": round(common.residual, 5),
                "auc": round(float(auc(lengths[:count], lengths[count:])), 4),
                "seconds_of_all": seconds,
            }
        )
    fits.STEPS, fits.MOST_NON_NEGATIVE = most
    return {"target": name, "fits": figures}


def scale(members: int = 10_000, seconds: float = 240.0) -> dict[str, Any]:
    """Time and memory of an exposure audit of a random network with 5 million parameters and 10 outputs.

    The target is a random sum of the gradients of random members, and noise of a tenth of its length.
    """
    generator = torch.Generator().manual_seed(0)
    widths = (784, 2000, 1700, 10)
    shapes = list(zip(widths[1:], widths, strict=False))
    weights = tuple(torch.randn(*shape, generator=generator) / shape[1] ** 0.5 for shape in shapes)
    biases = tuple(torch.zeros(rows) for rows, _ in shapes)
    network = Network(Parameters(weights, biases), "relu", (1.0, 1.0))
    objective = equation(BATTERY[1], Observation(network, None, torch.zeros(784), torch.ones(784))).objective
    inputs = torch.rand(members + members // 10, 784, generator=generator)
    exact = GradientMap.of(objective, inputs[:members], None)
    parts = exact.combine(torch.randn(members, 10, generator=generator, dtype=torch.float64))
    noise = 0.1 * (sum(float(part.square().sum()) for part in parts) / objective.size) ** 0.5
    target = [part.float() + noise * torch.randn(part.shape, generator=generator) for part in parts]
    objective = replace(objective, target=tuple(target))
    del exact, parts, target
    began, began_working = time.perf_counter(), time.process_time()
    space = row_space(objective.target.weights[0], "weights")
    found = measure_contributions(
        objective, space, inputs[:members], None, inputs[members:], None, generator, budget(seconds)
    )
    taken, working = time.perf_counter() - began, time.process_time() - began_working
    assert found is not None
    assert found.membership is not None
    return {
        "members": members,
        "controls": members // 10,
        "parameters": objective.size,
        "unknowns": found.fit.unknowns,
        "budget": seconds,
        "seconds": round(taken, 1),
        "processor_seconds": round(working, 1),
        "threads": torch.get_num_threads(),
        "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "steps": found.fit.steps,
        "residual": round(found.fit.residual, 4),
        "auc": round(found.membership.auc, 4),
    }


def main(arguments: Sequence[str]) -> int:
    """Measure, write, print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    every = ",".join(RECIPES)
    parser.add_argument(
        "--targets", type=target_names, default=every, help="comma list (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="for each measurement (default: %(default)g)"
    )
    parser.add_argument(
        "--attack-seconds", type=float, default=10.0, help="for attacks; 0 for none (default: %(default)g)"
    )
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR, help="MNIST and CIFAR-10 files")
    parser.add_argument(
        "--scale", action="store_true", help="only time 10,000 members x 5 million parameters"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.scale:
        sys.stdout.write(json.dumps(scale()) + "\n")
        return 0
    found: dict[str, list[dict[str, Any]]] = {}
    for name in options.targets:
        found[name] = measure(name, options)
        sys.stdout.write("".join(row(name, figures) + "\n" for figures in found[name]))
        sys.stdout.flush()
    content = {
        "command": " ".join(["python -m tests.benchmarks.knowing", *arguments]),
        "machine": machine(),
        "threshold": THRESHOLD,
        "tolerance": TOLERANCE,
        "outside": OUTSIDE,
        "untrained": without_training(options.data_dir, options.seconds),
        "accuracy": [accuracy(name, options.data_dir) for name in ("mnist10", "mnist10-adam")],
        "targets": found,
    }
    (RESULTS / "knowing.json").write_text(json.dumps(content, indent=2) + "\n")
    (RESULTS / "knowing.md").write_text(markdown(content))
    return 0


HEADER = (
    "| target | attack | residual | AUC (95 %) | true positives at 1 % | seconds | rank | reachable | by "
    "projection | least ceiling | reached | least room | seconds |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def row(name: str, figures: dict[str, Any]) -> str:
    low, high = figures["auc_interval"]
    share = figures["true_positives_at_1_percent"]
    cells = [
        name,
        figures["attack"],
        f"{figures['residual']:.3f}",
        f"{figures['auc']:.3f} ({low:.2f}-{high:.2f})",
        "-" if share is None else f"{share:.2f}",
        f"{figures['exposure_seconds']:.1f}",
        str(figures["rank"]),
        f"{figures['reachable']} of {figures['members']}",
        str(figures["reachable_by_projection"]),
        f"{figures['ceiling_least']:.2f}",
        str(figures.get("reached", "-")),
        f"{figures['least_room']:.3f}" if "least_room" in figures else "-",
        f"{figures['ceiling_seconds']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def markdown(content: dict[str, Any]) -> str:
    """Show the figures as a table, and say what they are."""
    rows = [row(name, figures) for name, many in content["targets"].items() for figures in many]
    steps = [
        f"| {one['target']} | {fit['steps'] or 'exact'} | {fit['residual_of_members']:.4f} "
        f"| {fit['residual_of_all']:.4f} | {fit['auc']:.3f} | {fit['seconds_of_all']} |"
        for one in content["accuracy"]
        for fit in one["fits"]
    ]
    blank = "; ".join(
        f"{attack} {', '.join(f'{value:.3f}' for value in values)} (mean {np.mean(values):.3f})"
        for attack, values in content["untrained"].items()
    )
    return f"""# Exposure and rank ceiling of the benchmark targets

`{content["command"]}`, one seed, {content["machine"]["threads"]} thread, on a machine busy with other work.
Residual: at the members, not weighted. AUC: members against controls, fitted together with what lies outside
the row space weighted {content["outside"]:g} times; labels of controls predicted. Reachable: members whose
ceiling, plus {content["tolerance"]}, is at least {content["threshold"]}; beside it, how many projections are.
Reached: members with any reconstruction at that SSIM, chance matches included, after a short attack on all
equations; least room: how far the best reconstruction of any member stayed below its ceiling.

{HEADER}
{chr(10).join(rows)}

Step by step against the exact fit, 5,000 unknowns of kkt-loss:

| target | steps | residual of members | residual of members and controls, weighted | AUC | seconds |
|---|--:|--:|--:|--:|--:|
{chr(10).join(steps)}

Untrained networks (784-500-10, five seeds, the images of mnist10), AUC: {blank}.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
