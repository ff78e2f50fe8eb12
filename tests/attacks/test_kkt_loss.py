"""kkt-loss: networks trained with weight decay until nothing moves, whose lambda is known in closed form."""

from dataclasses import replace

import pytest
import torch
from torch.autograd.functional import hessian, jacobian
from torch.nn import functional

from audit.attacks.kkt_loss import KktLoss
from audit.attacks.kkt_margin import KktMargin
from audit.diagnostics.stationarity import stationarity
from audit.equation.candidates import Candidates
from tests.pairwise import pairwise
from tests.planted import LAYOUTS, equation, generator, kkt_point, observation, small_network, split

ATTACK = KktLoss()
DECAY, SAMPLES = 0.1, 5

# (loss, outputs, targets (n, c) or labels (n,)); the loss is a sum over samples.
LOSSES = {
    "mean square": (functional.mse_loss, 1, torch.tensor([[1.0], [-1.0], [2.0], [0.5], [-2.0]])),
    "mean square, 3 outputs": (functional.mse_loss, 3, torch.randn(SAMPLES, 3, generator=generator(4))),
    "huber": (functional.huber_loss, 1, torch.tensor([[0.5], [-0.5], [4.0], [0.2], [-4.0]])),
    "cross-entropy": (functional.cross_entropy, 3, torch.tensor([0, 1, 2, 0, 1])),
    "binary cross-entropy": (
        functional.binary_cross_entropy_with_logits,
        1,
        torch.tensor([[0.0], [1.0], [0.0], [1.0], [1.0]]),
    ),
    "binary cross-entropy, 3 outputs": (
        functional.binary_cross_entropy_with_logits,
        3,
        torch.tensor([[0.0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0], [1, 0, 0]]),
    ),
}


def trained(network, rows, loss):
    """The network where nothing moves under loss(outputs) + DECAY / 2 |theta|^2: L-BFGS, then Newton's method."""
    theta = network.parameters.flatten().requires_grad_()

    def total(theta):
        outputs = network.at(split(theta, network.parameters)).forward(rows)
        return loss(outputs) + DECAY / 2 * theta.square().sum()

    def closure():
        optimiser.zero_grad()
        (value := total(theta)).backward()
        return value

    optimiser = torch.optim.LBFGS(
        [theta], max_iter=1000, tolerance_grad=1e-6, tolerance_change=0.0, line_search_fn="strong_wolfe"
    )
    optimiser.step(closure)
    theta = theta.detach()
    for _ in range(5):
        theta = theta - torch.linalg.solve(hessian(total, theta), jacobian(total, theta))
    return network.at(split(theta, network.parameters))


@pytest.mark.parametrize(
    ("activation", "layers", "biases"),
    [("tanh", 2, "all"), ("silu", 3, "first"), ("polynomial:2", 2, "none")],
)
@pytest.mark.parametrize(("loss", "outputs", "targets"), LOSSES.values(), ids=LOSSES.keys())
def test_training_with_weight_decay_ends_where_lambda_is_the_slope_of_the_loss(
    loss, outputs, targets, activation, layers, biases
) -> None:
    start = small_network(outputs, layers, biases, inputs=8, hidden=9, activation=activation)
    rows = torch.randn(SAMPLES, 8, generator=generator(3), dtype=torch.float64)
    targets = targets.double() if targets.is_floating_point() else targets

    def total(values):
        return loss(values, targets, reduction="sum")

    net = trained(start, rows, total)
    reached = net.forward(rows).requires_grad_()
    (derivatives,) = torch.autograd.grad(total(reached), reached)
    truth = Candidates(rows, -derivatives / DECAY, None)
    objective = equation(ATTACK, observation(net)).objective
    assert objective.target_norm > 1.0
    assert truth.weights.shape == (SAMPLES, outputs)
    assert (truth.weights.norm(dim=0) > 0.1).all()
    with torch.no_grad():
        assert objective.residual(truth).norm() < 1e-10 * objective.target_norm
        mirrored = replace(truth, weights=truth.weights.abs())
        assert objective.relative_loss(mirrored) > 1e-2
    fit = stationarity(objective, rows, None)
    assert fit.residual < 1e-12
    if fit.rank == fit.unknowns:
        torch.testing.assert_close(torch.from_numpy(fit.weights), truth.weights, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("outputs", [1, 2, 3, 5])
def test_a_kkt_point_of_the_margin_is_one_of_the_loss_with_signs_for_labels(outputs) -> None:
    net, samples = kkt_point(outputs)
    outputs_of = net.forward(samples.inputs).requires_grad_()
    margins = equation(KktMargin(), observation(net)).objective.readout(outputs_of, samples.labels)
    (signs,) = torch.autograd.grad(margins.sum(), outputs_of)
    signed = Candidates(samples.inputs, samples.weights * signs, None)
    objective = equation(ATTACK, observation(net)).objective
    with torch.no_grad():
        assert objective.residual(signed).norm() < 1e-12 * objective.target_norm


@pairwise(**LAYOUTS, activation=["relu"])
def test_target_and_point_are_the_weights(net, seen) -> None:
    objective = equation(ATTACK, seen).objective
    assert objective.target is net.parameters
    assert objective.points == (net,)
    assert not objective.non_negative
    assert (equation(ATTACK, seen).classes, equation(ATTACK, seen).label(7)) == (0, None)
    assert equation(ATTACK, seen).caveat.startswith("its theory supposes weight decay")
