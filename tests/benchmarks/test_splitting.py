"""The splitting benchmark: its arms, statistics of made-up figures, its JSON, and all of it on a tiny problem."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel

from audit.attacks import BATTERY
from audit.model.preprocessing import Preprocessing
from audit.solve.splitting import plan_splits
from tests.benchmarks import splitting
from tests.benchmarks.splitting import (
    Case,
    arms,
    attacked,
    case_of,
    main,
    measure,
    random_plan,
    solvers,
    write,
)
from tests.benchmarks.splitting_table import gain, gains, p_value, rows, summary
from tests.planted import (
    Clock,
    equation,
    generator,
    observation,
    planted_problem,
    random_candidates,
    small_network,
)

ARMS = ["none", "more", "random", "splitting"]


@pytest.fixture
def case():
    """A planted problem whose samples are images of 4 by 5 pixels in [-1.5, 1.5]."""
    planted = planted_problem()
    others = torch.randn(30, 20, generator=generator(9)).clamp(-1.5, 1.5).numpy()
    pixels = Preprocessing((1, 4, 5), np.full(20, 0.5, np.float32), np.full(20, 1 / 3, np.float32))
    target = SimpleNamespace(members=planted.samples.numpy(), controls=others, format=pixels)
    return Case(planted.problem, planted.space, 1.0, 2, False, target)


def count(solver):
    return getattr(solver, "solver", solver).count


def entry(measured, target="faces", attack="kkt-margin"):
    """Made-up figures; measured says what every arm confirmed, by seed."""
    measurements = [
        {"seed": seed, "start": "rank", "arm": arm, "confirmed": value, "recovered": value + 1}
        | {"mean_ssim": value / 100, "relative_loss": None if value == 0 else 0.5}
        for arm, confirmed in measured.items()
        for seed, value in confirmed.items()
    ]
    return {"target": target, "attack": attack, "n": 40, "measurements": measurements}


def test_arms_have_the_stated_candidates_restarts_and_choosers() -> None:
    found = arms(6)
    assert {arm: count(solver) for arm, solver in found.items()} == dict(
        zip(ARMS, (6, 12, 12, 12), strict=True)
    )
    assert {getattr(solver, "solver", solver).restarts for solver in found.values()} == {4}
    assert found["random"].choose is random_plan
    assert found["splitting"] == splitting.SampleSplitting(found["more"])


def test_starts_are_rounded_up_to_equal_shares_of_the_classes(case) -> None:
    case = replace(case, classes=3)
    assert case.problem.rank == 5
    found = solvers(case, initial=False)
    assert {key: count(solver) for key, solver in found.items()} == {
        ("rank", arm): 6 if arm == "none" else 12 for arm in ARMS
    }
    found = solvers(case, initial=True)
    begins = {"n/2": 3, "n": 6, "2n": 12, "4n": 21}
    assert {key: count(solver) for key, solver in found.items()} == {
        (start, arm): begin * times
        for start, begin in begins.items()
        for arm, times in (("none", 1), ("splitting", 2))
    }


def test_random_plan_split_all_and_keep_the_sum_to_first_order() -> None:
    seen = observation(small_network())
    candidates = random_candidates(BATTERY[0], seen, count=5, restarts=(3,))
    plan = random_plan(equation(BATTERY[0], seen).objective, candidates, 1.0, generator(3))
    assert plan.splits.tolist() == [5, 5, 5]
    assert torch.equal(plan.shares.sum(0), torch.ones(3, 5))
    assert torch.equal((plan.shares * plan.shifts).sum(0), torch.zeros(3, 5))
    torch.testing.assert_close(plan.directions.norm(dim=-1), torch.ones(3, 5, dtype=torch.float64))
    flat = plan.directions.flatten(0, 1)
    assert ((flat @ flat.T).abs() > 0.999).sum() == 15  # none along another
    again = random_plan(equation(BATTERY[0], seen).objective, candidates, 1.0, generator(4))
    assert not torch.equal(again.directions, plan.directions)


def test_the_case_is_the_reduced_problem() -> None:
    network = small_network(outputs=3, inputs=20, hidden=7)
    seen, target = observation(network), SimpleNamespace()
    case = case_of(BATTERY[0], seen, target)
    assert case.problem.rank == 7
    assert case.classes == 3
    assert case.problem.labels(4).tolist() == [0, 1, 2, 0]
    assert case.share == pytest.approx(1.0)  # weights lie in the space of their own rows


def test_every_arm_runs_on_a_tiny_problem_in_a_rotating_order(case) -> None:
    case, chosen = replace(case, share=0.5), solvers(case, initial=False)
    found = measure(case, chosen, [0, 5], 1.0, Clock(tick=0.015))
    assert [row["arm"] for row in found] == [*ARMS, *ARMS[1:], ARMS[0]]
    assert [row["seed"] for row in found] == [0] * 4 + [5] * 4
    by_arm = {row["arm"]: row for row in found[:4]}
    assert [by_arm[arm]["candidates"] for arm in ARMS] == [6, 12, 12, 12]
    assert all(0.5 < row["relative_loss"] < 1.5 and row["steps"] > 5 for row in found)
    assert all(0 <= row["confirmed"] <= row["recovered"] <= 5 for row in found)
    assert all(-1 <= row["mean_ssim"] <= 1 and row["mean_ssim"] == row["best_ssim"] for row in found)
    assert ["splits" in by_arm[arm] for arm in ARMS] == [False, False, True, True]
    assert any(by_arm["random"]["rounds"])
    assert by_arm["random"]["splits"] == [6 * kept for kept in by_arm["random"]["rounds"]]
    again = measure(case, {key: chosen[key] for key in [("rank", "none")]}, [0], 1.0, Clock(tick=0.015))
    assert again[0]["relative_loss"] == by_arm["none"]["relative_loss"]


def test_perfect_candidates_are_recovered_and_diverged_ones_count_as_nothing(case) -> None:
    members = torch.from_numpy(case.target.members)
    inputs = (members @ case.space.basis)[None]

    def solver(loss):
        solution = splitting.Descent(count=5, restarts=1, steps=0).minimise(
            case.problem, splitting.Budget(1.0, Clock()), generator(), lambda *_: None
        )
        solution = replace(
            solution, candidates=replace(solution.candidates, inputs=inputs), losses=torch.tensor([loss])
        )
        return SimpleNamespace(minimise=lambda *_: solution)

    fine = attacked(replace(case, share=0.5), solver(0.25), 0, splitting.Budget(1.0, Clock()))
    assert (fine["recovered"], fine["relative_loss"]) == (5, 0.625)
    lost = attacked(case, solver(math.inf), 0, splitting.Budget(1.0, Clock()))
    assert (lost["recovered"], lost["confirmed"], lost["relative_loss"]) == (0, 0, None)


def test_p_values_are_those_of_paired_tests_and_nan_where_nothing_varies() -> None:
    assert p_value([1.0, 2.0, 4.0]) == pytest.approx(ttest_rel([4.0, 6.0, 9.0], [3.0, 4.0, 5.0]).pvalue)
    assert all(math.isnan(p_value(same)) for same in ([], [2.0], [0.0, 0.0], [0.1 + 0.2, 0.3, 0.3]))


def test_pairs_are_by_seed_and_against_the_arm_of_the_best_mean() -> None:
    one = entry({"none": {0: 10, 1: 14}, "random": {1: 5, 2: 0}, "splitting": {1: 16, 0: 15, 2: 20}})
    assert gains(one, "rank", "none", "confirmed") == [2, 5]
    assert gains(one, "rank", "random", "confirmed") == [11, 20]
    assert gain(one, "rank", "confirmed") == f"+3.5 to none, p {p_value([2, 5]):.2g}"
    assert gain(one, "rank", "mean_ssim").startswith("+0.035 to none")
    head, row = rows([one], "; ")
    assert head[4:7] == ["none", "random", "splitting"]
    assert row[:5] == ["faces", "kkt-margin", "40", "rank", "12.0 ± 2.8; 13.0 ± 2.8; 0.120 ± 0.028; 0.5 ± 0"]
    assert row[5] == "2.5 ± 3.5; 3.5 ± 3.5; 0.025 ± 0.035; 0.5"  # the run that diverged has no loss


def test_the_table_stands_without_the_arm_that_matters_and_with_equal_figures() -> None:
    assert gain(entry({"none": {0: 10, 1: 14}}), "rank", "confirmed") == "-"
    assert summary([entry({"none": {0: 10, 1: 14}})]) == []
    same = entry({arm: {0: 7, 1: 7} for arm in ARMS})
    assert gain(same, "rank", "confirmed") == "+0.0 to none, p nan"


def test_the_summary_takes_the_mean_over_seeds_of_every_target() -> None:
    first = entry({"more": {0: 10, 1: 10}, "splitting": {0: 11, 1: 13}})
    second = entry({"more": {0: 20, 1: 20}, "splitting": {0: 22, 1: 26}}, target="mnist")
    found = [2, 4]
    (line,) = summary([first, second])
    error = np.std(found, ddof=1) / math.sqrt(2)
    assert line.startswith("splitting - more, from rank, 2 pairs of target and attack: ")
    assert f"confirmed +3.0 (standard error {error:.1f}, p {p_value(found):.2g})" in line
    assert f"mean_ssim +0.030 (standard error {error / 100:.3f}, " in line


def test_an_entry_replaces_that_of_its_target_and_attack_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "new" / "splitting.json"
    write(path, entry({"splitting": {0: 1}}, "mnist"))
    write(path, entry({"splitting": {0: 2}}, "faces", "kkt-loss"))
    write(path, entry({"splitting": {0: 3}}, "faces"))
    last = write(path, entry({"splitting": {0: 4}}, "mnist"))
    content = json.loads(path.read_text(), parse_constant=pytest.fail)["results"]
    assert content == last
    found = [(one["target"], one["attack"], one["measurements"][0]["confirmed"]) for one in content]
    assert found == [("faces", "kkt-margin", 3), ("faces", "kkt-loss", 2), ("mnist", "kkt-margin", 4)]
    text = path.with_suffix(".md").read_text()
    assert "| mnist | kkt-margin | 40 | rank |" in text
    assert "4.0<br>5.0<br>0.040<br>0.5" in text
    assert sorted(file.name for file in path.parent.iterdir()) == ["splitting.json", "splitting.md"]


@pytest.mark.parametrize(("options", "name"), [([], "splitting"), (["--initial"], "splitting-initial")])
def test_attacks_that_apply_are_measured_and_written(
    options, name, case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(splitting, "prepare", lambda name, **_: case.target)
    monkeypatch.setattr(
        splitting, "seen_by_us", lambda _: replace(observation(small_network()), initial=None)
    )
    asked = []

    def measure(case, chosen, seeds, seconds):
        asked.append((len(chosen), seeds, seconds))
        return entry({arm: {0: 7, 1: 9} for arm in ARMS})["measurements"]

    monkeypatch.setattr(splitting, "measure", measure)
    arguments = ["--targets", "faces", "--attacks", "kkt-loss,weight-delta", "--seeds", "0,1", *options]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    assert asked == [(8 if options else 4, [0, 1], 12.0)]
    (one,) = json.loads((tmp_path / f"{name}.json").read_text())["results"]
    assert (one["target"], one["attack"], one["n"], one["rank"]) == ("faces", "kkt-loss", 5, 6)
    assert one["command"].startswith("python -m tests.benchmarks.splitting --targets faces")
    assert one["settings"]["seconds"] == 12.0
    assert {"cores", "torch"} <= one["machine"].keys()
    assert "Arms: confirmed" in capsys.readouterr().out


def test_an_unknown_attack_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--attacks", "kkt-margin,kkt"])
    assert "unknown attacks kkt;" in capsys.readouterr().err


@pytest.mark.benchmark
@pytest.mark.parametrize("attack", BATTERY, ids=lambda attack: attack.id)
def test_eigenpairs_of_200_candidates_take_less_time_than_40_gradients(attack) -> None:
    seen = observation(small_network(2, 2, "first", inputs=784, hidden=500, dtype=torch.float32))
    objective, candidates = (
        equation(attack, seen).objective,
        random_candidates(attack, seen, 200, restarts=(1,)),
    )
    inputs, weights = candidates.inputs.requires_grad_(), candidates.weights.requires_grad_()

    def seconds(work, times):
        began = time.perf_counter()
        for _ in range(times):
            work()
        return (time.perf_counter() - began) / times

    def gradient() -> None:
        torch.autograd.grad(objective.relative_loss(candidates, 10.0).sum(), (inputs, weights))

    def eigenpairs() -> None:
        plan_splits(objective, candidates.detach(), 10.0, generator())

    gradient()
    eigenpairs()
    assert min(seconds(eigenpairs, 1) / seconds(gradient, 10) for _ in range(5)) < 40
