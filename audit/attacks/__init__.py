"""The battery: every attack that is built, in the order in which they run. An explicit list, no registry."""

from audit.attacks.base import Attack, Observation
from audit.attacks.gradient import Gradient
from audit.attacks.gradient_exact import GradientExact
from audit.attacks.kkt_loss import KktLoss
from audit.attacks.kkt_margin import KktMargin
from audit.attacks.moment_tensor import MomentTensor
from audit.attacks.weight_delta import WeightDelta

BATTERY: tuple[Attack, ...] = (
    KktMargin(),
    KktLoss(),
    WeightDelta(),
    Gradient(),
    GradientExact(),
    MomentTensor(),
)

__all__ = ["BATTERY", "Attack", "Observation"]
