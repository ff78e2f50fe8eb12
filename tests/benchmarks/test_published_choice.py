"""Which published attack a target gets, and that it runs."""

from pathlib import Path

import pytest

from tests.benchmarks.published import attack_for, presets_for
from tests.benchmarks.published_settings import PRESETS
from tests.benchmarks.recipes import RECIPES, Recipe
from tests.benchmarks.targets import prepare

TINY = {
    "weights": Recipe("faces", 10, 20, 16, 1, 0.01, 20),
    "regression": Recipe("faces", 10, 20, 16, 1, 0.05, 20, method="decay", loss="mse", weight_decay=1e-3),
    "deep": Recipe("faces", 10, 20, 16, 2, 0.0, 20, method="adam", hidden_layers=2, biases=True),
    "change": Recipe("faces", 10, 20, 16, 1, 0.05, 20, method="delta", loss="mse"),
}
FIRST = {
    "weights": "cifar10_b9dfyspx",
    "regression": "regression_run1",
    "deep": "multiclass_sweep",
    "change": "loo",
}


@pytest.mark.usefixtures("counted_time")
@pytest.mark.parametrize("name", TINY)
def test_every_kind_of_target_has_its_attack(name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.training.ADAM_STEPS", 20)
    monkeypatch.setitem(RECIPES, name, TINY[name])
    attacked = attack_for(prepare(name, cache=tmp_path))(seconds=5, seed=0)
    assert attacked.runs[0].name == FIRST[name]
    assert attacked.start.shape[1] == 625
    assert {len(found) for found in attacked.candidates} <= {0, 20}


@pytest.mark.parametrize(
    ("name", "group"), [("mnist", "mnist"), ("mnist10", "multiclass"), ("mnist-decay", "regression")]
)
def test_presets_belong_to_data_and_head(name, group) -> None:
    class Known:
        recipe, loss = RECIPES[name], RECIPES[name].loss

    assert presets_for(Known) is PRESETS[group]
