"""Monomials as vectors: features, and their first and second derivatives."""

import math

import pytest
import torch

from audit.equation.monomials import Monomials
from tests.helpers import normal


@pytest.mark.parametrize("degree", [3, 4, 5])
def test_features_multiply_as_powers_of_products(degree) -> None:
    one, other = normal(2, 4)
    monomials = Monomials(4, degree)
    features = monomials.features(torch.stack([one, other]))
    assert features.shape == (2, len(monomials)) == (2, math.comb(3 + degree, degree))
    torch.testing.assert_close(features[0] @ features[1], (one @ other) ** degree)


@pytest.mark.parametrize("degree", [3, 4])
def test_derivatives_and_curvatures_are_derivatives(degree) -> None:
    monomials = Monomials(3, degree)
    rows, coefficients = normal(2, 3), normal(1, len(monomials))[0]

    def value(row):
        return monomials.features(row[None])[0] @ coefficients

    derivatives, curvatures = (
        monomials.derivatives(rows) @ coefficients,
        monomials.curvatures(rows, coefficients),
    )
    for row, derivative, curvature in zip(rows, derivatives, curvatures, strict=True):
        torch.testing.assert_close(torch.autograd.functional.jacobian(value, row), derivative)
        torch.testing.assert_close(torch.autograd.functional.hessian(value, row), curvature)
