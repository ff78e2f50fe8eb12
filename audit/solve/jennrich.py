"""Jennrich's algorithm: what all matrices sum_i d_i x_i x_i^T are made of, each with weights d of its own.

Harshman 1970; Leurgans, Ross and Abel 1993. For two random combinations A and B of them, independent x_i are the
eigenvectors of A B^-1. Exact matrices give exact vectors; what noise does depends on how close two eigenvalues
come, so on the draw. What to do then differs, and is left to those who ask: `tensor` has nearly exact matrices, and
takes the best of several draws; `hermite` has slices with much noise, and fits all of them from every draw.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def components(matrices: Tensor, generator: torch.Generator) -> Tensor:
    """Candidates for x_i from one draw.

    Parameters
    ----------
    matrices:
        (s, r, r), symmetric.
    generator:
        Of the two combinations.

    Returns
    -------
    Tensor
        (r, r) columns x_i of unit length, of either sign. With noise two may be the real parts of one pair.
    """
    drawn = torch.randn(2, len(matrices), generator=generator).to(matrices)
    one, other = torch.einsum("ds,sij->dij", drawn, matrices)
    vectors: Tensor = torch.linalg.eig(one @ torch.linalg.pinv(other)).eigenvectors.real
    return functional.normalize(vectors, dim=0)
