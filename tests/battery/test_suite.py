"""The battery: every attack gives an outcome, in order, within its share of the budget."""

import dataclasses
import math
import re
from types import SimpleNamespace
from typing import Never

import numpy as np
import pytest
import torch

from audit.attacks import BATTERY, Inapplicable, Method, Observation
from audit.attacks.base import Labels
from audit.attacks.gradient import Gradient
from audit.attacks.gradient_exact import GradientExact
from audit.attacks.kkt_loss import KktLoss
from audit.attacks.kkt_margin import KktMargin
from audit.attacks.moment_tensor import MomentTensor
from audit.attacks.polynomial import Polynomial
from audit.attacks.polynomial_gradient import PolynomialGradient
from audit.battery import AttackFailed, AttackResult, AttackSkipped, attempt
from audit.battery.attempt import begin, run_slice
from audit.battery.reading import read_off
from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.solve import moments as moment_solver
from audit.solve import restarts
from audit.solve.base import Solution, Status
from audit.solve.descent import Descent
from tests.planted import (
    Clock,
    at,
    batch_gradient,
    costing,
    equation,
    in_row_space,
    kkt_point,
    observation,
    run_battery,
    small_network,
)
from tests.polynomials import random_network

SECONDS = 90.0


class Timed(KktMargin):
    """kkt-margin under another name, whose evaluations take a second each."""

    def __init__(self, name, clock, error=None, reason=None):
        self.id = name
        self.clock = clock
        self.error = error
        self.reason = reason
        self.began = None

    def prepare(self, seen):
        if self.reason is not None:
            return Inapplicable(self.reason)
        self.began = self.clock.now
        if self.error is not None:
            raise self.error
        found = super().prepare(seen)
        return dataclasses.replace(found, objective=costing(found.objective, self.clock))


def small_observation(seed=0, outputs=1, inputs=20):
    return observation(small_network(outputs, 2, "none", inputs, 16, seed, dtype=torch.float32), bound=1.5)


def run(attacks, clock, seen=None, chosen=None, seconds=SECONDS, seed=0, **more):
    return run_battery(seen or small_observation(), attacks, chosen, Budget(seconds, clock), seed, **more)


def single(seen=None, seconds=SECONDS, seed=0):
    clock = Clock()
    (outcome,) = run([Timed("a", clock)], clock, seen, seconds=seconds, seed=seed)
    return outcome


# Outcomes


def test_one_outcome_per_attack_in_order() -> None:
    clock = Clock()
    attacks = [
        Timed("a", clock),
        Timed("b", clock, reason="needs the initial network"),
        Timed("c", clock, error=RuntimeError("out of memory\nmore lines")),
        Timed("d", clock),
        Timed("e", clock),
    ]
    outcomes = run(attacks, clock, chosen=["e", "c", "b", "a"], seconds=300.0)
    assert [outcome.attack for outcome in outcomes] == attacks
    kinds = [AttackResult, AttackSkipped, AttackFailed, AttackSkipped, AttackResult]
    assert [type(outcome) for outcome in outcomes] == kinds
    assert outcomes[1].reason == "needs the initial network"
    assert outcomes[2].reason == "out of memory"
    assert outcomes[3].reason
    assert outcomes[3].reason != outcomes[1].reason
    assert [attack.began is None for attack in attacks] == [
        False,
        True,
        False,
        False,
        False,
    ]  # equations of all


def test_without_a_choice_all_run() -> None:
    clock = Clock()
    outcomes = run([Timed("a", clock), Timed("b", clock)], clock, seconds=300.0)
    assert [type(outcome) for outcome in outcomes] == [AttackResult, AttackResult]


@pytest.mark.parametrize("chosen", [[], ["nothing"]])
def test_attacks_not_asked_for_are_skipped_with_a_reason(chosen) -> None:
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
def test_an_attack_that_breaks_is_an_outcome_and_the_next_one_runs(error, reason) -> None:
    clock = Clock()
    first, second = run([Timed("a", clock, error=error), Timed("b", clock)], clock)
    assert isinstance(first, AttackFailed)
    assert first.reason == reason
    assert first.seconds == 0.0
    assert isinstance(second, AttackResult)


@pytest.mark.parametrize("layer", [0, 1])
def test_weights_that_are_not_finite_make_an_attack_fail(layer) -> None:
    seen = small_observation()
    weights = list(seen.network.weights)
    weights[layer] = torch.full_like(weights[layer], math.nan)
    broken = dataclasses.replace(seen, network=at(seen.network, weights))
    outcome = single(broken)
    assert isinstance(outcome, AttackFailed)
    assert outcome.reason
    if layer == 1:
        assert outcome.reason == Status.DIVERGED.value


@pytest.mark.parametrize("zeros", [True, False], ids=["zeros", "NaN"])
def test_a_network_without_an_equation_does_not_break_the_audit(zeros) -> None:
    """Long enough for steps to be taken, and heard of."""
    seen, heard = small_observation(), []
    value = 0.0 if zeros else math.nan
    tensors = [torch.full_like(tensor, value) for tensor in seen.network.parameters.tensors]
    if not zeros:
        tensors[0] = seen.network.weights[0]  # the row space is there
    network = at(seen.network, tensors)
    broken = dataclasses.replace(seen, network=network, initial=None, gradient=None)
    budget = Budget(4.0, Clock(tick=0.001))
    margin, loss, *others = run_battery(broken, BATTERY, None, budget, 0, lambda *event: heard.append(event))
    for outcome in (margin, loss):
        assert isinstance(outcome, AttackFailed)
        assert outcome.reason == Status.DIVERGED.value
    assert all(isinstance(outcome, AttackSkipped) for outcome in others)
    assert {event[0].id for event in heard} == {"kkt-margin", "kkt-loss"}
    assert {event[2] for event in heard} == {1.0}


# The budget


class Numbered(KktMargin):
    """kkt-margin under a number, by which `scripted` knows it."""

    def __init__(self, number):
        self.id = str(number)
        self.number = number

    def prepare(self, seen):
        return dataclasses.replace(super().prepare(seen), labels=Labels(torch.arange(self.number)))


def scripted(monkeypatch: pytest.MonkeyPatch, clock, *scripts):
    """Replace the solver: attack k gets a loss, a status or an error for every slice, the last one for the rest.

    Returns the attacks, and the list that (number, seconds) of every slice will be appended to.
    """
    slices = []

    @dataclasses.dataclass
    class Script:
        classes: int

        def minimise(self, problem, budget, generator, watch):
            script = scripts[self.classes]
            seen = sum(number == self.classes for number, _ in slices)
            slices.append((self.classes, budget.seconds))
            clock.now += 1.0 if budget.rounds else budget.seconds
            found = script[min(seen, len(script) - 1)]
            if isinstance(found, Exception):
                raise found
            status = found if isinstance(found, Status) else Status.BUDGET
            steps = 0 if found is TOO_SHORT else 20
            loss = math.inf if isinstance(found, Status) else found
            history = ((1, 0.9), (10, loss))
            for event in history:
                watch(*event)
            inputs = torch.randn(2, 3, problem.rank, generator=generator)
            candidates = Candidates(inputs, torch.ones(2, 3, 1), None)
            return Solution(candidates, torch.tensor([loss, 2.0]), status, steps, history)

    monkeypatch.setattr(attempt, "plan_restarts", lambda one, _: Script(one.equation.classes))
    return [Numbered(number) for number in range(len(scripts))], slices


NOTHING, GOOD = [1.0], [math.exp(-1.0)]
TOO_SHORT = Status.INTERRUPTED  # a slice without a step


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        ([GOOD, GOOD], [0, 1, 0, 1]),
        ([GOOD, GOOD, GOOD], [0, 1, 2, 0]),
        ([NOTHING, GOOD], [1, 1, 1, 1]),
        ([GOOD, NOTHING, NOTHING], [0, 0, 0, 0]),
        ([[1.3], GOOD], [1, 1, 1, 1]),  # worse than no candidates at all
        ([NOTHING, NOTHING], [0, 1, 0, 1]),
        ([GOOD, [math.exp(-2.1)]], [1, 1, 1, 0]),  # 1 / 2 against 2.1 / 2, / 3, / 4, / 5
        ([GOOD, [math.exp(-0.9), math.exp(-3.0)]], [0, 1, 1, 1]),  # better than it seemed
        ([[0.0], GOOD], [0, 0, 0, 0]),
        ([[0.0], [math.exp(-3.0)]], [0, 0, 1, 0]),  # counts as 1 %: 4.6 / 2, / 3, / 4 against 3 / 2, / 3
        ([[0.005], [1e-6]], [0, 1, 0, 1]),
        ([[RuntimeError("x")], GOOD, NOTHING], [1, 1, 1, 1]),
        ([[Status.DIVERGED], NOTHING], [1, 1, 1, 1]),
        ([[math.exp(-5), RuntimeError("x")], GOOD, NOTHING], [0, 1, 1, 1]),
        ([[RuntimeError("x")], [Status.DIVERGED]], []),
        ([GOOD, [TOO_SHORT, 1.0], [TOO_SHORT, 1.0]], [1, 2, 0, 0]),  # everybody's first step comes first
    ],
)
def test_slices_go_to_whoever_explains_most_per_slice(
    scripts, expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    attacks, slices = scripted(monkeypatch, clock, *scripts)
    outcomes = run(attacks, clock, seconds=240.0)
    first, rest = slices[: len(scripts)], slices[len(scripts) :]
    assert first == [(number, pytest.approx(60.0 / len(scripts))) for number in range(len(scripts))]
    assert [number for number, _ in rest] == expected
    assert [seconds for _, seconds in rest] == pytest.approx([45.0] * len(expected))
    for number, outcome in enumerate(outcomes):
        given = sum(seconds for other, seconds in slices if other == number)
        assert outcome.seconds == pytest.approx(given)


@pytest.mark.parametrize(
    ("rounds", "scripts", "expected"),
    [
        (1, [GOOD, NOTHING], [0, 1]),
        (3, [GOOD, NOTHING], [0, 1, 0, 0, 0, 0]),
        (2, [GOOD, GOOD, GOOD], [0, 1, 2, 0, 1, 2]),
        (4, [GOOD], [0, 0, 0, 0]),
        (2, [[RuntimeError("x")], NOTHING], [0, 1, 1, 1]),
    ],
)
def test_rounds_go_once_to_everybody_and_then_as_slices_do(
    monkeypatch: pytest.MonkeyPatch, rounds, scripts, expected
) -> None:
    clock = Clock()
    attacks, slices = scripted(monkeypatch, clock, *scripts)
    run_battery(small_observation(), attacks, None, Budget(math.inf, clock, rounds=rounds), 0)
    assert slices == [(number, math.inf) for number in expected]


def test_what_every_slice_found_is_pooled(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, heard = Clock(), []
    attacks, slices = scripted(monkeypatch, clock, [0.6, 0.3, 0.5, 0.7], NOTHING)
    found, other = run(attacks, clock, watch=lambda *event: heard.append(event))
    assert [number for number, _ in slices] == [0, 1, 0, 0, 0, 0]
    assert found.losses.tolist() == pytest.approx(
        [0.6, 2.0, 0.3, 2.0, 0.5, 2.0, 0.7, 2.0, 0.7, 2.0], abs=1e-5
    )
    assert found.steps == 5 * 20
    assert found.history == ((1, pytest.approx(0.9)), (10, pytest.approx(0.3)))
    assert len(found.reconstructions) == 2 * 5 * 2 * 3
    assert len(other.reconstructions) == 2 * 2 * 3
    told = [event[1:] for event in heard if event[0] is attacks[0]]
    losses = [0.9, 0.6, 0.6, 0.3, *[0.3] * 6]
    steps = [1, 10, 11, 20, 21, 30, 31, 40, 41, 50]
    assert [step for step, _ in told] == steps
    assert [loss for _, loss in told] == pytest.approx(losses, abs=1e-5)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (RuntimeError("no memory\nmore lines"), "no memory"),
        (MemoryError(), "MemoryError"),
        (Status.DIVERGED, Status.DIVERGED.value),
    ],
)
def test_a_failure_in_a_later_slice_keeps_what_was_found_before(
    failure, told, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    attacks, slices = scripted(monkeypatch, clock, [0.1, 0.2, failure], NOTHING)
    found, _ = run(attacks, clock)
    assert [number for number, _ in slices] == [0, 1, 0, 0, 1, 1]
    assert isinstance(found, AttackResult)
    assert found.losses.tolist() == pytest.approx([0.1, 2.0, 0.2, 2.0], abs=1e-5)
    assert found.note == f"{Status.BUDGET.value}; {told}"


def test_slices_end_when_the_user_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    attacks, slices = scripted(monkeypatch, clock, GOOD, GOOD)
    budget = Budget(240.0, clock, lambda: clock.now >= 100.0)
    found = run_battery(small_observation(), attacks, None, budget, 0)
    assert slices == [(0, 30.0), (1, 30.0), (0, 45.0)]
    assert all(isinstance(outcome, AttackResult) for outcome in found)


def test_the_whole_budget_is_used() -> None:
    clock = Clock()
    attacks = [Timed("a", clock), Timed("skipped", clock, reason="no"), Timed("b", clock)]
    first, _, second = run(attacks, clock, seconds=600.0)
    assert 540.0 <= clock.now <= 630.0
    assert first.seconds + second.seconds == pytest.approx(clock.now)
    assert min(first.seconds, second.seconds) >= 60.0


@pytest.mark.parametrize("others", [[], ["no"]])
def test_a_lone_attack_gets_the_whole_budget_at_once(others, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    attacks, slices = scripted(monkeypatch, clock, GOOD)
    outcomes = run([*attacks, *(Timed("b", clock, reason=reason) for reason in others)], clock, seconds=240.0)
    assert slices == [(0, 240.0)]
    assert outcomes[0].seconds == 240.0


def test_slices_are_cut_from_what_reduction_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    attacks, slices = scripted(monkeypatch, clock, GOOD, GOOD)
    for attack in attacks:
        monkeypatch.setattr(attack, "prepare", slow(attack.prepare, clock, 40.0))
    run(attacks, clock, seconds=240.0)
    assert slices == [(0, 20.0), (1, 20.0), (0, 30.0), (1, 30.0), (0, 30.0), (1, 30.0)]
    assert clock.now == 240.0


def slow(function, clock, seconds):
    def slowly(*arguments):
        clock.now += seconds
        return function(*arguments)

    return slowly


@pytest.mark.parametrize("names", ["a", "ab"])
@pytest.mark.parametrize(("seconds", "moment"), [(0.0, 1e9), (1.0, 1e9), (240.0, 0.0), (240.0, 3.0)])
def test_an_attack_that_took_no_step_failed(names, seconds, moment) -> None:
    """Nothing was tested then; too little time and a user who broke off are the same in this."""
    clock = Clock()
    budget = Budget(seconds, clock, lambda: clock.now >= moment)
    outcomes = run_battery(small_observation(), [Timed(name, clock) for name in names], None, budget, 0)
    assert [type(outcome) for outcome in outcomes] == [AttackFailed] * len(names)
    assert {outcome.reason for outcome in outcomes} == {"the time ended before its first step"}


@pytest.mark.parametrize(
    ("moment", "expected"),
    [(55.0, [AttackResult, AttackFailed]), (150.0, [AttackResult, AttackResult])],
)
def test_breaking_off_ends_all_attacks_and_keeps_what_was_found(moment, expected) -> None:
    clock = Clock()
    attacks = [Timed("a", clock), Timed("b", clock)]
    budget = Budget(400.0, clock, lambda: clock.now >= moment)
    outcomes = run_battery(small_observation(), attacks, None, budget, 0)
    assert clock.now < moment + 40.0
    assert [type(outcome) for outcome in outcomes] == expected
    found = [outcome for outcome in outcomes if isinstance(outcome, AttackResult)]
    assert all(len(one.reconstructions) and np.isfinite(one.reconstructions).all() for one in found)
    assert any(Status.INTERRUPTED.value in one.note for one in found) == (len(found) == len(outcomes))


def test_what_the_attacker_holds_besides_the_weights_is_attacked_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where an early slice overruns, it is not the attack on the change or the gradient that gets no time."""
    clock = Clock()
    attacks, slices = scripted(monkeypatch, clock, NOTHING, NOTHING, NOTHING, NOTHING)
    for attack, source in zip(attacks, ("weights", "change", "weights", "gradient"), strict=True):
        monkeypatch.setattr(attack, "source", source, raising=False)
    outcomes = run(attacks, clock, seconds=240.0)
    assert [number for number, _ in slices[:4]] == [1, 3, 0, 2]
    assert [outcome.attack for outcome in outcomes] == attacks


def test_the_watcher_hears_which_attack_runs() -> None:
    clock = Clock()
    heard = []
    attacks = [Timed("a", clock), Timed("b", clock)]
    run(attacks, clock, seconds=8 * SECONDS, watch=lambda *event: heard.append(event))
    assert list(dict.fromkeys(event[0] for event in heard)) == attacks
    for attack in attacks:
        steps = [step for other, step, _ in heard if other is attack]
        assert steps == sorted(set(steps))
        assert all(0.0 <= loss <= 1.0 for other, _, loss in heard if other is attack)


# Losses are of the whole target


@dataclasses.dataclass
class Short:
    """Stands in for `Restarts`: a few steps, which take all the time there is."""

    classes: int
    clock: Clock

    def minimise(self, problem, budget, generator, watch):
        descent = Descent(count=6 * max(self.classes, 1), restarts=2, steps=40)
        found = descent.minimise(problem, Budget(1.0, Clock()), generator, watch)
        self.clock.now += budget.left
        return found


def noisy_observation():
    """After a step along the gradients of three samples, and noise: row spaces are truncated.

    Without a kink: the solver's losses are then those of the activation itself.
    """
    rng = torch.Generator().manual_seed(3)
    initial = small_network(1, 2, "first", 80, 90, activation="gelu")
    rows = torch.randn(3, 80, generator=rng).double().clamp(-2, 2)
    tensors = [tensor.clone().requires_grad_() for tensor in initial.parameters.tensors]
    outputs = at(initial, tensors).forward(rows)
    step = torch.autograd.grad((torch.tensor([[1.0], [-1.0], [1.0]]) * outputs).sum(), tensors)
    final = [
        start + change + 0.1 * torch.randn(start.shape, generator=rng).double()
        for start, change in zip(initial.parameters.tensors, step, strict=True)
    ]
    return dataclasses.replace(observation(at(initial, final)), initial=initial)


def whole_loss(attempted, candidates):
    """Relative loss (R,) of candidates in the equation as it was before reduction."""
    found = attempted.equation
    lifted = dataclasses.replace(candidates, inputs=found.space.lift(candidates.inputs))
    with torch.no_grad():
        return found.objective.relative_loss(lifted).tolist()


def test_losses_are_of_the_whole_target_in_network_units(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, heard, seen = Clock(), [], noisy_observation()
    monkeypatch.setattr(attempt, "plan_restarts", lambda one, _: Short(one.equation.classes, clock))
    # That gradient is a random one.
    attacks = [
        attack for attack in BATTERY if attack.method is Method.DESCENT and attack.source != "gradient"
    ]
    for attack in attacks:
        begun = begin(equation(attack, seen), seen, torch.Generator().manual_seed(0), splitting=False)
        ended = run_slice(begun, Budget(SECONDS, clock), lambda *event: heard.append(event))
        found, whole = read_off(ended), begun.equation.objective
        assert whole.points[0].inputs == 80
        assert found.losses.tolist() == pytest.approx(
            whole_loss(ended, ended.solutions[0].candidates), abs=1e-4
        )
        assert found.relative_loss < 0.97

        # History and watcher speak of the same: in reduced units they would fall below what can be explained.
        reduced, space = in_row_space(whole)
        out_of_reach = 1 - (reduced.target_norm / whole.target_norm) ** 2
        assert space.rank < 40
        assert out_of_reach > 0.15
        losses = [loss for _, loss in found.history]
        told = [loss for other, _, loss in heard if other is attack]
        assert min(losses) > out_of_reach
        assert min(losses) == pytest.approx(found.relative_loss, abs=0.02)
        assert min(told) == pytest.approx(min(losses), abs=0.02)
        assert max(told) <= 1.0


# Splitting


def splitting_run(monkeypatch: pytest.MonkeyPatch, splitting, seen=None):
    monkeypatch.setattr(restarts, "_WORTH_SPLITTING", 20)
    clock = Clock()
    (found,) = run([Timed("a", clock)], clock, seen, seconds=200.0, splitting=splitting)
    return found


def test_candidates_before_splitting_are_given_as_images_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the units of the whole target, like the losses after."""
    monkeypatch.setattr(restarts, "_WORTH_SPLITTING", 20)
    seen, clock = noisy_observation(), Clock()
    begun = begin(equation(Timed("a", clock), seen), seen, torch.Generator().manual_seed(0), splitting=True)
    ended = run_slice(begun, Budget(200.0, clock), lambda *event: None)
    found, before = read_off(ended), ended.solutions[0].splitting.before
    done = found.splitting
    assert done.images.dtype == np.float32
    assert done.images.shape[1] == 80
    assert 0 < len(done.images) <= 2 * len(before) * found.restarts
    _, clipped = np.split(done.images, 2)
    assert np.abs(clipped).max() <= 2.0 * (1 + 1e-6)
    assert done.losses.tolist() == pytest.approx(whole_loss(ended, before), abs=1e-4)
    assert (found.losses <= done.losses).all()
    assert done.parents.shape == done.children.shape == (int((done.rounds > 0).sum()), len(before), 80)
    assert np.array_equal(*np.split(done.parents, 2, axis=1))
    assert done.rescale(done.parents[0]).shape == (2 * len(before), 80)


def test_without_splitting_there_is_nothing_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = splitting_run(monkeypatch, splitting=False)
    assert found.splitting is None
    assert len(found.reconstructions) > 0


@pytest.mark.parametrize("splitting", [True, False])
def test_the_solver_is_told_whether_to_split(splitting, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def script(*arguments, splitting, **options) -> Never:
        told.append(splitting)
        raise RuntimeError

    monkeypatch.setattr(attempt, "make_plan", script)
    run_battery(
        small_observation(),
        BATTERY,
        ["kkt-loss"],
        Budget(1.0, Clock(tick=0.01)),
        0,
        splitting=splitting,
    )
    assert set(told) == {splitting}


# Reconstructions and their null


@pytest.mark.parametrize("outputs", [1, 3])
def test_reconstructions_are_images_in_network_units(outputs) -> None:
    seen = small_observation(outputs=outputs)
    found = single(seen)
    assert found.reconstructions.dtype == np.float32
    assert found.reconstructions.shape[1] == 20
    assert np.isfinite(found.reconstructions).all()
    fitted, clipped = found.reconstructions[::2], found.reconstructions[1::2]
    assert found.readings == 2
    assert (np.diff(found.support) <= 0).all()
    assert 0 <= found.support[-1] < found.support[0] == pytest.approx(1 - found.relative_loss)
    assert np.abs(clipped).max() <= 1.5
    space = equation(KktMargin(), seen).space
    assert 0 < len(fitted) <= 2 * space.rank * found.restarts
    basis = space.basis.numpy()
    assert fitted @ basis @ basis.T == pytest.approx(fitted, abs=1e-4)


def test_the_null_has_as_many_images_made_in_the_same_way() -> None:
    found = single()
    assert found.null.shape == found.reconstructions.shape
    assert found.null.dtype == np.float32
    fitted, clipped = np.split(found.null, 2)
    assert np.abs(clipped).max() <= 1.5
    assert (np.linalg.norm(clipped, axis=1) > np.linalg.norm(fitted, axis=1)).all()
    cosines = (fitted * clipped).sum(1) / np.linalg.norm(fitted, axis=1) / np.linalg.norm(clipped, axis=1)
    assert cosines.min() > 0.9


def test_the_null_is_noise_in_all_dimensions_not_in_the_row_space() -> None:
    found, space = single(), equation(KktMargin(), small_observation()).space
    fitted = found.null[: len(found.null) // 2]
    assert space.rank == 16 < 20 <= len(fitted)
    assert np.linalg.matrix_rank(fitted) == 20
    directions = fitted / np.linalg.norm(fitted, axis=1, keepdims=True)
    share = np.square(directions @ space.basis.numpy()).sum(1).mean()
    assert share == pytest.approx(16 / 20, abs=0.1)
    assert np.abs(directions @ directions.T - np.eye(len(directions))).max() < 0.9


def test_the_row_space_baseline_is_noise_in_the_row_space_made_in_the_same_way() -> None:
    found, space = single(), equation(KktMargin(), small_observation()).space
    assert found.row_space.shape == found.null.shape
    fitted, clipped = np.split(found.row_space, 2)
    assert np.abs(clipped).max() <= 1.5
    basis = space.basis.numpy()
    assert np.linalg.matrix_rank(fitted, tol=1e-3) == space.rank
    assert fitted @ basis @ basis.T == pytest.approx(fitted, abs=1e-4)
    directions = fitted / np.linalg.norm(fitted, axis=1, keepdims=True)
    assert np.abs(directions @ directions.T - np.eye(len(directions))).max() < 0.95


def test_the_null_does_not_depend_on_the_weights() -> None:
    # So short that all candidates are still apart, and with lambda of either sign, which does not vanish: merged
    # or vanished ones would change the number of images.
    one, other = (
        run_battery(
            small_observation(seed),
            BATTERY,
            ["kkt-loss"],
            Budget(0.3, Clock(tick=0.001)),
            0,
        )[1]
        for seed in (0, 1)
    )
    assert one.steps > 0
    assert one.reconstructions.shape == other.reconstructions.shape
    assert np.array_equal(one.null, other.null)
    assert not np.allclose(one.reconstructions, other.reconstructions)


def test_the_same_seed_and_time_give_the_same_outcome() -> None:
    one, same, other = single(seed=1), single(seed=1), single(seed=2)
    assert np.array_equal(one.reconstructions, same.reconstructions)
    assert np.array_equal(one.null, same.null)
    assert not np.array_equal(one.null[: len(other.null)], other.null[: len(one.null)])


@pytest.mark.parametrize("other", [NOTHING, [RuntimeError("x")], [Status.DIVERGED], [1.0, 0.99]])
def test_what_an_attack_finds_depends_on_others_by_its_time_only(
    other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it has the same slices whatever the attack before it does."""
    found = []
    for before in (NOTHING, other):
        clock = Clock()
        attacks, slices = scripted(monkeypatch, clock, before, GOOD)
        found.append(run(attacks, clock)[1])
        assert [number for number, _ in slices] == [0, 1, 1, 1, 1, 1]
    one, same = found
    assert np.array_equal(one.reconstructions, same.reconstructions)
    assert np.array_equal(one.null, same.null)


def test_why_another_attack_is_skipped_does_not_matter() -> None:
    found = []
    for reason, chosen in (("no", None), (None, ["b"])):
        clock = Clock()
        found.append(run([Timed("a", clock, reason=reason), Timed("b", clock)], clock, chosen=chosen)[1])
    one, same = found
    assert np.array_equal(one.reconstructions, same.reconstructions)
    assert np.array_equal(one.null, same.null)


def test_attacks_of_one_shape_start_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one output kkt-margin and kkt-loss have as many unknowns."""
    starts = []

    def start(problem, budget, generator, watch):
        found = Descent(count=6, restarts=2).minimise(problem, Budget(0.0, Clock()), generator, watch)
        starts.append(found.candidates.inputs)
        return found

    monkeypatch.setattr(attempt, "plan_restarts", lambda one, _: SimpleNamespace(minimise=start))
    chosen = ["kkt-margin", "kkt-loss"]
    run_battery(small_observation(), BATTERY, chosen, Budget(2.0, Clock(tick=0.01)), 0)
    margin, loss = starts[:2]
    assert margin.shape == loss.shape
    assert not torch.allclose(margin, loss)


@pytest.mark.parametrize(
    ("activation", "biases", "signs"),
    [
        ("tanh", "none", 2),
        ("polynomial:2", "none", 2),
        ("polynomial:3", "none", 2),
        ("tanh", "first", 1),
        ("relu", "none", 1),
    ],
)
def test_where_the_sign_of_a_sample_is_lost_both_are_given(
    activation, biases, signs, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    attacks, _ = scripted(monkeypatch, clock, GOOD)
    net = small_network(1, 2, biases, 20, 16, dtype=torch.float32, activation=activation)
    (found,) = run(attacks, clock, observation(net))
    candidates = 2 * 3
    assert len(found.reconstructions) == len(found.null) == 2 * candidates * signs
    fitted = found.reconstructions[::2]
    opposite = [np.abs(fitted + row).max(1).min() < 1e-5 for row in fitted]
    assert opposite == [signs == 2] * len(fitted)


def test_the_note_says_why_it_stopped_and_how_far_the_theory_applies() -> None:
    plain = single()
    assert plain.note == Status.BUDGET.value
    biased = observation(small_network(1, 2, "all", 20, 16, dtype=torch.float32))
    found = single(biased)
    assert Status.BUDGET.value in found.note
    assert equation(KktMargin(), biased).caveat in found.note


@pytest.mark.parametrize("outputs", [1, 2])
def test_samples_of_a_kkt_point_are_reconstructed(outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        restarts, "_SHORTEST", 400
    )  # six neurons have other solutions, which restarts tell apart
    net, samples = kkt_point(outputs, samples=3, inputs=12, copies=2)
    net = net.at(net.parameters.map(torch.Tensor.float))
    found = single(observation(net, bound=1.5), seconds=700.0)
    rows = samples.inputs.numpy() / np.linalg.norm(samples.inputs, axis=1, keepdims=True)
    fitted = found.reconstructions[::2]
    best = (rows @ (fitted / np.linalg.norm(fitted, axis=1, keepdims=True)).T).max(1)
    assert found.relative_loss < 1e-2
    assert found.restarts > 1
    assert (best > 0.9).all()  # a mixture of two has 0.65


# Exact attacks


@pytest.mark.parametrize("solved", [True, False])
def test_an_exact_attack_runs_once_and_leaves_the_rest(solved, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rng = Clock(), torch.Generator().manual_seed(0)
    net = small_network(3, 2, "all", 20, 60, dtype=torch.float32)
    rows = torch.rand(2, 20, generator=rng)
    gradient, _ = batch_gradient(net, rows)
    if not solved:
        shuffled = [tensor[torch.randperm(len(tensor), generator=rng)] for tensor in gradient.tensors]
        gradient = gradient.rebuild(shuffled)
    seen = dataclasses.replace(observation(net, bound=1.5), gradient=gradient)
    attacks, slices = scripted(monkeypatch, clock, GOOD)
    exact, other = run([GradientExact(), *attacks], clock, seen)
    assert isinstance(other, AttackResult)
    assert sum(seconds for _, seconds in slices) == pytest.approx(SECONDS)
    assert isinstance(exact, AttackResult)
    if solved:
        assert np.abs(exact.reconstructions[:, None] - rows.numpy()).max(2).min(0).max() < 1e-5
        assert exact.null.shape == exact.reconstructions.shape == (2, 20)
        assert (
            "rank 2 taken as the size of the batch; 4096 draws and steps; 2 of 2 samples found; residual"
            in exact.note
        )
    else:
        assert exact.note.startswith(Status.EXHAUSTED.value)
        assert exact.note.endswith("approximate")


@pytest.mark.parametrize("chosen", [None, ("gradient", "gradient-exact")])
def test_a_gradient_that_is_explained_is_left_alone_unless_others_were_asked_for(chosen) -> None:
    net = small_network(3, 2, "all", 20, 60, dtype=torch.float32)
    rows = torch.rand(2, 20, generator=torch.Generator().manual_seed(0))
    seen = dataclasses.replace(observation(net, bound=1.5), gradient=batch_gradient(net, rows)[0])
    attacks = [KktLoss(), GradientExact(), Gradient()]
    weights, exact, other = run(attacks, Clock(tick=0.001), seen, chosen, seconds=1.0)
    assert isinstance(exact, AttackResult)
    if chosen is None:
        assert isinstance(weights, AttackResult)
        assert isinstance(other, AttackSkipped)
        assert other.reason == "the attack gradient-exact has explained the gradient"
    else:
        assert isinstance(other, AttackResult)


# Starts from moments


def test_moments_are_read_in_every_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moment_solver, "_STEPS", 20)
    monkeypatch.setattr(moment_solver, "_MOST_ROUNDS", 1)
    clock, rng = Clock(), torch.Generator().manual_seed(0)
    net = small_network(3, 2, "all", 20, 200, dtype=torch.float32, activation="tanh")
    gradient, _ = batch_gradient(net, torch.rand(2, 20, generator=rng))
    seen = dataclasses.replace(observation(net, bound=1.5), gradient=gradient)
    attacks, _ = scripted(monkeypatch, clock, GOOD)
    found, _ = run([MomentTensor(), *attacks], clock, seen)
    assert isinstance(found, AttackResult)
    assert found.restarts > 4
    assert found.steps == 20 * found.restarts
    assert found.splitting is None
    assert found.reconstructions.shape == found.null.shape
    assert "2 samples from the moments of 200 units" in found.note


@pytest.mark.parametrize("biases", [False, True])
def test_tensors_give_images_at_their_scale_or_in_both_readings(biases) -> None:
    clock, net = Clock(), random_network(30, 200, 2, biases=biases)
    rows = torch.rand(4, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.3
    seen = dataclasses.replace(observation(net, bound=1.5), gradient=batch_gradient(net, rows)[0])
    (found,) = run([PolynomialGradient()], clock, seen)
    assert isinstance(found, AttackResult)
    assert found.solved
    assert "the data's tensor is determined (rank 40 of 40 needed" in found.note
    if biases:
        assert found.null.shape == found.reconstructions.shape == (4, 30)
        assert np.abs(found.reconstructions[:, None] - rows.numpy()).max(2).min(0).max() < 1e-6
    else:
        assert found.null.shape == found.reconstructions.shape == (16, 30)
        fitted = found.reconstructions[::2]
        directions = fitted / np.linalg.norm(fitted, axis=1, keepdims=True)
        cosines = rows.numpy() @ directions.T / rows.norm(dim=1, keepdim=True).numpy()
        assert cosines.max(1).min() > 1 - 1e-6


def test_undetermined_weights_are_skipped_with_a_count() -> None:
    seen = observation(random_network(30, 40))
    (outcome,) = run([Polynomial()], Clock(), seen)
    assert isinstance(outcome, AttackSkipped)
    assert re.match(
        r"the (weights leave( at least)? \d+ directions|data's tensor has \d+ entries)", outcome.reason
    )


# Members are out of reach


def test_the_real_battery_runs() -> None:
    outcomes = run_battery(small_observation(), BATTERY, None, Budget(1.5, Clock(tick=0.001)), 0)
    assert [outcome.attack.id for outcome in outcomes] == [attack.id for attack in BATTERY]
    skipped = [outcome for outcome in outcomes if isinstance(outcome, AttackSkipped)]
    # No biases, few units, and no powers.
    assert {outcome.attack.method for outcome in skipped} == set(Method)
    assert [outcome.attack.id for outcome in skipped if outcome.attack.method is Method.DESCENT] == [
        "gradient-cosine"
    ]
    for outcome in outcomes:
        if outcome in skipped:
            continue
        assert isinstance(outcome, AttackResult)
        assert len(outcome.reconstructions) == len(outcome.null) > 0


def test_an_observation_holds_nothing_but_what_the_attacker_sees() -> None:
    assert {field.name for field in dataclasses.fields(Observation)} <= {
        "network",
        "initial",
        "gradient",
        "low",
        "high",
        "shape",
    }
