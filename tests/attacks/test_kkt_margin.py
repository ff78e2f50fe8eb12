"""kkt-margin: the margin against its definition, and networks that are KKT points by construction."""

from collections import Counter

import pytest
import torch

from audit.attacks.kkt_margin import KktMargin, margin
from audit.equation.candidates import Candidates
from audit.model.parameters import Parameters
from tests.pairwise import pairwise
from tests.planted import (
    LAYOUTS,
    PLAIN_ACTIVATIONS,
    equation,
    generator,
    kkt_point,
    observation,
    reason_against,
    small_network,
)

ATTACK = KktMargin()
HOMOGENEOUS = ("relu", "leaky_relu:0.2", "polynomial:2", "polynomial:3", "identity")


def plain_margin(outputs, label):
    if len(outputs) == 1:
        return outputs[0] if label == 1 else -outputs[0]
    return outputs[label] - max(value for index, value in enumerate(outputs) if index != label)


@pytest.mark.parametrize("classes", [1, 2, 3, 10])
@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 7)])
@pytest.mark.parametrize("own_labels", [False, True])
def test_margin_equals_the_plain_loop(classes, shape, own_labels) -> None:
    rng = generator(len(shape))
    outputs = torch.randn(*shape, classes, generator=rng, dtype=torch.float64)
    labels = torch.randint(max(classes, 2), shape if own_labels else shape[-1:], generator=rng)
    found = margin(outputs, labels)
    assert found.shape == (*shape, 1)
    pairs = zip(outputs.reshape(-1, classes), labels.expand(shape).flatten(), strict=True)
    expected = [plain_margin(row.tolist(), int(label)) for row, label in pairs]
    assert found.flatten().tolist() == pytest.approx(expected)


def test_margin_on_a_worked_example() -> None:
    outputs = torch.tensor([[3.0, 1.0, -2.0], [3.0, 1.0, -2.0], [-1.0, -1.0, -5.0]])
    assert margin(outputs, torch.tensor([0, 2, 1])).tolist() == [[2.0], [-5.0], [0.0]]
    assert margin(torch.tensor([[4.0], [4.0]]), torch.tensor([0, 1])).tolist() == [[-4.0], [4.0]]


def test_margin_leaves_outputs_alone_and_is_differentiable() -> None:
    outputs = torch.tensor([[3.0, 1.0, -2.0], [0.0, 1.0, 5.0]], requires_grad=True)
    before = outputs.detach().clone()
    margin(outputs, torch.tensor([0, 1])).sum().backward()
    assert torch.equal(outputs.detach(), before)
    assert outputs.grad.tolist() == [[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]]


@pytest.mark.parametrize(("outputs", "classes"), [(1, 2), (2, 2), (3, 3), (10, 10)])
def test_labels_are_balanced(outputs, classes) -> None:
    seen = observation(small_network(outputs))
    assert equation(ATTACK, seen).classes == classes
    for count in (classes, 5 * classes, 5 * classes + 1):
        shares = Counter(equation(ATTACK, seen).label(count).tolist())
        assert set(shares) == set(range(classes))
        assert max(shares.values()) - min(shares.values()) == count % classes


@pairwise(**LAYOUTS, activation=["relu"])
def test_target_and_point_are_the_weights(net) -> None:
    objective = equation(ATTACK, observation(net)).objective
    assert objective.target is net.parameters
    assert objective.points == (net,)
    assert objective.non_negative
    assert reason_against(ATTACK, observation(net)) is None


@pytest.mark.parametrize("biases", ["none", "first", "all"])
@pytest.mark.parametrize("activation", PLAIN_ACTIVATIONS)
def test_inhomogeneous_networks_are_warned_of(activation, biases) -> None:
    """Phi(c theta) = c^k Phi(theta) for c > 0 where the first bias alone scales with the first weights."""
    layers = 2 if biases == "first" and activation.startswith("polynomial") else 3
    net = small_network(2, layers, biases, activation=activation)
    caveat = equation(ATTACK, observation(net)).caveat
    rows = torch.randn(4, net.inputs, generator=generator(), dtype=torch.float64)
    first, bias = net.weights[0], net.biases[0]
    scaled = net.at(
        Parameters((3.0 * first, *net.weights[1:]), (None if bias is None else 3.0 * bias, *net.biases[1:]))
    )
    ratios = scaled.forward(rows) / net.forward(rows)
    homogeneous = torch.allclose(ratios, ratios[0, 0].expand_as(ratios))
    assert (caveat is None) == homogeneous
    if caveat is not None:
        named = "biases after the first layer" if activation in HOMOGENEOUS else activation
        assert caveat.startswith(named)


# With three outputs or more the other classes tie, exactly as long as one neuron alone is active.
@pytest.mark.parametrize(("outputs", "copies"), [(1, 1), (1, 3), (2, 1), (2, 3), (3, 1), (5, 1)])
def test_a_kkt_point_solves_its_own_equation(outputs, copies) -> None:
    net, samples = kkt_point(outputs, samples=5, copies=copies)
    objective = equation(ATTACK, observation(net)).objective
    assert objective.readout(net.forward(samples.inputs), samples.labels).flatten().tolist() == pytest.approx(
        [1.0] * 5
    )
    with torch.no_grad():
        assert objective.residual(samples).norm() < 1e-12 * objective.target_norm
        assert objective.residual(samples, 1e7).norm() < 1e-6 * objective.target_norm


@pytest.mark.parametrize("outputs", [1, 3])
def test_other_labels_do_not_solve_the_equation_of_a_kkt_point(outputs) -> None:
    net, samples = kkt_point(outputs)
    objective = equation(ATTACK, observation(net)).objective
    others = Candidates(samples.inputs, samples.weights, (samples.labels + 1) % max(outputs, 2))
    assert objective.relative_loss(others) > 1.0


def test_scaling_a_two_layer_kkt_point_leaves_lambda_as_it_is() -> None:
    net, samples = kkt_point(1)
    scaled = net.at(net.parameters.times(3.0))
    assert equation(ATTACK, observation(scaled)).objective.relative_loss(samples) < 1e-24
