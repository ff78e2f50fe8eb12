"""The benchmark of ordinary classifiers, on digits in a font and for a moment."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import audit
from tests.benchmarks import regularised
from tests.benchmarks.regularised import COLUMNS, Digits, Model, markdown, measure, read
from tests.benchmarks.targets import DATA_DIR
from tests.silence.pictures import digits
from tests.silence.scenes import inputs
from tests.tiny import fix_steps


def few(count: int) -> Digits:
    """Digits in a font instead of MNIST."""
    pixels, labels = digits(count + 120, side=28)
    validation = inputs(pixels[-20:], regularised.MEAN, regularised.STD), torch.from_numpy(labels[-20:])
    ours, theirs = slice(0, count), slice(count, count + 100)
    return Digits(pixels[ours], labels[ours], pixels[theirs], labels[theirs], validation)


@pytest.mark.slow
def test_every_model_is_trained_audited_twice_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    fix_steps(monkeypatch, steps=20, candidates=20)
    small = {"members": 64, "hidden": 16, "epochs": 2}
    models = {
        "kept": Model("all at once", dropout=0.5, decay=0.1, shifts=2, patience=1, **small),
        "full": Model("to the end", decay=0.01, full=True, **small),
    }
    monkeypatch.setattr(regularised, "MODELS", models)
    content = json.loads(json.dumps(measure(["kept", "full"], 1e6, "python -m x", few)))
    assert list(content["models"]) == ["kept", "full"]
    for found in content["models"].values():
        assert list(found["audits"]) == ["nothing", "`--initial`"]
        assert all(one["verdict"] in ("FAIL", "INCONCLUSIVE", "PASS") for one in found["audits"].values())
        assert all(one["verdict"] == "PASS" or one["missing"] for one in found["audits"].values())
    lines = markdown(content).splitlines()
    rows = [line for line in lines if line.startswith(("| all at once", "| to the end"))]
    assert [row.count("|") for row in rows] == 4 * [len(COLUMNS) + 1]
    assert sum(line.startswith("- ") for line in lines) == 4


def test_moved_images_are_the_same_images_elsewhere() -> None:
    pixels = torch.zeros(50, 28, 28, dtype=torch.uint8)
    pixels[:, 14, 14] = 255
    moved = regularised._move(pixels, 2, torch.Generator().manual_seed(0))
    places = np.argwhere(moved.numpy() == 255)
    assert len(places) == 50
    assert np.abs(places[:, 1:] - 14).max() == 2


@pytest.mark.skipif(not DATA_DIR.is_dir(), reason="needs MNIST")
def test_nothing_is_drawn_twice() -> None:
    drawn = read(500)
    assert (len(drawn.members), len(drawn.controls), len(drawn.validation[0])) == (500, 1000, 500)
    both = np.concatenate([drawn.members, drawn.controls]).reshape(1500, -1)
    assert len(np.unique(both, axis=0)) == 1500


def test_results_are_of_five_models_at_least_and_shown_in_the_documentation() -> None:
    content = json.loads(Path(regularised.RESULTS, "regularised.json").read_text())
    shown = Path(regularised.RESULTS, "regularised.md").read_text()
    documented = Path(audit.__file__).with_name("docs").joinpath("statistics.md").read_text()
    assert len(content["models"]) >= 5
    assert shown == markdown(content)
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 2 * len(content["models"])
    assert [row for row in rows if row not in documented] == []
    for found in content["models"].values():
        assert all(one["verdict"] == "PASS" or one["missing"] for one in found["audits"].values())
