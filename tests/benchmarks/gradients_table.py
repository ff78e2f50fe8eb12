"""Table of the benchmark of attacks on gradients: every arm on every target, means over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

NOTE = """Cells: confirmed of the batch; mean SSIM, lowest SSIM; largest error of a pixel; seconds. Means over
seeds, except the lowest SSIM and the largest error, which are the worst of all seeds. `-`: fewer candidates than
samples at some seed. Published arms: all their runs pooled; below it the run of lowest loss alone. `geiping` is
told the labels, both published arms the size of the batch."""


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown, from the rows of the JSON in their order."""
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    lines = [NOTE, "", _line(["target", "seeds", *arms]), _line(["---"] * (2 + len(arms)))]
    for name in dict.fromkeys(row["target"] for row in rows):
        mine = [row for row in rows if row["target"] == name]
        seeds = len({row["seed"] for row in mine})
        lines.append(
            _line([name, str(seeds), *(_cell([r for r in mine if r["arm"] == arm]) for arm in arms)])
        )
    return "\n".join(lines) + "\n"


def _cell(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    batch = rows[0]["batch"]
    errors = [row["largest_error"] for row in rows]
    error = "-" if None in errors else f"{max(errors):.1e}"
    seconds = np.mean([row["seconds"] for row in rows])
    text = f"{_confirmed(rows)} of {batch}; {_ssim(rows)}; {error}; {seconds:.1f} s"
    alone = [row["best_run"] for row in rows if "best_run" in row]
    return f"{text}<br>best run: {_confirmed(alone)}; {_ssim(alone)}" if alone else text


def _confirmed(rows: list[dict[str, Any]]) -> str:
    return f"{np.mean([row['confirmed'] for row in rows]):.3g}"


def _ssim(rows: list[dict[str, Any]]) -> str:
    mean = np.mean([row["mean_ssim"] for row in rows])
    return f"{mean:.3f}, {min(row['lowest_ssim'] for row in rows):.3f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
