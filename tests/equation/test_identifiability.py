"""The linear equations for the tensor of the data: what they are, and when they have one solution."""

import math
from dataclasses import replace

import pytest
import torch

from audit.attacks import kkt_loss
from audit.attacks.gradient import Gradient
from audit.equation.identifiability import (
    MOST_UNKNOWNS,
    Unsolvable,
    analyse,
    explain_undetermined,
    tensor_system,
)
from audit.model.parameters import Parameters
from tests.helpers import normal
from tests.planted import equation, generator, in_row_space, observation
from tests.polynomials import gradient_sum, kkt_network, random_network, samples


def stationary(network):
    return kkt_loss.stationary(observation(network))


def of_gradient(network, rows, weights=None):
    weights = normal(len(rows), network.outputs, seed=6) if weights is None else weights
    seen = replace(observation(network), gradient=gradient_sum(network, rows, weights))
    return equation(Gradient(), seen).objective


def with_noise(objective, size, seed=0):
    """The same equation in the row space, with white noise on the target, relative to each tensor."""
    objective, rng = in_row_space(objective)[0], generator(seed)
    noise = objective.target.map(
        lambda t: size * t.std() * torch.randn(t.shape, generator=rng, dtype=t.dtype)
    )
    return replace(objective, target=objective.target + noise)


def analysed(objective):
    return tensor_system(in_row_space(objective)[0]).solve()


def undetermined(objective, *, telling=False):
    found = analyse(objective)
    if isinstance(found, Unsolvable):
        return found.reason
    return explain_undetermined(found.analysis, objective.source, telling=telling)


# The equations


@pytest.mark.parametrize("order", [3, 4])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("biases", [False, True])
def test_the_tensor_is_that_of_the_data(order, outputs, biases) -> None:
    network = random_network(9, 60, outputs, order, biases)
    rows, weights = normal(3, 9), normal(3, outputs, seed=6)
    reduced, space = in_row_space(of_gradient(network, rows, weights))
    system = tensor_system(reduced)
    tensor, analysis = system.solve()
    inputs = rows @ space.basis
    if biases:
        inputs = torch.cat([inputs, torch.ones(3, 1, dtype=torch.float64)], 1)
    expected = weights.T @ system.monomials.features(inputs @ system.basis)
    torch.testing.assert_close(tensor, expected)
    assert analysis.undetermined == 0
    assert analysis.unknowns == outputs * math.comb(3 + order - 1, order)
    assert analysis.equations == 60 * (3 + outputs)
    assert analysis.residual < 1e-12
    assert analysis.error < 1e-12
    assert 1.0 <= analysis.condition < 100.0


def test_a_residual_is_what_no_tensor_explains_and_the_error_what_it_does_to_the_fit() -> None:
    objective = of_gradient(random_network(9, 100), normal(3, 9))
    tensor, _ = analysed(objective)
    errors, stated = [], []
    for seed in range(5):
        # In the coordinates of the row space with noise, which differ; norms do not.
        found, analysis = tensor_system(with_noise(objective, 0.02, seed)).solve()
        assert 0.01 < analysis.residual < 0.04
        errors.append(float((found.norm() - tensor.norm()).abs() / tensor.norm()))
        stated.append(analysis.error)
    assert max(stated) < 1.5 * min(stated) < 0.02
    assert 0.1 * max(stated) < max(errors) < 3 * max(stated)


# Determined or not


@pytest.mark.parametrize("order", [3, 4])
def test_neurons_in_general_position_are_counted(order) -> None:
    """Each gives as many equations as there are directions: the last layer's follow from them.

    Nine are an exception for quartics in four directions (Alexander and Hirschowitz 1995).
    """
    rows = normal(4, 9)
    unknowns = math.comb(4 + order - 1, order)
    for units in range(2, math.ceil(unknowns / 4) + 2):
        if units < 4:  # fewer directions than samples
            continue
        _, analysis = analysed(of_gradient(random_network(9, units, order=order), rows))
        exceptional = order == 4 and units == 9
        assert analysis.undetermined == max(0, unknowns - 4 * units) + exceptional


def test_a_collapsed_network_is_not_determined() -> None:
    """Every neuron is one of three: three times three equations for ten unknowns."""
    rows, weights = samples(3, 20)
    network = kkt_network(rows, weights, 3, units=3)
    first, last = network.weights
    copies = network.at(Parameters((first.repeat(3, 1), last.repeat(1, 3)), network.biases))
    for one in (network, copies):
        assert undetermined(stationary(one)).startswith(
            "the weights leave 1 direction of the data's tensor undetermined (rank 9 of 10 needed, condition"
        )


@pytest.mark.parametrize("order", [3, 4])
def test_two_distinct_neurons_determine_no_samples(order) -> None:
    """Two directions are left: for order 3 their tensor is determined, but it is always a sum of two inputs."""
    rows, weights = samples(5, 30, order)
    objective = stationary(kkt_network(rows, weights, order, units=2))
    reason = undetermined(objective, telling=True)
    if order == 3:
        assert undetermined(objective) is None
        assert reason.startswith("the weights hold rank 2 only")
    else:
        assert reason.startswith("the weights leave 1 direction ")


def test_what_is_below_the_noise_is_not_determined() -> None:
    objective = of_gradient(random_network(9, 12), normal(4, 9))
    assert analysed(objective)[1].undetermined == 0
    assert tensor_system(with_noise(objective, 2.0)).solve()[1].undetermined > 0


def test_plurals() -> None:
    objective = of_gradient(random_network(9, 4), normal(4, 9))
    _, analysis = analysed(objective)
    assert analysis.sentence("the gradient").startswith("the gradient leaves 4 directions of ")
    assert undetermined(objective) == analysis.sentence("the gradient")


# What they are not written down for


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda net: replace(net, activation="relu"),
            "needs the activation x^k with k of 3 or more; here it is relu",
        ),
        (lambda net: replace(net, activation="polynomial:2"), "here it is polynomial:2"),
        (
            lambda net: net.at(Parameters((*net.weights, torch.ones(1, 1)), (None,) * 3)),
            "this one has 3",
        ),
        (lambda net: net.at(net.parameters.times(math.nan)), "not all values of"),
        (lambda net: net.at(net.parameters.times(0)), "holds nothing of the inputs"),
    ],
)
def test_other_networks_are_refused(change, reason) -> None:
    assert reason in undetermined(stationary(change(random_network(9, 30))))


def test_a_layer_of_noise_is_called_that() -> None:
    """The rank estimate keeps two directions nevertheless."""
    assert in_row_space(stationary(random_network(100, 100)))[1].signals == 0
    reason = undetermined(stationary(random_network(100, 100)))
    assert reason == "nothing in the first layer of the weights stands out of noise"


def test_a_gradient_is_known_more_exactly_than_a_change() -> None:
    """One of three samples is a millionth of the others: below the rounding of many steps, not of one."""
    weights = torch.tensor([[1.0], [1.0], [1e-6]], dtype=torch.float64)
    objective = of_gradient(random_network(100, 100), normal(3, 100), weights)
    assert analyse(objective).analysis.directions == 3
    assert analyse(replace(objective, source="change")).analysis.directions == 2


def test_large_tensors_are_refused() -> None:
    reason = undetermined(stationary(random_network(24, 110)))
    assert reason == (
        f"the data's tensor has 2600 entries (rank 24, order 3, 1 output), more than the {MOST_UNKNOWNS} "
        f"that there is time for"
    )


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("order", [3, 4])
def test_of_large_tensors_it_is_counted_what_stays_open_at_least(
    order, outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In general position that is all that stays open."""
    objective = of_gradient(random_network(9, 4, outputs, order), normal(4, 9))
    exact = analysed(objective)[1]
    monkeypatch.setattr("audit.equation.identifiability.MOST_UNKNOWNS", 0)
    monkeypatch.setattr("audit.equation.identifiability.tensor_system", None)  # nothing is written down
    assert undetermined(objective).startswith(
        f"the gradient leaves at least {exact.undetermined} directions of the data's tensor undetermined: it has "
        f"{exact.unknowns} entries (rank 4, order {order}, {outputs} output{'s' if outputs > 1 else ''}), and no "
        f"more than {exact.unknowns - exact.undetermined} of the equations are independent"
    )
