"""The network as it was read: measured, and described as an entry of the report."""

from __future__ import annotations

from collections.abc import Sequence

from audit.diagnostics.misreading import Trial as Tried
from audit.diagnostics.misreading import best, scaled_loss, try_changes
from audit.diagnostics.reading import Answers, Columns, read
from audit.diagnostics.reading import Reading as Measured
from audit.model.network import Network
from audit.report.reading import Assumption, ColumnFit, Fit, Reading, Trial
from audit.request.check import Inputs


def read_network(network: Network, inputs: Inputs) -> Reading:
    """Say how well a network, read as the inputs assume, knows members and controls, and what would mend that."""
    names = [layer.weight for layer in inputs.weights.architecture.layers]
    return reading_entry(
        read(network, inputs.truth), try_changes(network, inputs.truth, names), inputs.assumed
    )


def reading_entry(found: Measured, trials: Sequence[Tried], assumed: Sequence[Assumption]) -> Reading:
    """Describe what was measured."""
    tests, mending = found.tests, best(trials)
    return Reading(
        assumed=list(assumed),
        members=_fit(found.members),
        controls=None if found.controls is None else _fit(found.controls),
        majority=found.majority,
        p_chance=tests.chance,
        p_fewer_right=tests.fewer_right,
        p_higher_loss=tests.higher_loss,
        p_correlation=tests.correlates,
        p_surer=tests.surer,
        p_less_sure=tests.less_sure,
        renumbered=found.renumbered,
        columns=None if found.columns is None else _columns(found.columns),
        tried=[_trial(trial) for trial in sorted(trials, key=lambda trial: not trial.mends)],
        mended_by=None if mending is None else _trial(mending),
        untrained=found.untrained,
    )


def _columns(found: Columns) -> ColumnFit:
    return ColumnFit(off=found.off, all=found.all, mean=found.mean, spread=found.spread)


def _trial(found: Tried) -> Trial:
    answers = found.answers
    return Trial(
        what=found.change.kind,
        value=found.change.value,
        count=len(answers),
        right=None if answers.right is None else int(answers.right.sum()),
        loss=None if answers.loss is None else answers.mean_loss,
        scaled_loss=scaled_loss(answers),
        mends=found.mends,
    )


def _fit(found: Answers) -> Fit:
    confidence = float(found.confidence.mean())
    if found.right is None or found.loss is None:
        return Fit(count=len(found), confidence=confidence, correlation=found.correlation)
    return Fit(
        count=len(found),
        right=int(found.right.sum()),
        accuracy=float(found.right.mean()),
        loss=float(found.loss.mean()),
        confidence=confidence,
    )
