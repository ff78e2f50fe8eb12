"""What solvers rely on, for every equation of the battery and networks of every layout and activation."""

from dataclasses import replace

import pytest
import torch

from audit.attacks import Attack, Observation
from audit.equation.candidates import Candidates, concatenate
from audit.equation.objective import Objective
from audit.model.network import Network
from tests.helpers import norm
from tests.pairwise import pairwise
from tests.planted import (
    EQUATIONS,
    KINKED,
    LAYOUTS,
    PLAIN_ACTIVATIONS,
    equation,
    generator,
    plain_sum,
    planted,
    random_candidates,
    small_network,
    split,
)

SMOOTH = [name for name in PLAIN_ACTIVATIONS if name not in KINKED]
SHARPNESS = {"sharpness": [None, 6.0]}
on_every_layout = pairwise(attack=EQUATIONS, **LAYOUTS, activation=["relu"])
on_every_smoothed_layout = pairwise(attack=EQUATIONS, **LAYOUTS, activation=["relu"], **SHARPNESS)
on_every_network = pairwise(attack=EQUATIONS, **LAYOUTS, activation=list(PLAIN_ACTIVATIONS))
on_every_smoothed_network = pairwise(
    attack=EQUATIONS, **LAYOUTS, activation=list(PLAIN_ACTIVATIONS), **SHARPNESS
)
kinked = pairwise(attack=EQUATIONS, **LAYOUTS, activation=KINKED)
smooth = pairwise(attack=EQUATIONS, **LAYOUTS, activation=SMOOTH)
on_two_layers = pairwise(attack=EQUATIONS, **LAYOUTS | {"layers": [2]}, activation=list(PLAIN_ACTIVATIONS))

RESTARTS = 3


@pytest.fixture
def net(attack: Attack, outputs: int, layers: int, biases: str, activation: str) -> Network:
    """The network of a case; labels are read off a last bias."""
    biases = "all" if attack.id == "gradient-cosine" else biases
    return small_network(outputs, layers, biases, activation=activation)


def restart(candidates: Candidates, index: int) -> Candidates:
    return Candidates(candidates.inputs[index], candidates.weights[index], candidates.labels)


def plain(attack: Attack, seen: Observation) -> Objective:
    """With the sum as it is: a free scale is neither linear nor, for the loss does not need it, differentiated."""
    return replace(equation(attack, seen).objective, scale_free=False)


# The equation


@on_every_layout
def test_target_and_points_share_the_layout_of_the_network(
    attack: Attack, net: Network, seen: Observation
) -> None:
    objective = equation(attack, seen).objective
    shapes = [tensor.shape for tensor in net.parameters.tensors]
    assert [tensor.shape for tensor in objective.target.tensors] == shapes
    assert [[tensor.shape for tensor in point.parameters.tensors] for point in objective.points] == [
        shapes
    ] * len(objective.points)
    assert objective.target_norm > 0.0


@on_every_smoothed_layout
def test_residual_has_one_value_per_parameter_and_restart(
    attack: Attack, net: Network, seen: Observation, sharpness: float | None
) -> None:
    objective = equation(attack, seen).objective
    parameters = sum(tensor.numel() for tensor in net.parameters.tensors)
    single = objective.residual(random_candidates(attack, seen), sharpness)
    batch = objective.residual(random_candidates(attack, seen, restarts=(RESTARTS,)), sharpness)
    assert objective.size == parameters
    assert single.shape == (parameters,)
    assert batch.shape == (RESTARTS, parameters)
    assert single.dtype is net.weights[0].dtype


@on_every_smoothed_network
def test_residual_is_the_target_minus_the_plain_sum(
    attack: Attack, seen: Observation, sharpness: float | None
) -> None:
    objective, candidates = plain(attack, seen), random_candidates(attack, seen)
    expected = objective.target.flatten() - plain_sum(objective, candidates, sharpness)
    torch.testing.assert_close(objective.residual(candidates, sharpness), expected)


@on_every_smoothed_layout
def test_residual_is_affine_linear_in_lambda(
    attack: Attack, seen: Observation, sharpness: float | None
) -> None:
    objective, one = plain(attack, seen), random_candidates(attack, seen)
    other = replace(one, weights=random_candidates(attack, seen, seed=2).weights)
    mixed = replace(one, weights=2.0 * one.weights - 0.7 * other.weights)
    target = objective.target.flatten()
    parts = [objective.residual(candidates, sharpness) - target for candidates in (one, other, mixed)]
    torch.testing.assert_close(parts[2], 2.0 * parts[0] - 0.7 * parts[1])
    assert norm(parts[0]) > 0.1


@on_every_smoothed_layout
def test_residual_is_additive_over_candidates(
    attack: Attack, seen: Observation, sharpness: float | None
) -> None:
    objective = plain(attack, seen)
    parts = [random_candidates(attack, seen, count, seed=count) for count in (3, 5)]
    target = objective.target.flatten()
    together = objective.residual(concatenate(parts), sharpness) - target
    apart = [objective.residual(part, sharpness) - target for part in parts]
    torch.testing.assert_close(together, apart[0] + apart[1])


@on_every_smoothed_layout
def test_the_order_of_candidates_does_not_matter(
    attack: Attack, seen: Observation, sharpness: float | None
) -> None:
    objective, candidates = equation(attack, seen).objective, random_candidates(attack, seen, 5)
    order = torch.tensor([3, 0, 4, 1, 2])
    labels = None if candidates.labels is None else candidates.labels[order]
    other = Candidates(candidates.inputs[order], candidates.weights[order], labels)
    torch.testing.assert_close(
        objective.residual(other, sharpness), objective.residual(candidates, sharpness)
    )


@on_every_smoothed_layout
def test_restarts_in_a_batch_equal_restarts_one_by_one(
    attack: Attack, seen: Observation, sharpness: float | None
) -> None:
    objective = equation(attack, seen).objective
    batch = random_candidates(attack, seen, restarts=(RESTARTS,))
    together = objective.residual(batch, sharpness)
    for index in range(RESTARTS):
        torch.testing.assert_close(together[index], objective.residual(restart(batch, index), sharpness))


@on_every_layout
def test_restarts_do_not_see_each_other(attack: Attack, seen: Observation) -> None:
    objective = equation(attack, seen).objective
    batch = random_candidates(attack, seen, restarts=(RESTARTS,))
    inputs = batch.inputs.clone().requires_grad_()
    objective.relative_loss(replace(batch, inputs=inputs), 6.0)[1].backward()
    assert inputs.grad[1].norm() > 0.0
    assert not inputs.grad[0].any()
    assert not inputs.grad[2].any()


@on_every_smoothed_network
def test_residual_vanishes_at_a_planted_solution(
    attack: Attack, seen: Observation, sharpness: float | None
) -> None:
    candidates = random_candidates(attack, seen)
    objective = planted(equation(attack, seen).objective, candidates, sharpness)
    # softplus is cut off where it differs from its argument by 2e-9.
    tolerance = 1e-13 if sharpness is None else 1e-9
    assert norm(objective.residual(candidates, sharpness)) < tolerance * objective.target_norm
    away = replace(candidates, inputs=candidates.inputs.flip(-1))
    assert norm(objective.residual(away, sharpness)) > 1e-3 * objective.target_norm


@on_every_network
def test_gradient_against_finite_differences(attack: Attack, seen: Observation) -> None:
    objective = plain(attack, seen)
    candidates = random_candidates(attack, seen, count=2, restarts=(2,))
    # One direction of the residual at a time would repeat the same work p times.
    rng = torch.Generator().manual_seed(0)
    directions = torch.randn(objective.size, 4, generator=rng, dtype=torch.float64)

    def projected(inputs, weights):
        return objective.residual(replace(candidates, inputs=inputs, weights=weights), 6.0) @ directions

    points = (candidates.inputs.clone().requires_grad_(), candidates.weights.clone().requires_grad_())
    assert torch.autograd.gradcheck(projected, points)


@kinked
def test_large_sharpness_is_the_activation_itself(attack: Attack, seen: Observation) -> None:
    objective, candidates = plain(attack, seen), random_candidates(attack, seen)
    exact = objective.residual(candidates)
    gaps = [norm(objective.residual(candidates, s) - exact) for s in (5.0, 50.0, 1e6)]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[0] > 1e-2
    assert gaps[2] < 1e-4 * norm(exact)


@kinked
def test_units_of_pre_activations_do_not_change_the_equation_itself(
    attack: Attack, seen: Observation
) -> None:
    objective, candidates = equation(attack, seen).objective, random_candidates(attack, seen)
    others = tuple(replace(point, scales=tuple(9.0 for _ in point.scales)) for point in objective.points)
    other = replace(objective, points=others)
    torch.testing.assert_close(other.residual(candidates), objective.residual(candidates))
    assert not torch.allclose(other.residual(candidates, 6.0), objective.residual(candidates, 6.0))


@smooth
def test_smooth_activations_are_their_own_stand_in(attack: Attack, seen: Observation) -> None:
    objective, candidates = equation(attack, seen).objective, random_candidates(attack, seen)
    for sharpness in (0.5, 50.0):
        assert torch.equal(objective.residual(candidates, sharpness), objective.residual(candidates))


# Independent hidden units


@on_every_layout
def test_a_linear_readout_is_called_linear(attack: Attack, net: Network, seen: Observation) -> None:
    objective = equation(attack, seen).objective
    one, other = torch.randn(2, 5, net.outputs, generator=generator(), dtype=torch.float64)
    labels = equation(attack, seen).label(5)
    sums = objective.readout(one, labels) + objective.readout(other, labels)
    assert objective.linear_readout == torch.allclose(objective.readout(one + other, labels), sums)


@on_two_layers
def test_hidden_units_are_independent_if_and_only_if_the_objective_says_so(
    attack: Attack, net: Network, seen: Observation
) -> None:
    objective, candidates = equation(attack, seen).objective, random_candidates(attack, seen)
    units = torch.tensor([4, 0])
    part = objective.hidden_subset(units).residual(candidates, 6.0)
    whole = split(objective.residual(candidates, 6.0), objective.target)
    assert objective.separable == torch.allclose(part, whole.hidden_subset(units).flatten())
