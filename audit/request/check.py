"""Everything about a request that can be wrong, checked before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from audit.attacks import BATTERY
from audit.dataset import (
    ImageSet,
    check_columns_agree,
    check_disjoint,
    check_fits,
    check_labels,
    count_duplicates,
    default_controls,
    load_images,
)
from audit.diagnostics.control_model import share
from audit.diagnostics.dp_bound import DpSgd, parse_dp
from audit.errors import ArchitectureError, DataError, UsageError
from audit.model.architecture import Architecture, check_input, check_same_layers, infer_architecture
from audit.model.checkpoint import Checkpoint, load_checkpoint
from audit.model.preprocessing import InputFormat, input_format, parse_shape, with_usual_range
from audit.request.baseline import Baseline, load_baseline
from audit.request.observed import KINDS, Kind, Observed, load_gradient
from audit.request.request import PRECISIONS, Request
from audit.scoring.similarity import check_columns, constant_columns, ssim
from audit.verdict.findings import Suppression
from audit.verdict.policy import MatchRule, Policy, load_policy
from audit.verdict.waivers import Waivers, load_waivers

Model = tuple[Checkpoint, Architecture]
"""Tensors, and which network they are."""


_NAMED = 5
"""Columns that a note names."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What of a request is no image, read and checked."""

    checkpoint: Checkpoint
    """Tensors."""
    architecture: Architecture
    """What they are."""
    initial: Model | None
    """Tensors from before training, of the same layers."""
    gradient: Observed | None
    """An observed gradient, in the layers of the checkpoint."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything of a request that can be wrong, read and checked."""

    checkpoint: Checkpoint
    """Tensors."""
    architecture: Architecture
    """What they are."""
    initial: Model | None
    """Tensors from before training, of the same layers."""
    gradient: Observed | None
    """An observed gradient, in the layers of the checkpoint."""
    format: InputFormat
    """How pixels become inputs."""
    members: ImageSet
    """Training images."""
    controls: ImageSet | None
    """Images the model never saw."""
    policy: Policy
    """To judge by."""
    device: str
    """cpu or cuda."""
    dtype: torch.dtype
    """In which attacks compute."""
    notes: tuple[str, ...]
    """Assumptions made for the user."""
    waivers: Waivers | None = None
    """What they are; whether they have expired is for whoever knows the day."""
    baseline: Baseline | None = None
    """An earlier run on the same members."""
    dp: DpSgd | None = None
    """How the network is said to have been trained."""

    @property
    def suppressions(self) -> dict[str, Suppression]:
        """By id, findings that do not count if they occur. A waiver outranks the baseline, for it has an owner."""
        known = {} if self.baseline is None else self.baseline.suppressions(self.members)
        return known | ({} if self.waivers is None else self.waivers.suppressions)


def check(request: Request) -> Inputs:
    """Read all that a request names and check that it fits together.

    Raises
    ------
    AuditError
        One line that says what is wrong and what to do.
    """
    _check_options(request)
    if request.data is None:
        raise UsageError("no --data", "pass the training images")
    policy = load_policy(request.policy, [attack.id for attack in BATTERY])
    device = _device(request.device)
    weights = _weights(request)
    checkpoint, architecture, initial = weights.checkpoint, weights.architecture, weights.initial
    stated = parse_shape(request.input_shape) if request.input_shape else None

    def load(spec: str) -> ImageSet:
        return load_images(spec, data_root=request.data_root, shape=stated, download=request.download)

    members = load(request.data)
    controls_name = request.controls or default_controls(request.data)
    controls = None if controls_name is None else load(controls_name)
    fmt = input_format(stated or members.shape, request.mean, request.std)
    check_input(architecture, fmt)
    for images in [members] if controls is None else [members, controls]:
        check_fits(images, fmt)
        check_labels(images, architecture.outputs)
    if members.columns is not None:
        fmt = with_usual_range(fmt, None if controls is None else controls.images)
        policy, said = _for_rows(policy, request, members, controls)
    elif policy.match.metric != "ssim":
        raise UsageError(
            f"policy {request.policy} compares by {policy.match.metric}, which is for rows of a table: "
            f"{members.source} holds images",
            "set match.metric to ssim",
        )
    else:
        said = []
        ssim(members.images[0], members.images[0])  # refuses images too small to be compared
    if controls is not None:
        check_columns_agree(members, controls)
        check_disjoint(members, controls)
    if members.columns is not None and request.mean is None and request.std is None:
        raise UsageError(
            f"{members.source} is a table, and its normalisation is not stated: with a wrong one nothing is found",
            "pass --mean and --std as in training, or --mean 0 --std 1 if the model takes the columns as they are",
        )
    if request.positive_control:
        share(len(members), 0 if controls is None else len(controls), policy.match.fdr)
    notes = [*architecture.notes, *_assumed(request, initial)]
    if weights.gradient is not None:
        notes += weights.gradient.notes
    if request.mean is None and request.std is None:
        notes.append(
            "normalisation not stated: inputs taken as pixels in [0, 1]; pass --mean and --std if not"
        )
    notes += said
    if duplicates := count_duplicates(members):
        notes.append(
            f"exact copies among the members: {duplicates}; one candidate matches an image and its copies"
        )
    dtype = getattr(torch, request.precision)
    waivers = baseline = None
    dp = None if request.dp is None else parse_dp(request.dp)
    attacks = [attack.id for attack in BATTERY]
    if request.waivers is not None:
        waivers = load_waivers(request.waivers, members.ids, attacks)
        notes.append(f"waivers: {waivers.path}, {len(waivers.entries)} in it")
    if request.baseline is not None:
        baseline = load_baseline(request.baseline, members)
        threshold = policy.match.threshold if request.threshold is None else request.threshold
        notes += baseline.notes(checkpoint.sha256, policy, threshold)
    return Inputs(
        checkpoint,
        architecture,
        initial,
        weights.gradient,
        fmt,
        members,
        controls,
        policy,
        device,
        dtype,
        tuple(notes),
        waivers,
        baseline,
        dp,
    )


def _for_rows(
    policy: Policy, request: Request, members: ImageSet, controls: ImageSet | None
) -> tuple[Policy, list[str]]:
    """The policy with a rule for rows of a table, and what a reader should know of how they are compared."""
    names = members.columns or ()
    check_columns(len(names))
    same = constant_columns(members.images, members.images[:0] if controls is None else controls.images)
    if same.all():
        given = members.source if controls is None else f"{members.source} and {controls.source}"
        raise DataError(
            f"every column of {given} is the same in all rows: nothing can be compared",
            "give rows that differ, and controls",
        )
    notes, rule = [], policy.match
    if rule.metric == "ssim":
        policy = policy.model_copy(update={"match": MatchRule(metric="correlation", fdr=rule.fdr)})
        least = policy.match.threshold if request.threshold is None else request.threshold
        notes.append(
            f"SSIM is not applicable to rows of a table: recovered is a correlation of {least:g} and more, "
            f"in place of the policy's SSIM of {rule.threshold:g}"
        )
    of = "--mean and --std" if controls is None else "the controls"
    notes.append(
        f"attackers are taken to know where each column usually lies: two standard deviations about the mean, "
        f"by {of}"
    )
    if same.any():
        listing = [name for name, constant in zip(names, same, strict=True) if constant]
        more = f" and {len(listing) - _NAMED} more" if len(listing) > _NAMED else ""
        notes.append(
            f"columns that are the same in all rows are left out of the comparison: "
            f"{', '.join(listing[:_NAMED])}{more}"
        )
    return policy, notes


def check_weights(request: Request) -> tuple[Weights, tuple[str, ...]]:
    """Read what a request names, without images, and check that it fits together.

    Returns
    -------
    tuple[Weights, tuple[str, ...]]
        And the assumptions made for the user.

    Raises
    ------
    AuditError
        As `check` does; also for options that say something of images only.
    """
    _check_options(request)
    for name in ("controls", "mean", "std", "input_shape"):
        if getattr(request, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} without --data", "pass the training images, or leave it out"
            )
    weights = _weights(request)
    notes = [*weights.architecture.notes, *_assumed(request, weights.initial)]
    return weights, (*notes, *(weights.gradient.notes if weights.gradient else ()))


def _weights(request: Request) -> Weights:
    checkpoint, architecture = load_model(request.checkpoint, request.activation)
    initial = None if request.initial is None else load_initial(request.initial, checkpoint, architecture)
    gradient = None
    if request.gradient is not None:
        kind, rate = cast("Kind", request.gradient_kind), request.learning_rate
        gradient = load_gradient(request.gradient, checkpoint, architecture, kind, rate)
    return Weights(checkpoint, architecture, initial, gradient)


def load_model(path: Path, activation: str | None) -> Model:
    """Read a checkpoint and find out which network it is."""
    checkpoint = load_checkpoint(path)
    return checkpoint, infer_architecture(checkpoint, activation)


def load_initial(path: Path, checkpoint: Checkpoint, architecture: Architecture) -> Model:
    """Read the checkpoint from before training, which must hold the same layers."""
    try:
        initial, before = load_model(path, architecture.activation)
    except ArchitectureError as error:  # which names tensors, and there are two files with such tensors
        raise ArchitectureError(f"--initial {path}: {error.problem}", error.remedy) from error
    check_same_layers(architecture, before, str(checkpoint.path), str(path))
    return initial, before


def _assumed(request: Request, initial: Model | None) -> list[str]:
    notes = [] if request.precision == "float32" else [f"attacks computed in {request.precision}"]
    if initial is not None:
        before, architecture = initial
        notes.append(f"weights before training: {before.path}, sha256 {before.sha256}")
        notes += [f"--initial: {note}" for note in architecture.notes]
    return notes


def _check_options(request: Request) -> None:
    # Empty is what a script's unset variable gives; it must not be taken for "here", or for no controls.
    for name in ("data", "controls", "policy", "activation", "input_shape", "mean", "std"):
        if getattr(request, name) == "":
            raise UsageError(f"--{name.replace('_', '-')} is empty", "give it a value, or leave it out")
    if not (math.isfinite(request.budget) and request.budget > 0):
        raise UsageError(f"--budget is {request.budget:g} s", "give a positive time such as 60s, 10m or 2h")
    if request.threshold is not None and not 0 < request.threshold <= 1:
        raise UsageError(
            f"--threshold is {request.threshold:g}", "thresholds of similarity lie above 0 and at most at 1"
        )
    if request.evidence is not None and not request.redact:
        raise UsageError("--evidence without --redact", "add --redact, or leave it out")
    if request.precision not in PRECISIONS:
        raise UsageError(f"unknown precision {request.precision!r}", f"use {' or '.join(PRECISIONS)}")
    _check_gradient_options(request)
    known = [attack.id for attack in BATTERY]
    for name in request.attacks or ():
        if name not in known:
            raise UsageError(f"unknown attack {name!r} in --attacks", f"the battery has: {', '.join(known)}")
    for attack in BATTERY:
        if request.attacks and attack.id in request.attacks and attack.needs_initial and not request.initial:
            raise UsageError(
                f"--attacks {attack.id} needs the weights from before training", "pass --initial"
            )
        if (
            request.attacks
            and attack.id in request.attacks
            and attack.needs_gradient
            and not request.gradient
        ):
            raise UsageError(f"--attacks {attack.id} needs an observed gradient or update", "pass --gradient")
    if request.attacks is not None and not request.attacks:
        raise UsageError("--attacks names no attack", f"the battery has: {', '.join(known)}")


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


def _device(name: str) -> str:
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown device {name!r}", "use auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda, but PyTorch finds no CUDA device", "use --device cpu or auto")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"
