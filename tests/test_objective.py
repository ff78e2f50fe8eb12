"""The one equation on its own: several anchors, several head outputs, none of which an attack needs to use yet."""

from dataclasses import replace

import pytest
import torch

from audit.candidates import Candidates
from audit.objective import Objective
from tests.planted import generator, plain_sum, planted, small_network, split

SIZE = 6


def every_output(outputs, labels):
    return outputs


def first_output_squared(outputs, labels):
    return outputs[..., :1].square()


def objective(head=every_output, anchors=2, outputs=3, layers=3):
    networks = tuple(small_network(outputs, layers, "all", seed=seed) for seed in range(anchors))
    return Objective(small_network(outputs, layers, "all", seed=9).tensors, networks, head, False)


def candidates(columns, shape=(4,), seed=0):
    rng = generator(seed)
    inputs = torch.randn(*shape, SIZE, generator=rng, dtype=torch.float64)
    return Candidates(inputs, torch.randn(*shape, columns, generator=rng, dtype=torch.float64), None)


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


@pytest.mark.parametrize("smoothing", [None, 5.0])
@pytest.mark.parametrize(
    ("head", "anchors", "columns"),
    [(every_output, 1, 3), (every_output, 2, 6), (first_output_squared, 3, 3)],
)
def test_residual_is_the_target_minus_the_plain_sum(head, anchors, columns, smoothing):
    equation, guesses = objective(head, anchors), candidates(columns)
    expected = flat(equation.target) - plain_sum(equation, guesses, smoothing)
    torch.testing.assert_close(equation.residual(guesses, smoothing), expected)
    assert expected.norm() > 1.0


def test_size_and_norm_are_those_of_the_target():
    equation = objective()
    assert equation.size == len(flat(equation.target)) == len(equation.residual(candidates(6)))
    assert equation.target_norm == pytest.approx(float(flat(equation.target).norm()))


def test_relative_loss_is_one_without_weight_and_zero_at_the_solution():
    guesses = candidates(6)
    equation = planted(objective(), guesses)
    none = replace(guesses, weights=torch.zeros_like(guesses.weights))
    half = replace(guesses, weights=guesses.weights / 2)
    with torch.no_grad():
        assert float(equation.relative_loss(none)) == pytest.approx(1.0)
        assert float(equation.relative_loss(half)) == pytest.approx(0.25)
        assert float(equation.relative_loss(guesses)) < 1e-24


def test_relative_loss_has_one_value_per_restart():
    equation, guesses = objective(), candidates(6, shape=(5, 4))
    assert equation.relative_loss(guesses, 8.0).shape == (5,)
    single = Candidates(guesses.inputs[3], guesses.weights[3], None)
    torch.testing.assert_close(equation.relative_loss(guesses, 8.0)[3], equation.relative_loss(single, 8.0))


def test_the_second_anchor_has_the_second_weights():
    equation, guesses = objective(), candidates(6)
    silent = guesses.weights.clone()
    silent[:, :3] = 0.0
    alone = replace(equation, anchors=equation.anchors[1:])
    torch.testing.assert_close(
        equation.residual(replace(guesses, weights=silent)),
        alone.residual(replace(guesses, weights=guesses.weights[:, 3:])),
    )


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_without_candidates_the_residual_is_the_target(shape):
    equation = objective()
    residual = equation.residual(candidates(6, shape))
    torch.testing.assert_close(residual, flat(equation.target).expand_as(residual))


def test_without_gradients_asked_for_no_graph_is_kept():
    equation, guesses = objective(), candidates(6)
    guesses.inputs.requires_grad_()
    guesses.weights.requires_grad_()
    with torch.no_grad():
        quiet = equation.residual(guesses, 5.0)
    loud = equation.residual(guesses, 5.0)
    assert not quiet.requires_grad
    assert loud.requires_grad
    torch.testing.assert_close(quiet, loud.detach())


def test_the_network_is_left_alone():
    equation, guesses = objective(), candidates(6, shape=(2, 4))
    before = [tensor.clone() for anchor in equation.anchors for tensor in anchor.tensors]
    equation.residual(guesses, 5.0)
    after = [tensor for anchor in equation.anchors for tensor in anchor.tensors]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert not any(tensor.requires_grad or tensor.grad is not None for tensor in after)


def test_gradients_of_two_anchors_against_finite_differences():
    equation, guesses = objective(layers=2, outputs=2), candidates(4, shape=(2,))

    def residual(inputs, weights):
        return equation.residual(Candidates(inputs, weights, None), 4.0)

    assert torch.autograd.gradcheck(
        residual, (guesses.inputs.requires_grad_(), guesses.weights.requires_grad_())
    )


# Parts of the equations


def weighted_output(outputs, labels):
    return outputs * 2.0


@pytest.mark.parametrize("biases", ["none", "first", "all"])
@pytest.mark.parametrize("smoothing", [None, 5.0])
def test_equations_of_some_hidden_units_are_those_of_the_whole(biases, smoothing):
    anchors = tuple(small_network(1, 2, biases, seed=seed) for seed in range(2))
    target = small_network(1, 2, biases, seed=9).tensors
    equation, guesses = Objective(target, anchors, weighted_output, False), candidates(2, shape=(3, 4))
    assert equation.separable
    units = torch.tensor([4, 0, 5])
    part = equation.hidden_subset(units)
    layout = anchors[0]
    for restart, residual in enumerate(equation.residual(guesses, smoothing)):
        whole = layout.with_tensors(split(residual, target))
        expected = flat(whole.hidden_subset(units).tensors)
        torch.testing.assert_close(part.residual(guesses, smoothing)[restart], expected)
    assert part.size == len(expected) < equation.size


def test_hidden_subset_of_a_network():
    net = small_network(1, 2, "all")
    part = net.hidden_subset(torch.tensor([4, 0]))
    assert torch.equal(part.weights[0], net.weights[0][[4, 0]])
    assert torch.equal(part.weights[1], net.weights[1][:, [4, 0]])
    assert torch.equal(part.biases[0], net.biases[0][[4, 0]])
    assert torch.equal(part.biases[1], net.biases[1])
    assert part.units == net.units


def test_disjoint_parts_hold_every_equation_of_hidden_units_once():
    equation, guesses = (
        Objective(
            small_network(seed=9).tensors, (small_network(), small_network(seed=2)), weighted_output, False
        ),
        candidates(2),
    )
    parts = [equation.hidden_subset(units) for units in torch.randperm(7, generator=generator()).chunk(3)]
    together = sum(part.residual(guesses).square().sum() for part in parts)
    torch.testing.assert_close(together, equation.residual(guesses).square().sum())


@pytest.mark.parametrize(("outputs", "layers", "expected"), [(1, 2, True), (3, 2, False), (1, 3, False)])
def test_only_two_layers_with_one_output_have_independent_units(outputs, layers, expected):
    assert objective(outputs=outputs, layers=layers).separable is expected
