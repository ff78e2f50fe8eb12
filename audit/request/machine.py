"""Where and in which precision attacks are computed."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from audit.errors import UsageError
from audit.request.request import DEVICES, PRECISIONS, AttackOptions


@dataclass(frozen=True)
class Machine:
    """Where and how attacks are computed."""

    device: str
    """cpu or cuda."""
    dtype: torch.dtype
    """Precision of the attacks."""


def resolve_machine(asked: AttackOptions) -> tuple[Machine, list[str]]:
    """Choose device and precision.

    Returns
    -------
    tuple[Machine, list[str]]
        With what a reader should know of it.

    Raises
    ------
    UsageError
        When a name is unknown, or there is no such device.
    """
    device, precision, cuda = asked.device, asked.precision, torch.cuda.is_available()
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}", f"use {' or '.join(PRECISIONS)}")
    if device not in DEVICES:
        raise UsageError(f"unknown device {device!r}", "use auto, cpu or cuda")
    if device == "cuda" and not cuda:
        raise UsageError("--device cuda, but PyTorch finds no CUDA device", "use --device cpu or auto")
    notes = [] if precision == "float32" else [f"attacks computed in {precision}"]
    return Machine("cuda" if device != "cpu" and cuda else "cpu", getattr(torch, precision)), notes


def is_repeatable(asked: AttackOptions, machine: Machine) -> bool:
    """Whether an audit gives the same result again: nothing depends on the clock, and sums have a fixed order."""
    return asked.rounds is not None and machine.device == "cpu"
