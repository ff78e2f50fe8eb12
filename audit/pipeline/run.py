"""The only place where the stages meet: Request -> Audit. Usable as a library; the command line is a thin shell.

audit = run(Request.of("model.safetensors", data="train.npz", controls="test.npz"))
audit.report.verdict
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import torch

from audit.attacks import Observation
from audit.budget import Budget, Clock
from audit.diagnostics.measure import Measurements, measure
from audit.model.network import Network, network
from audit.model.preprocessing import Preprocessing
from audit.pipeline.assembly import assemble
from audit.pipeline.decision import compare
from audit.pipeline.positive_control import expected, is_wanted, try_positive_control
from audit.pipeline.progress import Listener, Silent
from audit.pipeline.reading import read_network
from audit.pipeline.session import Attacked, Session
from audit.report.evidence import Audit
from audit.report.schema import Provenance
from audit.request.check import Inputs, check
from audit.request.machine import is_repeatable
from audit.request.request import Request
from audit.request.weights import Model
from audit.verdict.waivers import refuse_expired
from audit.words import printable

_KEPT_BACK = (0.2, 30.0)
"""Share of the budget, and seconds at most, kept for matching and the report."""
_MEASURING = 0.5
"""Share of what is kept back, for measuring what the model memorised; granted also where attacks took too long."""


def observe(
    model: Model,
    initial: Model | None,
    preprocessing: Preprocessing,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    gradient: Model | None = None,
) -> Observation:
    """Put together what the attacker sees."""
    low, high = (torch.from_numpy(bound).to(device, dtype) for bound in preprocessing.box())
    columns = preprocessing.columns

    def built(one: Model) -> Network:
        made = network(*one, device, dtype)
        return made if columns is None else made.with_inputs(torch.from_numpy(columns))

    before = None if initial is None else built(initial)
    slope = None if gradient is None else built(gradient).parameters
    return Observation(built(model), before, low, high, slope, preprocessing.shape)


def observe_inputs(inputs: Inputs) -> Observation:
    """Put together what the attacker sees of checked inputs."""
    weights, machine = inputs.weights, inputs.machine
    return observe(
        weights.model,
        weights.initial,
        inputs.truth.preprocessing,
        machine.device,
        machine.dtype,
        weights.gradient_model,
    )


def run(
    request: Request,
    inputs: Inputs | None = None,
    listener: Listener | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    clock: Clock = time.monotonic,
) -> Audit:
    """Audit a checkpoint.

    Parameters
    ----------
    request:
        What to audit.
    inputs:
        The same, if `check` has read it already.
    listener:
        Gets progress.
    interrupted:
        Polled while attacks run; once true, what was found is reported and marked incomplete.
    clock:
        Monotonic, in seconds.

    Raises
    ------
    AuditError
        If the request cannot be used. Nothing was audited then.
    """
    started, whole = datetime.now(UTC), Budget(request.attack.seconds, clock, interrupted)
    with listener or Silent() as tell:
        inputs = inputs or check(request)
        refuse_expired(inputs.accepted.waivers, started.date())
        session = Session(request, inputs, tell, clock, interrupted)
        part, most = _KEPT_BACK
        seconds = whole.left - min(part * whole.left, most)
        tell.stage(f"attacking {inputs.weights.architecture.sizes}: {expected(session)}")
        observation = observe_inputs(inputs)
        reading = read_network(observation.network, inputs)
        attacked = session.attack(observation, seconds)
        measured, control = Measurements(), None
        if not interrupted():
            tell.stage("measuring what the model memorised")
            granted = session.budget(_MEASURING * min(part * request.attack.seconds, most))
            measured = _measure(session, attacked, granted)
        tell.stage("matching reconstructions with members and controls")
        compared = compare(inputs, attacked.outcomes, measured, reading, complete=not interrupted())
        wanted, notes = is_wanted(session, compared)
        if wanted and not interrupted():
            control = try_positive_control(session, observation, compared.facts, seconds)
        provenance = _provenance(session, started, notes, complete=not interrupted())
        finished = assemble(inputs, attacked, compared, provenance, measured, control, reading)
        took = finished.report.provenance.model_copy(update={"seconds": round(whole.spent, 2)})
        return replace(finished, report=finished.report.model_copy(update={"provenance": took}))


def _measure(session: Session, attacked: Attacked, budget: Budget) -> Measurements:
    """Measure what the attacks that ran could have found, in the order of the battery, as `inspect` does."""
    generator = torch.Generator().manual_seed(session.request.attack.seed)
    truth = session.inputs.truth
    return measure(attacked.equations, attacked.prepared, truth, generator, budget)


def _provenance(session: Session, started: datetime, notes: Sequence[str], *, complete: bool) -> Provenance:
    request, inputs = session.request, session.inputs
    return Provenance(
        command=printable(request.command),
        seed=request.attack.seed,
        device=inputs.machine.device,
        torch=torch.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        started=started.isoformat(timespec="seconds"),
        seconds=0.0,
        budget_seconds=None if request.attack.rounds else request.attack.seconds,
        rounds=request.attack.rounds,
        repeatable=complete and is_repeatable(request.attack, inputs.machine),
        complete=complete,
        redacted=request.output.redact,
        notes=[*inputs.notes, *notes],
        similarity=inputs.data.members.modality.convention,
    )
