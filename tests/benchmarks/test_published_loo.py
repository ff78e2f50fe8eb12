"""The attack on a change of weights at a solution built by construction, its schedule, and its one run."""

import numpy as np
import pytest
import torch

from tests.benchmarks import published_loo
from tests.benchmarks.published_loo import beta_at, change_attack, combined_gradient, misfit

BETA = 100.0


def moved(outputs=1, samples=3):
    """A network, the same after a change that three known samples explain, and those samples with their duals."""
    generator = torch.Generator().manual_seed(0)
    initial = [
        (torch.randn(20, 16, generator=generator) / 4, torch.randn(20, generator=generator) / 4),
        (torch.randn(outputs, 20, generator=generator) / 4, None),
    ]
    inputs = 0.4 * torch.randn(samples, 16, generator=generator)
    duals = torch.rand(samples, outputs, generator=generator) - 0.5
    step = combined_gradient(initial, inputs, duals, BETA)
    tensors = [t for layer in initial for t in layer if t is not None]
    w1, b1, w2 = (t + s.detach() for t, s in zip(tensors, step, strict=True))
    return initial, [(w1, b1), (w2, None)], inputs, duals


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_misfit_is_zero_at_a_planted_solution(outputs) -> None:
    initial, final, inputs, duals = moved(outputs)
    nothing = torch.zeros_like(duals)
    length = float(misfit(initial, final, inputs, (nothing, nothing), BETA).detach())
    assert float(misfit(initial, final, inputs, (nothing, duals), BETA).detach()) < 1e-10 * length
    assert float(misfit(initial, final, inputs, (duals, nothing), BETA).detach()) > 1e-6 * length
    assert float(misfit(initial, final, 0.9 * inputs, (nothing, duals), BETA).detach()) > 1e-4 * length


def test_the_gradient_is_a_mean_over_candidates_and_outputs() -> None:
    initial, _, inputs, duals = moved(3)
    once = combined_gradient(initial, inputs, duals, BETA)
    twice = combined_gradient(initial, inputs.repeat(2, 1), duals.repeat(2, 1), BETA)
    for one, two in zip(once, twice, strict=True):
        assert torch.allclose(one, two, atol=1e-6)


def test_softplus_sharpens_as_published() -> None:
    assert [beta_at(step) for step in (0, 20_000, 40_000, 80_000)] == [11, 20, 110, 200]


def test_one_run_comes_nearer_to_the_change_and_stays_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_loo, "STEPS", 150)
    initial, final, _, _ = moved()
    box = (np.full(16, -1, np.float32), np.full(16, 1, np.float32))
    one, two = (change_attack(initial, final, 6, box, seconds=1e9, seed=2) for _ in range(2))
    assert np.array_equal(one.candidates, two.candidates)
    assert one.candidates[0].shape == one.start.shape == (6, 16)
    assert not np.array_equal(one.candidates[0], one.start)
    (run,) = one.runs
    assert (run.name, run.settings, run.epochs, run.diverged) == ("loo", None, 150, False)
    assert run.relative_stationarity < 0.1


@pytest.mark.usefixtures("counted_time")
def test_it_ends_when_its_time_is_up() -> None:
    initial, final, _, _ = moved()
    box = (np.full(16, -1, np.float32), np.full(16, 1, np.float32))
    (run,) = change_attack(initial, final, 6, box, seconds=2.0, seed=2).runs
    assert 2.0 <= run.seconds < 2.5
    assert run.epochs < 20
