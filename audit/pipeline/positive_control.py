"""The positive control: make a model that leaks, attack it likewise, and count what comes back."""

from __future__ import annotations

from collections.abc import Sequence

from audit.attacks import Observation
from audit.battery import Outcome
from audit.dataset.truth import Truth
from audit.diagnostics.control_model import Draw, draw, share, strongest_source, train_control_model
from audit.errors import first_line
from audit.model.modality import Source
from audit.pipeline.scores import score
from audit.pipeline.session import Session
from audit.report.measured import PositiveControl
from audit.request.check import Inputs
from audit.words import plural


def measure(
    source: Source,
    drawn: Draw,
    outcomes: Sequence[Outcome],
    inputs: Inputs,
    seconds: tuple[float, float],
    note: str,
) -> PositiveControl:
    """Count which samples of a positive-control model came back, as the audit does with members.

    Parameters
    ----------
    source:
        What the attacks were given of it.
    drawn:
        The samples that it memorised.
    outcomes:
        One per attack.
    inputs:
        The audit's own, for preprocessing, threshold and false discovery rate.
    seconds:
        That training took, and all of it up to here.
    note:
        How training went.
    """
    truth = Truth(drawn.images, drawn.controls, drawn.labels, None, inputs.truth.preprocessing)
    found = score(outcomes, truth, inputs.rule.threshold, inputs.rule.fdr, complete=False).pooled
    return PositiveControl(
        source=source,
        images=len(drawn.images),
        controls=len(drawn.controls),
        labels="given" if drawn.labels_given else "random",
        recovered=found.recovered_count,
        confirmed=found.confirmed_count,
        power=found.confirmed_count / len(drawn.images),
        interval=found.confirmed_interval,
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
    inputs, seed, tell = session.inputs, session.request.attack.seed, session.listener
    budget, truth = session.budget(session.request.attack.seconds), inputs.truth
    count = share(len(truth.members), len(truth.controls), inputs.rule.fdr)
    drawn = draw(truth.controls, truth.control_labels, count, inputs.weights.architecture.outputs, seed)
    leaked = plural(count, f"held-out {inputs.data.members.modality.name}")
    tell.stage(f"positive control: training a model to memorise {leaked}, {budget.seconds:g} s at most")

    def watch(step: int, loss: float) -> None:
        tell.step("training", min(budget.spent, budget.seconds), budget.seconds, loss, "training loss")

    outcomes: list[Outcome] = []
    try:
        model = train_control_model(observation, drawn, seed, budget, watch)
        note, trained = model.note, budget.spent
        if session.interrupted():
            return None
        tell.stage("positive control: attacking that model")
        outcomes = session.attack(model.observation, seconds).outcomes
    except (MemoryError, RuntimeError) as error:  # the audit itself is done, and is reported
        note, trained = f"failed: {first_line(error)}", budget.spent
    return measure(
        strongest_source(observation),
        drawn,
        outcomes,
        inputs,
        (trained, budget.spent),
        "; ".join(filter(None, [note, "interrupted" if session.interrupted() else ""])),
    )
