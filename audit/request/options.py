"""Options that contradict each other, or whose values cannot be used: found before any file is read."""

from __future__ import annotations

import math

from audit.errors import UsageError
from audit.model.modality import LAYOUTS
from audit.request.request import (
    KINDS,
    ModelOptions,
    Request,
    SampleOptions,
)


def check_options(request: Request) -> None:
    """Check all that can be checked without knowing the attacks and without reading a file.

    Raises
    ------
    UsageError
        Naming the first option that cannot be used.
    """
    _check_given(request)
    _check_numbers(request)
    _check_layout(request.samples)
    if request.output.evidence is not None and not request.output.redact:
        raise UsageError("--evidence without --redact", "add --redact, or leave it out")
    _check_gradient_options(request.model)


def check_without_data(samples: SampleOptions) -> None:
    """Check that nothing describes samples where none are given.

    Raises
    ------
    UsageError
        Naming the first option that does.
    """
    described = {
        "--controls": samples.controls,
        "--mean": samples.mean,
        "--std": samples.std,
        "--input-shape": samples.input_shape,
        "--layout": samples.layout,
    }
    for option, value in described.items():
        if value is not None:
            raise UsageError(f"{option} without --data", "pass the training data, or leave it out")


def _check_given(request: Request) -> None:
    # Empty is what a script's unset variable gives; it must not be taken for "here", or for no controls.
    texts = {
        "--data": request.samples.data,
        "--controls": request.samples.controls,
        "--policy": request.verdict.policy,
        "--activation": request.model.activation,
        "--input-shape": request.samples.input_shape,
        "--layout": request.samples.layout,
        "--mean": request.samples.mean,
        "--std": request.samples.std,
    }
    for option, text in texts.items():
        if text == "":
            raise UsageError(f"{option} is empty", "give it a value, or leave it out")
    if request.model.layers == ():
        raise UsageError("--layers names no layer", "name the weight of every layer, or leave it out")


def _check_numbers(request: Request) -> None:
    seconds, threshold = request.attack.budget, request.verdict.threshold
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"--budget is {seconds:g} s", "give a positive time such as 60s, 10m or 2h")
    if threshold is not None and not 0 < threshold <= 1:
        raise UsageError(
            f"--threshold is {threshold:g}", "thresholds of similarity lie above 0 and at most at 1"
        )


def _check_layout(samples: SampleOptions) -> None:
    if samples.layout is not None and samples.layout not in LAYOUTS:
        raise UsageError(f"unknown layout {samples.layout!r} in --layout", f"use {' or '.join(LAYOUTS)}")


def _check_gradient_options(asked: ModelOptions) -> None:
    kind, rate = asked.gradient_kind, asked.learning_rate
    if kind not in KINDS:
        raise UsageError(f"unknown gradient kind {kind!r}", f"use {' or '.join(KINDS)}")
    if kind == "update" and asked.gradient is None:
        raise UsageError("--gradient-kind update without an update", "pass the update as --gradient")
    if rate is not None and kind != "update":
        raise UsageError(
            "--learning-rate belongs to an update",
            "pass --gradient with --gradient-kind update, or leave it out",
        )
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise UsageError(f"--learning-rate is {rate:g}", "give a positive number, or leave it out")
