"""Findings in words: a title for every kind, and one function that makes its sentence from its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit.render.sentences import misreading
from audit.render.sentences.exchangeability import controls_differ, roles_exchanged
from audit.render.sentences.silence import uninformative
from audit.report.schema import Report
from audit.scoring.shares import Evidence
from audit.verdict.finding import Finding, Kind, Suppression
from audit.words import plural, share

TITLES: dict[Kind, str] = {
    "confirmed-reconstruction": "A training sample can be reconstructed",
    "recovered-not-confirmed": "Matches that chance may explain",
    "incomplete-audit": "The audit is incomplete",
    "no-attack-ran": "No attack ran",
    "batch-unclear": "Which samples are of the observed batch is unclear",
    "observed-not-attacked": "What was observed was not used",
    "initial-not-attacked": "The weights from before training were not used",
    "required-attack-missing": "A required attack did not run",
    "misread": "The network was misread, or this is not its data",
    "reading-unchecked": "Whether the network was read as it is, is not known",
    "attack-failed": "An attack failed",
    "uncalibrated-audit": "The count is not calibrated",
    "too-few-controls": "Fewer controls than the policy requires",
    "cannot-confirm": "Nothing could have been confirmed",
    "unresolved-recoveries": "Too few controls to distinguish recoveries from chance",
    "null-attack-confirmed": "The negative control found training samples",
    "null-attack-missing": "The negative control did not run",
    "controls-differ": "Members and controls differ",
    "roles-exchanged": "Members and controls may be swapped",
    "positive-control-failed": "The positive control failed",
    "positive-control-missing": "The positive control did not run",
    "uninformative-silence": "Nothing was found, and that says little",
}
"""Every kind of finding in a few words."""


def detail(finding: Finding) -> str:
    """Say in one or two sentences what was found."""
    return _DETAILS[finding.kind](**finding.values)


def suppression(why: Suppression) -> str:
    """Say why a finding is suppressed, as a phrase without a full stop."""
    return grounds(why.kind, why.reason, why.owner, why.expires)


def grounds(kind: str, reason: str, owner: str, expires: str | None) -> str:
    """Say the same of a suppression that is given by its fields."""
    if kind == "waiver":
        return f"waived by {owner} until {expires}: {reason.rstrip('.')}"
    return f"not new: {reason.rstrip('.')}"


def _confirmed(
    member: str, measure: str, similarity: float, p_value: float | None, evidence: Evidence | None
) -> str:
    beyond = "" if p_value is None else f", p-value {p_value:.2g}"
    if evidence == "tail":
        beyond = ", so far ahead of every control that their scores, extrapolated, do not explain it"
    if evidence == "exact":
        beyond = ", equal to within 1 % of its range"
    return f"{member} was reconstructed beyond chance ({measure} {similarity:.2f}{beyond})."


def _recovered(count: int, measure: str, threshold: float) -> str:
    return (
        f"Recovered but not confirmed: {plural(count, 'training sample')} ({measure} >= {threshold:g}). Chance may "
        f"explain this."
    )


def _incomplete() -> str:
    return "The audit was interrupted: run it again to the end. What it did not reach is not counted."


def _nothing_ran() -> str:
    return (
        "Nothing was tested, for no attack ran: give more time, or what an attack needs. The report says why each "
        "was left out."
    )


def _observed_unused(
    observed: str, attack: str, status: str, reason: str, reached: float | None, limit: float
) -> str:
    if status == "ran":
        return (
            f"The observed {observed} was not explained: give that of these members, at this checkpoint. "
            f"{_explained(attack, reached, limit)}"
        )
    todo = _more_time(reason) or "give one to which an attack applies, or leave out --gradient"
    return f"The observed {observed} was not tested: {todo}. The attack {attack} {_outcome(status, reason)}."


def _initial_unused(attack: str, status: str, reason: str, reached: float | None, limit: float) -> str:
    if status == "ran":
        return (
            f"The weights from before training explain little: give those that this training began from. "
            f"{_explained(attack, reached, limit)}"
        )
    todo = _more_time(reason) or "give those from which every layer was trained"
    ended = _outcome(status, reason)
    return f"The weights from before training were not used: {todo}. The attack {attack} {ended}."


def _explained(attack: str, reached: float | None, limit: float) -> str:
    left = "diverged" if reached is None else f"leaves {share(reached)} of its equation unexplained"
    return f"The attack {attack} {left}; the policy allows {share(limit)}."


def _more_time(reason: str) -> str:
    """What to do about an attack that had no time for its first step; empty for any other reason."""
    return "give more time with --budget" if "time ended" in reason else ""


def _batch_unclear(observed: str, rank: int, members: int) -> str:
    given = plural(members, "training sample")
    return (
        f"Which of the {given} are of the observed batch is unclear: give those alone. "
        f"The {observed} has rank {rank} above its noise, which shows at least {plural(rank, 'sample')}."
    )


def _attack_missing(attack: str, status: str, reason: str) -> str:
    todo = _more_time(reason) or "give what it needs, or choose a policy that does not require it"
    if status == "absent" or "asked for" in reason:
        todo = "name it in --attacks, or leave out that option"
    return (
        f"The attack {attack}, which the policy requires, did not run: {todo}. It {_outcome(status, reason)}."
    )


def _attack_failed(attack: str, status: str, reason: str) -> str:
    return f"The attack {attack} {_outcome(status, reason)}."


def _outcome(status: str, reason: str) -> str:
    verb = {"failed": "failed", "skipped": "was skipped", "absent": "was not part of this audit"}[status]
    return f"{verb}: {reason.rstrip('.')}" if reason else verb


def _uncalibrated() -> str:
    return (
        "The count is not calibrated: give held-out samples with --controls. How many matches are due to chance is "
        "unknown without them."
    )


def _too_few(controls: int, required: int) -> str:
    return f"Too few controls: give at least {required}, as the policy requires. There are {controls}."


def _cannot_confirm(controls: int, smallest_p: float, fdr: float, needed: int) -> str:
    return (
        f"Too few controls to confirm any but exact copies: give at least {needed}. With "
        f"{plural(controls, 'control')} the smallest possible p-value is {smallest_p:.2g}, too large for a false "
        f"discovery rate of {fdr:g}."
    )


def _unresolved(unresolved: int, chance: float, controls: int, least: int, members: int, needed: int) -> str:
    fact = (
        f"Closer to a reconstruction than every control, but not confirmed: "
        f"{plural(unresolved, 'training sample')}. Chance does this with probability {chance:.2g}"
    )
    if needed > controls:
        return (
            f"Too few controls to settle whether members leak: give about {needed} controls, or only the suspected "
            f"members as --data. {fact}, but {plural(controls, 'control')} cannot confirm fewer than {least} of "
            f"{members} samples."
        )
    return (
        f"Members stand out that are not similar enough to be confirmed: give more time with --budget, and look at "
        f"their reconstructions. {fact}; more controls would not settle it."
    )


def _null_confirmed(count: int) -> str:
    return (
        f"The count cannot be relied on: give controls that are drawn like the training samples. The negative "
        f"control, which learns nothing from the model, confirmed {plural(count, 'training sample')}: the "
        f"similarity measure is biased for this data."
    )


def _null_missing() -> str:
    return (
        "Whether the similarity measure is fair to this data is unknown: run the audit again to its end, with more "
        "time. The negative control did not run."
    )


def _control_failed(confirmed: int, samples: int, required: float, note: str) -> str:
    needed = f"; the policy requires {share(required)}" if required else ""
    remark = f" ({note})" if note else ""
    what = "too little" if confirmed else "nothing"
    worth = "A negative result says little" if confirmed else "A negative result is not informative"
    return (
        f"The attacks found {what} where they should have: give more time or controls. They confirmed {confirmed} "
        f"of {plural(samples, 'sample')} of a model that was made to leak{remark}{needed}. {worth}."
    )


def _control_missing() -> str:
    return (
        "The policy requires a positive control, and none was run: leave out --no-positive-control, and give "
        "enough controls. It runs the same attacks on a model that was made to leak, by itself once nothing else "
        "stands against a PASS."
    )


_DETAILS: dict[Kind, Callable[..., str]] = {
    "confirmed-reconstruction": _confirmed,
    "recovered-not-confirmed": _recovered,
    "incomplete-audit": _incomplete,
    "no-attack-ran": _nothing_ran,
    "batch-unclear": _batch_unclear,
    "observed-not-attacked": _observed_unused,
    "initial-not-attacked": _initial_unused,
    "required-attack-missing": _attack_missing,
    "misread": misreading.misread,
    "reading-unchecked": misreading.unchecked,
    "attack-failed": _attack_failed,
    "uncalibrated-audit": _uncalibrated,
    "too-few-controls": _too_few,
    "cannot-confirm": _cannot_confirm,
    "unresolved-recoveries": _unresolved,
    "null-attack-confirmed": _null_confirmed,
    "null-attack-missing": _null_missing,
    "controls-differ": controls_differ,
    "roles-exchanged": roles_exchanged,
    "positive-control-failed": _control_failed,
    "positive-control-missing": _control_missing,
    "uninformative-silence": uninformative,
}

MEANING: dict[Kind, str] = {
    "confirmed-reconstruction": "An attack reconstructed this training sample, beyond chance. "
    "Anyone who has what was audited can do the same: do not release it, or release it knowing this.",
    "recovered-not-confirmed": "Reconstructions resemble training samples, but no more than some resemble samples "
    "that the model never saw. Look at them; more controls distinguish them from chance.",
    "incomplete-audit": "The audit was interrupted. What it did not reach is not counted: run it again to the end.",
    "no-attack-ran": "Nothing was tested, so nothing is known. The report says why each attack was left out.",
    "batch-unclear": "Far more members were given than the observed gradient or update shows above its noise. Give "
    "the samples of its batch alone.",
    "observed-not-attacked": "A gradient or an update was given, and no attack on it ran, or none explained it. "
    "The report says why.",
    "initial-not-attacked": "Weights from before training were given, and the attack on the change since did not "
    "run, or explained little of it. Give more time, or the weights that this training began from.",
    "required-attack-missing": "The policy requires an attack that did not run. Give what it needs, or require "
    "another.",
    "misread": "As it was read, the network does not know what was given as its training data: it has another "
    "activation, layout, normalisation or order of layers, or this is not its training data. Finding nothing "
    "then says nothing. State how network and inputs are to be read; the finding names a single change that "
    "mends it, where one does.",
    "reading-unchecked": "Without labels, or with very few samples, nothing shows that the network was read as it "
    "is. Give labels, or more of the training data.",
    "attack-failed": "An attack ended with an error, so what it would have found is unknown.",
    "uncalibrated-audit": "Without samples that the model never saw, how many matches are due to chance is "
    "unknown. Give some with --controls.",
    "too-few-controls": "The policy requires more controls than were given. Give more of them.",
    "cannot-confirm": "With so few controls no p-value can be small enough to confirm anything. Give more of them.",
    "unresolved-recoveries": "Training samples are ahead of every control, but there are too few controls to "
    "confirm them. Give more of them.",
    "null-attack-confirmed": "A control that learns nothing from the model confirmed training samples: the "
    "similarity measure favours them, so the count cannot be relied on. Choose controls more like the training "
    "samples.",
    "controls-differ": "Members and controls are told apart without the network, and the difference may explain "
    "what was confirmed, or is so large that nothing could have been. Give controls from the same source.",
    "roles-exchanged": "Controls are confirmed against the members. Either --data and --controls are swapped, or "
    "the model was trained on the controls.",
    "null-attack-missing": "Whether the similarity measure is fair to the data was not tested.",
    "positive-control-failed": "The same attacks did not find the samples of a model that was made to leak them, "
    "so a negative result says little. Give more time or controls.",
    "positive-control-missing": "The policy requires a positive control, and none was run. Leave out "
    "--no-positive-control, and give enough controls.",
    "uninformative-silence": "Nothing was found, and nothing shows that these attacks would have found a leak in "
    "such a network. Give more time, run a positive control, or give the weights from before training.",
}
"""What a finding of every kind means, and what to do."""


_NAMED = 10
"""Suppressed findings of one reason that are named; report.json has them all."""


def suppressed(report: Report) -> list[str]:
    """List the suppressed findings, a line for every reason; the first of many stand for the others."""
    by_reason: dict[str, list[str]] = {}
    for finding in report.findings:
        if finding.suppression is not None:
            by_reason.setdefault(suppression(finding.suppression), []).append(finding.id)
    return [f"{_first(names)}: {words}" for words, names in by_reason.items()]


def _first(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
