"""Moments of a gradient at random weights, and the directions that they have in common.

What a two-layer network shows of a batch (Wang, Lee and Lei 2022, arXiv 2212.03714). Let u_k be the weights and the
bias of hidden unit k and x_i sample i with a one appended, both in the span of the samples, and e_ic the derivative
of the loss at output c. With F_c(u) = sum_i e_ic sigma(u . x_i), the gradient of the last layer is F_c(u_k), and
that of the first is sum_c a_ck grad F_c(u_k): values and derivatives of unknown functions at K random points that
are known. By Stein's identity the moments of order p, E[F_c He_p(u)] and E[grad F_c He_{p-1}(u)], are both the
tensor sum_i e_ic E[sigma^(p)] x_i^{(x)p}, with the samples as its components.

The paper takes means over units. Here all coefficients up to an order come from one least-squares fit of a
polynomial to the values and derivatives: for many units that is the same (Hermite polynomials are the orthogonal
ones of a Gaussian), and the error is that of what the polynomial leaves, not of the whole signal. An activation
which is nearly a polynomial where its pre-activations are gives nearly exact moments. Biases need not be random.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement, permutations
from math import comb

import torch
from torch import Tensor

from audit.solve.jennrich import components

_CONJUGATE_STEPS = 60
"""At most, where `_CONJUGATE_END` is not reached before."""
_CONJUGATE_END = 1e-20
"""Of the squared residual of the normal equations relative to where it began, preconditioned."""
_RIDGE = 1e-10
"""On the preconditioner, relative to its mean: keeps it positive where monomials depend on each other."""
_SWEEPS = 50
"""Of alternating least squares; noise leaves Jennrich's answer far from the best fit, which this reaches."""


@dataclass(frozen=True, eq=False)
class Evaluations:
    """Values and derivatives of F at random points."""

    places: Tensor
    """u, (K, r), of unit mean square."""
    values: Tensor
    """F_c(u_k), (K, C)."""
    derivatives: Tensor
    """sum_c a_ck grad F_c(u_k), (K, r)."""
    shares: Tensor
    """a, (K, C), of unit mean square."""


def unknowns(rank: int, order: int) -> int:
    """Number of coefficients of a polynomial of `order` in `rank` variables."""
    return comb(rank + order, order)


def moments(evaluations: Evaluations, order: int) -> Tensor:
    """Fit polynomials of `order` >= 2 and return all that they say from the second order on.

    Parameters
    ----------
    evaluations:
        In float64.
    order:
        Of the polynomials. Both sides of the fit count alike.

    Returns
    -------
    Tensor
        (r, r, q): for every output, and every choice of the further indices, a symmetric slice of its tensor.
    """
    terms = _terms(evaluations.places.shape[1], order)
    coefficients = _solve(_Fit.of(evaluations, terms, order), evaluations)
    rank, outputs = evaluations.places.shape[1], evaluations.shares.shape[1]
    slices = []
    for degree in range(2, order + 1):
        tensor = coefficients.new_zeros(*[rank] * degree, outputs)
        for term, value in zip(terms, coefficients, strict=True):
            if len(term) == degree:
                orders = set(permutations(term))
                for each in orders:
                    tensor[each] = value / len(orders)
        slices.append(tensor.reshape(rank, rank, -1))
    return torch.cat(slices, 2)


def _terms(rank: int, order: int) -> list[tuple[int, ...]]:
    """Monomials, each as the sorted indices of its factors, by degree."""
    return [t for degree in range(order + 1) for t in combinations_with_replacement(range(rank), degree)]


@dataclass(frozen=True, eq=False)
class _Fit:
    """The equations for the coefficients (n, C) of polynomials: linear, and never written down as a matrix."""

    monomials: Tensor
    """(K, n), at the places."""
    derivatives: Tensor
    """(r, n', n): the j-th takes coefficients of F to those of dF / du_j, which are of one order less."""
    shares: Tensor
    """a, (K, C)."""

    @classmethod
    def of(cls, evaluations: Evaluations, terms: list[tuple[int, ...]], order: int) -> _Fit:
        """Write down monomials and their derivatives."""
        places, shares = evaluations.places, evaluations.shares
        rank, place = places.shape[1], {term: index for index, term in enumerate(terms)}
        monomials = torch.ones(len(places), len(terms)).to(places)
        derivatives = torch.zeros(rank, unknowns(rank, order - 1), len(terms)).to(places)
        for index, term in enumerate(terms[1:], start=1):
            monomials[:, index] = monomials[:, place[term[:-1]]] * places[:, term[-1]]
            for variable in set(term):
                others = list(term)
                others.remove(variable)
                derivatives[variable, place[tuple(others)], index] = term.count(variable)
        return cls(monomials, derivatives, shares)

    @property
    def below(self) -> Tensor:
        """Monomials of one order less, (K, n')."""
        return self.monomials[:, : self.derivatives.shape[1]]

    def predict(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Values (K, C) and derivatives (K, r) that coefficients lead to."""
        by_variable = ((self.below @ (part @ coefficients)) * self.shares for part in self.derivatives)
        return self.monomials @ coefficients, torch.stack([part.sum(1) for part in by_variable], 1)

    def pull_back(self, values: Tensor, derivatives: Tensor) -> Tensor:
        """The transpose of `predict`, (n, C)."""
        total = self.monomials.T @ values
        for part, derivative in zip(self.derivatives, derivatives.T, strict=True):
            total = total + part.T @ (self.below.T @ (derivative[:, None] * self.shares))
        return total

    def precondition(self) -> Tensor:
        """Cholesky factor (n, n) of the mean of the normal equations over random a: one matrix for all outputs."""
        gram = self.below.T @ self.below
        normal = self.monomials.T @ self.monomials
        for part in self.derivatives:
            normal = normal + part.T @ (gram @ part)
        normal.diagonal().add_(_RIDGE * normal.diagonal().mean())
        factor: Tensor = torch.linalg.cholesky(normal)
        return factor


def _solve(fit: _Fit, evaluations: Evaluations) -> Tensor:
    """Coefficients (n, C), by conjugate gradients on the normal equations."""
    factor = fit.precondition()
    rest = fit.pull_back(evaluations.values, evaluations.derivatives)
    found = torch.zeros_like(rest)
    direction = preconditioned = torch.cholesky_solve(rest, factor)
    size = began = (rest * preconditioned).sum()
    for _ in range(_CONJUGATE_STEPS):
        if size <= _CONJUGATE_END * began:
            break
        pushed = fit.pull_back(*fit.predict(direction))
        length = size / (direction * pushed).sum()
        found, rest = found + length * direction, rest - length * pushed
        preconditioned = torch.cholesky_solve(rest, factor)
        before, size = size, (rest * preconditioned).sum()
        direction = preconditioned + size / before * direction
    return found


def common_components(slices: Tensor, generator: torch.Generator) -> Tensor:
    """The r vectors x_i of which all slices are weighted sums of x_i x_i^T.

    Jennrich's algorithm, then alternating least squares on all of them.

    Parameters
    ----------
    slices:
        (r, r, q), of which the first r principal ones are used.
    generator:
        Of the combinations.

    Returns
    -------
    Tensor
        (r, r) unit rows x_i, of either sign.
    """
    rank = len(slices)
    left, values, _ = torch.linalg.svd(slices.reshape(rank * rank, -1), full_matrices=False)
    tensor = (left * values)[:, :rank].T.reshape(-1, rank, rank)
    columns = components(tensor, generator)
    for _ in range(_SWEEPS):
        shares = _shares(tensor, columns)
        products = torch.einsum("ji,iq->jqi", columns, shares).flatten(0, 1)
        columns = (torch.linalg.pinv(products) @ tensor.permute(2, 0, 1).reshape(-1, rank)).T
        columns = columns / columns.norm(dim=0).clamp_min(1e-12)
    return columns.T


def _shares(tensor: Tensor, columns: Tensor) -> Tensor:
    """Weights (i, q) of the products x_i x_i^T in slices (q, r, r), by least squares."""
    products = torch.einsum("ai,bi->abi", columns, columns).flatten(0, 1)
    inverse: Tensor = torch.linalg.pinv(products)
    return inverse @ tensor.flatten(1).T
