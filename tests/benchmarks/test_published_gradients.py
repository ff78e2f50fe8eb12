"""The published attacks on a gradient: their equations, and that they recover small batches."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.benchmarks import published_gradients
from tests.benchmarks.published_gradients import (
    SOLVED,
    Seen,
    cosine_distance,
    dlg,
    dummy_gradient,
    geiping,
    only_label,
    total_variation,
)
from tests.planted import Clock

SHAPE = (1, 3, 4)
BOX = (np.zeros(12, np.float32), np.ones(12, np.float32))


def planted(batch, activate=torch.tanh):
    """A network 12-16-3 with the gradient of a batch, its inputs and labels."""
    generator = torch.Generator().manual_seed(0)
    layers = [
        (torch.randn(16, 12, generator=generator) / 3, torch.randn(16, generator=generator) / 4),
        (torch.randn(3, 16, generator=generator) / 4, torch.randn(3, generator=generator) / 4),
    ]
    inputs = torch.rand(batch, 12, generator=generator)
    labels = 2 - torch.arange(batch)
    empty = Seen(layers, activate, [], batch)
    gradient = [tensor.detach() for tensor in dummy_gradient(empty, inputs, labels)]
    return Seen(layers, activate, gradient, batch), inputs.numpy(), labels


def errors(images, inputs):
    """Largest error of every input in the image nearest to it."""
    return np.abs(inputs[:, None] - images).max(2).min(1)


def test_the_dummy_gradient_is_that_of_the_cross_entropy() -> None:
    seen, inputs, labels = planted(2, torch.relu)
    (first, bias), (last, offset) = [
        tuple(t.clone().requires_grad_() for t in layer) for layer in seen.layers
    ]
    outputs = (torch.from_numpy(inputs) @ first.T + bias).relu() @ last.T + offset
    loss = functional.nll_loss(outputs.log_softmax(1), labels)
    expected = torch.autograd.grad(loss, [first, bias, last, offset])
    for one, other in zip(seen.gradient, expected, strict=True):
        torch.testing.assert_close(one, other)
    soft = dummy_gradient(seen, torch.from_numpy(inputs), functional.one_hot(labels, 3).float())
    assert float(cosine_distance(soft, seen.gradient).detach()) < 1e-6


def test_the_label_of_one_sample_is_read_off() -> None:
    for label in range(3):
        seen, inputs, _ = planted(1, torch.sigmoid)
        found = dummy_gradient(seen, torch.from_numpy(inputs), torch.tensor([label]))
        assert only_label(Seen(seen.layers, seen.activate, found, 1)).tolist() == [label]


def test_the_cosine_is_over_all_tensors_together() -> None:
    one = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]
    other = [torch.tensor([0.0, 5.0]), torch.tensor([[12.0]])]
    assert float(cosine_distance(one, other)) == pytest.approx(1 - 48 / (5 * 13))
    assert float(cosine_distance(one, [-2 * tensor for tensor in one])) == pytest.approx(2)


def test_total_variation_is_the_mean_step_in_both_directions() -> None:
    image = torch.tensor([[[[0.0, 1.0, 1.0], [0.0, 3.0, 1.0]]]])
    assert float(total_variation(image)) == pytest.approx((1 + 0 + 3 + 2) / 4 + (0 + 2 + 0) / 3)


@pytest.mark.parametrize("batch", [1, 2])
def test_dlg_recovers_a_small_batch_exactly(batch) -> None:
    seen, inputs, _ = planted(batch)
    runs = dlg(seen, seconds=5_000, seed=0, clock=Clock(tick=1))
    assert runs[-1].loss < SOLVED
    assert errors(runs[-1].images, inputs).max() < 1e-3
    assert all(run.loss > SOLVED for run in runs[:-1])
    again = dlg(seen, seconds=5_000, seed=0, clock=Clock(tick=1))
    assert np.array_equal(runs[-1].images, again[-1].images)


def test_geiping_recovers_a_small_batch() -> None:
    seen, inputs, labels = planted(2, torch.relu)
    runs = geiping(seen, labels, SHAPE, BOX, seconds=200, seed=0, clock=Clock(tick=1))
    best = min(runs, key=lambda run: run.loss)
    assert best.loss < 1e-5
    assert errors(best.images, inputs).max() < 0.005
    assert all((run.images >= 0).all() and (run.images <= 1).all() for run in runs)


def test_dlg_takes_variants_by_turns_until_its_time_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_gradients, "SOLVED", 0.0)
    monkeypatch.setattr(published_gradients, "STEPS", 1)
    names = [run.name for run in dlg(planted(1)[0], seconds=200, seed=0, clock=Clock(tick=1))]
    assert names[:5] == ["dlg", "idlg", "dlg, line search", "idlg, line search", "dlg"]
    runs = dlg(planted(2)[0], seconds=150, seed=0, clock=Clock(tick=1))
    assert [run.name for run in runs][:3] == ["dlg", "dlg, line search", "dlg"]
    assert 100 < sum(run.evaluations for run in runs) <= 150


def test_the_schedule_of_geiping_is_compressed_into_what_time_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(published_gradients, "ITERATIONS", 100)
    seen, _, labels = planted(1)
    runs = geiping(seen, labels, SHAPE, BOX, seconds=150, seed=0, clock=Clock(tick=1))
    assert runs[0].evaluations == 100
    assert 40 < sum(run.evaluations for run in runs[1:]) < 50


def test_the_shares_of_a_run_pass_all_milestones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_gradients, "ITERATIONS", 100)
    by_count = list(published_gradients._shares(math.inf, Clock(tick=1)))
    assert by_count == [step / 100 for step in range(100)]
    by_time = list(published_gradients._shares(20, Clock(tick=1)))
    assert len(by_time) < 25
    assert by_time[-1] > max(published_gradients.MILESTONES)


def test_a_run_that_never_is_finite_is_told_by_its_loss() -> None:
    seen, _, _ = planted(2)
    broken = Seen(seen.layers, lambda values: values / 0, seen.gradient, 2)
    runs = dlg(broken, seconds=3, seed=0, clock=Clock(tick=1))
    assert {run.loss for run in runs} == {math.inf}
