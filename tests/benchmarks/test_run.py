"""The benchmark's figures on candidates whose worth is known, its JSON, and (marked `benchmark`) its goals."""

import json
from pathlib import Path

import numpy as np
import pytest

from audit.attacks import BATTERY
from audit.battery import AttackFailed
from tests.benchmarks import run
from tests.benchmarks.published import PRESETS, Attacked
from tests.benchmarks.recipes import RECIPES, Recipe
from tests.benchmarks.run import Found, at_the_truth, main, measure, observe, ours, published, ratio, score
from tests.benchmarks.targets import prepare
from tests.planted import equation

TINY = Recipe("faces", 20, 60, 16, 1, learning_rate=0.01, steps=20, margin=100.0)
CHANGE = Recipe("faces", 20, 60, 100, 1, 0.05, 1, method="delta", loss="mse")
"""One step of gradient descent on the squared error, which gradients at its start explain exactly."""


def noise(seed, like):
    return np.random.default_rng(seed).normal(size=like.shape).astype(np.float32)


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(RECIPES, "faces", TINY)
    return prepare("faces", cache=tmp_path / "cache")


def test_perfect_candidates_score_full_marks(target) -> None:
    figures = score(Found([target.members], noise(0, target.members), 1.0, [{}]), target)
    assert figures["confirmed"] == figures["recovered"] == 20
    assert figures["best_ssim"] == pytest.approx(1)
    assert figures["null_confirmed"] == figures["unseen_confirmed"] == 0


def test_candidates_that_show_controls_confirm_no_member(target) -> None:
    figures = score(Found([target.controls[:30]], noise(0, target.members), 1.0, [{}]), target)
    assert figures["confirmed"] == 0
    assert figures["control_matches"] >= 30
    assert figures["unseen_confirmed"] == 30


def test_a_run_that_found_nothing_does_not_hide_one_that_did(target) -> None:
    found = [noise(1, target.members), target.members[:15]]
    figures = score(Found(found, target.members[:0], 1.0, [{"name": "a"}, {"name": "b"}]), target)
    assert [(run["name"], run["confirmed"]) for run in figures["runs"]] == [("a", 0), ("b", 15)]
    assert figures["best_run_confirmed"] == 15
    assert figures["candidates"] == 35


def test_an_attack_whose_runs_all_diverged_confirms_nothing(target) -> None:
    figures = score(Found([target.members[:0]], noise(0, target.members), 1.0, [{}]), target)
    assert figures["confirmed"] == figures["best_run_confirmed"] == figures["best_ssim"] == 0


def test_the_ratio_is_against_the_better_of_pool_and_best_run() -> None:
    assert ratio({"confirmed": 37}, {"confirmed": 20, "best_run_confirmed": 27}) == 1.37
    assert ratio({"confirmed": 37}, {"confirmed": 27, "best_run_confirmed": 20}) == 1.37
    assert ratio({"confirmed": 5}, {"confirmed": 0, "best_run_confirmed": 0}) is None


@pytest.mark.usefixtures("counted_time")
def test_both_attacks_run_and_the_figures_are_written_as_json(target, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--targets", "faces", "--seconds", "10", "--published-seconds", "20", "--seeds", "0,1"]
    assert main([*arguments, "--cache", str(tmp_path / "cache"), "--out", str(out)]) == 0
    content = json.loads((out / "faces.json").read_text(), parse_constant=pytest.fail)
    assert [repeat["seed"] for repeat in content["repeats"]] == [0, 1]
    assert content["command"].startswith("python -m tests.benchmarks.run --targets faces")
    assert {"cores", "torch", "date"} <= content["machine"].keys()
    for repeat in content["repeats"]:
        assert repeat["ours"]["candidates"] > 0
        names = [entry["name"] for entry in repeat["published"]["runs"]]
        assert names[:2] == list(PRESETS["cifar"])[:2]


@pytest.mark.usefixtures("counted_time")
def test_figures_of_a_target_whose_start_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "faces-delta", CHANGE)
    out = tmp_path / "out"
    arguments = ["--targets", "faces-delta", "--seconds", "60", "--published-seconds", "2"]
    assert main([*arguments, "--cache", str(tmp_path / "cache"), "--out", str(out)]) == 0
    content = json.loads((out / "faces-delta.json").read_text(), parse_constant=pytest.fail)
    assert content["recipe"]["method"] == "delta"
    (repeat,) = content["repeats"]
    at_truth = {entry["attack"]: entry["relative_loss_at_the_truth"] for entry in repeat["ours"]["runs"]}
    assert list(at_truth) == ["kkt-margin", "kkt-loss", "weight-delta"]
    assert at_truth["weight-delta"] < 1e-6
    assert min(at_truth["kkt-margin"], at_truth["kkt-loss"]) > 0.1
    assert repeat["published"]["runs"][0]["name"] == "loo"
    assert "unseen_confirmed" not in repeat["ours"]


def test_candidates_that_were_kept_are_scored_again_without_an_attack(
    target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Found([noise(6, target.members), target.members[:2]], noise(5, target.members), 1.5, [{}, {}])
    monkeypatch.setattr(run, "ours", lambda *_: found)
    first = measure(target, 0, 10, None, tmp_path)
    monkeypatch.delattr(run, "ours")
    assert measure(target, 0, 10, None, tmp_path) == first
    with pytest.raises(NameError):
        measure(target, 0, 20, None, tmp_path)


def test_the_truth_is_not_looked_at_where_it_would_take_too_long(
    target, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = run.load_model(target.checkpoint, None)
    seen = observe(model, None, target.format)
    margin = equation(BATTERY[0], seen)
    assert 0.0 < at_the_truth(margin, target) <= 1.0
    monkeypatch.setattr("audit.diagnostics.stationarity.MOST_NON_NEGATIVE", 19)
    assert at_the_truth(margin, target) is None


def test_an_attack_that_fails_ends_the_benchmark(target, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = AttackFailed(BATTERY[0], "no memory", 0.0)
    monkeypatch.setattr(run, "reconstruct", lambda *arguments: [failed])
    with pytest.raises(RuntimeError, match="kkt-margin failed on faces: no memory"):
        ours(target, 0.1, 0)


def test_published_is_what_the_target_asks_for(target, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def attack_for(target):
        def attack(**options):
            asked.append((target, options))
            return Attacked([target.members], target.members[:0], [])

        return attack

    monkeypatch.setattr(run, "attack_for", attack_for)
    found = published(target, 1.5, 3)
    assert asked == [(target, {"seconds": 1.5, "seed": 3})]
    assert found.candidates[0] is target.members


def test_ours_only_leaves_the_results_alone(
    target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(
        run, "ours", lambda target, *a: Found([target.members], target.members[:0], 1.0, [{}])
    )
    monkeypatch.setattr(run, "published", lambda *a: pytest.fail("ran the published attack"))
    assert main(["--targets", "faces", "--ours-only", "--cache", str(tmp_path / "cache")]) == 0
    assert not (tmp_path / "results").exists()
    assert "20 of 20" in capsys.readouterr().out


def test_missing_data_ends_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--targets", "mnist", "--data-dir", str(tmp_path), "--cache", str(tmp_path), "--ours-only"])
    assert code == 2
    assert "error:" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--targets", "facs"], ["--seeds", "0,x"]])
def test_a_wrong_option_is_refused(wrong, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(wrong)
    assert stop.value.code == 2
    assert wrong[1].split(",")[-1] in capsys.readouterr().err


@pytest.mark.benchmark
def test_faces_reach_the_goal_of_the_demo() -> None:
    target = prepare("faces")
    figures = score(ours(target, 60, 0), target)
    assert figures["confirmed"] >= 34
    assert figures["best_ssim"] > 0.88
    assert figures["null_confirmed"] == figures["unseen_confirmed"] == 0


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("name", "confirmed", "best_ssim"),
    [("mnist-delta", 42, 0.0), ("cifar-delta", 30, 0.95), ("faces-delta", 36, 0.0)],
)
def test_changes_of_weights_reach_their_goals(name, confirmed, best_ssim) -> None:
    target = prepare(name)
    figures = score(ours(target, 60, 0), target)
    assert figures["confirmed"] >= confirmed
    assert figures["best_ssim"] > best_ssim
    assert figures["null_confirmed"] == 0


@pytest.mark.benchmark
@pytest.mark.parametrize("name", RECIPES)
def test_ours_in_60_s_confirms_at_least_what_is_published_in_120_s(name) -> None:
    figures = measure(prepare(name), 0, 60, 120)
    theirs = figures["published"]
    assert figures["ours"]["confirmed"] >= max(theirs["confirmed"], theirs["best_run_confirmed"])
    assert figures["ours"]["best_ssim"] > figures["published"]["best_ssim"]
    assert figures["ours"]["null_confirmed"] == 0
