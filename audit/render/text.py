"""Sentences and number formats that the HTML and the Markdown report share."""

from __future__ import annotations

from collections.abc import Sequence

from audit.render.sentences.findings import suppression
from audit.render.sentences.verdict import NO_LIMIT_AT_POWER
from audit.report.outcomes import AttackReport
from audit.report.schema import Report
from audit.scoring.intervals import resolution
from audit.words import bound, duration, percent, plural, probability, sentence, share, significant

_NO_GRADIENT = (
    "A gradient of these samples at this checkpoint would be described whole: other samples, several steps, "
    "clipping or noise are likely."
)
_LITTLE_TO_FIND = 0.5
"""Share of an equation that the training images leave open, from which it is no model of the training."""

_NAMED = 10
"""Findings of one reason that are named; report.json has them all."""

VOCABULARY: dict[str, str] = {
    "member": "an image the network was trained on, or is said to have been. With an observed gradient or update: "
    "an image of the batch that it is of.",
    "control": "an image of the same kind that the network never saw. What controls reach, chance reaches.",
    "reconstruction": "an image computed from the network's weights, or from a gradient seen in training, without "
    "looking at any data.",
    "candidate": "one of the many images that an attack improves together until they explain what it was given.",
    "SSIM": "structural similarity of two images: 1 for equal images, near 0 for unrelated ones.",
    "NCC": "normalised cross-correlation: 1 for images that are equal up to brightness and contrast, near 0 "
    "for unrelated ones.",
    "recovered": "a member whose reconstruction reaches the SSIM threshold. The count that papers quote; "
    "chance contributes to it.",
    "margin": "how much closer a reconstruction is to this image than to every other image.",
    "p-value": "how often a control does at least as well as this member. Small means: not by chance.",
    "confirmed": "recovered, and with p-values so small that at most the stated share (the false discovery "
    "rate) of all confirmed members is expected to be chance. Policies count these.",
    "null attack": "the same comparison with random starting images, which know nothing. It must confirm "
    "nothing, or else the measure is at fault.",
    "relative loss": "the share of an attack's equation that its reconstructions leave unexplained: 0 is solved, "
    "1 is nothing. At the truth: the share that the training samples themselves leave.",
    "exposure": "how much of what an attack explains a training sample accounts for: the length of its part of the "
    "sum, over that of the whole. Parts overlap, so that they need not add up to 1.",
    "AUC": "how often a member's exposure is above a control's: .5 is no better than tossing a coin, 1 is always.",
    "ceiling": "the best SSIM that was found for an image in the row space of the first layer, where every attack "
    "works. Below the threshold, no attack of this kind is expected to recover the member.",
    "splitting": "an attack first lets few candidates settle, then replaces each by two where the curvature of "
    "what it minimises says that two lead further down, and goes on. A round of this is taken back where the "
    "attack ends no lower than before.",
    "gradient, eigenvalue": "where the best restart of an attack with splitting stopped: the steepest slope left, "
    "and the lowest curvature that a split would open, as changes of the relative loss. With a gradient near 0 and "
    "an eigenvalue not below 0, neither a small step nor a small split would lead further down. A lower point "
    "elsewhere is not ruled out.",
    "positive control": "the same attacks, with as much time, on a twin that was made to leak some of the "
    "controls. If they cannot find those, finding nothing says little.",
    "power": "the share of the twin's samples that the attacks confirmed.",
    "inconclusive": "the audit cannot tell. It is not a pass.",
}
"""Every word a reviewer needs, explained in a line."""

_OF_IMAGES = ("SSIM", "NCC", "ceiling")
"""Words that mean nothing for rows of a table."""
_OF_ROWS = {
    "member": "a row of the table the network was trained on, or is said to have been. With an observed gradient "
    "or update: a row of the batch that it is of.",
    "control": "a row of the same kind that the network never saw. What controls reach, chance reaches.",
    "reconstruction": "a row computed from the network's weights, or from a gradient seen in training, without "
    "looking at any data.",
    "candidate": "one of the many rows that an attack improves together until they explain what it was given.",
    "correlation": "of two rows over their columns, each column in standard deviations about its mean: 1 for rows "
    "that are equal up to scale, near 0 for unrelated ones. Few columns, or columns that go together, make high "
    "values likely by chance.",
    "relative error": "distance between reconstruction and member over the member's distance from the mean: 0 for "
    "equal rows, 1 for no better than the mean. Weights often leave the scale of a row open, which this counts as "
    "error, and correlation does not.",
    "recovered": "a member whose reconstruction reaches the threshold of correlation. Chance contributes to it.",
    "margin": "how much closer a reconstruction is to this row than to every other row.",
    "null attack": "the same comparison with random starting rows, which know nothing. It must confirm nothing, or "
    "else the measure is at fault.",
}


def vocabulary(report: Report) -> dict[str, str]:
    """Words that a report uses, explained."""
    if report.modality == "image":
        return VOCABULARY
    kept = {word: meaning for word, meaning in VOCABULARY.items() if word not in _OF_IMAGES}
    return _OF_ROWS | {word: meaning for word, meaning in kept.items() if word not in _OF_ROWS}


def interval(report: Report) -> str:
    """Write the 95 % interval of the confirmed fraction, or say that there is none."""
    bounds = report.summary.confirmed_interval
    if bounds is None:
        return "no interval without controls"
    return f"95 % interval {bound(bounds[0], up=False)} to {bound(bounds[1], up=True)}"


def withheld(report: Report) -> str:
    """Say what a redacted report leaves out, and what it does not; empty for other reports."""
    if not report.provenance.redacted:
        return ""
    what = report.noun
    names = "file names may name people" if what == "image" else "they may name people"
    return (
        f"{what.capitalize()}s were withheld from this report (--redact), because recovered {what}s are personal "
        f"data. Names of members remain as they were given: {names}."
    )


def chance(report: Report) -> str:
    """Say in one sentence what chance alone would recover."""
    summary = report.summary
    if summary.expected_false is None:
        return "Without controls, what chance alone would give is unknown."
    verb = "does" if summary.control_matches == 1 else "do"
    return (
        f"Chance alone would take about {summary.expected_false:.1f} of {plural(summary.members, 'member')} to "
        f"{report.similarity} >= {summary.threshold:g}: {summary.control_matches} of "
        f"{plural(summary.controls, 'control')} {verb}, which the network never saw."
    )


_TWINS = {
    "weights": "a network of the same shape, its first layer begun in their span, trained on them until it knew "
    "them by heart",
    "change": "the initial network, trained on them until it knew them by heart",
    "gradient": "the audited network, with the gradient of a batch of them",
}


_SILENCE = dict.fromkeys(
    ("weights", "change"),
    "The attacks could find nothing even in a twin that had learnt its samples by heart, so their silence says "
    "nothing about the audited network.",
) | {
    "gradient": "The attacks could find nothing even in the gradient of samples that were known to be in it, so "
    "their silence says nothing about what was observed."
}


def positive_control(report: Report) -> str:
    """Say what the positive control was, and what came of it."""
    control = report.diagnostics.positive_control
    if control is None:
        return "Not run (--positive-control): how much of a leak these attacks would find was not measured."
    low, high = bound(control.interval[0], up=False), bound(control.interval[1], up=True)
    labels = "their own labels" if control.labels == "given" else "random labels"
    fewer = ""
    if control.images < report.summary.members:
        fewer = " There are fewer of them than members, which makes a twin easier to read."
    least = resolution(control.images, control.controls, report.summary.fdr)
    blind = f", with which fewer than {least} cannot be confirmed" if least > 1 else ""
    note = f" {sentence(control.note)}" if control.note else ""
    if control.confirmed == 0:
        note += f" {_SILENCE[control.source]}"
    return (
        f"{control.confirmed} of {plural(control.images, report.noun)} confirmed: a power of "
        f"{percent(control.power)} (95 % interval {low} to {high}). The twin: {_TWINS[control.source]}, "
        f"with {labels}. They are controls of this audit; the other {control.controls} were the twin's "
        f"controls{blind}.{fewer} It took {duration(control.seconds)}, "
        f"{duration(control.training_seconds)} of it for training.{note}"
    )


def limits(report: Report) -> str:
    """Say how much may leak although no more was confirmed; empty without controls, or where all may."""
    summary = report.summary
    if summary.upper_limit is None or summary.upper_limit == 1.0:
        return ""
    limit, scaled = bound(summary.upper_limit, up=True), summary.upper_limit_at_power
    said = f"at most {limit} of samples like these would be confirmed by these attacks"
    if scaled == 1.0:
        said += f"; {NO_LIMIT_AT_POWER}"
    elif scaled is not None:
        said += f"; at most {bound(scaled, up=True)} may leak as the positive control's do"
    return said


def dp(report: Report) -> str:
    """Say what differential privacy promises if the network was trained as stated; empty if nothing was stated."""
    said = report.diagnostics.dp
    if said is None:
        return ""
    many = report.summary.members
    return (
        f"If trained by DP-SGD with noise multiplier {said.sigma:g}, sampling rate {said.q:g} and "
        f"{plural(said.steps, 'step')}, as was stated (--dp) and not checked: somebody who sees every step, knows "
        f"all other training samples, and looks for the missing one among "
        f"{plural(many, f'equally likely {report.noun}')} finds it with a probability of at most "
        f"{probability(said.bound)}, instead of {probability(said.prior)} "
        f"(Hayes et al. 2023, arXiv 2302.07225). This does not enter the verdict."
    )


def suppressed(report: Report) -> list[str]:
    """Say which findings do not count, one sentence for every reason; the first of many stand for the others."""
    by_reason: dict[str, list[str]] = {}
    for finding in report.findings:
        if finding.suppression is not None:
            by_reason.setdefault(suppression(finding.suppression), []).append(finding.id)
    return [f"{_first(names)}: {sentence(words)}" for words, names in by_reason.items()]


def _first(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def truth(report: Report, attack: AttackReport) -> float | None:
    """Relative loss that the training images themselves leave in an attack's equation, if measured."""
    return (report.diagnostics.stationarity or {}).get(attack.id)


def batch(report: Report) -> str:
    """Say what members are where a gradient was observed, and how many there seem to be; else nothing."""
    seen = report.data.gradient
    if seen is None:
        return ""
    return (
        f"Besides the checkpoint, {'an' if seen.kind == 'update' else 'a'} {seen.kind} of one batch was observed. "
        f"Members are the {report.noun}s of that batch: {report.summary.members} were given. The rank of the "
        f"{seen.kind} in the first layer, an attacker's estimate of their number, is {seen.rank}."
    )


def training_samples(report: Report) -> tuple[str, str]:
    """Name the members themselves, and what they do: leave something open."""
    what = report.noun
    if report.summary.members == 1:
        return f"training {what} itself", "leaves"
    return f"training {what}s themselves", "leave"


def stopped_short(report: Report, attack: AttackReport) -> bool:
    """Whether an attack left more open than the training images would, of an equation that describes something."""
    left, reached = truth(report, attack), attack.relative_loss
    if left is None or reached is None or left > _LITTLE_TO_FIND:
        return False
    return reached > max(1.2 * left, left + 0.01)


def standing(report: Report, attack: AttackReport) -> str:
    """Say whether an attack stopped short of the truth, or had little to find; empty for one that did not run."""
    left, reached = truth(report, attack), attack.relative_loss
    if reached is None:
        return ""
    members, verb = training_samples(report)
    observed = attack.source == "gradient"
    what = "what was observed" if observed else "these weights"
    if left is None:
        return f"What the {members} would leave open was not measured."
    if left > _LITTLE_TO_FIND:
        silence = "" if attack.confirmed else ", so its silence says little"
        said = f"The {members} {verb} {share(left)} of this equation open: it describes little of {what}{silence}."
        return f"{said} {_NO_GRADIENT}" if observed else said
    if stopped_short(report, attack):
        return (
            f"The attack stopped with {share(reached)} open, the {members} would leave {share(left)}: "
            f"it did not get to the bottom, and more time may find more."
        )
    if reached < left / 2:
        return (
            f"Further down than the {members} ({share(left)} open): the equation is solved "
            f"as far as it describes {what}, but has other solutions too."
        )
    return f"As far down as the {members} ({share(left)} open)."


BEFORE_SPLITTING = (
    "Before: the same restarts just before their first split, early in their schedule. After: at its end. Not all "
    "of the difference is due to splitting, for without it an attack would have gone on from there as well; "
    "--no-splitting shows how far."
)
"""What the figures before splitting are, and are not."""


def splitting(report: Report, attack: AttackReport) -> str:
    """Say what became of the members' matches, or that no round of splitting was kept."""
    part = attack.splitting
    if part is None:
        return ""
    if part.rounds == 0:
        return (
            "No round of splitting was kept, as none lowered what the attack minimises, or none was begun: "
            "nothing here comes from a split."
        )
    if not part.similarity_before:
        return ""
    pairs = list(zip(part.similarity_before, part.similarity_after, strict=True))
    rose, fell = (
        sum(after > before for before, after in pairs),
        sum(after < before for before, after in pairs),
    )
    members = plural(len(pairs), "member")
    return f"From before to after, {report.similarity} rose for {rose} of {members} and fell for {fell}."


def splitting_cells(report: Report, attack: AttackReport) -> list[str]:
    """Cells of an attack with splitting: rounds, splits, loss, recovered, confirmed, gradient, eigenvalue."""
    part = attack.splitting
    if part is None:
        return []
    change = ["—"] * 3
    if part.rounds:
        change = [
            f"{significant(part.relative_loss_before)} → {significant(part.relative_loss_after)}",
            f"{part.recovered_before} → {part.recovered_after}",
            f"{part.confirmed_before} → {part.confirmed_after}" if report.summary.controls else "—",
        ]
    certificate = [significant(part.gradient), significant(part.eigenvalue)]
    return [str(part.rounds), str(part.splits), *change, *certificate]


def unsaid(report: Report) -> list[str]:
    """Say what this audit cannot say, in sentences."""
    return [
        _other_attacks(report),
        f"Somebody with more time, faster machines or more knowledge ({_unknown(report)}{_gradients(report)} "
        f"seen in training, similar public {report.noun}s) may recover more. This audit had a budget of "
        f"{duration(report.provenance.budget_seconds)} and took {duration(report.provenance.seconds)}"
        f"{_for_the_control(report)}.",
        f"Nothing but the {plural(report.summary.members, report.noun)} in {report.data.members.source} was "
        f"looked for. Training data that was not given was not audited.",
        f"A match is {_found_alike(report)}, or that it was used for training at all: {_less(report)}",
        _precision(report),
    ]


def _found_alike(report: Report) -> str:
    if report.modality == "row":
        return (
            "a row that correlation finds alike; SSIM is not applicable to rows of a table. A network can give "
            "away less than a row, such as one of its columns"
        )
    return "an image that SSIM finds alike. A network can give away less than an image, such as who is in it"


def _for_the_control(report: Report) -> str:
    control = report.diagnostics.positive_control
    return "" if control is None else f", {duration(control.seconds)} of it for the positive control"


def _less(report: Report) -> str:
    if any(fit.auc is not None for fit in report.diagnostics.contribution):
        return (
            "of the latter, the AUC of contributions shows a part; no limit counts it, and the former was not "
            "measured."
        )
    return "that was not measured."


def _unknown(report: Report) -> str:
    known = any(attack.source == "change" and attack.status == "ran" for attack in report.attacks)
    return "" if known else "the initial weights, "


def _gradients(report: Report) -> str:
    return "gradients" if report.data.gradient is None else "further gradients"


def _other_attacks(report: Report) -> str:
    absent = [attack.id for attack in report.attacks if attack.status != "ran"]
    ran = ", ".join(attack.id for attack in report.attacks if attack.status == "ran") or "none"
    rest = f" These did not: {', '.join(absent)}." if absent else ""
    return f"Attacks that ran: {ran}.{rest} Nothing is known about attacks outside this list."


def _precision(report: Report) -> str:
    summary = report.summary
    if summary.confirmed_interval is None:
        return "Without controls nothing can be confirmed, so the count says little in either direction."
    least = resolution(summary.members, summary.controls, summary.fdr)
    blind = ""
    if 1 < least <= summary.members:
        blind = (
            f" With {plural(summary.controls, 'control')}, up to {plural(least - 1, 'leaking member')} could "
            f"have gone unconfirmed."
        )
    if summary.confirmed == summary.members:
        return "Every member was confirmed; how much better the reconstructions could become is not known."
    limit = summary.confirmed_interval[1] if summary.upper_limit is None else summary.upper_limit
    said = (
        f"{summary.confirmed} confirmed of {summary.members} does not mean that no more leak: these attacks "
        f"would confirm up to {bound(limit, up=True)} of such {report.noun}s (95 % upper limit)."
    )
    return said + blind
