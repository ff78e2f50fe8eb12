"""Moments of a gradient at random weights, and the directions that they have in common.

What a two-layer network shows of a batch (Wang, Lee and Lei 2022, arXiv 2212.03714). Let u_k be the weights and the
bias of hidden unit k and x_i sample i with a one appended, both in the span of the samples, and e_ic the slope of
the loss at output c. With F_c(u) = sum_i e_ic sigma(u . x_i), the gradient of the last layer is F_c(u_k), and that
of the first is sum_c a_ck grad F_c(u_k): values and slopes of unknown functions at K random points that are known.
By Stein's identity the moments of order p, E[F_c He_p(u)] and E[grad F_c He_{p-1}(u)], are both the tensor
sum_i e_ic E[sigma^(p)] x_i^{(x)p}, with the samples as its components.

The paper takes means over units. Here all coefficients up to an order come from one least-squares fit of a
polynomial to the values and slopes: for many units that is the same (Hermite polynomials are the orthogonal ones of
a Gaussian), and the error is that of what the polynomial leaves, not of the whole signal. An activation which is
nearly a polynomial where its pre-activations are gives nearly exact moments. Biases need not be random.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement, permutations
from math import comb

import torch
from torch import Tensor

from audit.solve.jennrich import components

_CONJUGATE_STEPS = 60
_CONJUGATE_END = 1e-20
"""Of the squared residual of the normal equations relative to where it began, preconditioned."""
_RIDGE = 1e-10
_SWEEPS = 50
"""Of alternating least squares; noise leaves Jennrich's answer far from the best fit, which this reaches."""


@dataclass(frozen=True, eq=False)
class Points:
    """Values and slopes of F at random points."""

    places: Tensor
    """u, (K, r), of unit mean square."""
    values: Tensor
    """F_c(u_k), (K, C)."""
    slopes: Tensor
    """sum_c a_ck grad F_c(u_k), (K, r)."""
    shares: Tensor
    """a, (K, C), of unit mean square."""


def unknowns(rank: int, order: int) -> int:
    """Number of coefficients of a polynomial of `order` in `rank` variables."""
    return comb(rank + order, order)


def moments(points: Points, order: int) -> Tensor:
    """Fit polynomials of `order` >= 2 and return all that they say from the second order on.

    Parameters
    ----------
    points:
        In float64.
    order:
        Of the polynomials. Both sides of the fit count alike.

    Returns
    -------
    Tensor
        (r, r, q): for every output, and every choice of the further indices, a symmetric slice of its tensor.
    """
    terms = _terms(points.places.shape[1], order)
    coefficients = _fitted(points, terms, order)
    rank, outputs = points.places.shape[1], points.shares.shape[1]
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


def _fitted(points: Points, terms: list[tuple[int, ...]], order: int) -> Tensor:
    """Coefficients (n, C), by conjugate gradients on the normal equations.

    The preconditioner is their mean over random a: every output for itself, all with one matrix.
    """
    places, shares = points.places, points.shares
    rank, outputs = places.shape[1], shares.shape[1]
    place = {term: index for index, term in enumerate(terms)}
    monomials = torch.ones(len(places), len(terms)).to(places)
    # derivatives[j] takes coefficients of F to those of dF / du_j, which are of one order less.
    lower = unknowns(rank, order - 1)
    derivatives = torch.zeros(rank, lower, len(terms)).to(places)
    for index, term in enumerate(terms[1:], start=1):
        monomials[:, index] = monomials[:, place[term[:-1]]] * places[:, term[-1]]
        for variable in set(term):
            others = list(term)
            others.remove(variable)
            derivatives[variable, place[tuple(others)], index] = term.count(variable)
    below = monomials[:, :lower]

    def predicted(coefficients: Tensor) -> tuple[Tensor, Tensor]:
        slopes = ((below @ (part @ coefficients)) * shares for part in derivatives)
        return monomials @ coefficients, torch.stack([slope.sum(1) for slope in slopes], 1)

    def pulled_back(values: Tensor, slopes: Tensor) -> Tensor:
        parts = zip(derivatives, slopes.T, strict=True)
        total = monomials.T @ values
        for part, slope in parts:
            total = total + part.T @ (below.T @ (slope[:, None] * shares))
        return total

    gram = below.T @ below
    normal = monomials.T @ monomials
    for part in derivatives:
        normal = normal + part.T @ (gram @ part)
    normal.diagonal().add_(_RIDGE * normal.diagonal().mean())
    factor: Tensor = torch.linalg.cholesky(normal)
    found = torch.zeros(len(terms), outputs).to(places)
    rest = pulled_back(points.values, points.slopes)
    direction = preconditioned = torch.cholesky_solve(rest, factor)
    size = began = (rest * preconditioned).sum()
    for _ in range(_CONJUGATE_STEPS):
        if size <= _CONJUGATE_END * began:
            break
        pushed = pulled_back(*predicted(direction))
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
