"""What the shell completes after some options, listed here because it must be there at once.

Tests hold these lists against what they repeat.
"""

from __future__ import annotations

from collections.abc import Callable

POLICIES = ("release", "research", "strict")
ATTACKS = (
    "kkt-margin",
    "kkt-loss",
    "weight-delta",
    "gradient",
    "gradient-cosine",
    "gradient-exact",
    "moment-tensor",
    "polynomial",
    "polynomial-delta",
    "polynomial-gradient",
)
FORMATS = ("html", "markdown", "json", "sarif", "junit", "summary")
"""Of reports."""
ACTIVATIONS = (
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "gelu_tanh",
    "silu",
    "softplus",
    "tanh",
    "sigmoid",
    "polynomial",
    "identity",
)
LAYOUTS = ("chw", "hwc")
COMPARISONS = ("table", "markdown", "html", "json")
"""Formats of `compare`."""
SCHEMAS = ("policy", "config", "report")


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Complete a single word."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def some_of(*words: str) -> Callable[[str], list[str]]:
    """Complete the last word of a list with commas, by those that are not in it yet."""

    def complete(incomplete: str) -> list[str]:
        given, comma, last = incomplete.rpartition(",")
        rest = [word for word in words if word not in given.split(",")]
        return [f"{given}{comma}{word}" for word in rest if word.startswith(last)]

    return complete
