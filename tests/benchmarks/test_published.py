"""The published attack's equation at a solution built by construction, its settings, and how it spends its time."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from tests.benchmarks import published_kkt
from tests.benchmarks.published_kkt import (
    REFERENCE_NORM,
    first_candidates,
    margins,
    penalty,
    published_attack,
    rescaled,
    residual,
    run_once,
    stationarity,
)
from tests.benchmarks.published_settings import PRESETS, SWEEP_RANGES, Settings, sweep

ALPHA = 500.0
GENTLE = Settings(0.1, 1e-3, 1e-3, 0.01, 100.0)
WILD = Settings(0.1, 1e9, 0.01, 0.01, 100.0)


def planted(outputs, neurons=3, dtype=torch.float64):
    """A network that satisfies theta = (1/m) sum_j lambda_j grad margin(x_j), with its x, lambda and labels.

    Inputs of a simplex repel each other (x_i . x_j < -1), so a neuron w = c y v x_j, b = c y v is active on
    x_j alone. Then v = c^2 v (|x_j|^2 + 1) is all that is asked of c = lambda_j / m. With two outputs v = (a, -a)
    and the margin Phi_0 - Phi_1 sees 2 a.
    """
    count = 4
    corners = (torch.eye(count, dtype=dtype) - 1 / count).repeat(1, 8)  # many dimensions keep |x| below 1
    inputs = corners * (3 * (count - 1) / corners[0].square().sum()).sqrt()
    size = inputs[0].square().sum() + 1
    c = (size * outputs).rsqrt()
    labels = torch.tensor([0, 1, 1, 0])
    signs = 2.0 * labels.to(dtype) - 1 if outputs == 1 else 1 - 2.0 * labels.to(dtype)
    owner = torch.arange(count).repeat_interleave(neurons)
    size_of_v = torch.linspace(0.5, 1.5, len(owner), dtype=dtype)
    v = signs[owner] * size_of_v
    weight = outputs * c * size_of_v[:, None] * inputs[owner]
    layers = [(weight, outputs * c * size_of_v), (torch.stack([v, -v])[:outputs], None)]
    return layers, inputs, torch.full((count,), float(count * c), dtype=dtype), labels


def misfit(layers, inputs, multipliers, labels, alpha=ALPHA):
    return float(stationarity(layers, inputs, multipliers, labels, alpha).detach())


@pytest.mark.parametrize("outputs", [1, 2])
def test_the_residual_is_zero_at_a_planted_solution(outputs) -> None:
    layers, inputs, multipliers, labels = planted(outputs)
    pieces = residual(layers, inputs, multipliers, labels, ALPHA)
    assert [piece.shape for piece in pieces] == [t.shape for layer in layers for t in layer if t is not None]
    assert float(penalty(inputs, multipliers, 0.5)) == 0
    assert max(float(piece.detach().abs().max()) for piece in pieces) < 1e-12
    assert misfit(layers, inputs * 1.01, multipliers, labels) > 1e-3


def test_two_outputs_find_the_planted_solution_only_with_the_right_labels() -> None:
    layers, inputs, multipliers, labels = planted(2)
    assert misfit(layers, inputs, multipliers, 1 - labels) > 1


@pytest.mark.parametrize("outputs", [1, 2])
def test_the_gradient_flows_to_inputs_and_multipliers(outputs) -> None:
    layers, inputs, multipliers, labels = planted(outputs)
    generator = torch.Generator().manual_seed(0)
    unknowns = [
        (
            1.1 * tensor + 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        ).requires_grad_()
        for tensor in (inputs, multipliers)
    ]
    before = stationarity(layers, *unknowns, labels, 20.0)
    gradients = torch.autograd.grad(before, unknowns)
    for index in range(2):
        moved = [tensor.detach() for tensor in unknowns]
        moved[index] = moved[index] - 1e-4 * gradients[index]
        change = misfit(layers, *moved, labels, 20.0) - float(before.detach())
        assert change == pytest.approx(-1e-4 * float(gradients[index].square().sum()), rel=0.05)


def test_relu_goes_forward_and_its_smooth_derivative_backward() -> None:
    z = torch.linspace(-1, 1, 9, dtype=torch.float64).requires_grad_()
    value = published_kkt._SmoothedRelu.apply(z, 7.0)
    assert torch.equal(value, z.relu())
    (slope,) = torch.autograd.grad(value.sum(), z, create_graph=True)
    assert torch.allclose(slope, torch.sigmoid(7.0 * z))
    (curvature,) = torch.autograd.grad(slope.sum(), z)
    assert torch.allclose(curvature, 7.0 * torch.sigmoid(7.0 * z) * torch.sigmoid(-7.0 * z))


def test_the_margin_of_many_outputs_is_over_the_best_rival() -> None:
    layers = [(torch.eye(3), None), (torch.eye(3), None)]
    values = torch.tensor([[5.0, 2.0, 3.0], [1.0, 2.0, 7.0]])
    assert margins(layers, values, torch.tensor([0, 1]), ALPHA).tolist() == [2.0, -5.0]


def test_penalties_leave_what_is_allowed_alone() -> None:
    assert float(penalty(torch.tensor([[-1.0, 1.0]]), torch.tensor([0.3]), 0.3)) == 0
    outside = penalty(torch.tensor([[-1.5, 1.0], [3.0, 0.0]]), torch.tensor([0.1, 9.0]), 0.3)
    assert float(outside) == pytest.approx(0.25 + 4 + 5 * 0.2**2)


@pytest.mark.parametrize("settings", [s for group in PRESETS.values() for s in group.values()])
def test_presets_are_within_the_sweep(settings) -> None:
    for name, value in asdict(settings).items():
        if value is None:
            continue
        low, high = SWEEP_RANGES[name]
        assert low <= value <= high, name


def test_the_sweep_is_seeded_and_spread_as_published() -> None:
    draws = sweep(np.random.default_rng(0))
    drawn = {name: [] for name in SWEEP_RANGES}
    for _ in range(2000):
        for name, value in asdict(next(draws)).items():
            drawn[name].append(value)
    for name, (low, high) in SWEEP_RANGES.items():
        assert low <= min(drawn[name])
        assert max(drawn[name]) <= high
        uniform = name in ("lambda_floor", "alpha")
        middle = (low + high) / 2 if uniform else math.sqrt(low * high)
        assert np.mean(np.array(drawn[name]) < middle) == pytest.approx(0.5, abs=0.04), name
    assert next(sweep(np.random.default_rng(0))).alpha == drawn["alpha"][0]


def test_rescaling_keeps_decisions_and_solutions() -> None:
    layers, inputs, multipliers, labels = planted(1)
    scaled = rescaled(layers)
    assert sum(float(t.square().sum()) for layer in scaled for t in layer if t is not None) == pytest.approx(
        REFERENCE_NORM**2
    )
    assert misfit(scaled, inputs, multipliers, labels) < 1e-12
    assert (margins(scaled, inputs, labels, ALPHA) > 0).all()


def test_rescaling_leaves_what_is_not_homogeneous_alone() -> None:
    layers = [(torch.eye(2), None), (torch.ones(1, 2), torch.ones(1))]
    assert rescaled(layers) is layers


def test_regression_has_signed_multipliers_and_no_labels() -> None:
    layers, inputs, multipliers, labels = planted(1)
    signed = multipliers * (2 * labels - 1)
    assert misfit(layers, inputs, signed, None) < 1e-12
    assert misfit(layers, inputs, multipliers, None) > 1
    assert float(penalty(inputs, signed, None)) == 0
    assert next(sweep(np.random.default_rng(0), regression=True)).lambda_floor is None


def test_regression_is_attacked_with_multipliers_of_both_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_kkt, "EPOCHS", 30)
    monkeypatch.setattr(published_kkt, "sweep", lambda *arguments: iter([]))
    layers = planted(1, dtype=torch.float32)[0]
    settings = replace(GENTLE, lambda_floor=None)
    attacked = published_attack(layers, 5, {"one": settings}, seconds=1e9, seed=3, regression=True)
    assert [found.shape for found in attacked.candidates] == [(10, 32)]
    start = first_candidates(layers, 100, settings, torch.Generator().manual_seed(3))[1]
    assert start.min() < 0 < start.max()


def test_a_run_ends_after_its_epochs_nearer_to_the_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_kkt, "EPOCHS", 400)
    layers, inputs, multipliers, labels = planted(1, dtype=torch.float32)
    found, run = run_once(layers, 0.9 * inputs, multipliers, labels, GENTLE, name="gentle", seconds=1e9)
    assert run.epochs == 400
    assert not run.diverged
    theta_squared = sum(float(t.square().sum()) for layer in layers for t in layer if t is not None)
    before = misfit(layers, 0.9 * inputs, multipliers, labels, GENTLE.alpha) / theta_squared
    assert run.relative_stationarity < 0.5 * before
    assert found.shape == inputs.shape


def test_the_attack_is_seeded_and_pools_all_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_kkt, "EPOCHS", 30)
    monkeypatch.setattr(published_kkt, "sweep", lambda *arguments: iter([GENTLE]))
    layers = planted(1, dtype=torch.float32)[0]
    one, two = (published_attack(layers, 5, {"preset": GENTLE}, seconds=1e9, seed=3) for _ in range(2))
    assert [run.name for run in one.runs] == ["preset", "sweep_0"]
    assert [found.shape for found in one.candidates] == [(10, 32), (10, 32)]
    assert np.array_equal(one.candidates, two.candidates)
    first, _ = first_candidates(layers, 10, GENTLE, torch.Generator().manual_seed(3))
    assert np.array_equal(one.start[:10], first.numpy())
    assert one.start.shape == (20, 32)
    assert not np.array_equal(one.start[:10], one.candidates[0])


@pytest.mark.usefixtures("counted_time")
def test_a_diverged_run_leaves_no_candidates_and_its_time_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(published_kkt, "sweep", lambda *arguments: iter([]))
    layers = planted(1, dtype=torch.float32)[0]
    attacked = published_attack(layers, 5, {"wild": WILD, "gentle": GENTLE}, seconds=100, seed=0)
    wild, gentle = attacked.runs
    assert wild.diverged
    assert wild.relative_stationarity is None
    assert [len(found) for found in attacked.candidates] == [0, 10]
    assert np.isfinite(attacked.candidates[1]).all()
    # Half of the time is for presets, and would be shared equally, had the first one's been lost.
    assert gentle.seconds == pytest.approx(50 - wild.seconds, abs=3)
