"""What every attack of the battery promises, on a table of networks: it is data for the one equation."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import audit.attacks
from audit.attacks import BATTERY
from audit.candidates import Candidates, concatenate
from tests.planted import (
    ACTIVATED,
    KINKED,
    NETWORKS,
    generator,
    observation,
    plain_sum,
    planted,
    random_candidates,
    split,
    without_gradient,
    without_initial,
)

pytestmark = [
    pytest.mark.parametrize("attack", BATTERY, ids=[attack.id for attack in BATTERY]),
]


def table(networks):
    return pytest.mark.parametrize("net", networks.values(), ids=networks.keys())


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
    objective, candidates = attack.objective(seen), random_candidates(attack, seen)
    expected = flat(objective.target) - plain_sum(objective, candidates, smoothing)
    torch.testing.assert_close(objective.residual(candidates, smoothing), expected)


@every_network
@smooth_or_not
def test_residual_is_affine_linear_in_lambda(attack, net, seen, smoothing):
    objective, one = attack.objective(seen), random_candidates(attack, seen)
    other = replace(one, weights=random_candidates(attack, seen, seed=2).weights)
    mixed = replace(one, weights=2.0 * one.weights - 0.7 * other.weights)
    target = flat(objective.target)
    parts = [objective.residual(candidates, smoothing) - target for candidates in (one, other, mixed)]
    torch.testing.assert_close(parts[2], 2.0 * parts[0] - 0.7 * parts[1])
    assert norm(parts[0]) > 0.1


@every_network
@smooth_or_not
def test_residual_is_additive_over_candidates(attack, net, seen, smoothing):
    objective = attack.objective(seen)
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
    objective = attack.objective(seen)
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
    objective, candidates = attack.objective(seen), random_candidates(attack, seen)
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


# What the attacker does not know


@every_network
def test_the_start_of_training_is_needed_or_not_used(attack, net, seen):
    unknown = without_initial(seen)
    if (reason := attack.inapplicable(unknown)) != attack.inapplicable(seen):
        assert "--initial" in reason
        assert "--initial" in attack.requires
        assert attack.needs_initial
        return
    assert not attack.needs_initial
    candidates = random_candidates(attack, seen)
    ours, theirs = (attack.objective(one).residual(candidates) for one in (seen, unknown))
    assert torch.equal(ours, theirs)


@every_network
def test_an_observed_gradient_is_needed_or_not_used(attack, net, seen):
    unknown = without_gradient(seen)
    if (reason := attack.inapplicable(unknown)) is not None:
        assert "--gradient" in reason
        assert "--gradient" in attack.requires
        assert attack.needs_gradient
        return
    assert not attack.needs_gradient
    candidates = random_candidates(attack, seen)
    ours, theirs = (attack.objective(one).residual(candidates) for one in (seen, unknown))
    assert torch.equal(ours, theirs)


@every_activation
def test_applies_to_every_network_of_which_everything_is_known(attack, net, seen):
    """But for exact inputs and for moments, which take more than seven units."""
    assert (attack.inapplicable(seen) is None) == (attack.method == "descent")


@every_network
@pytest.mark.parametrize("shares", [1, 4, 9])
def test_classes_share_candidates_equally(attack, net, seen, shares):
    classes = attack.classes(seen)
    labels = attack.labels(seen, shares * max(classes, 1))
    if not classes:
        assert labels is None
        return
    assert labels.dtype is torch.int64
    assert Counter(labels.tolist()) == dict.fromkeys(range(classes), shares)


@every_network
def test_only_what_was_observed_is_used(attack, net, seen):
    narrow = replace(seen, low=seen.low / 2, high=seen.high / 3)
    for one, other in zip(attack.objective(seen).target, attack.objective(narrow).target, strict=True):
        assert torch.equal(one, other)


@every_activation
def test_a_caveat_is_a_sentence_for_a_reader(attack, net, seen):
    caveat = attack.caveat(seen)
    assert caveat is None or (len(caveat) > 20 and "\n" not in caveat)


# What reports say


def test_what_a_reader_is_told(attack):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", attack.id)
    assert attack.title
    assert attack.requires
    assert re.search(r"\d{4}", attack.source)


def test_ids_are_unique_and_every_file_of_an_attack_is_listed(attack):
    ids = [one.id for one in BATTERY]
    assert ids.count(attack.id) == 1
    files = {path.stem for path in Path(audit.attacks.__file__).parent.glob("*.py")} - {"__init__", "base"}
    assert files == {type(one).__module__.rpartition(".")[2] for one in BATTERY}
    assert type(attack).__module__.rpartition(".")[2] == attack.id.replace("-", "_")
