"""The one equation on its own, apart from the attacks: several points, several readout outputs, other readouts."""

from dataclasses import replace

import pytest
import torch

from audit.attacks.kkt_margin import margin
from audit.equation.candidates import Candidates
from audit.equation.objective import Objective, every_output
from tests.planted import generator, plain_sum, planted, small_network, split

SIZE = 6


def first_output_squared(outputs, labels):
    return outputs[..., :1].square()


def objective(readout=every_output, points=2, outputs=3, layers=3):
    networks = tuple(small_network(outputs, layers, "all", seed=seed) for seed in range(points))
    target = small_network(outputs, layers, "all", seed=9).parameters
    return Objective(
        target, "weights", networks, readout, non_negative=False, linear_readout=readout is every_output
    )


def candidates(columns, shape=(4,), seed=0):
    rng = generator(seed)
    inputs = torch.randn(*shape, SIZE, generator=rng, dtype=torch.float64)
    return Candidates(inputs, torch.randn(*shape, columns, generator=rng, dtype=torch.float64), None)


@pytest.mark.parametrize("sharpness", [None, 5.0])
@pytest.mark.parametrize(
    ("readout", "points", "columns"),
    [(every_output, 1, 3), (every_output, 2, 6), (first_output_squared, 3, 3)],
)
def test_residual_is_the_target_minus_the_plain_sum(readout, points, columns, sharpness) -> None:
    equation, guesses = objective(readout, points), candidates(columns)
    expected = equation.target.flatten() - plain_sum(equation, guesses, sharpness)
    torch.testing.assert_close(equation.residual(guesses, sharpness), expected)
    assert expected.norm() > 1.0


def test_size_and_norm_are_those_of_the_target() -> None:
    equation = objective()
    assert equation.size == len(equation.target.flatten()) == len(equation.residual(candidates(6)))
    assert equation.target_norm == pytest.approx(float(equation.target.flatten().norm()))


def test_relative_loss_is_one_without_weight_and_zero_at_the_solution() -> None:
    guesses = candidates(6)
    equation = planted(objective(), guesses)
    none = replace(guesses, weights=torch.zeros_like(guesses.weights))
    half = replace(guesses, weights=guesses.weights / 2)
    with torch.no_grad():
        assert float(equation.relative_loss(none)) == pytest.approx(1.0)
        assert float(equation.relative_loss(half)) == pytest.approx(0.25)
        assert float(equation.relative_loss(guesses)) < 1e-24


def test_relative_loss_has_one_value_per_restart() -> None:
    equation, guesses = objective(), candidates(6, shape=(5, 4))
    assert equation.relative_loss(guesses, 8.0).shape == (5,)
    single = Candidates(guesses.inputs[3], guesses.weights[3], None)
    torch.testing.assert_close(equation.relative_loss(guesses, 8.0)[3], equation.relative_loss(single, 8.0))


def test_the_second_point_has_the_second_weights() -> None:
    equation, guesses = objective(), candidates(6)
    silent = guesses.weights.clone()
    silent[:, :3] = 0.0
    alone = replace(equation, points=equation.points[1:])
    torch.testing.assert_close(
        equation.residual(replace(guesses, weights=silent)),
        alone.residual(replace(guesses, weights=guesses.weights[:, 3:])),
    )


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_without_candidates_the_residual_is_the_target(shape) -> None:
    equation = objective()
    residual = equation.residual(candidates(6, shape))
    torch.testing.assert_close(residual, equation.target.flatten().expand_as(residual))


def test_without_gradients_asked_for_no_graph_is_kept() -> None:
    equation, guesses = objective(), candidates(6)
    guesses.inputs.requires_grad_()
    guesses.weights.requires_grad_()
    with torch.no_grad():
        quiet = equation.residual(guesses, 5.0)
    loud = equation.residual(guesses, 5.0)
    assert not quiet.requires_grad
    assert loud.requires_grad
    torch.testing.assert_close(quiet, loud.detach())


def test_the_network_is_left_alone() -> None:
    equation, guesses = objective(), candidates(6, shape=(2, 4))
    before = [tensor.clone() for point in equation.points for tensor in point.parameters.tensors]
    equation.residual(guesses, 5.0)
    after = [tensor for point in equation.points for tensor in point.parameters.tensors]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert not any(tensor.requires_grad or tensor.grad is not None for tensor in after)


def test_gradients_of_two_points_against_finite_differences() -> None:
    equation, guesses = objective(layers=2, outputs=2), candidates(4, shape=(2,))

    def residual(inputs, weights):
        return equation.residual(Candidates(inputs, weights, None), 4.0)

    assert torch.autograd.gradcheck(
        residual, (guesses.inputs.requires_grad_(), guesses.weights.requires_grad_())
    )


# Parts of the equations


def weighted_sum(outputs, labels):
    """Another linear readout: one scalar, whatever the number of outputs."""
    return outputs @ torch.arange(1.0, 1 + outputs.shape[-1], dtype=outputs.dtype)[:, None]


@pytest.mark.parametrize("biases", ["none", "first", "all"])
@pytest.mark.parametrize("sharpness", [None, 5.0])
@pytest.mark.parametrize(
    ("readout", "outputs", "columns"),
    [(every_output, 1, 2), (every_output, 3, 6), (weighted_sum, 1, 2), (weighted_sum, 3, 2)],
)
def test_equations_of_some_hidden_units_are_those_of_the_whole(
    readout, outputs, columns, biases, sharpness
) -> None:
    points = tuple(small_network(outputs, 2, biases, seed=seed) for seed in range(2))
    target = small_network(outputs, 2, biases, seed=9).parameters
    equation = Objective(target, "weights", points, readout, non_negative=False, linear_readout=True)
    guesses = candidates(columns, shape=(3, 4))
    assert equation.separable
    units = torch.tensor([4, 0, 5])
    part = equation.hidden_subset(units)
    for restart, residual in enumerate(equation.residual(guesses, sharpness)):
        expected = split(residual, target).hidden_subset(units).flatten()
        torch.testing.assert_close(part.residual(guesses, sharpness)[restart], expected)
    assert part.size == len(expected) < equation.size


@pytest.mark.parametrize("readout", [margin, first_output_squared])
def test_units_depend_on_each_other_where_the_head_is_not_linear(readout) -> None:
    net = small_network(3)
    equation = Objective(net.parameters, "weights", (net,), readout, non_negative=True, linear_readout=False)
    guesses = replace(candidates(1), labels=torch.tensor([0, 1, 2, 0]))
    units = torch.tensor([4, 0, 5])
    whole = split(equation.residual(guesses), equation.target)
    part = equation.hidden_subset(units).residual(guesses)
    assert not torch.allclose(part, whole.hidden_subset(units).flatten())
    assert not equation.separable


def test_hidden_subset_of_a_network() -> None:
    net = small_network(1, 2, "all")
    part = net.parameters.hidden_subset(torch.tensor([4, 0]))
    assert torch.equal(part.weights[0], net.weights[0][[4, 0]])
    assert torch.equal(part.weights[1], net.weights[1][:, [4, 0]])
    assert torch.equal(part.biases[0], net.biases[0][[4, 0]])
    assert torch.equal(part.biases[1], net.biases[1])


@pytest.mark.parametrize("outputs", [1, 3])
def test_disjoint_parts_hold_every_equation_of_hidden_units_once(outputs) -> None:
    target, point = small_network(outputs, seed=9).parameters, small_network(outputs)
    equation = Objective(target, "weights", (point,), every_output, non_negative=False, linear_readout=True)
    guesses = candidates(outputs)
    parts = [equation.hidden_subset(units) for units in torch.randperm(7, generator=generator()).chunk(3)]
    together = sum(part.residual(guesses).square().sum() for part in parts)
    torch.testing.assert_close(together, equation.residual(guesses).square().sum())


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("readout", [every_output, first_output_squared])
def test_two_layers_and_a_linear_readout_have_independent_units(outputs, layers, readout) -> None:
    expected = layers == 2 and readout is every_output
    assert objective(readout, outputs=outputs, layers=layers).separable is expected
