"""Components of exact matrices, from one draw."""

import pytest
import torch

from audit.solve.jennrich import components
from tests.planted import generator
from tests.polynomials import direction_errors


@pytest.mark.parametrize("count", [4, 9])
def test_one_draw_of_exact_matrices_is_enough(count) -> None:
    rows = torch.randn(4, 4, generator=generator(), dtype=torch.float64)
    weights = torch.randn(count, 4, generator=generator(1), dtype=torch.float64)
    found = components(torch.einsum("si,id,ie->sde", weights, rows, rows), generator(2))
    torch.testing.assert_close(found.norm(dim=0), torch.ones(4, dtype=torch.float64))
    assert direction_errors(found.T, rows).max() < 1e-9


def test_matrices_without_inverse_give_what_they_hold() -> None:
    rows = torch.eye(4, dtype=torch.float64)[:3]
    weights = torch.randn(5, 3, generator=generator(1), dtype=torch.float64)
    found = components(torch.einsum("si,id,ie->sde", weights, rows, rows), generator(2))
    assert direction_errors(found.T, rows).max() < 1e-9
