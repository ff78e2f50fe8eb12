"""The only place where the stages meet: Request -> Audit. Usable as a library; the command line is a thin shell.

audit = run(Request(checkpoint=Path("model.safetensors"), data="train.npz", controls="test.npz"))
audit.report.verdict
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import torch

from audit.attacks import BATTERY, Attack, Observation
from audit.battery import AttackResult, Outcome, reconstruct
from audit.budget import Budget
from audit.dataset.truth import Truth
from audit.diagnostics.measure import Equation, Measurements, measure
from audit.model.network import network
from audit.model.preprocessing import InputFormat
from audit.report.evidence import Audit
from audit.report.schema import Provenance
from audit.request.check import Inputs, Model, check
from audit.request.request import Request
from audit.run.assembly import assemble
from audit.run.positive_control import try_positive_control
from audit.run.progress import Listener, Silent
from audit.scoring.similarity import CONVENTION, TABLE_CONVENTION
from audit.verdict.waivers import refuse_expired
from audit.words import printable

_KEPT_BACK = (0.2, 30.0)
"""Share of the budget, and seconds at most, kept for matching and the report."""
_KNOWING = 0.5
"""Share of what is kept back, for measuring what the weights hold; granted also where attacks took too long."""


def observe(
    model: Model,
    initial: Model | None,
    fmt: InputFormat,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    gradient: Model | None = None,
) -> Observation:
    """Put together what the attacker sees."""
    low, high = (torch.from_numpy(bound).to(device, dtype) for bound in fmt.box())
    before = None if initial is None else network(*initial, device, dtype)
    slope = None if gradient is None else network(*gradient, device, dtype)
    return Observation(network(*model, device, dtype), before, low, high, slope, fmt.shape)


def run(
    request: Request,
    inputs: Inputs | None = None,
    listener: Listener | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Audit:
    """Audit a checkpoint.

    Parameters
    ----------
    request:
        What to audit.
    inputs:
        The same, if `check` has read it already.
    listener:
        Told what happens.
    interrupted:
        Polled while attacks run; once true, what was found is reported and marked incomplete.

    Raises
    ------
    AuditError
        If the request cannot be used. Nothing was audited then.
    """
    started, whole = datetime.now(UTC), Budget(request.budget, time.monotonic, interrupted)
    with listener or Silent() as tell:
        inputs = inputs or check(request)
        refuse_expired(inputs.waivers, started.date())
        part, most = _KEPT_BACK
        seconds = whole.left - min(part * whole.left, most)

        def attack(observation: Observation) -> list[Outcome]:
            budget = Budget(seconds, time.monotonic, interrupted)

            def watch(attack: Attack, step: int, loss: float) -> None:
                tell.step(attack.id, budget.spent, budget.seconds, loss)

            return reconstruct(
                observation,
                BATTERY,
                request.attacks,
                budget,
                request.seed,
                watch,
                splitting=request.splitting,
            )

        tell.stage(f"attacking {inputs.architecture.sizes}")
        model = (inputs.checkpoint, inputs.architecture)
        seen = None if inputs.gradient is None else (inputs.gradient.checkpoint, inputs.architecture)
        observation = observe(model, inputs.initial, inputs.format, inputs.device, inputs.dtype, seen)
        outcomes = attack(observation)
        tell.stage("measuring what the weights hold")
        granted = Budget(_KNOWING * min(part * request.budget, most), time.monotonic, interrupted)
        measured = None if interrupted() else _measure(request, inputs, observation, outcomes, granted)
        control = None
        if request.positive_control and not interrupted():
            control = try_positive_control(request, inputs, observation, attack, tell, interrupted)
        tell.stage("matching reconstructions with members and controls")
        provenance = _provenance(request, inputs, started, whole, complete=not interrupted())
        finished = assemble(inputs, outcomes, request.threshold, provenance, measured, control)
        took = finished.report.provenance.model_copy(update={"seconds": round(whole.spent, 2)})
        return replace(finished, report=finished.report.model_copy(update={"provenance": took}))


def _measure(
    request: Request, inputs: Inputs, observation: Observation, outcomes: Sequence[Outcome], budget: Budget
) -> Measurements:
    """Measure what the attacks that ran could have found, in the order of the battery, as `inspect` does."""
    ran = [outcome for outcome in outcomes if isinstance(outcome, AttackResult)]
    equations = [Equation(result.attack, result.objective, result.space) for result in ran]
    truth = Truth.of(inputs.members, inputs.controls, inputs.format)
    return measure(equations, observation, truth, torch.Generator().manual_seed(request.seed), budget)


def _provenance(
    request: Request, inputs: Inputs, started: datetime, whole: Budget, *, complete: bool
) -> Provenance:
    return Provenance(
        command=printable(request.command),
        seed=request.seed,
        device=inputs.device,
        torch=torch.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        started=started.isoformat(timespec="seconds"),
        seconds=round(whole.spent, 2),
        budget_seconds=request.budget,
        complete=complete,
        redacted=request.redact,
        notes=list(inputs.notes),
        similarity=TABLE_CONVENTION if inputs.format.is_table else CONVENTION,
    )
