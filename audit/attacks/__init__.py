"""The battery: every attack that is built, in the order in which they run. An explicit list, no registry."""

from audit.attacks.base import (
    Attack,
    Broken,
    Equation,
    Inapplicable,
    Method,
    Observation,
    Prepared,
)
from audit.attacks.gradient import Gradient
from audit.attacks.gradient_cosine import GradientCosine
from audit.attacks.gradient_exact import GradientExact
from audit.attacks.kkt_loss import KktLoss
from audit.attacks.kkt_margin import KktMargin
from audit.attacks.moment_tensor import MomentTensor
from audit.attacks.polynomial import Polynomial
from audit.attacks.polynomial_delta import PolynomialDelta
from audit.attacks.polynomial_gradient import PolynomialGradient
from audit.attacks.weight_delta import WeightDelta

BATTERY: tuple[Attack, ...] = (
    KktMargin(),
    KktLoss(),
    WeightDelta(),
    Gradient(),
    GradientCosine(),
    GradientExact(),
    MomentTensor(),
    Polynomial(),
    PolynomialDelta(),
    PolynomialGradient(),
)

__all__ = ["BATTERY", "Attack", "Broken", "Equation", "Inapplicable", "Method", "Observation", "Prepared"]
