"""Homogeneous polynomials as vectors: what a symmetric tensor is, entry by entry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Monomials:
    """The monomials of one degree in r variables, scaled so that features multiply as powers of products.

    With phi(x) the features of x, phi(x) . phi(v) = (x . v)^n. The symmetric tensor of coefficients t is the one
    with T(v, ..., v) = t . phi(v), and ||t|| is its norm.
    """

    variables: int
    """r."""
    degree: int
    """n."""

    def __len__(self) -> int:
        """Return N, their number."""
        return math.comb(self.variables + self.degree - 1, self.degree)

    @cached_property
    def factors(self) -> Tensor:
        """(N, n) variables that are multiplied."""
        variables = torch.arange(self.variables)
        return torch.combinations(variables, self.degree, with_replacement=True)

    @cached_property
    def scales(self) -> Tensor:
        """(N,) roots of the multinomial coefficients."""
        exponents = torch.nn.functional.one_hot(self.factors, self.variables).sum(1).double()
        return torch.exp((math.lgamma(self.degree + 1) - torch.lgamma(exponents + 1).sum(1)) / 2)

    def features(self, rows: Tensor) -> Tensor:
        """Phi of (m, r), (m, N)."""
        return self.scales * rows[:, self.factors].prod(-1)

    def derivatives(self, rows: Tensor) -> Tensor:
        """Derivatives of phi at (m, r), (m, r, N): t . derivatives is n T(v, ..., v, .)."""
        factors = self.factors
        every = torch.arange(len(factors))
        found = rows.new_zeros(len(rows), self.variables, len(factors))
        for place in range(self.degree):
            others = torch.cat([factors[:, :place], factors[:, place + 1 :]], 1)
            found[:, factors[:, place], every] += rows[:, others].prod(-1)
        return self.scales * found

    def curvatures(self, rows: Tensor, coefficients: Tensor) -> Tensor:
        """Second derivatives of t . phi at (m, r), (m, r, r): n (n - 1) T(v, ..., v, ., .)."""
        factors, r = self.factors, self.variables
        found = rows.new_zeros(len(rows), r * r)
        for one, other in permutations(range(self.degree), 2):
            others = factors[:, [place for place in range(self.degree) if place not in (one, other)]]
            parts = self.scales * coefficients * rows[:, others].prod(-1)
            found.index_add_(1, factors[:, one] * r + factors[:, other], parts)
        return found.view(-1, r, r)
