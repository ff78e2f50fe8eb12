"""Every figure in a table of audit/docs/benchmarks.md is the one that was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audit
from tests.benchmarks.splitting_table import gains, p_value, values

DOCS = Path(audit.__file__).parent / "docs"
ROOT = DOCS.parent.parent
RESULTS = ROOT / "tests" / "benchmarks" / "results"
NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?")

Row = dict[str, str]
"""Cells by the heading of their column."""
Column = Callable[[Row], Sequence[float]]
"""The figures that a cell of one column must show, in their order."""

TARGETS = {
    "faces, random labels, 625-1000-1": "faces",
    "MNIST odd/even, 784-500-1": "mnist",
    "CIFAR-10 vehicles/animals, 3072-1000-1": "cifar",
    "MNIST ten classes, 784-1000-10": "mnist10",
    "MNIST odd/even, 784-500-1, MSE, weight decay 1e-3": "mnist-decay",
    "MNIST ten classes, 784-300-300-10, Adam, weight decay 1e-4": "mnist10-adam",
    "faces, 625-1000-1, MSE, initial weights known": "faces-delta",
    "MNIST odd/even, 784-1000-1, MSE, initial weights known": "mnist-delta",
    "CIFAR-10, 3072-1000-1, MSE, initial weights known": "cifar-delta",
    "MNIST ten classes, 784-500-10, fine-tuned, base model known": "mnist-tuned",
}
BATCHES = {
    "MNIST, 1": "mnist-1",
    "4": "mnist-4",
    "8": "mnist-8",
    "16": "mnist-16",
    "32": "mnist-32",
    "64": "mnist-64",
    "CIFAR-10, 8, 3072-512-10": "cifar-8",
    "MNIST, 8, tanh": "mnist-8-tanh",
    "8, noise of 1 %": "mnist-8-noise1",
    "8, noise of 10 %": "mnist-8-noise10",
    "16, after 3 epochs": "mnist-16-late",
}
ARMS = {
    "r candidates": "none",
    "2 r candidates": "more",
    "r, split at random": "random",
    "r, sample splitting": "splitting",
}


@cache
def result(name: str) -> Any:
    return json.loads((RESULTS / name).read_text())


def plain(cell: str) -> str:
    return cell.replace("**", "").replace("`", "").strip()


# Against published attacks


def of_target(row: Row) -> Any:
    return result(f"{TARGETS[row['target']]}.json")


def attacked(side: str) -> Column:
    def expected(row: Row) -> list[float]:
        found = [repeat[side] for repeat in of_target(row)["repeats"]]
        counts = [one[key] for key in ("recovered", "confirmed") for one in found]
        return [*counts, float(np.mean([one["best_ssim"] for one in found]))]

    return expected


def ratio(row: Row) -> list[float]:
    repeats = of_target(row)["repeats"]
    theirs = [max(r["published"]["confirmed"], r["published"]["best_run_confirmed"]) for r in repeats]
    return [sum(r["ours"]["confirmed"] for r in repeats) / sum(theirs)] if sum(theirs) else []


def at_thresholds(field: str) -> Column:
    """Counts of ours at an SSIM of 0.4, 0.6 and 0.8."""

    def expected(row: Row) -> list[float]:
        (repeat,) = of_target(row)["repeats"]
        return [repeat["ours"][field][threshold] for threshold in ("0.4", "0.6", "0.8")]

    return expected


# Splitting


def of_pair(row: Row) -> Any:
    (entry,) = (
        one
        for one in result("splitting.json")["results"]
        if (one["target"], one["attack"]) == (plain(row["target"]), plain(row["attack"]))
    )
    return entry


def arm(name: str) -> Column:
    def expected(row: Row) -> list[float]:
        figures = ("confirmed", "mean_ssim")
        return [float(np.mean([*values(of_pair(row), "rank", name, key).values()])) for key in figures]

    return expected


def against_more(row: Row) -> list[float]:
    found = [gains(of_pair(row), "rank", "more", key) for key in ("confirmed", "mean_ssim")]
    return [value for one in found for value in (float(np.mean(one)), p_value(one))]


def summary(name: str, start: str, other: str, figure: str) -> list[float]:
    entries = result(name)["results"]
    found = [float(np.mean(gains(entry, start, other, figure))) for entry in entries]
    return [float(np.mean(found)), float(np.std(found, ddof=1)) / len(found) ** 0.5, p_value(found)]


def against(figure: str) -> Column:
    return lambda row: summary("splitting.json", "rank", ARMS[row["sample splitting against"]], figure)


def from_start(figure: str) -> Column:
    return lambda row: summary("splitting-initial.json", row["candidates at the start"], "none", figure)


# Gradients


def gradient(name: str, *keys: str) -> Column:
    def expected(row: Row) -> list[float]:
        key = BATCHES[row["batch"]]
        (found,) = (
            one for one in result("gradients.json")["rows"] if (one["target"], one["arm"]) == (key, name)
        )
        return [found[figure] for figure in keys] if found["candidates"] else []

    return expected


# Memorisation diagnostics


def known(*keys: str) -> Column:
    def expected(row: Row) -> list[float]:
        entries = result("knowing.json")["targets"][plain(row["target"])]
        (found,) = (one for one in entries if one["attack"] == plain(row["equation"]))
        return [float(figure) for figure in np.hstack([[], *(found[key] or [] for key in keys)])]

    return expected


def untrained(row: Row) -> list[float]:
    found: list[float] = result("knowing.json")["untrained"][plain(row["untrained, equation"])]
    return found


def at_scale(key: str) -> Column:
    return lambda row: [result("knowing-scale.json")[key]]


# Results that are kept as Markdown


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


@cache
def polynomials() -> list[Row]:
    (found,) = tables((RESULTS / "polynomials.md").read_text())
    return [dict(zip(found.head, row, strict=True)) for row in found.rows]


def polynomial(count: Callable[[float, float], float]) -> Column:
    """A sum over networks of what is said at the start or halfway of directions left open and samples found."""

    def expected(row: Row) -> list[float]:
        place = ("the start", "halfway").index(row["gradients taken at"])
        return [
            sum(
                count(*(float(one[key].split("/")[place]) for key in ("open", "found")))
                for one in polynomials()
            )
        ]

    return expected


@cache
def activations() -> dict[str, list[float]]:
    wanted = "recovered / confirmed"
    (found,) = (table for table in tables((RESULTS / "tried.md").read_text()) if table.head[-1] == wanted)
    return {row[0].partition(" (")[0]: figures(row[-1]) for row in found.rows}


def activated(place: int) -> Column:
    return lambda row: [activations()[row["activation"]][place]]


KINDS: dict[str, dict[str, Column]] = {
    "ratio of confirmed": {
        "n": lambda row: [of_target(row)["recipe"]["members"]],
        "model-audit, 60 s: recovered / **confirmed**, SSIM of ten best": attacked("ours"),
        "published, 120 s: recovered / **confirmed**, SSIM of ten best": attacked("published"),
        "ratio of confirmed": ratio,
        "confirmed at SSIM 0.4, 0.6, 0.8": at_thresholds("by_threshold"),
        "random vectors in the row space, likewise": at_thresholds("row_space_confirmed"),
    },
    "r, sample splitting": {
        "n": lambda row: [of_pair(row)["n"]],
        **{heading: arm(name) for heading, name in ARMS.items()},
        "splitting against 2 r": against_more,
    },
    "sample splitting against": {
        "pairs": lambda row: [len(result("splitting.json")["results"])],
        "confirmed": against("confirmed"),
        "mean SSIM": against("mean_ssim"),
    },
    "candidates at the start": {
        "pairs": lambda row: [len(result("splitting-initial.json")["results"])],
        "confirmed": from_start("confirmed"),
        "mean SSIM": from_start("mean_ssim"),
    },
    "batch": {
        "`gradient-exact`, and its seconds": gradient("gradient-exact", "confirmed", "mean_ssim", "seconds"),
        **{
            heading: gradient(name, "confirmed", "mean_ssim")
            for heading, name in {
                "`gradient`": "gradient",
                "`gradient-cosine`": "gradient-cosine",
                "`moment-tensor`": "moment-tensor",
                "DLG": "dlg",
                "Geiping": "geiping",
            }.items()
        },
    },
    "true positives at 1 %": {
        "loss at the true samples": known("residual"),
        "AUC (95 % interval)": known("auc", "auc_interval"),
        "true positives at 1 %": known("true_positives_at_1_percent"),
        "rank": known("rank"),
        "recoverable": known("reachable", "members"),
    },
    "untrained, equation": {"AUC": untrained},
    "memory, GB": {
        "members": at_scale("members"),
        "held-out": at_scale("controls"),
        "parameters": at_scale("parameters"),
        "seconds": at_scale("seconds"),
        "memory, GB": at_scale("peak_gigabytes"),
        "loss at the true samples": at_scale("residual"),
        "AUC": at_scale("auc"),
    },
    "gradients taken at": {
        "tensor determined, of 64": polynomial(lambda undetermined, found: undetermined == 0),
        "samples found, of 640": polynomial(lambda undetermined, found: found),
    },
    "activation": {"recovered": activated(0), "confirmed": activated(1)},
}
"""The columns of figures of every kind of table, by a heading that no other kind has."""
NAMES = {
    "target",
    "attack",
    "equation",
    "batch",
    "activation",
    "gradients taken at",
    "untrained, equation",
} | {
    "sample splitting against",
    "candidates at the start",
}
"""Headings of columns that name what was measured."""


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> dict[str, Column] | None:
        """None for a table without benchmark figures."""
        return next((columns for heading, columns in KINDS.items() if heading in self.head), None)


def tables(text: str) -> list[Table]:
    blocks = re.findall(r"(?:^\|.*\n){2,}", f"{text}\n", flags=re.MULTILINE)
    lines = [[cells(line) for line in block.splitlines()] for block in blocks]
    return [Table(tuple(head), tuple(map(tuple, rows))) for head, _, *rows in lines]


def figures(cell: str) -> list[float]:
    return [float(found.replace(",", "")) for found in NUMBER.findall(cell)]


def agrees(cell: str, expected: Sequence[float]) -> bool:
    """Whether a cell shows these figures and no others, each rounded to the digits that are shown."""
    written = NUMBER.findall(cell)
    return len(written) == len(expected) and all(map(_shows, written, expected))


def _shows(written: str, value: float) -> bool:
    digits = written.replace(",", "").lstrip("+")
    decimals = len(digits.partition(".")[2])
    return digits in (f"{value:.{decimals}f}", f"{value:.2g}")


def mismatches(table: Table) -> list[str]:
    assert table.columns is not None
    wrong = []
    for cells_of_row in table.rows:
        row = dict(zip(table.head, cells_of_row, strict=True))
        for heading in table.head:
            if heading not in NAMES and not agrees(row[heading], table.columns[heading](row)):
                wrong.append(f"{cells_of_row[0]}, {heading}: {row[heading]}")
    return wrong


def checked(path: Path) -> list[Table]:
    return [table for table in tables(path.read_text()) if table.columns is not None]


def test_every_figure_is_the_one_that_was_measured() -> None:
    assert [wrong for table in checked(DOCS / "benchmarks.md") for wrong in mismatches(table)] == []


def test_every_table_of_benchmarks_is_compared_and_every_result_is_shown() -> None:
    found = tables((DOCS / "benchmarks.md").read_text())
    assert all(table.columns is not None for table in found)
    kinds = [next(heading for heading in KINDS if heading in table.head) for table in found]
    assert sorted(kinds) == sorted(KINDS)
    rows = dict(zip(kinds, (len(table.rows) for table in found), strict=True))
    assert rows["ratio of confirmed"] == len(TARGETS)
    assert rows["batch"] == len(BATCHES)
    assert rows["true positives at 1 %"] == sum(map(len, result("knowing.json")["targets"].values()))
    assert rows["activation"] == len(activations())


def altered(table: Table) -> Iterator[Table]:
    """The table with one figure changed in its last digit, for every figure."""
    for number, row in enumerate(table.rows):
        for place, heading in enumerate(table.head):
            if heading in NAMES:
                continue
            for match in NUMBER.finditer(row[place]):
                text, at = row[place], match.end() - 1
                digit = str((int(text[at]) + 1) % 10)
                cells_of_row = (*row[:place], text[:at] + digit + text[at + 1 :], *row[place + 1 :])
                yield Table(table.head, (*table.rows[:number], cells_of_row, *table.rows[number + 1 :]))


@pytest.mark.parametrize("table", checked(DOCS / "benchmarks.md"), ids=lambda table: table.head[0])
def test_an_altered_figure_is_seen(table: Table) -> None:
    changed = [*altered(table)]
    assert changed
    assert all(len(mismatches(other)) == 1 for other in changed)


def test_worst_pixel_of_an_exact_batch() -> None:
    (said,) = re.findall(r"wrong\s+by\s+less\s+than\s+(\S+)\s+of", (DOCS / "benchmarks.md").read_text())
    exact = [
        row for row in result("gradients.json")["rows"] if row["arm"] == "gradient-exact" and row["solved"]
    ]
    assert max(row["largest_error"] for row in exact if "noise" not in row["target"]) < float(said)


def test_errors_of_polynomial_networks() -> None:
    text = (DOCS / "benchmarks.md").read_text()
    said = (
        r"Of the (\d+) determined,.*?for (\d+),\s+at\s+most\s+twice\s+that\s+for\s+(\d+),.*?worst (\S+) times"
    )
    (found,) = re.findall(said, text, flags=re.DOTALL)
    rows = [{key: cell.partition("/")[2] for key, cell in row.items()} for row in polynomials()]
    ratios = [float(row["true"]) / float(row["stated"]) for row in rows if float(row["open"]) == 0]
    within = [sum(ratio <= most for ratio in ratios) for most in (1, 2)]
    assert found == (str(len(ratios)), *map(str, within), f"{max(ratios):.2g}")


@pytest.mark.parametrize("path", [ROOT / "README.md", DOCS / "statistics.md"], ids=lambda path: path.name)
def test_similar_held_out_faces_are_those_of_the_sample_report(path: Path) -> None:
    counted = json.loads((ROOT / "reports" / "sample" / "report.json").read_text())["summary"]
    found = re.findall(r"(\d+) of (\d+) faces that the\s+network\s+never saw", path.read_text())
    assert found == [(str(counted["control_matches"]), str(counted["controls"]))]
