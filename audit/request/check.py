"""Everything that a request names, read and checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

from audit.dataset.truth import Truth
from audit.diagnostics.control_model import share
from audit.diagnostics.dp_bound import DpSgd, parse_dp
from audit.report.reading import Assumption
from audit.request.accepted import Accepted, read_accepted
from audit.request.assumed import assumptions
from audit.request.attacks import check_attacks
from audit.request.batch import check_batch
from audit.request.data import Data, read_data
from audit.request.machine import Machine, is_repeatable, resolve_machine
from audit.request.precheck import precheck
from audit.request.request import Request
from audit.request.rule import read_policy, resolve_rule
from audit.request.weights import Weights, read_weights
from audit.verdict.policy import MatchRule, Policy


@dataclass(frozen=True, eq=False)
class Inputs:
    """What an audit works on."""

    weights: Weights
    """The checkpoint, with what else of training was seen."""
    data: Data
    """Members and controls as they were read."""
    truth: Truth
    """Members and controls as normalised inputs."""
    policy: Policy
    """The rules for the verdict."""
    rule: MatchRule
    """When a candidate counts as a reconstruction: the policy's rule, with the user's threshold."""
    machine: Machine
    """Where and how attacks are computed."""
    accepted: Accepted
    """Findings that were accepted before."""
    dp: DpSgd | None
    """DP-SGD parameters, if the network was trained with them."""
    notes: tuple[str, ...]
    """Assumptions made for the user."""
    assumed: tuple[Assumption, ...]
    """How the network and its inputs were read, stated or not."""


def check(request: Request) -> Inputs:
    """Read all that a request names and check that it fits together.

    Raises
    ------
    AuditError
        One line that says what is wrong and what to do.
    """
    precheck(request)
    check_attacks(request.attack, request.model)
    policy = read_policy(request.verdict)
    machine, on_machine = resolve_machine(request.attack)
    weights, on_weights = read_weights(request.model)
    data, truth, on_data = read_data(request.samples, weights.architecture)
    check_batch(weights.gradient, truth.members)
    policy, rule, on_rule = resolve_rule(request.verdict, policy, data.members)
    _check_power(request, truth, rule)
    dp = None if request.verdict.dp is None else parse_dp(request.verdict.dp)
    accepted, on_accepted = read_accepted(
        request.verdict,
        data.members,
        weights.checkpoint.sha256,
        policy,
        rule,
        repeatable=is_repeatable(request.attack, machine),
    )
    notes = (*on_machine, *on_weights, *on_data, *on_rule, *on_accepted)
    assumed = tuple(assumptions(request, weights, truth.preprocessing))
    return Inputs(weights, data, truth, policy, rule, machine, accepted, dp, notes, assumed)


def check_weights(request: Request) -> tuple[Weights, list[str]]:
    """Read what a request without samples names, and check that it fits together.

    Returns
    -------
    tuple[Weights, list[str]]
        With the assumptions made for the user.

    Raises
    ------
    AuditError
        As `check` does; also for options that describe samples.
    """
    precheck(request)
    return read_weights(request.model)


def _check_power(request: Request, truth: Truth, rule: MatchRule) -> None:
    """Refuse a positive control that could confirm nothing: it takes its samples from the controls."""
    if request.attack.positive_control:
        share(len(truth.members), len(truth.controls), rule.fdr)
