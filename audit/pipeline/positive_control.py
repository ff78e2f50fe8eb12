"""The positive control: make a model that leaks, attack it likewise, and count what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from audit.attacks import Observation
from audit.battery import Outcome
from audit.dataset.truth import Truth
from audit.diagnostics.control_model import (
    ControlModel,
    Draw,
    draw,
    fewest,
    share,
    strongest_source,
    train_control_model,
)
from audit.diagnostics.reading import affordable, answers, some
from audit.errors import first_line
from audit.model.modality import Source
from audit.pipeline.decision import Compared, decide
from audit.pipeline.scores import score
from audit.pipeline.session import Session
from audit.report.measured import PositiveControl
from audit.request.check import Inputs
from audit.verdict.facts import Facts, PowerFact
from audit.verdict.limits import Verdict
from audit.verdict.reading import misreading
from audit.words import duration, plural

_TRAINING = 0.5
"""Time for training, in budgets of the audit; attacks on the model then take as long as the audit's own."""
_MISREAD = "it counts for nothing: the audited network was misread, and this model in the same way"
_PERFECT = PowerFact(images=1000, confirmed=1000)
"""What a positive control finds at best."""


def measure(
    source: Source,
    drawn: Draw,
    model: ControlModel | None,
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
    model:
        What leaked them; None if there was none.
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
        noise=[] if model is None else list(model.noise),
        margin=None if model is None else model.margin,
        recovered=found.recovered_count,
        confirmed=found.confirmed_count,
        power=found.confirmed_count / len(drawn.images),
        interval=found.confirmed_interval,
        training_seconds=round(seconds[0], 2),
        seconds=round(seconds[1], 2),
        note=note,
    )


def sureness(observation: Observation, truth: Truth) -> float:
    """Margin that half of the members have in the audited network, to their labels or to what it says."""
    network = observation.network
    found = answers(network, *some(truth.members, truth.labels, affordable(network, 1)))
    return float(np.median(found.sureness if found.margin is None else found.margin))


def is_wanted(session: Session, compared: Compared) -> tuple[bool, list[str]]:
    """Whether a positive control is to run: it was asked for, or the verdict hangs on it.

    Returns
    -------
    tuple[bool, list[str]]
        With the reason, for the reader, why none runs although the verdict hangs on it.
    """
    asked, inputs = session.request.attack.positive_control, session.inputs
    if asked is not None:
        return asked, []
    if _verdict(inputs, compared, None) == "PASS" or _verdict(inputs, compared, _PERFECT) != "PASS":
        return False, []
    least = fewest(len(inputs.truth.members), inputs.rule.fdr)
    given = len(inputs.truth.controls)
    if given < least:
        return False, [f"no positive control: it takes {least} controls at least, and {given} were given"]
    return True, []


def _verdict(inputs: Inputs, compared: Compared, power: PowerFact | None) -> Verdict:
    return decide(inputs, compared.samples, replace(compared.facts, positive_control=power))[1].verdict


def expected(session: Session) -> str:
    """Say what an audit will take, a positive control included."""
    asked, require = session.request.attack, session.inputs.policy.require
    count = len(session.inputs.truth.controls)
    may = require.informative or require.least_power > 0
    may = may and count >= fewest(len(session.inputs.truth.members), session.inputs.rule.fdr)
    forced, rounds = asked.positive_control, asked.rounds
    amount = duration(asked.seconds) if rounds is None else f"{plural(rounds, 'round')} for every attack"
    if forced is False or not (forced or may):
        return f"{amount} in all"
    more = "with the positive control" if forced else "if the verdict hangs on a positive control"
    if rounds is not None:
        return f"{amount}, and as many again {more}"
    return f"{amount}, and up to {duration(asked.seconds * (1 + _TRAINING) + asked.seconds)} in all {more}"


def try_positive_control(
    session: Session, observation: Observation, facts: Facts, seconds: float
) -> PositiveControl | None:
    """Make a model that leaks, attack it likewise, and look at what came back.

    Parameters
    ----------
    session:
        The audit under way.
    observation:
        What its attacker sees, which the positive-control model resembles.
    facts:
        Of the audit, whose network may turn out to be misread.
    seconds:
        For attacks, as the audit had.

    Returns
    -------
    PositiveControl | None
        None if the user interrupted before there was a model to attack.
    """
    inputs, seed, tell = session.inputs, session.request.attack.seed, session.listener
    budget, truth = session.budget(_TRAINING * session.request.attack.seconds), inputs.truth
    count = share(len(truth.members), len(truth.controls), inputs.rule.fdr)
    drawn = draw(truth.controls, truth.control_labels, count, inputs.weights.architecture.outputs, seed)
    leaked = plural(count, f"held-out {inputs.data.members.modality.name}")
    most = "" if budget.rounds else f", {duration(budget.seconds)} at most"
    tell.stage(f"positive control: training a model to memorise {leaked}{most}")

    def watch(step: int, loss: float) -> None:
        tell.step("training", min(budget.spent, budget.seconds), budget.seconds, loss, "training loss")

    misread = _MISREAD if misreading(facts) else ""
    outcomes: list[Outcome] = []
    model = None
    try:
        model = train_control_model(observation, drawn, seed, budget, sureness(observation, truth), watch)
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
        model,
        outcomes,
        inputs,
        (trained, budget.spent),
        "; ".join(filter(None, [misread, note, "interrupted" if session.interrupted() else ""])),
    )
