"""Every equation of the battery, on a table of networks: what solvers rely on."""

from dataclasses import replace

import pytest
import torch

from audit.equation.candidates import Candidates, concatenate
from tests.planted import (
    ACTIVATED,
    EQUATIONS,
    KINKED,
    NETWORKS,
    generator,
    observation,
    plain_sum,
    planted,
    random_candidates,
    split,
    table,
)

pytestmark = [
    pytest.mark.parametrize("attack", EQUATIONS, ids=[attack.id for attack in EQUATIONS]),
]


EVERY = NETWORKS | ACTIVATED
every_network = table(NETWORKS)
every_activation = table(EVERY)
kinked = table({name: net for name, net in EVERY.items() if net.activation in KINKED})
smooth = table({name: net for name, net in EVERY.items() if net.activation not in KINKED})
two_layers = table({name: net for name, net in EVERY.items() if len(net.weights) == 2})
smooth_or_not = pytest.mark.parametrize("smoothing", [None, 6.0])

RESTARTS = 3


@pytest.fixture
def seen(attack, net):
    return observation(net)


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


def norm(values):
    return float(values.detach().norm())


def restart(candidates, index):
    return Candidates(candidates.inputs[index], candidates.weights[index], candidates.labels)


def equation(attack, seen):
    """With the sum as it is: a free scale is neither linear nor, for the loss does not need it, differentiated."""
    return replace(attack.objective(seen), scale_free=False)


# The equation


@every_network
def test_target_and_anchors_share_the_layout_of_the_network(attack, net, seen):
    objective = attack.objective(seen)
    shapes = [tensor.shape for tensor in net.tensors]
    assert [tensor.shape for tensor in objective.target] == shapes
    assert [[tensor.shape for tensor in anchor.tensors] for anchor in objective.anchors] == [shapes] * len(
        objective.anchors
    )
    assert objective.target_norm > 0.0


@every_network
@smooth_or_not
def test_residual_has_one_value_per_parameter_and_restart(attack, net, seen, smoothing):
    objective = attack.objective(seen)
    parameters = sum(tensor.numel() for tensor in net.tensors)
    single = objective.residual(random_candidates(attack, seen), smoothing)
    batch = objective.residual(random_candidates(attack, seen, restarts=(RESTARTS,)), smoothing)
    assert objective.size == parameters
    assert single.shape == (parameters,)
    assert batch.shape == (RESTARTS, parameters)
    assert single.dtype is net.weights[0].dtype


@every_activation
@smooth_or_not
def test_residual_is_the_target_minus_the_plain_sum(attack, net, seen, smoothing):
    objective, candidates = equation(attack, seen), random_candidates(attack, seen)
    expected = flat(objective.target) - plain_sum(objective, candidates, smoothing)
    torch.testing.assert_close(objective.residual(candidates, smoothing), expected)


@every_network
@smooth_or_not
def test_residual_is_affine_linear_in_lambda(attack, net, seen, smoothing):
    objective, one = equation(attack, seen), random_candidates(attack, seen)
    other = replace(one, weights=random_candidates(attack, seen, seed=2).weights)
    mixed = replace(one, weights=2.0 * one.weights - 0.7 * other.weights)
    target = flat(objective.target)
    parts = [objective.residual(candidates, smoothing) - target for candidates in (one, other, mixed)]
    torch.testing.assert_close(parts[2], 2.0 * parts[0] - 0.7 * parts[1])
    assert norm(parts[0]) > 0.1


@every_network
@smooth_or_not
def test_residual_is_additive_over_candidates(attack, net, seen, smoothing):
    objective = equation(attack, seen)
    parts = [random_candidates(attack, seen, count, seed=count) for count in (3, 5)]
    target = flat(objective.target)
    together = objective.residual(concatenate(parts), smoothing) - target
    apart = [objective.residual(part, smoothing) - target for part in parts]
    torch.testing.assert_close(together, apart[0] + apart[1])


@every_network
@smooth_or_not
def test_the_order_of_candidates_does_not_matter(attack, net, seen, smoothing):
    objective, candidates = attack.objective(seen), random_candidates(attack, seen, 5)
    order = torch.tensor([3, 0, 4, 1, 2])
    labels = None if candidates.labels is None else candidates.labels[order]
    other = Candidates(candidates.inputs[order], candidates.weights[order], labels)
    torch.testing.assert_close(
        objective.residual(other, smoothing), objective.residual(candidates, smoothing)
    )


@every_network
@smooth_or_not
def test_restarts_in_a_batch_equal_restarts_one_by_one(attack, net, seen, smoothing):
    objective = attack.objective(seen)
    batch = random_candidates(attack, seen, restarts=(RESTARTS,))
    together = objective.residual(batch, smoothing)
    for index in range(RESTARTS):
        torch.testing.assert_close(together[index], objective.residual(restart(batch, index), smoothing))


@every_network
def test_restarts_do_not_see_each_other(attack, net, seen):
    objective = attack.objective(seen)
    batch = random_candidates(attack, seen, restarts=(RESTARTS,))
    inputs = batch.inputs.clone().requires_grad_()
    objective.relative_loss(replace(batch, inputs=inputs), 6.0)[1].backward()
    assert inputs.grad[1].norm() > 0.0
    assert not inputs.grad[0].any()
    assert not inputs.grad[2].any()


@every_activation
@smooth_or_not
def test_residual_vanishes_at_a_planted_solution(attack, net, seen, smoothing):
    candidates = random_candidates(attack, seen)
    objective = planted(attack.objective(seen), candidates, smoothing)
    # softplus is cut off where it differs from its argument by 2e-9.
    tolerance = 1e-13 if smoothing is None else 1e-9
    assert norm(objective.residual(candidates, smoothing)) < tolerance * objective.target_norm
    away = replace(candidates, inputs=1.1 * candidates.inputs)
    assert norm(objective.residual(away, smoothing)) > 1e-3 * objective.target_norm


@every_activation
def test_gradient_against_finite_differences(attack, net, seen):
    objective = equation(attack, seen)
    candidates = random_candidates(attack, seen, count=2, restarts=(2,))
    # One direction of the residual at a time would repeat the same work p times.
    rng = torch.Generator().manual_seed(0)
    directions = torch.randn(objective.size, 4, generator=rng, dtype=torch.float64)

    def projected(inputs, weights):
        return objective.residual(replace(candidates, inputs=inputs, weights=weights), 6.0) @ directions

    points = (candidates.inputs.clone().requires_grad_(), candidates.weights.clone().requires_grad_())
    assert torch.autograd.gradcheck(projected, points)


@kinked
def test_large_smoothing_is_the_activation_itself(attack, net, seen):
    objective, candidates = equation(attack, seen), random_candidates(attack, seen)
    exact = objective.residual(candidates)
    gaps = [norm(objective.residual(candidates, s) - exact) for s in (5.0, 50.0, 1e6)]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[0] > 1e-2
    assert gaps[2] < 1e-4 * norm(exact)


@kinked
def test_units_of_pre_activations_do_not_change_the_equation_itself(attack, net, seen):
    objective, candidates = attack.objective(seen), random_candidates(attack, seen)
    others = tuple(replace(anchor, units=tuple(9.0 for _ in anchor.units)) for anchor in objective.anchors)
    other = replace(objective, anchors=others)
    torch.testing.assert_close(other.residual(candidates), objective.residual(candidates))
    assert not torch.allclose(other.residual(candidates, 6.0), objective.residual(candidates, 6.0))


@smooth
def test_smooth_activations_are_their_own_stand_in(attack, net, seen):
    objective, candidates = attack.objective(seen), random_candidates(attack, seen)
    for smoothing in (0.5, 50.0):
        assert torch.equal(objective.residual(candidates, smoothing), objective.residual(candidates))


# Independent hidden units


@every_network
def test_a_linear_head_is_called_linear(attack, net, seen):
    objective = attack.objective(seen)
    one, other = torch.randn(2, 5, net.outputs, generator=generator(), dtype=torch.float64)
    labels = attack.labels(seen, 5)
    sums = objective.head(one, labels) + objective.head(other, labels)
    assert objective.linear_head == torch.allclose(objective.head(one + other, labels), sums)


@two_layers
def test_hidden_units_are_independent_if_and_only_if_the_objective_says_so(attack, net, seen):
    objective, candidates = attack.objective(seen), random_candidates(attack, seen)
    units = torch.tensor([4, 0])
    part = objective.hidden_subset(units).residual(candidates, 6.0)
    whole = net.with_tensors(split(objective.residual(candidates, 6.0), objective.target))
    assert objective.separable == torch.allclose(part, flat(whole.hidden_subset(units).tensors))
