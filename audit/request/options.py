"""Options that contradict each other, or whose values cannot be used: found before any file is read."""

from __future__ import annotations

import math

import torch

from audit.attacks import BATTERY
from audit.errors import UsageError
from audit.request.observed import KINDS
from audit.request.request import PRECISIONS, Request

_ATTACKS = ", ".join(attack.id for attack in BATTERY)


def check_options(request: Request) -> None:
    """Check all that can be checked without reading a file.

    Raises
    ------
    UsageError
        Naming the first option that cannot be used.
    """
    _check_given(request)
    _check_numbers(request)
    if request.evidence is not None and not request.redact:
        raise UsageError("--evidence without --redact", "add --redact, or leave it out")
    if request.precision not in PRECISIONS:
        raise UsageError(f"unknown precision {request.precision!r}", f"use {' or '.join(PRECISIONS)}")
    _check_gradient_options(request)
    _check_attacks(request)


def check_without_data(request: Request) -> None:
    """Check that nothing describes samples where none are given.

    Raises
    ------
    UsageError
        Naming the first option that does.
    """
    described = {
        "--controls": request.controls,
        "--mean": request.mean,
        "--std": request.std,
        "--input-shape": request.input_shape,
    }
    for option, value in described.items():
        if value is not None:
            raise UsageError(f"{option} without --data", "pass the training data, or leave it out")


def resolve_device(name: str) -> str:
    """Choose `cpu` or `cuda`.

    Raises
    ------
    UsageError
        When the name is unknown, or there is no such device.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown device {name!r}", "use auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda, but PyTorch finds no CUDA device", "use --device cpu or auto")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def _check_given(request: Request) -> None:
    # Empty is what a script's unset variable gives; it must not be taken for "here", or for no controls.
    texts = {
        "--data": request.data,
        "--controls": request.controls,
        "--policy": request.policy,
        "--activation": request.activation,
        "--input-shape": request.input_shape,
        "--mean": request.mean,
        "--std": request.std,
    }
    for option, text in texts.items():
        if text == "":
            raise UsageError(f"{option} is empty", "give it a value, or leave it out")


def _check_numbers(request: Request) -> None:
    if not (math.isfinite(request.budget) and request.budget > 0):
        raise UsageError(f"--budget is {request.budget:g} s", "give a positive time such as 60s, 10m or 2h")
    if request.threshold is not None and not 0 < request.threshold <= 1:
        raise UsageError(
            f"--threshold is {request.threshold:g}", "thresholds of similarity lie above 0 and at most at 1"
        )


def _check_gradient_options(request: Request) -> None:
    kind, rate = request.gradient_kind, request.learning_rate
    if kind not in KINDS:
        raise UsageError(f"unknown gradient kind {kind!r}", f"use {' or '.join(KINDS)}")
    if kind == "update" and request.gradient is None:
        raise UsageError("--gradient-kind update without an update", "pass the update as --gradient")
    if rate is not None and kind != "update":
        raise UsageError(
            "--learning-rate belongs to an update",
            "pass --gradient with --gradient-kind update, or leave it out",
        )
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise UsageError(f"--learning-rate is {rate:g}", "give a positive number, or leave it out")


def _check_attacks(request: Request) -> None:
    if request.attacks is None:
        return
    if not request.attacks:
        raise UsageError("--attacks names no attack", f"the battery has: {_ATTACKS}")
    known = {attack.id: attack for attack in BATTERY}
    for name in request.attacks:
        if name not in known:
            raise UsageError(f"unknown attack {name!r} in --attacks", f"the battery has: {_ATTACKS}")
    for attack in (known[name] for name in request.attacks):
        if attack.source == "change" and not request.initial:
            raise UsageError(
                f"--attacks {attack.id} needs the weights from before training", "pass --initial"
            )
        if attack.source == "gradient" and not request.gradient:
            raise UsageError(f"--attacks {attack.id} needs an observed gradient or update", "pass --gradient")
