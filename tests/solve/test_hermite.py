"""Polynomials fitted to values and derivatives, and the components that their moments share."""

import pytest
import torch
from torch.nn import functional

from audit.solve.hermite import Evaluations, common_components, moments, unknowns
from tests.planted import generator


@pytest.mark.parametrize("order", [2, 3, 4])
def test_polynomials_are_fitted_exactly(order) -> None:
    """F_c(u) = sum_i e_ic (u . x_i)^order: every slice is a sum of squares of x, weighted by e and by x."""
    rng = generator(1)
    rows, derivatives = torch.randn(3, 3, generator=rng).double(), torch.randn(3, 2, generator=rng).double()
    places, shares = torch.randn(60, 3, generator=rng).double(), torch.randn(60, 2, generator=rng).double()
    pre = places @ rows.T
    values = pre**order @ derivatives
    gradients = (order * pre ** (order - 1) * (shares @ derivatives.T)) @ rows
    found = moments(Evaluations(places, values, gradients, shares), order)[:, :, -2 * 3 ** (order - 2) :]
    further = {2: "", 3: "ic,", 4: "ic,id,"}[order]
    sides = [rows] * (order - 2)
    letters = "".join("cd"[: order - 2])
    expected = torch.einsum(f"ia,ib,{further}ie->ab{letters}e", rows, rows, *sides, derivatives)
    torch.testing.assert_close(found, expected.reshape(3, 3, -1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("rank", "order", "count"), [(1, 2, 3), (3, 2, 10), (3, 3, 20), (8, 4, 495)])
def test_unknowns_counts_monomials(rank, order, count) -> None:
    assert unknowns(rank, order) == count


def test_components_of_exact_slices_are_found() -> None:
    rows = functional.normalize(torch.randn(5, 5, generator=generator(2)).double(), dim=1)
    slices = torch.einsum("ia,ib,iq->abq", rows, rows, torch.randn(5, 7, generator=generator(3)).double())
    found = common_components(slices, generator())
    assert (found @ rows.T).abs().amax(0).min() > 1 - 1e-9
