"""The positive control: make a model that leaks, attack it likewise, and count what comes back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.attacks import Observation
from audit.battery import AttackResult, Outcome
from audit.diagnostics.control_model import Draw, draw, make_twin, share, strongest_source
from audit.equation.objective import Source
from audit.errors import first_line
from audit.model.preprocessing import Preprocessing
from audit.report.measured import PositiveControl
from audit.run.session import Session
from audit.scoring.calibration import calibrate
from audit.words import plural


def measure(
    kind: Source,
    drawn: Draw,
    outcomes: Sequence[Outcome],
    preprocessing: Preprocessing,
    threshold: float,
    fdr: float,
    seconds: tuple[float, float],
    note: str,
) -> PositiveControl:
    """Compare what the battery made of a twin with the twin's images, as the audit does with members.

    Parameters
    ----------
    kind, drawn:
        The twin, and its images.
    outcomes:
        One per attack.
    preprocessing, threshold, fdr:
        As in `calibrate`.
    seconds:
        That training took, and all of it up to here.
    note:
        How training went.
    """
    found = [outcome.reconstructions for outcome in outcomes if isinstance(outcome, AttackResult)]
    candidates = np.concatenate([drawn.images[:0], *found])
    belief = calibrate(candidates, drawn.images, drawn.controls, preprocessing, threshold, fdr)
    return PositiveControl(
        source=kind,
        images=len(drawn.images),
        controls=len(drawn.controls),
        labels="given" if drawn.labels_given else "random",
        recovered=belief.recovered_count,
        confirmed=belief.confirmed_count,
        power=belief.confirmed_count / len(drawn.images),
        interval=belief.confirmed_interval,
        training_seconds=round(seconds[0], 2),
        seconds=round(seconds[1], 2),
        note=note,
    )


def try_positive_control(
    session: Session, observation: Observation, seconds: float
) -> PositiveControl | None:
    """Make a model that leaks, attack it likewise, and look at what came back.

    Parameters
    ----------
    session:
        The audit under way.
    observation:
        What its attacker sees, which the positive-control model resembles.
    seconds:
        For attacks, as the audit had.

    Returns
    -------
    PositiveControl | None
        None if the user interrupted before there was a model to attack.
    """
    request, truth, rule = session.request, session.inputs.truth, session.inputs.rule
    budget, tell = session.budget(request.attack.budget), session.listener
    count = share(len(truth.members), len(truth.controls), rule.fdr)
    outputs = session.inputs.weights.architecture.outputs
    drawn = draw(truth.controls, truth.control_labels, count, outputs, request.attack.seed)
    leaked = plural(count, "control image")
    tell.stage(f"positive control: making a twin that leaks {leaked}, {budget.seconds:g} s at most")

    def watch(step: int, loss: float) -> None:
        tell.step("training", min(budget.spent, budget.seconds), budget.seconds, loss, "training loss")

    outcomes: list[Outcome] = []
    try:
        twin = make_twin(observation, drawn, request.attack.seed, budget, watch)
        note, trained = twin.note, budget.spent
        if session.interrupted():
            return None
        tell.stage("positive control: attacking the twin")
        outcomes = session.attack(twin.observation, seconds).outcomes
    except (MemoryError, RuntimeError) as error:  # the audit itself is done, and is reported
        note, trained = f"failed: {first_line(error)}", budget.spent
    return measure(
        strongest_source(observation),
        drawn,
        outcomes,
        truth.preprocessing,
        rule.threshold,
        rule.fdr,
        (trained, budget.spent),
        "; ".join(filter(None, [note, "interrupted" if session.interrupted() else ""])),
    )
