"""Splitting matrices against dense Hessians and true splits; extreme eigenpairs against dense decompositions."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from audit.attacks.kkt_loss import KktLoss
from audit.attacks.kkt_margin import KktMargin
from audit.attacks.weight_delta import WeightDelta
from audit.equation.candidates import Candidates, concatenate
from audit.equation.objective import Objective
from audit.solve.curvature import extreme_eigenpairs, splitting_product
from tests.helpers import flat
from tests.planted import (
    Clock,
    costing,
    equation,
    generator,
    observation,
    plain_outputs,
    plain_sum,
    planted,
    random_candidates,
    small_network,
)

ATTACKS = {
    "margin, 1 output": (KktMargin(), 1),
    "margin, 3 outputs": (KktMargin(), 3),
    "loss, 3 outputs": (KktLoss(), 3),
    "change, 2 outputs": (WeightDelta(), 2),
}
ACTIVATIONS = {"relu": 10.0, "softplus:2.0": None, "tanh": None, "polynomial:3": None, "gelu": None}
"""With the sharpness they need."""
LAYOUTS = {"2 layers": (2, "none"), "2 layers, biases": (2, "first"), "3 layers, biases": (3, "all")}
SMOOTH = ["margin, 1 output", "loss, 3 outputs", "change, 2 outputs"]
"""Attacks whose readout has no kinks, so that any step is small enough."""


@dataclass(frozen=True, eq=False)
class Case:
    """Candidates that do not solve their equation."""

    objective: Objective
    candidates: Candidates
    sharpness: float | None

    @property
    def product(self):
        return splitting_product(self.objective, self.candidates, self.sharpness)

    def loss(self, candidates):
        with torch.no_grad():
            return self.objective.residual(candidates, self.sharpness).square().sum(-1)


def case(
    attack="margin, 1 output", name="tanh", layout="2 layers, biases", restarts=(), seed=0, sharpness=10.0
):
    method, outputs = ATTACKS[attack]
    network = small_network(outputs, *LAYOUTS[layout], activation=name, seed=seed)
    seen = observation(network)
    candidates = random_candidates(method, seen, restarts=restarts, seed=seed + 1)
    return Case(equation(method, seen).objective, candidates, sharpness if ACTIVATIONS[name] else None)


def directions(like: Tensor, seed=3):
    drawn = torch.randn(like.shape, generator=generator(seed), dtype=torch.float64)
    return functional.normalize(drawn.to(like), dim=-1)


def columns_of(product, candidates):
    """(..., m, r, r): what the product makes of every unit vector."""
    unit = torch.eye(candidates.inputs.shape[-1], dtype=candidates.inputs.dtype)
    return torch.stack([product(row.expand_as(candidates.inputs)) for row in unit], dim=-1)


def dense(given_case):
    """(m, r, r): the definition, one candidate at a time, from plain code."""
    equation, candidates, sharpness = given_case.objective, given_case.candidates, given_case.sharpness
    left = equation.target.flatten() - plain_sum(equation, candidates, sharpness)
    found = []
    for index, row in enumerate(candidates.inputs):
        label = None if candidates.labels is None else candidates.labels[index : index + 1]

        def share(x, index=index, label=label):
            weights = iter(candidates.weights[index])
            total = x.new_zeros(())
            for point in equation.points:
                tensors = [tensor.clone().requires_grad_() for tensor in point.parameters.tensors]
                for scalar in equation.readout(plain_outputs(point, tensors, x, sharpness)[None], label)[0]:
                    derivatives = torch.autograd.grad(
                        scalar, tensors, create_graph=True, materialize_grads=True
                    )
                    total = total + next(weights) * left @ flat(derivatives)
            return total

        found.append(-2 * torch.autograd.functional.hessian(share, row))
    return torch.stack(found)


def with_children(candidates, chosen, moves):
    """Put children in the place of chosen candidates: (displacement (m, r), share of lambda) for each."""
    assert sum(share for _, share in moves) == 1.0
    torch.testing.assert_close(sum(share * step for step, share in moves), torch.zeros_like(moves[0][0]))
    chosen = torch.as_tensor(chosen)
    kept = torch.ones(len(candidates), dtype=torch.bool).index_fill(0, chosen, False).nonzero().squeeze(1)

    def part(rows, step=0.0, share=1.0):
        labels = None if candidates.labels is None else candidates.labels[rows]
        return Candidates((candidates.inputs + step)[rows], share * candidates.weights[rows], labels)

    return concatenate([part(kept), *(part(chosen, *move) for move in moves)])


def halves(way, size):
    return [(size * way, 0.5), (-size * way, 0.5)]


def opposites(way, size):
    return [(-size * way, -1.0), (-size / 2 * way, 2.0)]


def remainders(given_case, moves, factor, size):
    """What the expansion leaves out when each candidate is split alone, and all of them together."""
    candidates = given_case.candidates
    way = directions(candidates.inputs)
    alone = factor * size**2 * (way * given_case.product(way)).sum(-1)
    groups = [*([index] for index in range(len(candidates))), list(range(len(candidates)))]
    before = given_case.loss(candidates)
    changes = [
        given_case.loss(with_children(candidates, group, moves(way, size))) - before for group in groups
    ]
    return torch.stack([change - alone[group].sum() for change, group in zip(changes, groups, strict=True)])


def assert_order(order, given_case, moves, factor, size) -> None:
    """The expansion's remainders fall by 2^order when the step is halved."""
    whole, half = (remainders(given_case, moves, factor, step) for step in (size, size / 2))
    assert whole.norm() > 0
    assert (2**order * half - whole).norm() < 0.25 * whole.norm()


# The product


@pytest.mark.parametrize("layout", ["2 layers", "3 layers, biases"])
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_products_are_those_of_the_dense_hessians(attack, name, layout) -> None:
    made = case(attack, name, layout)
    found, expected = columns_of(made.product, made.candidates), dense(made)
    # Torch cuts softplus off where exp(-beta x) < 2e-9.
    tolerance = 1e-7 if name == "relu" else 1e-11
    scale = expected.flatten(1).norm(dim=1)
    assert scale.min() > 0
    assert ((found - expected).flatten(1).norm(dim=1) < tolerance * scale).all()
    assert ((found - found.mT).flatten(1).norm(dim=1) < 1e-12 * scale).all()


@pytest.mark.parametrize("attack", ATTACKS)
def test_restarts_have_the_products_they_would_have_alone(attack) -> None:
    made = case(attack, "relu", "3 layers, biases", restarts=(3,))
    inputs, weights, labels = (made.candidates.inputs, made.candidates.weights, made.candidates.labels)
    way = directions(inputs)
    together = made.product(way)
    assert together.shape == inputs.shape
    for index in range(3):
        single = replace(made, candidates=Candidates(inputs[index], weights[index], labels))
        torch.testing.assert_close(together[index], single.product(way[index]))


def test_a_candidate_that_is_not_finite_spoils_only_its_own_restart() -> None:
    made = case("change, 2 outputs", restarts=(3,))
    way = directions(made.candidates.inputs)
    whole = made.product(way)
    made.candidates.inputs[1, 2, 0] = torch.nan
    spoilt = made.product(way)
    assert spoilt[1].isnan().all()
    torch.testing.assert_close(spoilt[[0, 2]], whole[[0, 2]])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_relu_itself_has_no_curvature(layout) -> None:
    made = replace(case("margin, 3 outputs", "relu", layout), sharpness=None)
    assert not columns_of(made.product, made.candidates).any()


def test_a_network_without_hidden_layers_has_no_curvature() -> None:
    network = small_network(3, 1)
    seen = observation(network)
    made = Case(equation(KktLoss(), seen).objective, random_candidates(KktLoss(), seen), 10.0)
    assert not made.product(directions(made.candidates.inputs)).any()


@pytest.mark.parametrize("attack", ATTACKS)
def test_candidates_that_solve_the_equation_have_no_curvature(attack) -> None:
    made = case(attack, "polynomial:3")
    solved = replace(made, objective=planted(made.objective, made.candidates))
    scale = columns_of(made.product, made.candidates).norm()
    assert columns_of(solved.product, solved.candidates).norm() < 1e-12 * scale
    for pairs in extreme_eigenpairs(solved.product, made.candidates.inputs, generator()):
        assert pairs.values.abs().max() < 1e-12 * scale


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_equation_is_evaluated_once_and_for_no_product(attack) -> None:
    made = case(attack)
    clock = Clock()
    product = splitting_product(costing(made.objective, clock), made.candidates, made.sharpness)
    assert clock.now == len(made.objective.points)
    way = directions(made.candidates.inputs)
    first = product(way)
    with torch.no_grad():
        second = product(way)
    assert clock.now == len(made.objective.points)
    assert torch.equal(first, second)
    assert not first.requires_grad


def test_candidates_that_are_being_optimised_are_left_alone() -> None:
    made = case("loss, 3 outputs")
    live = replace(
        made.candidates,
        inputs=made.candidates.inputs.clone().requires_grad_(),
        weights=made.candidates.weights.clone().requires_grad_(),
    )
    way = directions(made.candidates.inputs)
    with torch.no_grad():
        found = splitting_product(made.objective, live, made.sharpness)(way)
    torch.testing.assert_close(found, made.product(way))
    assert live.inputs.grad is None
    assert live.weights.grad is None


# What splitting changes


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("attack", SMOOTH)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_halves_change_the_loss_as_the_matrix_says_up_to_fourth_order(attack, name, seed) -> None:
    made = case(attack, name, seed=seed, sharpness=3.0)
    assert_order(4, made, halves, factor=0.5, size=0.02)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("attack", ["loss, 3 outputs", "change, 2 outputs"])
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_opposite_signs_change_the_loss_as_the_matrix_says_up_to_third_order(attack, name, seed) -> None:
    made = case(attack, name, seed=seed, sharpness=3.0)
    assert_order(3, made, opposites, factor=-0.25, size=0.002)


@pytest.mark.parametrize("name", ["relu", "tanh", "polynomial:3"])
def test_the_expansion_holds_for_the_margin_of_several_outputs_and_three_layers(name) -> None:
    made = case("margin, 3 outputs", name, "3 layers, biases", sharpness=3.0)
    assert_order(4, made, halves, factor=0.5, size=0.005)


@pytest.mark.parametrize(("moves", "sign"), [(halves, -1), (opposites, 1)], ids=["halves", "opposite signs"])
def test_eigenvectors_of_the_right_sign_are_ways_down(moves, sign) -> None:
    made = case("loss, 3 outputs", "relu")
    candidates, size = made.candidates, 1e-3
    lowest, highest = extreme_eigenpairs(made.product, candidates.inputs, generator())
    pairs = lowest if sign < 0 else highest
    assert (sign * pairs.values > 0).all()
    factor = 0.5 if sign < 0 else -0.25
    for index, value in enumerate(pairs.values.tolist()):
        split = with_children(candidates, [index], moves(pairs.vectors, size))
        change = float(made.loss(split) - made.loss(candidates))
        assert change < 0
        assert change == pytest.approx(factor * size**2 * value, rel=0.1)


# Extreme eigenpairs


def symmetric(*shape, seed=0, dtype=torch.float64):
    """Random symmetric matrices (*shape, r) of norm about 1."""
    drawn = torch.randn(*shape, shape[-1], generator=generator(seed), dtype=torch.float64)
    return ((drawn + drawn.mT) / (8 * shape[-1]) ** 0.5).to(dtype)


def spectral(values, seed=0, dtype=torch.float64):
    """A matrix with these eigenvalues in a random basis."""
    values = torch.as_tensor(values, dtype=torch.float64)
    drawn = torch.randn(len(values), len(values), generator=generator(seed), dtype=torch.float64)
    basis = torch.linalg.qr(drawn).Q
    return (basis * values @ basis.T).to(dtype)


def times(matrices):
    return lambda vectors: (matrices @ vectors.unsqueeze(-1)).squeeze(-1)


def extremes(matrices, most=16, seed=0):
    return extreme_eigenpairs(times(matrices), matrices[..., 0], generator(seed), most)


def assert_true_pairs(matrices, pairs, tolerance) -> None:
    """Vectors are of unit length, and errors are what the pairs miss."""
    scale = torch.linalg.matrix_norm(matrices, ord=2)
    missed = (times(matrices)(pairs.vectors) - pairs.values.unsqueeze(-1) * pairs.vectors).norm(dim=-1)
    assert pairs.values.shape == pairs.errors.shape == matrices.shape[:-2]
    assert pairs.values.dtype == pairs.vectors.dtype == pairs.errors.dtype == matrices.dtype
    assert ((pairs.vectors.norm(dim=-1) - 1).abs() < tolerance).all()
    assert (pairs.errors >= 0).all()
    assert ((missed - pairs.errors).abs() <= tolerance * scale).all()


def assert_exact(matrices, found, tolerance) -> None:
    scale = torch.linalg.matrix_norm(matrices, ord=2)
    expected = torch.linalg.eigvalsh(matrices.double())
    for pairs, place in zip(found, (0, -1), strict=True):
        assert_true_pairs(matrices, pairs, tolerance)
        assert ((pairs.values - expected[..., place]).abs() <= tolerance * scale).all()
        assert (pairs.errors <= tolerance * scale).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 3e-6)])
@pytest.mark.parametrize("shape", [(2, 3, 12), (4, 16), (1, 1), (2, 1, 2), (5, 2), (1, 9)])
def test_as_many_steps_as_dimensions_are_exact(shape, dtype, tolerance) -> None:
    matrices = symmetric(*shape, dtype=dtype)
    assert_exact(matrices, extremes(matrices), tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 3e-6)])
@pytest.mark.parametrize("most", [1, 3, 8])
def test_fewer_steps_bound_the_extremes_from_within(most, dtype, tolerance) -> None:
    matrices = symmetric(3, 4, 40, dtype=dtype)
    expected = torch.linalg.eigvalsh(matrices)
    lowest, highest = extremes(matrices, most)
    assert (lowest.values > expected[..., 0]).all()
    assert (highest.values < expected[..., -1]).all()
    for pairs in (lowest, highest):
        assert_true_pairs(matrices, pairs, tolerance)
        nearest = (expected - pairs.values.unsqueeze(-1)).abs().amin(-1)
        assert (nearest <= pairs.errors + tolerance).all()
        assert (pairs.errors > 100 * tolerance).any()


def test_more_steps_come_closer() -> None:
    matrices = symmetric(5, 40)
    expected = torch.linalg.eigvalsh(matrices)
    gaps = []
    for most in (2, 6, 12, 24):
        lowest, highest = extremes(matrices, most)
        gaps.append(torch.stack([lowest.values - expected[:, 0], expected[:, -1] - highest.values]))
    assert all((later < earlier).all() for earlier, later in pairwise(gaps))
    assert gaps[-1].max() < 0.01


@pytest.mark.parametrize(("most", "calls"), [(1, 1), (5, 5), (9, 9), (30, 9)])
def test_there_are_no_more_products_than_asked_for_or_needed(most, calls) -> None:
    matrices, seen = symmetric(2, 3, 9), []

    def product(vectors):
        seen.append(vectors)
        return times(matrices)(vectors)

    extreme_eigenpairs(product, matrices[..., 0], generator(), most)
    assert len(seen) <= calls
    assert all(vectors.shape == (2, 3, 9) and vectors.dtype == torch.float64 for vectors in seen)


def test_equal_seeds_give_equal_pairs_and_others_do_not() -> None:
    matrices = symmetric(2, 3, 30)
    one, same, other = (extremes(matrices, 5, seed)[0] for seed in (0, 0, 1))
    assert torch.equal(one.values, same.values)
    assert torch.equal(one.vectors, same.vectors)
    assert torch.equal(one.errors, same.errors)
    assert not (one.values == other.values).any()


@pytest.mark.parametrize(
    ("dtype", "tolerance", "sizes"),
    [(torch.float64, 1e-12, (1e-40, 1e-14, 1.0, 1e14)), (torch.float32, 1e-5, (1e-15, 1e-7, 1.0, 1e12))],
)
def test_matrices_of_very_different_sizes_do_not_disturb_each_other(dtype, tolerance, sizes) -> None:
    matrices = symmetric(4, 3, 12, dtype=dtype) * torch.tensor(sizes, dtype=dtype)[:, None, None, None]
    assert_exact(matrices, extremes(matrices), tolerance)
    scale = torch.tensor(sizes, dtype=dtype)[:, None]
    for found, expected in zip(
        extremes(matrices, 5), extremes(symmetric(4, 3, 12, dtype=dtype), 5), strict=True
    ):
        torch.testing.assert_close(found.values / scale, expected.values, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 3e-6)])
@pytest.mark.parametrize(
    "spectrum",
    [
        [0.0] * 10,
        [3.0] * 10,
        [0.0] * 9 + [2.0],
        [-2.0] + [0.0] * 9,
        [-1.0] * 5 + [1.0] * 5,
        [1.0] * 6 + [2.0] * 3 + [7.0],
        [1e-6] * 5 + [1.0] * 5,
    ],
    ids=str,
)
def test_repeated_eigenvalues_bring_in_no_others(spectrum, dtype, tolerance) -> None:
    rotated = torch.stack([spectral(spectrum, seed, dtype) for seed in range(20)])
    straight = torch.diag(torch.tensor(spectrum, dtype=dtype)).expand(20, 10, 10)
    matrices = torch.stack([size * kind for kind in (rotated, straight) for size in (1e-9, 1.0, 1e9)])
    assert_exact(matrices, extremes(matrices), tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-5)])
@pytest.mark.parametrize("distinct", [1, 3])
def test_a_large_positive_matrix_of_few_eigenvalues_gets_no_others(distinct, dtype, tolerance) -> None:
    spectrum = torch.arange(1.0, distinct + 1).repeat_interleave(120 // distinct)
    sizes = torch.tensor([1e-9, 1.0, 1e9], dtype=dtype)[:, None]
    plain = torch.stack([spectral(spectrum, seed, dtype) for seed in range(4)])
    matrices = sizes[..., None, None] * plain
    lowest, highest = extremes(matrices, most=16)
    assert (lowest.values / sizes - 1).abs().max() < tolerance
    assert (highest.values / sizes - distinct).abs().max() < tolerance
    for pairs in (lowest, highest):
        assert_true_pairs(matrices, pairs, tolerance)


def test_the_lowest_of_positive_matrices_is_positive() -> None:
    drawn = torch.randn(3, 4, 20, 20, generator=generator(), dtype=torch.float64)
    matrices = drawn @ drawn.mT + 0.1 * torch.eye(20, dtype=torch.float64)
    for most in (1, 4, 20):
        assert (extremes(matrices, most)[0].values > 0.1).all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_matrix_that_is_not_finite_has_no_values_and_leaves_the_others_theirs(bad) -> None:
    matrices = symmetric(3, 2, 7)
    whole = extremes(matrices)
    matrices[1, 0, 2, 3] = matrices[1, 0, 3, 2] = bad
    others = torch.ones(3, 2, dtype=torch.bool)
    others[1, 0] = False
    for found, expected in zip(extremes(matrices), whole, strict=True):
        assert found.values[1, 0].isnan()
        torch.testing.assert_close(found.values[others], expected.values[others])
        torch.testing.assert_close(found.vectors[others], expected.vectors[others])
        assert (found.errors[others] < 1e-13).all()


@pytest.mark.parametrize("attack", ATTACKS)
def test_extremes_of_splitting_matrices_are_those_of_the_dense_hessians(attack) -> None:
    made = case(attack, "gelu", "3 layers, biases")
    found = extreme_eigenpairs(made.product, made.candidates.inputs, generator())
    assert_exact(dense(made), found, 1e-10)


@pytest.mark.parametrize("size", [1e-10, 1.0], ids=["nearly solved", "far from solved"])
@pytest.mark.parametrize("attack", [KktMargin(), KktLoss()], ids=lambda attack: attack.id)
def test_extremes_of_matrices_of_low_rank(attack, size) -> None:
    """A network of few hidden units bends in few directions only, and Lanczos runs out of them."""
    seen = observation(small_network(1, inputs=20, hidden=3, activation="tanh"))
    candidates = random_candidates(attack, seen)
    near = replace(candidates, weights=(1 + size) * candidates.weights)
    made = Case(planted(equation(attack, seen).objective, candidates), near, None)
    matrices = dense(made)
    ranks = torch.linalg.matrix_rank(matrices, rtol=1e-5)
    assert ranks.max() < 10
    found = extreme_eigenpairs(made.product, candidates.inputs, generator())
    assert_exact(matrices, found, 1e-5 if size < 1 else 1e-12)
