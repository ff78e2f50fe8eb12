"""The activations that can be audited, each with a smooth stand-in.

Gradients of the network are differentiated once more, and kinks leave nothing there to differentiate. Where an
activation has a kink, its ReLU part is replaced by softplus_beta(x) = log(1 + exp(beta x)) / beta, which tends to
ReLU as beta grows (audit/docs/methods.md, equation (5)); its derivative, sigmoid(beta x), tends to the step. ELU
and SELU (Clevert et al. 2016; Klambauer et al. 2017) are functions of max(x, 0) and x - max(x, 0), so the same
holds for them. The other activations are smooth as they are.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn import functional

Function = Callable[[Tensor, float | None], Tensor]
"""(pre-activations of any shape, beta) -> the same shape."""

_SELU_ALPHA = 1.6732632423543772  # Klambauer et al. 2017, equation 14, as in torch.nn.SELU
_SELU_SCALE = 1.0507009873554805


@dataclass(frozen=True)
class Activation:
    """One activation, its parameter included."""

    name: str
    """Canonical, with the parameter if there is one: relu, leaky_relu:0.2, polynomial:3."""
    function: Function
    """At beta None the activation itself, else the stand-in at that sharpness, in 1 / units of the argument."""
    degree: float | None
    """k when f(c x) = c^k f(x) for every c > 0, else None."""
    symmetric: bool
    """Whether f is odd or even."""

    @property
    def smooth(self) -> bool:
        """Whether its derivative does not jump at zero, where kinks are."""
        sides = torch.tensor([-1.0, 1.0], dtype=torch.float64).mul_(1e-9).requires_grad_()
        with torch.enable_grad():
            (derivatives,) = torch.autograd.grad(self.function(sides, None).sum(), sides)
        return bool((derivatives[0] - derivatives[1]).abs() < 1e-6)


@dataclass(frozen=True)
class _Family:
    """Activations that differ in one parameter, or a single one."""

    function: Callable[..., Tensor]
    """Of (pre, beta), and of the parameter if there is one."""
    degree: float | None = None
    """Of homogeneity; that of polynomials is their parameter."""
    parameter: str | None = None
    """What the parameter is called."""
    default: float | None = None
    """Of the parameter; None when it must be given."""
    symmetric: bool = False
    """Whether it is odd or even."""


def activation(name: str) -> Activation:
    """Find an activation by its name, an alias of it, or either with a parameter after a colon.

    Case, spaces, "-" and "_" in the name do not matter.

    Raises
    ------
    ValueError
        When the name is unknown or the parameter is not possible; it shows the name, what was found and what
        was expected, in words that continue the name of an option.
    """
    return _build(*_read(name))


@cache
def _build(kind: str, value: float | None) -> Activation:
    family = _FAMILIES[kind]
    if value is None:
        return Activation(kind, family.function, family.degree, family.symmetric)
    degree = float(value) if kind == "polynomial" else family.degree
    return Activation(
        f"{kind}:{value}", lambda pre, beta: family.function(pre, beta, value), degree, family.symmetric
    )


@cache
def _read(name: str) -> tuple[str, float | None]:
    """Split a name into the family and its parameter."""
    text = re.sub(r"^x(\^|\*\*)", "polynomial:", name.strip().lower())
    word, colon, found = text.partition(":")
    kind = _ALIASES.get(re.sub(r"[-_\s]", "", word))
    if kind is None:
        nearest = difflib.get_close_matches(word, _FAMILIES, n=1, cutoff=0.0)[0]
        raise ValueError(f'"{name.strip()}" is unknown (known: {", ".join(KNOWN)}; nearest: {nearest})')
    family = _FAMILIES[kind]
    if family.parameter is None:
        if colon:
            raise ValueError(f'"{name.strip()}" has the parameter "{found}", {kind} takes none')
        return kind, None
    if not colon and family.default is not None:
        return kind, family.default
    value = _number(found)
    if kind == "polynomial":
        possible, expected = value in range(2, 10), "a whole number from 2 to 9, as in polynomial:3"
    else:
        possible, expected = 0 < value < math.inf, f"a positive number, as in {kind}:{family.default}"
    if not possible:
        what = f'the {family.parameter} "{found}"' if found else f"no {family.parameter}"
        raise ValueError(f'"{name.strip()}" has {what}, expected {expected}')
    return kind, int(value) if kind == "polynomial" else value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _relu(pre: Tensor, beta: float | None) -> Tensor:
    return functional.relu(pre) if beta is None else functional.softplus(pre, beta=beta)


def _leaky_relu(pre: Tensor, beta: float | None, slope: float) -> Tensor:
    if beta is None:
        return functional.leaky_relu(pre, slope)
    return slope * pre + (1 - slope) * functional.softplus(pre, beta=beta)


def _elu(pre: Tensor, beta: float | None, alpha: float) -> Tensor:
    if beta is None:
        return functional.elu(pre, alpha)
    positive = functional.softplus(pre, beta=beta)
    # The argument of exp is -softplus_beta(-x), never above 0: nothing overflows.
    return positive + alpha * torch.expm1(pre - positive)


def _selu(pre: Tensor, beta: float | None) -> Tensor:
    return functional.selu(pre) if beta is None else _SELU_SCALE * _elu(pre, beta, _SELU_ALPHA)


def _softplus(pre: Tensor, _: float | None, beta: float) -> Tensor:
    return functional.softplus(pre, beta=beta)


def _polynomial(pre: Tensor, _: float | None, degree: float) -> Tensor:
    return pre.pow(degree)


def _identity(pre: Tensor, _: float | None) -> Tensor:
    return pre


def _smooth(pre: Tensor, _: float | None, *, function: Callable[[Tensor], Tensor]) -> Tensor:
    return function(pre)


_FAMILIES: Mapping[str, _Family] = {
    "relu": _Family(_relu, degree=1.0),
    "leaky_relu": _Family(_leaky_relu, degree=1.0, parameter="slope", default=0.01),
    "elu": _Family(_elu, parameter="alpha", default=1.0),
    "selu": _Family(_selu),
    "gelu": _Family(partial(_smooth, function=functional.gelu)),
    "gelu_tanh": _Family(partial(_smooth, function=partial(functional.gelu, approximate="tanh"))),
    "silu": _Family(partial(_smooth, function=functional.silu)),
    "softplus": _Family(_softplus, parameter="beta", default=1.0),
    "tanh": _Family(partial(_smooth, function=torch.tanh), symmetric=True),
    "sigmoid": _Family(partial(_smooth, function=torch.sigmoid)),
    "polynomial": _Family(_polynomial, parameter="degree", symmetric=True),
    "identity": _Family(_identity, degree=1.0, symmetric=True),
}

_ALIASES: Mapping[str, str] = {kind.replace("_", ""): kind for kind in _FAMILIES} | {
    "rectifier": "relu",
    "lrelu": "leaky_relu",
    "gelunew": "gelu_tanh",
    "gelupytorchtanh": "gelu_tanh",
    "swish": "silu",
    "logistic": "sigmoid",
    "poly": "polynomial",
    "linear": "identity",
    "none": "identity",
    "power": "polynomial",
    "monomial": "polynomial",
}


def _form(kind: str, family: _Family) -> str:
    if family.parameter is None:
        return kind
    return f"{kind}:{family.parameter}" if family.default is None else f"{kind}[:{family.parameter}]"


KNOWN: tuple[str, ...] = tuple(_form(kind, family) for kind, family in _FAMILIES.items())
"""How `--activation` may name each, optional parameters in brackets."""
