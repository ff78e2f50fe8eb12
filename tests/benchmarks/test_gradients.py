"""The benchmark of attacks on gradients: targets, scoring, JSON and table; and (marked `benchmark`) its goals."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from audit.attacks import BATTERY, Method
from audit.model.preprocessing import Preprocessing
from tests.benchmarks import gradient_targets, gradients
from tests.benchmarks.gradient_targets import RECIPES, GradientRecipe, make
from tests.benchmarks.gradients import ARMS, OURS, Found, largest_error, main, measure, ours, published, score
from tests.benchmarks.gradients_table import table
from tests.benchmarks.published_gradients import Run
from tests.benchmarks.targets import DATA_DIR

TINY = "mnist-1"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch):
    """A target of two images of 4 by 5 pixels, by name."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (700, 4, 5, 1), dtype=np.uint8)
    monkeypatch.setitem(
        gradient_targets._SOURCES, "mnist", lambda _: (images, np.arange(700, dtype=np.uint8) % 10)
    )
    monkeypatch.setitem(RECIPES, TINY, GradientRecipe("mnist", 2, hidden=60))
    return TINY


def row(target="mnist-4", arm="gradient", seed=0, confirmed=4, error=1e-3):
    return {
        "target": target,
        "batch": 4,
        "seed": seed,
        "arm": arm,
        "seconds": 1.0,
        "recovered": confirmed,
    } | {
        "confirmed": confirmed,
        "mean_ssim": confirmed / 4,
        "lowest_ssim": 0.5 - seed / 10,
        "largest_error": error,
    }


def test_the_arms_are_every_attack_on_gradients_and_those_published() -> None:
    asked = [
        attack for attack in BATTERY if attack.source == "gradient" and attack.method is not Method.TENSOR
    ]
    assert (*(attack.id for attack in asked), "battery", "dlg", "geiping") == ARMS
    assert OURS["battery"] == tuple(asked)
    assert all(len(OURS[attack.id]) == 1 for attack in asked)


def test_a_target_is_the_gradient_of_its_batch(tiny) -> None:
    target, again, other = (make(tiny, None, seed) for seed in (0, 0, 1))
    (first, bias), (last, offset) = target.layers
    assert (target.members.shape, target.controls.shape) == ((2, 20), (400, 20))
    outputs = (torch.from_numpy(target.members) @ first.T + bias).relu() @ last.T + offset
    slopes = (outputs.softmax(1) - functional.one_hot(target.labels, 10)) / 2
    torch.testing.assert_close(target.seen.gradient.biases[1], slopes.sum(0))
    rows = {member.tobytes() for member in target.members} | {
        control.tobytes() for control in target.controls
    }
    assert len(rows) == 402
    assert np.array_equal(target.members, again.members)
    assert all(map(torch.equal, target.seen.gradient.tensors, again.seen.gradient.tensors))
    assert not np.array_equal(target.members, other.members)
    assert not torch.equal(first, other.layers[0][0])


def test_noise_is_relative_to_each_tensor(tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = make(tiny, None, 0).seen.gradient
    monkeypatch.setitem(RECIPES, tiny, replace(RECIPES[tiny], noise=0.1))
    noised = make(tiny, None, 0).seen.gradient
    for one, other in zip(clean.weights, noised.weights, strict=True):
        assert float((other - one).std() / one.std()) == pytest.approx(0.1, rel=0.2)


def test_training_lowers_the_loss_on_the_images_left_over(tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_targets, "RATE", 0.03)
    monkeypatch.setitem(RECIPES, tiny, replace(RECIPES[tiny], epochs=10))
    asked = []
    plain = gradient_targets.trained
    monkeypatch.setattr(gradient_targets, "trained", lambda *a: asked.append(a) or plain(*a))
    target = make(tiny, None, 0)
    (before, rows, labels, epochs, _) = asked[0]
    assert (len(rows), epochs) == (700 - 402, 10)
    kept = {r.tobytes() for r in rows.numpy()}
    assert not kept & {r.tobytes() for r in (*target.members, *target.controls)}
    first, last = (
        float(functional.cross_entropy(net.forward(rows), labels)) for net in (before, target.seen.network)
    )
    assert last < 0.95 * first


def test_the_batch_itself_scores_full_marks_whatever_comes_with_it(tiny) -> None:
    target = make(tiny, None, 0)
    noise = np.random.default_rng(1).normal(size=(5, 20)).astype(np.float32)
    figures = score(np.concatenate([noise, target.members[::-1]]), target)
    assert (figures["recovered"], figures["confirmed"]) == (2, 2)
    assert (figures["mean_ssim"], figures["lowest_ssim"]) == (1, 1)
    assert figures["largest_error"] == 0


def test_nothing_scores_nothing(tiny) -> None:
    target = make(tiny, None, 0)
    figures = score(target.members[:0], target)
    assert (figures["recovered"], figures["lowest_ssim"], figures["largest_error"]) == (0, 0, None)


def test_errors_are_those_of_candidates_of_their_own() -> None:
    plain = Preprocessing((1, 1, 2), np.zeros(2, np.float32), np.full(2, 0.5, np.float32))
    members = np.array([[0, 0], [1, 1]], np.float32)
    target = SimpleNamespace(members=members, format=plain)
    near = np.array([[0.1, 0], [1, 0.2], [0, 0.02]], np.float32)
    assert largest_error(near, target) == pytest.approx(0.8 / 2)  # in pixels, which are half as large
    assert largest_error(near[:1], target) is None


def test_candidates_are_cut_off_at_the_box(tiny) -> None:
    target = make(tiny, None, 0)
    beyond = np.where(target.members > 0.5, target.members + 0.3, target.members)
    assert score(beyond, target)["largest_error"] == pytest.approx(
        float((1 - target.members[target.members > 0.5]).max().clip(max=0.3)), abs=1e-6
    )


def test_published_runs_that_explain_nothing_are_not_pooled(tiny) -> None:
    target = make(tiny, None, 0)
    names, losses = ("dlg", "idlg", "dlg"), (1e-3, 1e-11, float("inf"))
    runs = [
        Run(name, target.members + index, loss, 7)
        for index, (name, loss) in enumerate(zip(names, losses, strict=True))
    ]
    found = published(runs, target)
    assert np.array_equal(found.pool, np.concatenate([target.members, target.members + 1]))
    assert np.array_equal(found.best, target.members + 1)
    assert (found.loss, found.solved) == (1e-11, True)
    assert [run["loss"] for run in found.runs] == [1e-3, 1e-11, None]
    lost = published(runs[2:], target)
    assert (len(lost.pool), len(lost.best), lost.loss, lost.solved) == (0, 0, None, False)


@pytest.mark.usefixtures("counted_time")
def test_ours_ends_early_when_solved_and_says_why_it_did_not_run(
    tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = measure("gradient-exact", make(tiny, None, 0), 30.0, 0)
    assert figures["solved"]
    assert figures["seconds"] < 15
    assert figures["largest_error"] < 1e-4
    monkeypatch.setitem(RECIPES, tiny, replace(RECIPES[tiny], activation="leaky_relu"))
    found = ours(OURS["gradient-exact"], make(tiny, None, 0), 30.0, 0)
    assert (len(found.pool), found.loss, found.solved) == (0, None, False)
    assert "those of leaky_relu jump" in found.note


def test_rows_are_written_as_they_come_and_replaced(
    tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def attack(arm, target, seconds, seed):
        asked.append((arm, seconds, seed))
        return Found(target.members, float("inf"), False, arm)

    monkeypatch.setattr(gradients, "attack", attack)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    for seeds in (["0", "1"], ["1"]):
        arguments = ["--targets", tiny, "--seconds", "3", "--out", str(tmp_path), "--arms", "geiping", "dlg"]
        assert main([*arguments, "--seeds", *seeds]) == 0
    content = json.loads((tmp_path / "gradients.json").read_text(), parse_constant=pytest.fail)["rows"]
    assert [(r["seed"], r["arm"]) for r in content] == [
        (0, "dlg"),
        (0, "geiping"),
        (1, "dlg"),
        (1, "geiping"),
    ]
    assert content[3]["command"].endswith("--seeds 1")
    assert content[0]["loss"] is None
    assert content[0]["budget"] == 3
    assert {"threads", "torch"} <= content[0]["machine"].keys()
    assert [each for each in asked if each[1] == 3] == [
        (arm, 3.0, seed) for seed in (0, 1, 1) for arm in ("geiping", "dlg")
    ]
    assert f"| {tiny} | 2 | 2 of 2; 1.000, 1.000; 0.0e+00;" in (tmp_path / "gradients.md").read_text()
    assert "2 of 2" in capsys.readouterr().out


def test_the_table_has_means_and_the_worst_of_all_seeds() -> None:
    best = {"best_run": row(confirmed=1)}
    rows = [row(), row(seed=1, confirmed=3, error=0.2), {**row(arm="dlg", error=None), **best}]
    assert table(rows).splitlines()[-1] == (
        "| mnist-4 | 2 | 3.5 of 4; 0.875, 0.400; 2.0e-01; 1.0 s "
        "| 4 of 4; 1.000, 0.500; -; 1.0 s<br>best run: 1; 0.250, 0.500 |"
    )


def test_missing_data_ends_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--targets", "cifar-8", "--data-dir", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "error:" in capsys.readouterr().out


@pytest.mark.benchmark
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("name", "seconds"), [("mnist-1", 5), ("mnist-4", 5), ("mnist-8", 10), ("mnist-16", 60), ("cifar-8", 60)]
)
def test_gradient_exact_recovers_small_batches_exactly(name, seconds, seed) -> None:
    torch.set_num_threads(gradients.THREADS)
    figures = measure("gradient-exact", make(name, DATA_DIR, seed), seconds, seed)
    assert figures["solved"], figures["note"]
    assert figures["largest_error"] < 1e-4
    assert figures["seconds"] < seconds
    assert figures["confirmed"] == figures["batch"]


@pytest.mark.benchmark
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gradient_recovers_a_batch_of_four(seed) -> None:
    torch.set_num_threads(gradients.THREADS)
    figures = measure("gradient", make("mnist-4", DATA_DIR, seed), 60, seed)
    assert figures["lowest_ssim"] > 0.9
    assert figures["seconds"] < 61
