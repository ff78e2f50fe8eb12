"""Run the battery against what the attacker sees. Members are nowhere in reach of it, nor of what it imports."""

from audit.battery.outcomes import AttackFailed, AttackResult, AttackSkipped, Outcome, SplitTrace
from audit.battery.suite import prepare, reconstruct

__all__ = ["AttackFailed", "AttackResult", "AttackSkipped", "Outcome", "SplitTrace", "prepare", "reconstruct"]
