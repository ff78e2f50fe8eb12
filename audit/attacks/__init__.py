"""The battery: every attack that is built, in the order in which they run. An explicit list, no registry."""

from audit.attacks.base import Attack, Observation
from audit.attacks.kkt_margin import KktMargin

BATTERY: tuple[Attack, ...] = (KktMargin(),)

__all__ = ["BATTERY", "Attack", "Observation"]
