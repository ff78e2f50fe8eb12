"""Records what the commands compute, so that a change which should alter no number can show that it did not.

    python -m tests.recording record FOLDER      # the demo, a gradient, a table, and an inspection
    python -m tests.recording compare OLD NEW    # prints what differs; exit status 1 if anything does

The clock counts gradient evaluations instead of seconds, so that results depend on neither the machine's speed nor
its load. They still depend on the versions of Python and torch: record both folders on one machine.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SECONDS_PER_GRADIENT = 0.05
SECONDS_PER_LOOK = 1e-7
"""So that whatever waits for the clock without computing gradients comes to an end."""
RENAMED = {
    "exposure": "contribution",
    "exposure_rank": "contribution_rank",
    "ceiling": "attainable",
    "of": "members",
}
"""Fields of an inspection of version 0.1, and what they are called since; those of reports are upgraded."""
INCIDENTAL = {"command", "seconds", "started", "checkpoint", "source", "version", "schema_version", "values"}
"""What depends on the run, and what version 1 did not have."""


class CountedClock:
    """Advances with every gradient that torch computes."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        self.now = 0.0
        compute = torch.autograd.grad

        def counted(*args: Any, **options: Any) -> Any:
            self.now += SECONDS_PER_GRADIENT
            return compute(*args, **options)

        torch.autograd.grad = counted

    def __call__(self) -> float:
        self.now += SECONDS_PER_LOOK
        return self.now


def record(folder: Path) -> None:
    """Write demo.json, gradient.json, table.json and inspect.json."""
    time.monotonic = CountedClock()
    from tests import test_tables as tables
    from tests import tiny

    folder.mkdir(parents=True, exist_ok=True)
    for name in ("gradient", "table", "inspect"):
        (folder / name).mkdir(exist_ok=True)
    seen = tiny.untrained_tiny(tiny.make(folder / "gradient"))
    gradient = tiny.write_gradient(seen)
    table = tables.make(folder / "table", tables.weights())
    leaky = tiny.make(folder / "inspect")
    _command("demo", "--budget", "60s", "--out", folder / "demo-run")
    common = ("--quiet", "--policy", "research", "--seed", 0)
    _command(
        *("scan", *seen.arguments, "--controls", seen.controls, "--gradient", gradient),
        *("--budget", "40s", "--out", folder / "gradient-run", *common),
    )
    _command("scan", *table.arguments, "--budget", "40s", "--out", folder / "table-run", *common)
    inspected = folder / "inspect.json"
    _command("inspect", *leaky.arguments, "--controls", leaky.controls, "--format", "json", output=inspected)
    for name in ("demo", "gradient", "table"):
        (folder / f"{name}.json").write_bytes((folder / f"{name}-run" / "report.json").read_bytes())


def _command(*arguments: object, output: Path | None = None) -> None:
    from contextlib import redirect_stdout

    from audit import cli

    sys.argv = ["model-audit", *map(str, arguments)]
    with (output or Path(os.devnull)).open("w") as file, redirect_stdout(file):
        try:
            cli.main()
        except SystemExit as ended:
            if ended.code not in (0, 1, 2):
                raise
            print(f"{arguments[0]}: exit status {ended.code}", file=sys.stderr)


def compare(old: Path, new: Path) -> int:
    """Print what differs in numbers, verdicts and counts; sentences are not compared."""
    from audit.report.upgrade import upgrade

    differences = 0
    for name in ("demo", "gradient", "table", "inspect"):
        before, after = (
            dict(leaves(upgrade(json.loads((root / f"{name}.json").read_text())))) for root in (old, new)
        )
        print(f"{name}: {len(before)} values before, {len(after)} after")
        for place in sorted(before.keys() | after.keys()):
            if before.get(place) != after.get(place):
                differences += 1
                print(f"  {'.'.join(place)}: {before.get(place)!r} before, {after.get(place)!r} after")
    return min(differences, 1)


def leaves(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in INCIDENTAL:
                yield from leaves(part, (*place, RENAMED.get(key, key)))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from leaves(part, (*place, str(index)))
    elif isinstance(value, bool | int | float) or (
        place and place[-1] in {"verdict", "status", "id", "attack"}
    ):
        yield place, value


if __name__ == "__main__":
    if sys.argv[1:2] == ["record"] and len(sys.argv) == 3:
        record(Path(sys.argv[2]).resolve())
    elif sys.argv[1:2] == ["compare"] and len(sys.argv) == 4:
        sys.exit(compare(Path(sys.argv[2]), Path(sys.argv[3])))
    else:
        sys.exit(__doc__)
