"""What may confirm a member, and how the false discovery rate is divided among the tests that do."""

from typing import Literal

Evidence = Literal["rank", "tail", "exact"]
"""Its rank among the controls, the tail of their scores, or that the reconstruction is an exact copy."""

TOGETHER, APART, TAIL = 0.8, 0.1, 0.1
"""Shares of the false discovery rate: of ranks of all candidates together, of those of every attack apart (divided
among attacks), and of the tail."""
