"""What to do about a report: measures that fit what was found, each with its source.

A measure helps against an attack by taking away what the attack starts from. Attacks on the weights alone need a
network that was trained until its weights are a sum over its samples. The attack on the change of the weights needs
the start as well. Attacks on gradients need a gradient, and care little for the rest. Only noise helps against all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from audit.render.sentences.attacks import stopped_short, true_loss
from audit.report.outcomes import AttackReport
from audit.report.schema import Report
from audit.verdict.finding import Kind
from audit.words import listed, percent, plural, probability

_HAIM = "Haim et al. 2022, arXiv 2206.07758"
_BUZAGLO = "Buzaglo et al. 2023, arXiv 2307.01827"
_TOO_FEW_CONTROLS: tuple[Kind, ...] = (
    "uncalibrated-audit",
    "too-few-controls",
    "cannot-confirm",
    "unresolved-recoveries",
)


@dataclass(frozen=True)
class Advice:
    """One measure."""

    title: str
    """What to do, in a few words."""
    why: str
    """What in this report speaks for it."""
    what: str
    """How, and how far it reaches."""
    source: str
    """Where that is known from."""


def advice(report: Report) -> list[Advice]:
    """Say what to do: against the attacks that confirmed members, or to make an audit that confirmed none stronger.

    The measures that cost least come first. Empty where nothing was confirmed and nothing is left to try.
    """
    if not report.summary.confirmed:
        return list(_to_find_more(report))
    owners = {sample.attack for sample in report.samples if sample.confirmed}
    successful = [attack for attack in report.attacks if attack.id in owners]
    return [
        *_about_the_start(report, successful),
        *_about_gradients(report, successful),
        *_about_training(report, successful),
        *_about_tensors(report, successful),
        *_about_privacy(report),
    ]


def _found(report: Report, attacks: list[AttackReport]) -> str:
    ids = [attack.id for attack in attacks]
    count = sum(sample.confirmed and sample.attack in ids for sample in report.samples)
    return f"{plural(count, 'confirmed sample')} came from {listed(ids)}"


def _about_the_start(report: Report, successful: list[AttackReport]) -> Iterator[Advice]:
    attacks = [attack for attack in successful if attack.source == "change"]
    if attacks:
        yield Advice(
            "Keep the initial weights secret",
            f"{_found(report, attacks)}: the change of the weights is a sum over the training samples.",
            "Publish neither the weights from before training nor what they can be made from again, such as "
            "a seed. If the start is a public model, that is not possible, and only the measures on training "
            "below remain. The same audit without --initial shows what the weights reveal without their start.",
            "Loo et al. 2024, arXiv 2302.01428",
        )


def _about_gradients(report: Report, successful: list[AttackReport]) -> Iterator[Advice]:
    attacks = [attack for attack in successful if attack.source == "gradient"]
    if not attacks:
        return
    seen = report.data.gradient
    what = "gradient" if seen is None else seen.kind
    yield Advice(
        f"Reveal no single {what}",
        f"{_found(report, attacks)}: the {what} of a batch is a sum over its samples.",
        "Add up the updates of many participants before anyone reads them (secure aggregation). Larger batches "
        "alone make it more expensive, not impossible: batches of about 25 were recovered exactly. Rescaling "
        "changes nothing, for a direction is enough. Stopping early or leaving out weight decay does not "
        "help here.",
        "Bonawitz et al. 2017, ePrint 2017/281; Dimitrov et al. 2024, arXiv 2403.03945; Geiping et al. 2020, "
        "arXiv 2003.14053",
    )


def _about_training(report: Report, successful: list[AttackReport]) -> Iterator[Advice]:
    by_id = {attack.id: attack for attack in successful}
    margin, decay = by_id.get("kkt-margin"), by_id.get("kkt-loss")
    if margin is not None:
        left = true_loss(report, margin)
        now = "" if left is None else f" (loss at the true samples now: {percent(left)})"
        yield Advice(
            "Stop training earlier",
            f"{_found(report, [margin])}. Its equation holds more exactly the longer a network is trained "
            f"beyond the point where it fits all its samples{now}.",
            "Stop when the loss on held-out data no longer falls, and audit again: the loss at the true samples "
            "should have risen. This helps against attacks on the weights alone, hardly against those on their "
            "change, and not against those on gradients.",
            f"Lyu and Li 2020, arXiv 1906.05890; {_HAIM}",
        )
    weights = [attack for attack in (margin, decay) if attack is not None]
    if weights:
        exact = (
            ""
            if decay is None
            else " With it, the equation of kkt-loss holds exactly wherever training comes to rest."
        )
        yield Advice(
            "Leave out weight decay",
            f"{_found(report, weights)}. Networks trained with weight decay were found to leak more samples, "
            f"and better.{exact}",
            "If it was trained with weight decay, train without, or with less. This helps against attacks on the "
            "weights alone.",
            _BUZAGLO,
        )
    yield from _about_size(report, [a for a in successful if a.source != "gradient"])


def _about_size(report: Report, attacks: list[AttackReport]) -> Iterator[Advice]:
    parameters, values = report.model.parameters, report.summary.members * math.prod(report.model.input_shape)
    if attacks and parameters > values:
        yield Advice(
            "Train a smaller network on more samples",
            f"The network has {parameters:,} parameters, {parameters / values:.3g} for every value of the "
            f"{plural(report.summary.members, report.noun)} that were given. Where there are more of the former, "
            "they can determine all of the latter. The weights alone hold mostly the samples of smallest margin; "
            "where many share it, each accounts for less.",
            "Add training samples of all classes, or take out hidden units; if only a part of the training "
            "set was given here, the figure is too high by that part. This makes attacks on weights and on "
            "their change harder, without a guarantee.",
            f"Iurada et al. 2025, arXiv 2509.22214; {_BUZAGLO}",
        )


def _about_tensors(report: Report, successful: list[AttackReport]) -> Iterator[Advice]:
    attacks = [attack for attack in successful if attack.id.startswith("polynomial")]
    if attacks:
        yield Advice(
            "Use another activation, or fewer hidden units",
            f"{_found(report, attacks)}. In a two-layer network with a polynomial activation, enough hidden "
            "units determine the tensor of the samples, and linear algebra does the rest.",
            "Take an activation that is no polynomial, or fewer hidden units than the rank that is needed "
            "(see Memorisation diagnostics). Other attacks may then apply: audit again.",
            "Shen et al. 2026, arXiv 2602.08723, Theorem 4.1",
        )


def _about_privacy(report: Report) -> Iterator[Advice]:
    stated = report.diagnostics.dp
    if stated is None:
        yield Advice(
            "Train with differential privacy",
            "Of all measures named here, this alone comes with a guarantee, whatever the attack, as long as "
            "no one sees more than noisy updates.",
            "Clip the gradient of every sample and add noise at every step (DP-SGD). Far less noise is "
            "needed against reconstruction than to hide who was in the training set: --dp sigma,q,steps "
            "states the bound for a noise multiplier, sampling rate and number of steps.",
            "Abadi et al. 2016, arXiv 1607.00133; Hayes et al. 2023, arXiv 2302.07225",
        )
    else:
        yield Advice(
            "Check the differential privacy that was stated",
            "Samples were confirmed although the bound on finding a sample out is "
            f"{probability(stated.bound)}. The two are of different tasks, and need not contradict each other.",
            "Make sure that every step clipped the gradient of every sample by itself, added noise to their "
            "sum, and drew its batch at random; and that the samples given are of that training. Else, more "
            "noise, fewer steps or a lower sampling rate lower the bound.",
            "Hayes et al. 2023, arXiv 2302.07225",
        )
    yield Advice(
        "Do not just remove the samples that were confirmed",
        "Those that stand out most are found first. Without them, others stand out.",
        "If they must go, train again without them, and audit again with all that are left.",
        "Carlini et al. 2022, arXiv 2206.10469; Loo et al. 2024, arXiv 2302.01428",
    )


def _to_find_more(report: Report) -> Iterator[Advice]:
    """What would make an audit that confirmed nothing more informative."""
    for finding in report.findings:
        if finding.kind in _TOO_FEW_CONTROLS:
            yield Advice(
                "Give more controls" if report.summary.controls else "Give controls",
                finding.detail,
                f"Pass as --controls {report.noun}s of the same kind that the model never saw: 25 for each "
                "member can confirm a single one.",
                "Benjamini and Hochberg 1995, doi 10.1111/j.2517-6161.1995.tb02031.x",
            )
            break
    if any(_lacked_time(attack) or stopped_short(report, attack) for attack in report.attacks):
        late = [attack.id for attack in report.attacks if _lacked_time(attack)]
        short = [attack.id for attack in report.attacks if stopped_short(report, attack)]
        why = [f"The time ended before the first step: {listed(late)}."] if late else []
        why += [f"Stopped above the loss of the true samples: {listed(short)}."] if short else []
        yield Advice(
            "Give more time",
            " ".join(why),
            "Raise --budget or --rounds, or pass --device cuda where there is one.",
            "The loss at the true samples, in this report"
            if short
            else "The status of attacks, in this report",
        )
    if any(attack.status == "skipped" and "--initial" in attack.reason for attack in report.attacks):
        yield Advice(
            "Give the initial weights, if others have them",
            "The strongest attack on weights needs them, and did not run.",
            "Pass as --initial the weights from before training, or the public model that was fine-tuned.",
            "Loo et al. 2024, arXiv 2302.01428",
        )
    if report.diagnostics.positive_control is None and report.summary.controls:
        yield Advice(
            "Measure what these attacks would find",
            "Nothing was confirmed, and how much of a leak would have been was not measured.",
            "Pass --positive-control: the same attacks on a model that was made to leak, on top of --budget.",
            "The power of a test; see Positive control",
        )


def _lacked_time(attack: AttackReport) -> bool:
    """Whether it did not even begin."""
    return attack.status == "failed" and "time ended" in attack.reason
