"""What scoring costs: 10,000 members, 10,000 controls and 20,000 candidates of 784 pixels.

    /usr/bin/time -v python -m tests.benchmarks.scoring_cost [--members N] [--controls N] [--candidates N]

The goal is three minutes and 4 GB on two cores.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audit.model.preprocessing import Preprocessing
from audit.scoring.calibration import calibrate
from audit.scoring.votes import Field
from tests.benchmarks.run import FDR, THRESHOLD
from tests.benchmarks.targets import DATA_DIR, RECIPES, split


def draw(digits: NDArray[np.float32], count: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Digits with a little noise, so that no two are equal."""
    chosen = digits[generator.integers(len(digits), size=count)]
    return np.asarray((chosen + generator.normal(0, 0.05, chosen.shape) - 0.13) / 0.31, dtype=np.float32)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scoring_cost")
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--controls", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR)
    options = parser.parse_args(arguments)
    generator, drawn = np.random.default_rng(0), split(RECIPES["mnist"], options.data_dir, 0)
    digits = np.concatenate([drawn.members, drawn.controls]).reshape(-1, 784).astype(np.float32) / 255
    members, controls, candidates = (
        draw(digits, count, generator) for count in (options.members, options.controls, options.candidates)
    )
    form = Preprocessing((1, 28, 28), np.full(784, 0.13, np.float32), np.full(784, 0.31, np.float32))
    began, spent = time.perf_counter(), time.process_time()
    field = Field.of(members, controls, form)
    found = calibrate(field, [field.votes(candidates)], THRESHOLD, FDR)
    figures = {
        "confirmed": found.confirmed_count,
        "seconds": round(time.perf_counter() - began, 1),
        "processor_seconds": round(time.process_time() - spent, 1),
        "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
