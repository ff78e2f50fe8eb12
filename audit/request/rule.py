"""The policy with the rule that decides which matches count, resolved for the data and the user's wish."""

from __future__ import annotations

from audit.attacks import BATTERY
from audit.dataset.samples import Samples
from audit.errors import UsageError
from audit.model.modality import IMAGES, MODALITIES
from audit.request.request import VerdictOptions
from audit.verdict.policy import MatchRule, Policy, load_policy


def read_policy(asked: VerdictOptions) -> Policy:
    """Read the policy that a request names.

    Raises
    ------
    PolicyError
        When there is none of that name, or it cannot be used.
    """
    return load_policy(asked.policy, [attack.id for attack in BATTERY])


def resolve_rule(
    asked: VerdictOptions, policy: Policy, members: Samples
) -> tuple[Policy, MatchRule, list[str]]:
    """Find the rule by which candidates are matched.

    Parameters
    ----------
    asked:
        Its threshold takes precedence over the policy's.
    policy:
        As it was read.
    members:
        Their modality decides whether the policy's metric applies.

    Returns
    -------
    tuple[Policy, MatchRule, list[str]]
        The policy with a metric for these data, the rule, and what a reader should know of it.

    Raises
    ------
    UsageError
        When the policy's metric does not apply to images.
    """
    notes, stated, modality = [], policy.match, members.modality
    if MODALITIES[stated.metric] is not modality:
        if modality is IMAGES:
            raise UsageError(
                f"policy {asked.policy} compares by {stated.metric}, which is for rows of a table: "
                f"{members.source} holds images",
                "set match.metric to ssim",
            )
        policy = policy.model_copy(update={"match": MatchRule(metric=modality.metric, fdr=stated.fdr)})
    rule = policy.match
    if asked.threshold is not None:
        rule = rule.model_copy(update={"threshold": asked.threshold})
    if policy.match.metric != stated.metric:
        notes.append(
            f"SSIM is not applicable to rows of a table: recovered is a correlation of {rule.threshold:g} and "
            f"more, in place of the policy's SSIM of {stated.threshold:g}"
        )
    return policy, rule, notes
