"""Statistics and table of the splitting benchmark: splitting against the other arms, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from scipy.stats import ttest_rel

OURS, OTHERS = "splitting", ("none", "more", "random")
INITIAL = {"n/2": 0.5, "n": 1.0, "2n": 2.0, "4n": 4.0}
STARTS = ("rank", *INITIAL)
FORMS = {"confirmed": ".1f", "recovered": ".1f", "mean_ssim": ".3f", "relative_loss": ".2g"}
"""Figures in the table."""
COMPARED = ("confirmed", "mean_ssim")
"""Those in which splitting is compared with every other arm."""
NOTE = """Arms: confirmed, recovered, mean SSIM of the members' matches, relative loss of the best restart; mean ±
standard deviation over seeds. Gain: splitting minus the other arm of the best mean, chosen afterwards; p of a
paired t-test. A target is trained once, whatever the seed. Lines below: means over seeds first."""


def values(entry: dict[str, Any], start: str, arm: str, figure: str) -> dict[int, float]:
    """One figure of one arm by seed, where there is one."""
    rows = [row for row in entry["measurements"] if (row["start"], row["arm"]) == (start, arm)]
    return {row["seed"]: row[figure] for row in rows if row[figure] is not None}


def gains(entry: dict[str, Any], start: str, arm: str, figure: str) -> list[float]:
    """Splitting minus another arm, seed by seed."""
    ours, theirs = (values(entry, start, name, figure) for name in (OURS, arm))
    return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]


def p_value(differences: Sequence[float]) -> float:
    """Of a paired t-test, two-sided; NaN where nothing varies."""
    if len(differences) < 2 or np.ptp(differences) < 1e-9:
        return math.nan
    return float(ttest_rel(differences, np.zeros(len(differences))).pvalue)


def spread(sample: Collection[float], form: str) -> str:
    """Mean and standard deviation."""
    deviation = f" ± {np.std([*sample], ddof=1):{form}}" if len(sample) > 1 else ""
    return f"{np.mean([*sample]):{form}}{deviation}" if sample else "-"


def gain(entry: dict[str, Any], start: str, figure: str) -> str:
    """Splitting minus the other arm of the best mean, with its name and p."""
    means = {
        arm: np.mean([*found.values()]) for arm in OTHERS if (found := values(entry, start, arm, figure))
    }
    best = max(means, key=lambda arm: means[arm], default="")
    found = gains(entry, start, best, figure)
    return f"{np.mean(found):+{FORMS[figure]}} to {best}, p {p_value(found):.2g}" if found else "-"


def rows(results: list[dict[str, Any]], joint: str) -> list[list[str]]:
    """The table, its head first; `joint` comes between the figures of an arm."""
    measured = {row["arm"] for entry in results for row in entry["measurements"]}
    arms = [arm for arm in (*OTHERS, OURS) if arm in measured]
    grid = [["target", "attack", "n", "from", *arms, *(f"gain in {figure}" for figure in COMPARED)]]
    for entry, start in ((entry, start) for entry in results for start in STARTS):
        samples = [[values(entry, start, arm, key).values() for key in FORMS] for arm in arms]
        if any(map(any, samples)):
            cells = [joint.join(map(spread, figures, FORMS.values())) for figures in samples]
            compared = [gain(entry, start, figure) for figure in COMPARED]
            grid.append([entry["target"], entry["attack"], str(entry["n"]), start, *cells, *compared])
    return grid


def summary(results: list[dict[str, Any]]) -> list[str]:
    """Splitting minus every other arm, a line each: means over seeds, compared over targets and attacks."""
    lines = []
    for start, arm in ((start, arm) for start in STARTS for arm in OTHERS):
        parts = []
        for figure in COMPARED:
            found = [float(np.mean(each)) for entry in results if (each := gains(entry, start, arm, figure))]
            if len(found) > 1:
                error, form = np.std(found, ddof=1) / math.sqrt(len(found)), FORMS[figure]
                parts.append(
                    f"{figure} {np.mean(found):+{form}} (standard error {error:{form}}, p {p_value(found):.2g})"
                )
        if parts:
            lines.append(
                f"{OURS} - {arm}, from {start}, {len(found)} pairs of target and attack: {', '.join(parts)}"
            )
    return lines
