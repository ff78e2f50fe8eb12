"""The positive control in words."""

from __future__ import annotations

from audit.model.modality import Source
from audit.report.measured import PositiveControl
from audit.report.schema import Report
from audit.scoring.intervals import resolution
from audit.words import bound, duration, percent, plural, sentence, significant

_MODELS: dict[Source, str] = {
    "weights": "a network of the same shape, trained until it memorised these {noun}s",
    "change": "the initial network, trained until it memorised these {noun}s",
    "gradient": "the audited network, with the gradient of a batch of these {noun}s",
}
_NOT_INFORMATIVE: dict[Source, str] = {
    "weights": "The attacks find nothing even in a model that memorised its samples: a negative result on the "
    "audited network is not informative.",
    "change": "The attacks find nothing even in a model that memorised its samples: a negative result on the "
    "audited network is not informative.",
    "gradient": "The attacks find nothing even in the gradient of samples that are known to be in it: a negative "
    "result on what was observed is not informative.",
}


def positive_control(report: Report) -> str:
    """Say what the positive control was, and what came of it."""
    control = report.diagnostics.positive_control
    if control is None:
        return "Not run (--positive-control): how much of a leak these attacks would find was not measured."
    low, high = bound(control.interval[0], up=False), bound(control.interval[1], up=True)
    least = resolution(control.images, control.controls, report.summary.fdr)
    parts = [
        f"{control.confirmed} of {plural(control.images, report.noun)} confirmed: a power of "
        f"{percent(control.power)} (95 % interval {low} to {high}).",
        f"Positive-control model: {_MODELS[control.source].format(noun=report.noun)}, with "
        f"{'their own' if control.labels == 'given' else 'random'} labels.",
        _noise(control),
        _margin(control, report.noun),
        f"The {report.noun}s are controls of this audit; the other {control.controls} served as controls of that "
        f"model{f', with which fewer than {least} cannot be confirmed' if least > 1 else ''}.",
    ]
    if control.images < report.summary.members:
        parts.append(f"Fewer {report.noun}s than members make such a model easier to attack.")
    parts.append(
        f"It took {duration(control.seconds)}, {duration(control.training_seconds)} of it for training."
    )
    if control.note:
        parts.append(sentence(control.note))
    if control.confirmed == 0:
        parts.append(_NOT_INFORMATIVE[control.source])
    return " ".join(filter(None, parts))


def _noise(control: PositiveControl) -> str:
    if not any(control.noise):
        return ""
    levels = ", ".join(significant(level) for level in control.noise)
    added = {
        "weights": "Its weights began with as much noise as the audited network has",
        "change": "As much noise as in the audited change of weights was added",
        "gradient": "As much noise as in the audited gradient was added",
    }[control.source]
    return f"{added}, layer by layer (standard deviations {levels}), for noise hides samples."


def _margin(control: PositiveControl, noun: str) -> str:
    if control.margin is None:
        return ""
    return (
        f"Its training was to end at a margin of {significant(control.margin)}: that of half of the training "
        f"{noun}s in the audited network, within bounds."
    )
