"""The battery: every attack gives an outcome, in order, within its share of the budget."""

import dataclasses
import inspect
import math

import numpy as np
import pytest
import torch

from audit import battery
from audit.attacks import BATTERY, Observation
from audit.attacks.kkt_margin import KktMargin
from audit.battery import AttackFailed, AttackResult, AttackSkipped, reconstruct
from audit.solve.base import Status
from audit.solve.budget import Budget
from tests.planted import Clock, costing, kkt_point, observation, small_network

SECONDS = 90.0


class Timed(KktMargin):
    """kkt-margin under another name, whose evaluations take a second each."""

    def __init__(self, name, clock, error=None, reason=None):
        self.id = name
        self.clock = clock
        self.error = error
        self.reason = reason
        self.began = None

    def inapplicable(self, observation):
        return self.reason

    def objective(self, observation):
        self.began = self.clock.now
        if self.error is not None:
            raise self.error
        return costing(super().objective(observation), self.clock)


def small_observation(seed=0, outputs=1, inputs=20):
    return observation(small_network(outputs, 2, "none", inputs, 16, seed, dtype=torch.float32), bound=1.5)


def run(attacks, clock, seen=None, chosen=None, seconds=SECONDS, seed=0, **more):
    return reconstruct(seen or small_observation(), attacks, chosen, Budget(seconds, clock), seed, **more)


def single(seen=None, seconds=SECONDS, seed=0):
    clock = Clock()
    (outcome,) = run([Timed("a", clock)], clock, seen, seconds=seconds, seed=seed)
    return outcome


# Outcomes


def test_one_outcome_per_attack_in_order():
    clock = Clock()
    attacks = [
        Timed("a", clock),
        Timed("b", clock, reason="needs the initial network"),
        Timed("c", clock, error=RuntimeError("out of memory\nmore lines")),
        Timed("d", clock),
        Timed("e", clock),
    ]
    outcomes = run(attacks, clock, chosen=["e", "c", "b", "a"])
    assert [outcome.attack for outcome in outcomes] == attacks
    kinds = [AttackResult, AttackSkipped, AttackFailed, AttackSkipped, AttackResult]
    assert [type(outcome) for outcome in outcomes] == kinds
    assert outcomes[1].reason == "needs the initial network"
    assert outcomes[2].reason == "out of memory"
    assert outcomes[3].reason
    assert outcomes[3].reason != outcomes[1].reason
    assert [attack.began is None for attack in attacks] == [False, True, False, True, False]


def test_without_a_choice_all_run():
    clock = Clock()
    outcomes = run([Timed("a", clock), Timed("b", clock)], clock)
    assert [type(outcome) for outcome in outcomes] == [AttackResult, AttackResult]


@pytest.mark.parametrize("chosen", [[], ["nothing"]])
def test_attacks_not_asked_for_are_skipped_with_a_reason(chosen):
    clock = Clock()
    outcomes = run([Timed("a", clock), Timed("b", clock)], clock, chosen=chosen)
    assert all(isinstance(outcome, AttackSkipped) and outcome.reason for outcome in outcomes)
    assert clock.now == 0.0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("no memory"), "no memory"),
        (RuntimeError(), "RuntimeError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_attack_that_breaks_is_an_outcome_and_the_next_one_runs(error, reason):
    clock = Clock()
    first, second = run([Timed("a", clock, error=error), Timed("b", clock)], clock)
    assert isinstance(first, AttackFailed)
    assert first.reason == reason
    assert first.seconds == 0.0
    assert isinstance(second, AttackResult)


@pytest.mark.parametrize("layer", [0, 1])
def test_weights_that_are_not_finite_make_an_attack_fail(layer):
    seen = small_observation()
    weights = list(seen.network.weights)
    weights[layer] = torch.full_like(weights[layer], math.nan)
    broken = dataclasses.replace(seen, network=seen.network.with_tensors(weights))
    outcome = single(broken)
    assert isinstance(outcome, AttackFailed)
    assert outcome.reason
    if layer == 1:
        assert outcome.reason == Status.DIVERGED.value


def test_a_network_of_zeros_does_not_break_the_audit():
    seen = small_observation()
    zeros = seen.network.with_tensors([torch.zeros_like(tensor) for tensor in seen.network.tensors])
    outcome = single(dataclasses.replace(seen, network=zeros))
    assert isinstance(outcome, AttackFailed)
    assert outcome.reason == Status.DIVERGED.value


# The budget


def test_attacks_share_the_budget_equally():
    clock = Clock()
    attacks = [
        Timed("a", clock),
        Timed("skipped", clock, reason="no"),
        Timed("b", clock),
        Timed("c", clock),
    ]
    outcomes = run(attacks, clock, seconds=240.0)
    began = [attack.began for attack in attacks if attack.began is not None]
    assert began == pytest.approx([0.0, 80.0, 160.0], abs=20.0)
    assert 200.0 <= clock.now <= 252.0
    for outcome in outcomes:
        if isinstance(outcome, AttackResult):
            assert outcome.seconds == pytest.approx(80.0, abs=15.0)


def test_what_an_attack_leaves_goes_to_the_others():
    clock = Clock()
    attacks = [Timed("a", clock, error=RuntimeError("x")), Timed("b", clock), Timed("c", clock)]
    _, second, third = run(attacks, clock, seconds=240.0)
    assert second.seconds == pytest.approx(120.0, abs=15.0)
    assert third.seconds == pytest.approx(120.0, abs=20.0)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_without_time_there_are_still_outcomes(seconds):
    clock = Clock()
    outcomes = run([Timed("a", clock), Timed("b", clock)], clock, seconds=seconds)
    for outcome in outcomes:
        assert isinstance(outcome, AttackResult)
        assert np.isfinite(outcome.reconstructions).all()
        assert Status.BUDGET.value in outcome.note


def test_breaking_off_ends_all_attacks_and_keeps_what_was_found():
    clock = Clock()
    attacks = [Timed("a", clock), Timed("b", clock)]
    budget = Budget(240.0, clock, lambda: clock.now >= 60.0)
    outcomes = reconstruct(small_observation(), attacks, None, budget, 0)
    assert clock.now < 110.0
    for outcome in outcomes:
        assert isinstance(outcome, AttackResult)
        assert outcome.solution.status is Status.INTERRUPTED
        assert len(outcome.reconstructions)


def test_the_watcher_hears_which_attack_runs():
    clock = Clock()
    heard = []
    attacks = [Timed("a", clock), Timed("b", clock)]
    run(attacks, clock, seconds=4 * SECONDS, watch=lambda *event: heard.append(event))
    assert list(dict.fromkeys(event[0] for event in heard)) == attacks
    for attack in attacks:
        steps = [step for other, step, _ in heard if other is attack]
        assert steps == sorted(steps)
        assert all(math.isfinite(loss) for _, _, loss in heard)


# Reconstructions and their null


@pytest.mark.parametrize("outputs", [1, 3])
def test_reconstructions_are_images_in_network_units(outputs):
    seen = small_observation(outputs=outputs)
    found = single(seen)
    assert found.reconstructions.dtype == np.float32
    assert found.reconstructions.shape[1] == 20
    assert np.isfinite(found.reconstructions).all()
    fitted, clipped = np.split(found.reconstructions, 2)
    assert np.abs(clipped).max() <= 1.5
    candidates = found.solution.candidates.inputs.shape[:2].numel()
    assert 0 < len(fitted) <= candidates
    basis = found.space.basis.numpy()
    assert fitted @ basis @ basis.T == pytest.approx(fitted, abs=1e-4)


def test_the_null_has_as_many_images_made_in_the_same_way():
    found = single()
    assert found.null.shape == found.reconstructions.shape
    assert found.null.dtype == np.float32
    fitted, clipped = np.split(found.null, 2)
    assert np.abs(clipped).max() <= 1.5
    assert (np.linalg.norm(clipped, axis=1) > np.linalg.norm(fitted, axis=1)).all()
    cosines = (fitted * clipped).sum(1) / np.linalg.norm(fitted, axis=1) / np.linalg.norm(clipped, axis=1)
    assert cosines.min() > 0.9


def test_the_null_is_noise_in_all_dimensions_not_in_the_row_space():
    found = single()
    fitted = found.null[: len(found.null) // 2]
    assert found.space.rank == 16 < 20 <= len(fitted)
    assert np.linalg.matrix_rank(fitted) == 20
    directions = fitted / np.linalg.norm(fitted, axis=1, keepdims=True)
    share = np.square(directions @ found.space.basis.numpy()).sum(1).mean()
    assert share == pytest.approx(16 / 20, abs=0.1)
    assert np.abs(directions @ directions.T - np.eye(len(directions))).max() < 0.9


def test_the_null_does_not_depend_on_the_weights():
    # So short that all candidates are still apart: merged ones would change the number of images.
    one, other = (single(small_observation(seed), seconds=45.0) for seed in (0, 1))
    assert one.reconstructions.shape == other.reconstructions.shape
    assert np.array_equal(one.null, other.null)
    assert not np.allclose(one.reconstructions, other.reconstructions)


def test_the_same_seed_and_time_give_the_same_outcome():
    one, same, other = single(seed=1), single(seed=1), single(seed=2)
    assert np.array_equal(one.reconstructions, same.reconstructions)
    assert np.array_equal(one.null, same.null)
    assert not np.array_equal(one.null[: len(other.null)], other.null[: len(one.null)])


def test_an_attack_does_not_depend_on_those_before_it():
    clock = Clock()
    _, _, found = run(
        [Timed("a", clock, reason="no"), Timed("b", clock, error=RuntimeError("x")), Timed("c", clock)], clock
    )
    alone = single()
    assert np.array_equal(found.reconstructions, alone.reconstructions)
    assert np.array_equal(found.null, alone.null)


def test_the_note_says_why_it_stopped_and_how_far_the_theory_applies():
    plain = single()
    assert plain.note == Status.BUDGET.value
    biased = observation(small_network(1, 2, "all", 20, 16, dtype=torch.float32))
    found = single(biased)
    assert Status.BUDGET.value in found.note
    assert KktMargin().caveat(biased) in found.note


@pytest.mark.parametrize("outputs", [1, 2])
def test_samples_of_a_kkt_point_are_reconstructed(outputs):
    net, samples = kkt_point(outputs, samples=3, inputs=12, copies=2)
    net = net.with_tensors([tensor.float() for tensor in net.tensors])
    found = single(observation(net, bound=1.5), seconds=900.0)
    rows = samples.inputs.numpy() / np.linalg.norm(samples.inputs, axis=1, keepdims=True)
    fitted, _ = np.split(found.reconstructions, 2)
    best = (rows @ (fitted / np.linalg.norm(fitted, axis=1, keepdims=True)).T).max(1)
    assert found.solution.relative_loss < 1e-2
    assert (best > 0.8).all()  # a mixture of two has 0.65


# Members are out of reach


def test_the_real_battery_runs():
    clock = Clock()
    (outcome,) = reconstruct(small_observation(), BATTERY, None, Budget(0.5, counting(clock)), 0)
    assert isinstance(outcome, AttackResult)


def counting(clock):
    def ticking():
        clock.now += 0.001
        return clock.now

    return ticking


def test_an_observation_holds_nothing_but_what_the_attacker_sees():
    assert {field.name for field in dataclasses.fields(Observation)} <= {
        "network",
        "initial",
        "gradient",
        "low",
        "high",
        "shape",
    }
    source = inspect.getsource(battery)
    assert "audit.dataset" not in source
