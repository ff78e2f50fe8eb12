"""The certificate of where an attack stopped, against dense eigenvalues and plain derivatives."""

import math
from dataclasses import replace

import pytest
import torch

from audit.attacks import BATTERY
from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.solve.certificate import certificate
from audit.solve.descent import Descent, fit_scales, weight_unit
from tests.planted import Clock, generator, planted_problem

SMOOTHING = Descent.sharpness[1]
every_attack = pytest.mark.parametrize("attack", BATTERY[:3], ids=lambda attack: attack.id)


def settled(attack, steps=40):
    problem = planted_problem(1, 6, 12, 3, attack=attack, dtype=torch.float64).problem
    plan = Descent(count=4, restarts=1, steps=steps)
    found = plan.minimise(problem, Budget(1e9, Clock()), generator(), lambda step, loss: None)
    return problem, found.candidates


def dense_matrices(problem, candidates):
    objective = fit_scales(problem)
    inputs, weights = candidates.inputs[0], candidates.weights[0]

    def residual(rows):
        return objective.residual(Candidates(rows, weights, candidates.labels), SMOOTHING)

    left, found = residual(inputs).detach(), []
    for index in range(len(inputs)):

        def moved(row, index=index):
            return 2 * left @ residual(torch.cat([inputs[:index], row[None], inputs[index + 1 :]]))

        found.append(torch.autograd.functional.hessian(moved, inputs[index]))
    return torch.stack(found) * problem.box.typical_norm**2 / objective.target_norm**2


@every_attack
def test_the_eigenvalue_is_the_lowest_curvature_of_any_split_allowed(attack) -> None:
    problem, candidates = settled(attack)
    values = torch.linalg.eigvalsh(dense_matrices(problem, candidates))
    lowest = (
        values[:, 0] if problem.objective.non_negative else torch.minimum(values[:, 0], -values[:, -1] / 2)
    )
    found = certificate(problem, candidates, generator()).eigenvalue
    assert found == pytest.approx(float(lowest.min()), rel=1e-6)


@every_attack
def test_the_gradient_is_the_steepest_slope_of_what_is_minimised(attack) -> None:
    problem, candidates = settled(attack)
    objective, box = fit_scales(problem), problem.box
    inputs = candidates.inputs.clone().requires_grad_()
    weights = candidates.weights.clone().requires_grad_()
    loss = objective.relative_loss(Candidates(inputs, weights, candidates.labels), SMOOTHING).sum()
    lifted = inputs @ box.basis.T
    outside = (lifted - lifted.clamp(box.low, box.high)).square().sum() / (box.energy * len(candidates))
    by_inputs, by_weights = torch.autograd.grad(loss + outside, (inputs, weights))
    if objective.non_negative:
        by_weights = by_weights[weights > 0]
    unit = weight_unit(problem, objective, len(candidates))
    expected = max(box.typical_norm * float(by_inputs.abs().max()), unit * float(by_weights.abs().max()))
    assert certificate(problem, candidates, generator()).gradient == pytest.approx(expected, rel=1e-9)


def test_at_lambda_zero_only_a_way_down_counts() -> None:
    """Of one candidate, more lambda brings either a target or its opposite nearer."""
    problem, candidates = settled(BATTERY[0])
    labels = None if candidates.labels is None else candidates.labels[:1]
    one = Candidates(1e-3 * candidates.inputs[:, :1], torch.zeros(1, 1, 1, dtype=torch.float64), labels)
    away = replace(problem, objective=replace(problem.objective, target=problem.objective.target.times(-1)))
    derivatives = [certificate(given, one, generator()).gradient for given in (problem, away)]
    assert min(derivatives) == 0.0 < max(derivatives)


def test_it_does_not_depend_on_the_size_of_the_target() -> None:
    problem, candidates = settled(BATTERY[1])
    larger = replace(problem, objective=replace(problem.objective, target=problem.objective.target.times(64)))
    one = certificate(problem, candidates, generator())
    other = certificate(larger, replace(candidates, weights=64 * candidates.weights), generator())
    assert other.gradient == pytest.approx(one.gradient, rel=1e-6)
    assert other.eigenvalue == pytest.approx(one.eigenvalue, rel=1e-6)


def test_a_target_of_zeros_has_no_certificate() -> None:
    problem, candidates = settled(BATTERY[1])
    zeros = problem.objective.target.map(torch.zeros_like)
    found = certificate(
        replace(problem, objective=replace(problem.objective, target=zeros)), candidates, generator()
    )
    assert not math.isfinite(found.eigenvalue)
