"""How often an audit confirms members of a network that leaks none of them: at most 5 % of audits should.

    python -m tests.benchmarks.innocents [--audits 200] [--seconds 1]

Every audit has samples, a network and a split of its own: members that the network never saw, and controls.
Half of the networks are untrained. The others memorised 20 further samples of the same source, so that what is
reconstructed are true samples, of which none is a member. How many of those would be confirmed, given as members,
says whether these networks leak at all. Writes results/innocents.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from audit.attacks import BATTERY
from audit.battery import Outcome, prepare, reconstruct
from audit.budget import Budget
from audit.dataset.truth import Truth
from audit.model.preprocessing import Preprocessing
from audit.pipeline.demo import train
from audit.pipeline.run import observe
from audit.pipeline.scores import score
from audit.request.weights import load_model
from audit.scoring.intervals import clopper_pearson
from audit.verdict.facts import Facts
from tests.benchmarks.run import FDR, RESULTS, machine
from tests.silence import pictures

LEAKED, COUNT = 20, 180
MEMBERS = (4, 8, 20)
"""In turn; all others of the 160 that were not memorised are controls. Of 4 a single one can be confirmed."""
HIDDEN = 80


def _of_images(pixels: NDArray[np.uint8]) -> tuple[Preprocessing, NDArray[np.float32], float]:
    values = pixels.reshape(*pixels.shape[:3], -1).astype(np.float32) / 255
    count, high, across, channels = values.shape
    mean = values.transpose(0, 3, 1, 2).reshape(count, -1).mean(axis=0)
    return Preprocessing((channels, high, across), mean, np.ones_like(mean)), values, 0.4


def _of_rows(rows: NDArray[np.floating]) -> tuple[Preprocessing, NDArray[np.float32], float]:
    values = rows.astype(np.float32)
    spread = values.std(axis=0) + 1e-6
    return Preprocessing((values.shape[1],), values.mean(axis=0), spread), values, 0.5


SOURCES: dict[str, Callable[[int], tuple[Preprocessing, NDArray[np.float32], float]]] = {
    "shapes": lambda seed: _of_images(pictures.shapes(COUNT, seed)),
    "digits": lambda seed: _of_images(pictures.digits(COUNT, seed)[0]),
    "colours": lambda seed: _of_images(pictures.colours(COUNT, seed)),
    "people": lambda seed: _of_rows(pictures.people(COUNT, seed=seed)),
    "embeddings": lambda seed: _of_rows(pictures.embeddings(COUNT, seed)[0]),
}
"""By seed, the way to normalised inputs, samples in their own units, and a threshold that chance may reach."""


def attacked(
    inputs: NDArray[np.float32], form: Preprocessing, leaky: bool, seed: int, seconds: float
) -> list[Outcome]:
    """Make a network, which memorises the inputs if it is leaky, and attack it for so many seconds."""
    generator = torch.Generator().manual_seed(seed)
    if leaky:
        labels = torch.arange(len(inputs)) % 2
        tensors = train(torch.from_numpy(inputs), labels, hidden=HIDDEN, margin=50.0, seed=seed)
    else:
        size = inputs.shape[1]
        tensors = {
            "fc1.weight": torch.randn(HIDDEN, size, generator=generator) / size**0.5,
            "fc1.bias": torch.zeros(HIDDEN),
            "fc2.weight": torch.randn(1, HIDDEN, generator=generator) / HIDDEN**0.5,
        }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file(tensors, path, metadata={"activation": "relu"})
        seen = observe(load_model(path, None), None, form)
    return reconstruct(seen, prepare(seen, BATTERY), None, Budget(seconds, time.monotonic), seed)


def audit_one(source: str, leaky: bool, seed: int, seconds: float) -> dict[str, Any]:
    """Audit a network with members that it never saw, and again with those that it memorised."""
    form, values, threshold = SOURCES[source](seed)
    inputs = form.normalise(values)
    count = MEMBERS[seed % len(MEMBERS)]
    leaked, members, controls = np.split(inputs, [LEAKED, LEAKED + count])
    outcomes = attacked(leaked, form, leaky, seed, seconds)
    truth = Truth(members, controls, None, None, form)
    found = score(outcomes, truth, threshold, FDR, complete=False)
    facts = Facts(
        members=count,
        controls=len(controls),
        threshold=threshold,
        fdr=FDR,
        recovered=found.pooled.recovered_count,
        confirmed=found.pooled.confirmed_count,
        unresolved=found.pooled.at_floor,
        tests=found.pooled.tests,
        outlier_chance=found.pooled.outlier_chance,
        null_confirmed=None,
        attacks={},
    )
    own = score(outcomes, Truth(leaked, controls, None, None, form), threshold, FDR, complete=False).pooled
    return {
        "source": source,
        "leaky": leaky,
        "seed": seed,
        "members": count,
        "recovered": facts.recovered,
        "confirmed": facts.confirmed,
        "identified": int(found.pooled.identified.sum()),
        "controls_confirmed": found.pooled.controls_confirmed,
        "null_confirmed": found.negative.confirmed_count if found.negative else None,
        "stands_out": bool(facts.unresolved) and facts.unresolved_chance < FDR,
        "memorised_confirmed": own.confirmed_count if leaky else None,
    }


def summary(audits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Count the audits in which something was confirmed, identified, or stood out, though nothing leaked."""
    memorised = [one["memorised_confirmed"] for one in audits if one["leaky"]]
    wrong = sum(one["confirmed"] > 0 for one in audits)
    return {
        "audits": len(audits),
        "confirmed_in": wrong,
        "interval": [round(bound, 4) for bound in clopper_pearson(wrong, len(audits))],
        "confirmed_in_untrained": sum(one["confirmed"] > 0 for one in audits if not one["leaky"]),
        "identified_in": sum(one["identified"] > 0 for one in audits),
        "controls_confirmed_in": sum(one["controls_confirmed"] > 0 for one in audits),
        "null_confirmed_in": sum((one["null_confirmed"] or 0) > 0 for one in audits),
        "stands_out_in": sum(one["stands_out"] for one in audits),
        "memorised_confirmed": round(float(np.mean(memorised)), 2) if memorised else None,
    }


def main(arguments: Sequence[str]) -> int:
    """Measure, write, print; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.innocents", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--audits", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of every attacked network (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "innocents.json", help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    names, audits = list(SOURCES), []
    for seed in range(options.audits):
        source, leaky = names[seed % len(names)], seed // len(names) % 2 == 1
        audits.append(audit_one(source, leaky, seed, options.seconds))
        if (seed + 1) % 20 == 0:
            print(json.dumps(summary(audits)), flush=True)
    content = {
        "command": shlex.join(["python", "-m", "tests.benchmarks.innocents", *arguments]),
        "machine": machine(),
        "samples": {"members": MEMBERS, "memorised": LEAKED, "of": COUNT},
        "summary": summary(audits),
        "by_source": {name: summary([one for one in audits if one["source"] == name]) for name in names},
        "not_silent": [one for one in audits if one["confirmed"] or one["identified"] or one["stands_out"]],
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
