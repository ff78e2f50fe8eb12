"""Ordinary, well-regularised classifiers: what an audit of them says, and what it takes to reach a PASS.

    python -m tests.benchmarks.regularised                      # writes results/regularised.json and .md
    python -m tests.benchmarks.regularised --models dropout --budget 5s --out /tmp/try

Each model learns digits of MNIST with one means against overfitting, and is audited under `release` twice: with
members and controls alone, and with the weights from before training (`--initial`) as well. The positive control
runs where the verdict hangs on it, as by default.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from audit import Report, Request, run
from audit.request.budget import parse_budget
from tests.benchmarks.targets import DATA_DIR
from tests.silence.scenes import inputs
from tests.silence.training import accuracy, fit, mlp

RESULTS = Path(__file__).parent / "results"
MEAN, STD = 0.1307, 0.3081
CONTROLS, VALIDATION = 1000, 500

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Model:
    """How a classifier is trained."""

    means: str
    """Against overfitting, in words."""
    members: int = 1000
    """Training images."""
    hidden: int = 256
    dropout: float = 0.0
    epochs: int = 20
    """At most; of batches of 64."""
    decay: float = 0.0
    """Weight decay: of AdamW, or for `full` of the loss."""
    shifts: int = 0
    """Pixels by which images are moved at random."""
    patience: int | None = None
    """Epochs without a better validation accuracy after which training stops."""
    full: bool = False
    """Whether training goes on, on all images at once with L2, until little moves."""


MODELS = {
    "dropout": Model("dropout of 0.5", dropout=0.5),
    "decay": Model("AdamW with weight decay of 0.1", decay=0.1),
    "early": Model("early stopping", epochs=40, patience=2),
    "shifts": Model("images moved by up to two pixels", shifts=2),
    "large": Model("8,000 images", members=8000, epochs=5),
    "all": Model(
        "dropout, weight decay, moved images and early stopping",
        dropout=0.5,
        decay=0.1,
        shifts=2,
        epochs=40,
        patience=3,
    ),
    "narrow": Model(
        "20 hidden units, 4,000 images, and L2 of 0.01 until stationary",
        members=4000,
        hidden=20,
        decay=0.01,
        full=True,
    ),
}


@dataclass(frozen=True, eq=False)
class Digits:
    """Images of one model."""

    members: NDArray[np.uint8]
    labels: NDArray[np.int64]
    controls: NDArray[np.uint8]
    control_labels: NDArray[np.int64]
    validation: Batch = field(repr=False)


def read(count: int, data_dir: Path = DATA_DIR) -> Digits:
    """Draw members, controls and images for early stopping from MNIST's test set, none of them twice."""
    with gzip.open(data_dir / "t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(data_dir / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    order = np.random.default_rng(0).permutation(len(pixels))
    theirs, between, ours = np.split(
        order[: CONTROLS + VALIDATION + count], [CONTROLS, CONTROLS + VALIDATION]
    )
    validation = inputs(pixels[between], MEAN, STD), torch.from_numpy(labels[between])
    return Digits(pixels[ours], labels[ours], pixels[theirs], labels[theirs], validation)


def train(model: Model, digits: Digits) -> tuple[nn.Module, nn.Module]:
    """Return the network before and after training."""
    begin = mlp(784, model.hidden, 10, dropout=model.dropout)
    pixels = torch.from_numpy(digits.members)
    labels = torch.from_numpy(digits.labels)
    random = torch.Generator().manual_seed(0)
    best, end, waited = 0.0, begin, 0
    trained: nn.Module = begin
    for epoch in range(model.epochs):
        moved = inputs(_move(pixels, model.shifts, random).numpy(), MEAN, STD)
        trained = fit(
            trained,
            moved,
            labels,
            len(labels) // 64,
            optimiser=torch.optim.AdamW,
            weight_decay=0.0 if model.full else model.decay,
            seed=epoch,
        )
        reached = accuracy(trained, *digits.validation)
        waited = 0 if reached > best else waited + 1
        if model.patience is None or reached > best:
            best, end = max(best, reached), trained
        if model.patience is not None and waited > model.patience:
            break
    if model.full:
        end = _settle(end, inputs(digits.members, MEAN, STD), labels, model.decay)
    return begin, end


def _move(pixels: Tensor, most: int, random: torch.Generator) -> Tensor:
    """Move each image (n, h, w) by up to so many pixels, with black behind it."""
    if not most:
        return pixels
    padded = nn.functional.pad(pixels, (most, most, most, most))
    side = pixels.shape[1]
    down, right = torch.randint(2 * most + 1, (2, len(pixels)), generator=random)
    return torch.stack(
        [one[y : y + side, x : x + side] for one, y, x in zip(padded, down, right, strict=True)]
    )


def _settle(model: nn.Module, rows: Tensor, labels: Tensor, decay: float) -> nn.Module:
    """Train with L2 on all images at once until little moves."""
    near = fit(model, rows, labels, 1000, rate=3e-3, batch=None, weight_decay=decay)
    options: dict[str, Any] = {"momentum": 0.9, "weight_decay": decay, "optimiser": torch.optim.SGD}
    return fit(near, rows, labels, 2000, rate=0.1, batch=None, **options)


def scan(folder: Path, digits: Digits, before: nn.Module, after: nn.Module, seconds: float) -> list[Report]:
    """Audit a model with members and controls alone, and with the weights from before training."""
    for name, model in (("before", before), ("after", after)):
        tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
        save_file(tensors, folder / f"{name}.safetensors", metadata={"activation": "relu"})
    np.savez(folder / "members.npz", images=digits.members, labels=digits.labels)
    np.savez(folder / "controls.npz", images=digits.controls, labels=digits.control_labels)
    alone = Request.of(
        folder / "after.safetensors",
        data=str(folder / "members.npz"),
        controls=str(folder / "controls.npz"),
        mean=str(MEAN),
        std=str(STD),
        budget=seconds,
    )
    known = alone.but(initial=folder / "before.safetensors")
    return [run(request).report for request in (alone, known)]


def figures(report: Report) -> dict[str, Any]:
    """What the table and the page show of one audit."""
    control = report.diagnostics.positive_control
    ran = [one for one in report.attacks if one.relative_loss is not None]
    least = min(ran, key=lambda one: one.relative_loss or 1.0, default=None)
    aucs = [(one.auc, one.auc_interval) for one in report.diagnostics.contribution if one.auc is not None]
    return {
        "verdict": report.verdict,
        "reason": report.reasons[0],
        "missing": [one.ground for one in report.verdict_grounds if not one.holds],
        "informative": next(one.sentence for one in report.verdict_grounds if one.ground == "informative"),
        "confirmed": report.summary.confirmed,
        "attack": least and least.id,
        "reached": least and least.relative_loss,
        "true": least and (report.diagnostics.stationarity or {}).get(least.id),
        "auc": max(aucs, default=None),
        "power": control and [control.confirmed, control.images],
        "note": control and control.note,
        "seconds": report.provenance.seconds,
    }


COLUMNS = (
    "against overfitting",
    "members",
    "right: members, controls",
    "given besides",
    "verdict",
    "open: reached, at the true samples",
    "membership AUC",
    "power",
    "missing",
)
HEADER = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def row(found: dict[str, Any], given: str, figures: dict[str, Any]) -> str:
    """One line of the table."""
    open_ = [_percent(figures["reached"]), _percent(figures["true"])]
    power = "not run" if figures["power"] is None else "{} of {}".format(*figures["power"])
    auc = "-" if figures["auc"] is None else f"{figures['auc'][0]:.2f}"
    cells = [
        found["means"],
        f"{found['members']:,}",
        f"{_percent(found['right'][0])}, {_percent(found['right'][1])}",
        given,
        figures["verdict"],
        ", ".join(open_),
        auc,
        power,
        ", ".join(figures["missing"]) or "nothing",
    ]
    return f"| {' | '.join(cells)} |"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.3g} %"


def markdown(content: dict[str, Any]) -> str:
    """The table, and the first sentence of every verdict."""
    lines = [
        "# Ordinary, well-regularised classifiers",
        "",
        f"`{content['command']}`, {content['machine']}. 784-h-10, MNIST; {CONTROLS:,} controls; policy `release`.",
        "",
        HEADER,
    ]
    reasons = []
    for name, found in content["models"].items():
        for given, one in found["audits"].items():
            lines.append(row(found, given, one))
            reasons.append(f"- {name}, {given}: **{one['verdict']}**: {one['reason']}")
    return "\n".join([*lines, "", "First sentences of the verdicts:", "", *reasons, ""])


def measure(
    names: Sequence[str], seconds: float, command: str, load: Callable[[int], Digits] = read
) -> dict[str, Any]:
    """Train and audit models."""
    models: dict[str, Any] = {}
    for name in names:
        model = MODELS[name]
        digits = load(model.members)
        before, after = train(model, digits)
        sides = (digits.members, digits.labels), (digits.controls, digits.control_labels)
        right = [accuracy(after, inputs(x, MEAN, STD), torch.from_numpy(y)) for x, y in sides]
        with tempfile.TemporaryDirectory() as folder:
            reports = scan(Path(folder), digits, before, after, seconds)
        audits = dict(zip(("nothing", "`--initial`"), map(figures, reports), strict=True))
        models[name] = {
            "means": model.means,
            "members": len(digits.members),
            "right": right,
            "audits": audits,
        }
        for given, one in audits.items():
            print(row(models[name], given, one), flush=True)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return {"command": command, "machine": machine, "models": models}


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="names, with commas between them")
    parser.add_argument("--budget", default="30s", help="for the attacks on each model")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args(arguments)
    command = " ".join(["python -m tests.benchmarks.regularised", *arguments])
    content = measure(asked.models.split(","), parse_budget(asked.budget), command)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "regularised.json").write_text(json.dumps(content, indent=1) + "\n")
    (asked.out / "regularised.md").write_text(markdown(content))


if __name__ == "__main__":
    main(sys.argv[1:])
