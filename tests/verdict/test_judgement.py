from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.verdict.facts import AttackFact, ExchangeFact, Facts, MembershipFact, PowerFact
from audit.verdict.finding import Finding
from audit.verdict.judgement import Judgement, Reason, judge
from audit.verdict.policy import Policy, load_policy
from tests.verdict.cases import ADA, CHANGED, CLEAN, KNOWN, LOST, RAN, SKIPPED, audited, policy, read

ATTACKS = ("kkt-margin", "kkt-loss")
LAX = {"limits": [{"metric": "confirmed", "maximum": 5}]}
SHARE = {"limits": [{"metric": "confirmed_fraction", "maximum": 0.1}]}
RECOVERED = {"limits": [{"metric": "recovered", "maximum": 0}]}
OPEN = {"limits": [], "require": {}}
CONTROL = {"require": {"positive_control": True}}
HALF = {"require": {"positive_control": 0.5}}
MEMBERSHIP = {"limits": [{"metric": "membership_auc", "maximum": 0.6}]}
EARNED = {"require": {"informative": True}}
LITTLE = {"kkt-margin": AttackFact("ran", "", relative_loss=0.9, true_loss=0.95)}
LEAK = {"confirmed": 3, "recovered": 3}
EXPLAINED = ExchangeFact(0.001, ("mean",), confirmable=40, explained=("a", "b", "c"))
UNCALIBRATED = {"controls": 0, "null_confirmed": None}


def kinds(judgement: Judgement) -> list[str]:
    return [why.kind for why in judgement.reasons]


def values(judgement: Judgement, kind: str) -> dict[str, Any]:
    """Values of the first reason of a kind."""
    return next(why.values for why in judgement.reasons if why.kind == kind)


@pytest.mark.parametrize(
    ("rules", "facts", "verdict", "first"),
    [
        ({}, {}, "PASS", "resistant"),
        ({}, LEAK, "FAIL", "limit-violated"),
        (LAX, LEAK, "PASS", "confirmed-allowed"),
        (LAX, {"confirmed": 6, "recovered": 6}, "FAIL", "limit-violated"),
        (SHARE, {"confirmed": 4, "recovered": 4}, "PASS", "confirmed-allowed"),
        (SHARE, {"confirmed": 5, "recovered": 5}, "FAIL", "limit-violated"),
        # limits that need no calibration
        (RECOVERED, {"recovered": 1}, "FAIL", "limit-violated"),
        (RECOVERED, {"recovered": 1} | UNCALIBRATED, "FAIL", "limit-violated"),
        (RECOVERED, {"recovered": 1, "null_confirmed": 1}, "FAIL", "limit-violated"),
        (RECOVERED, UNCALIBRATED, "INCONCLUSIVE", "uncalibrated-audit"),
        # controls
        ({}, UNCALIBRATED, "INCONCLUSIVE", "uncalibrated-audit"),
        ({}, LEAK | UNCALIBRATED, "FAIL", "limit-violated"),  # an exact copy
        ({}, {"controls": 49}, "INCONCLUSIVE", "too-few-controls"),
        ({}, {"controls": 50}, "PASS", "resistant"),
        ({}, LEAK | {"controls": 49}, "FAIL", "limit-violated"),
        ({"require": {}}, {"controls": 23}, "INCONCLUSIVE", "cannot-confirm"),
        ({"require": {}}, {"controls": 24}, "PASS", "resistant"),
        # too few controls to distinguish a group of recoveries from chance
        ({}, {"controls": 60, "recovered": 9, "unresolved": 9}, "INCONCLUSIVE", "unresolved-recoveries"),
        ({}, {"controls": 60, "recovered": 2, "unresolved": 2}, "PASS", "resistant"),
        (LAX, {"controls": 60, "recovered": 5, "unresolved": 5}, "PASS", "resistant"),
        (LAX, {"controls": 60, "recovered": 6, "unresolved": 6}, "INCONCLUSIVE", "unresolved-recoveries"),
        (OPEN, {"controls": 60, "recovered": 9, "unresolved": 9}, "PASS", "no-limit"),
        # the negative control
        ({}, {"null_confirmed": 1}, "INCONCLUSIVE", "null-attack-confirmed"),
        ({}, LEAK | {"null_confirmed": 1}, "INCONCLUSIVE", "null-attack-confirmed"),
        ({}, LEAK | {"exchangeability": EXPLAINED}, "INCONCLUSIVE", "controls-differ"),
        ({}, {"confirmed": 4, "recovered": 4, "exchangeability": EXPLAINED}, "FAIL", "limit-violated"),
        (
            SHARE,
            {"confirmed": 7, "recovered": 7, "exchangeability": EXPLAINED},
            "INCONCLUSIVE",
            "controls-differ",
        ),
        (RECOVERED, LEAK | {"exchangeability": EXPLAINED}, "FAIL", "limit-violated"),
        ({}, {"exchangeability": ExchangeFact(0.001, ("mean",), 19)}, "INCONCLUSIVE", "controls-differ"),
        ({}, {"exchangeability": ExchangeFact(0.001, ("mean",), 20)}, "PASS", "resistant"),
        ({}, {"controls_confirmed": 1}, "INCONCLUSIVE", "roles-exchanged"),
        ({}, LEAK | {"controls_confirmed": 1}, "FAIL", "limit-violated"),
        ({}, {"null_confirmed": None}, "INCONCLUSIVE", "null-attack-missing"),
        ({}, LEAK | {"null_confirmed": None}, "FAIL", "limit-violated"),
        # attacks
        ({}, {"attacks": SKIPPED}, "INCONCLUSIVE", "required-attack-missing"),
        ({}, {"attacks": {"kkt-margin": AttackFact("failed", "x")}}, "INCONCLUSIVE", "no-attack-ran"),
        ({}, LEAK | {"attacks": SKIPPED}, "FAIL", "limit-violated"),
        ({"require": {}}, {"attacks": SKIPPED}, "PASS", "resistant"),
        ({"require": {}}, {"attacks": {}}, "INCONCLUSIVE", "no-attack-ran"),
        ({}, {"attacks": CLEAN.attacks | {"kkt-loss": AttackFact("failed", "x")}}, "PASS", "resistant"),
        # the positive control
        (CONTROL, {}, "INCONCLUSIVE", "positive-control-missing"),
        (CONTROL, {"positive_control": PowerFact(40, 4)}, "PASS", "resistant"),
        (CONTROL, {"positive_control": PowerFact(40, 3)}, "INCONCLUSIVE", "positive-control-failed"),
        (HALF, {"positive_control": PowerFact(40, 20)}, "PASS", "resistant"),
        (HALF, {"positive_control": PowerFact(40, 19)}, "INCONCLUSIVE", "positive-control-failed"),
        (HALF, LEAK | {"positive_control": PowerFact(40, 0)}, "FAIL", "limit-violated"),
        (CONTROL, LEAK, "FAIL", "limit-violated"),
        ({}, {"positive_control": PowerFact(40, 0)}, "INCONCLUSIVE", "positive-control-failed"),
        ({}, {"positive_control": PowerFact(40, 1)}, "PASS", "resistant"),
        # what an attacker holds besides the weights
        ({}, CHANGED | {"attacks": CLEAN.attacks | {"weight-delta": RAN}}, "PASS", "resistant"),
        (
            {},
            CHANGED | {"attacks": CLEAN.attacks | {"weight-delta": AttackFact("skipped", "x")}},
            "INCONCLUSIVE",
            "initial-not-attacked",
        ),
        # the membership test
        (MEMBERSHIP, {"membership": MembershipFact(0.55, 0.48, 0.6)}, "PASS", "resistant"),
        (MEMBERSHIP, {"membership": MembershipFact(0.65, 0.58, 0.7)}, "INCONCLUSIVE", "membership-undecided"),
        (MEMBERSHIP, {"membership": MembershipFact(0.7, 0.61, 0.8)}, "FAIL", "membership-violated"),
        (MEMBERSHIP, {}, "INCONCLUSIVE", "membership-undecided"),
        (MEMBERSHIP, LEAK | {"membership": MembershipFact(0.7, 0.61, 0.8)}, "FAIL", "membership-violated"),
        (
            MEMBERSHIP,
            {"membership": MembershipFact(0.7, 0.61, 0.8), "null_confirmed": 1},
            "FAIL",
            "membership-violated",
        ),
        # a PASS that must be earned
        (EARNED, {}, "PASS", "resistant"),
        (EARNED, {"attacks": LITTLE}, "INCONCLUSIVE", "uninformative-silence"),
        ({}, {"attacks": LITTLE}, "PASS", "resistant"),
        (EARNED, LEAK | {"attacks": LITTLE}, "FAIL", "limit-violated"),
        # interrupted
        ({}, {"complete": False}, "INCONCLUSIVE", "incomplete-audit"),
        ({}, LEAK | {"complete": False}, "FAIL", "limit-violated"),
        # nothing asked
        (OPEN, LEAK, "PASS", "no-limit"),
        (OPEN, {"complete": False}, "INCONCLUSIVE", "incomplete-audit"),
        (OPEN, {"controls": 3}, "PASS", "no-limit"),
        (OPEN, read(LOST), "PASS", "no-limit"),
        ({}, read(LOST), "INCONCLUSIVE", "misread"),
        (OPEN, {"null_confirmed": 1}, "INCONCLUSIVE", "null-attack-confirmed"),
    ],
)
def test_verdicts(rules: dict[str, Any], facts: dict[str, Any], verdict: str, first: str) -> None:
    judgement = judge(policy(**rules), audited(**facts))
    assert (judgement.verdict, kinds(judgement)[0]) == (verdict, first)


def test_a_violation_gives_what_was_counted_and_what_is_allowed() -> None:
    found = values(judge(policy(**SHARE), audited(confirmed=5, recovered=7)), "limit-violated")
    assert found == {
        "metric": "confirmed_fraction", "maximum": 0.1, "count": 5, "counted": 5, "members": 40,
        "measure": "SSIM", "threshold": 0.4, "sources": ["weights"], "observed": "gradient",
    }  # fmt: skip
    assert values(judge(policy(**RECOVERED), audited(recovered=7)), "limit-violated")["count"] == 7


def test_a_pass_names_the_attacks_that_ran() -> None:
    judgement = judge(policy(require={}), audited(attacks=SKIPPED))
    assert values(judgement, "resistant")["attacks"] == ["kkt-loss"]


def test_what_decided_comes_first_and_validity_issues_are_still_given() -> None:
    judgement = judge(policy(), audited(**LEAK, complete=False))
    assert kinds(judgement) == ["limit-violated", "incomplete-audit"]
    assert [type(why) for why in judgement.reasons] == [Reason, Finding]


def test_limits_say_what_was_measured() -> None:
    rules = policy(limits=[{"metric": name, "maximum": 0} for name in ("confirmed", "recovered")])
    uncalibrated = judge(rules, audited(recovered=2, **UNCALIBRATED)).limits
    assert [(limit.value, limit.verdict) for limit in uncalibrated] == [(None, "INCONCLUSIVE"), (2.0, "FAIL")]
    clean = judge(rules, CLEAN).limits
    assert [(limit.value, limit.verdict) for limit in clean] == [(0.0, "PASS"), (0.0, "PASS")]


def test_a_pass_says_how_many_leaks_too_few_controls_would_hide() -> None:
    assert kinds(judge(policy(), CLEAN)) == ["resistant", "upper-limit"]
    judgement = judge(policy(), audited(controls=60))
    assert kinds(judgement) == ["resistant", "upper-limit", "hidden-by-controls"]
    assert values(judgement, "hidden-by-controls") == {"controls": 60, "hidden": 16, "members": 40}


def test_another_threshold_than_that_of_the_policy_is_the_last_reason() -> None:
    judgement = judge(policy(), audited(threshold=0.9))
    assert kinds(judgement)[-1] == "other-threshold"
    assert values(judgement, "other-threshold") == {"measure": "SSIM", "threshold": 0.9, "stated": 0.4}


# What is suppressed

NOTHING = ("no-attack-ran", "required-attack-missing/kkt-margin")
FACES = {f"confirmed-reconstruction/face-{i}": ADA for i in range(3)}
ONE_FACE = {"confirmed-reconstruction/face-0": ADA}


@pytest.mark.parametrize(
    ("rules", "facts", "verdict", "first", "counted"),
    [
        ({}, LEAK | {"suppressed": FACES}, "PASS", "confirmed-allowed", 0),
        ({}, LEAK | {"suppressed": ONE_FACE}, "FAIL", "limit-violated", 2),
        (
            SHARE,
            {"confirmed": 5, "recovered": 5, "suppressed": ONE_FACE},
            "PASS",
            "confirmed-allowed",
            4,
        ),
        (RECOVERED, LEAK | {"suppressed": FACES}, "PASS", "confirmed-allowed", 0),
        (RECOVERED, {"recovered": 4, "confirmed": 3, "suppressed": FACES}, "FAIL", "limit-violated", 1),
        (
            RECOVERED,
            {"recovered": 2, "suppressed": {"recovered-not-confirmed": ADA}},
            "PASS",
            "resistant",
            None,
        ),
        # validity issues
        ({}, {"controls": 49, "suppressed": {"too-few-controls": ADA}}, "PASS", "resistant", None),
        (
            {},
            {"controls": 49, "null_confirmed": None, "suppressed": {"too-few-controls": ADA}},
            "INCONCLUSIVE",
            "null-attack-missing",
            None,
        ),
        (
            {},
            {"controls": 0, "suppressed": {"uncalibrated-audit": ADA}},
            "PASS",
            "not-calibrated",
            None,
        ),
        (
            {},
            {"attacks": {}, "suppressed": dict.fromkeys(NOTHING, ADA)},
            "PASS",
            "nothing-tested",
            None,
        ),
        (
            {},
            LEAK | {"null_confirmed": 1, "suppressed": {"null-attack-confirmed": ADA}},
            "FAIL",
            "limit-violated",
            3,
        ),
        (
            {},
            LEAK | {"exchangeability": EXPLAINED, "suppressed": {"controls-differ": ADA}},
            "FAIL",
            "limit-violated",
            3,
        ),
        (
            {},
            LEAK | {"exchangeability": EXPLAINED, "suppressed": {"confirmed-reconstruction/a": ADA}},
            "INCONCLUSIVE",
            "controls-differ",
            None,
        ),
        (
            {},
            {"controls": 60, "recovered": 9, "unresolved": 6, "confirmed": 3, "suppressed": FACES},
            "INCONCLUSIVE",
            "unresolved-recoveries",
            None,
        ),
    ],
)
def test_what_is_suppressed_is_not_counted(
    rules: dict[str, Any], facts: dict[str, Any], verdict: str, first: str, counted: int | None
) -> None:
    judgement = judge(policy(**rules), audited(**facts))
    assert (judgement.verdict, kinds(judgement)[0]) == (verdict, first)
    assert judgement.reasons[0].values.get("counted") == counted
    assert {"suppressed-members", "suppressed-finding"} & set(kinds(judgement))


def test_a_limit_gives_what_counted_and_a_reason_what_was_suppressed() -> None:
    suppressed = ONE_FACE | {"confirmed-reconstruction/face-9": KNOWN, "too-few-controls": ADA}
    judgement = judge(policy(), audited(confirmed=5, recovered=5, controls=49, suppressed=suppressed))
    assert judgement.limits[0].value == 3.0
    waiver, baseline = ADA.model_dump(), KNOWN.model_dump()
    assert judgement.reasons[1:] == (
        Reason("suppressed-members", {"count": 1, "confirmed": 5} | waiver),
        Reason("suppressed-finding", {"finding": "too-few-controls"} | waiver),
        Reason("suppressed-members", {"count": 1, "confirmed": 5} | baseline),
    )


RANK = {"PASS": 0, "INCONCLUSIVE": 1, "FAIL": 2}


@st.composite
def audits(draw: st.DrawFn) -> Facts:
    members = draw(st.integers(1, 60))
    recovered = draw(st.integers(0, members))
    confirmed = draw(st.integers(0, recovered))
    controls = draw(st.sampled_from([0, 5, 49, 60, 2000]))
    status = st.sampled_from(["ran", "skipped", "failed"])
    return Facts(
        members=members,
        controls=controls,
        threshold=0.4,
        fdr=0.05,
        recovered=recovered,
        confirmed=confirmed,
        unresolved=draw(st.integers(0, recovered - confirmed)),
        null_confirmed=draw(st.sampled_from([None, 0, 0, 0, 1])),
        attacks={attack: AttackFact(draw(status), "why") for attack in ATTACKS},
        positive_control=draw(st.sampled_from([None, PowerFact(40, 9), PowerFact(40, 0)])),
        exchangeability=draw(st.sampled_from([None, ExchangeFact(0.5), ExchangeFact(0.001, ("mean",), 1)])),
        complete=draw(st.booleans()),
    )


policies = st.sampled_from([policy(), policy(**LAX), policy(**SHARE), policy(**RECOVERED), policy(**OPEN)])


@given(policies, audits(), st.integers(1, 10))
def test_more_confirmed_samples_never_soften_a_verdict(rules: Policy, facts: Facts, more: int) -> None:
    more = min(more, facts.members - facts.recovered)
    worse = replace(facts, confirmed=facts.confirmed + more, recovered=facts.recovered + more)
    before, after = judge(rules, facts), judge(rules, worse)
    if before.verdict == "FAIL":
        assert after.verdict == "FAIL"
    if before.verdict != "PASS":
        assert after.verdict != "PASS"


@given(policies, audits())
def test_a_verdict_is_the_worst_of_its_limits_and_has_a_reason(rules: Policy, facts: Facts) -> None:
    judgement = judge(rules, facts)
    assert judgement.reasons
    worst = max((RANK[limit.verdict] for limit in judgement.limits), default=0)
    assert RANK[judgement.verdict] >= worst
    if judgement.verdict == "FAIL":
        assert worst == RANK["FAIL"]


@given(audits())
def test_a_policy_without_limits_never_fails(facts: Facts) -> None:
    assert judge(policy(**OPEN), facts).verdict != "FAIL"


def test_strict_cannot_pass_without_a_positive_control() -> None:
    strict = load_policy("strict", ATTACKS)
    assert judge(strict, CLEAN).verdict == "INCONCLUSIVE"
    assert judge(strict, audited(recovered=1)).verdict == "FAIL"


def test_a_clean_result_comes_with_its_upper_limit() -> None:
    """0 of 40, and 24 of 40 of a positive control: 1 - .05^(1/40), and the ends of both exact intervals divided."""
    release = load_policy("release", ATTACKS)
    alone = values(judge(release, CLEAN), "upper-limit")
    assert alone == {"possible": 0, "members": 40, "unresolved": 0, "limit": pytest.approx(0.07216, abs=1e-5)}
    judgement = judge(release, audited(positive_control=PowerFact(40, 24)))
    assert values(judgement, "upper-limit") == alone
    scaled = values(judgement, "limit-at-power")
    assert (scaled["confirmed"], scaled["samples"]) == (24, 40)
    assert (scaled["low"], scaled["high"]) == pytest.approx((0.4333, 0.7514), abs=1e-4)
    assert scaled["limit"] == pytest.approx(0.2035, abs=1e-3)


def test_a_power_that_bounds_nothing_gives_a_limit_of_one() -> None:
    judgement = judge(load_policy("release", ATTACKS), audited(positive_control=PowerFact(40, 1)))
    assert values(judgement, "limit-at-power")["limit"] == 1.0


def test_no_limit_is_given_where_every_sample_was_confirmed() -> None:
    judgement = judge(
        policy(limits=[{"metric": "confirmed", "maximum": 40}]), audited(recovered=40, confirmed=40)
    )
    assert kinds(judgement) == ["confirmed-allowed"]


def test_members_that_controls_cannot_settle_count_towards_the_limit() -> None:
    judgement = judge(load_policy("release", ATTACKS), audited(controls=60, recovered=2, unresolved=2))
    found = values(judgement, "upper-limit")
    assert (found["possible"], found["unresolved"]) == (2, 2)
