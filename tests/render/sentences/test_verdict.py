import re
from typing import Any, get_args

from audit.render.sentences.verdict import reason
from audit.verdict.facts import MembershipFact, PowerFact
from audit.verdict.judgement import ReasonKind, judge
from tests.report.golden import assert_golden
from tests.verdict.cases import ADA, CLEAN, KNOWN, audited, policy

LEAK = {"confirmed": 3, "recovered": 3}
MIXED = {"sources": ("weights", "gradient"), "gradient_kind": "update"}
MEMBERSHIP = {"limits": [{"metric": "membership_auc", "maximum": 0.6}]}
CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({}, LEAK),
    ({}, LEAK | MIXED),
    ({"limits": [{"metric": "confirmed_fraction", "maximum": 0.05}]}, LEAK),
    ({"limits": [{"metric": "recovered", "maximum": 0}]}, {"recovered": 1, "members": 1}),
    ({"limits": [{"metric": "confirmed", "maximum": 5}]}, LEAK | {"controls": 60}),
    ({}, {"controls": 60, "recovered": 2, "unresolved": 2, "threshold": 0.9}),
    ({}, {"positive_control": PowerFact(40, 24)}),
    ({}, {"positive_control": PowerFact(40, 1)}),
    ({"limits": []}, LEAK | {"recovered": 5}),
    (MEMBERSHIP, {"membership": MembershipFact(0.7, 0.61, 0.8)}),
    (MEMBERSHIP, {"membership": MembershipFact(0.65, 0.58, 0.7)}),
    (MEMBERSHIP, {}),
    ({"require": {}}, {"attacks": {}, "suppressed": {"no-attack-ran": KNOWN}}),
    ({}, {"controls": 0, "recovered": 7, "suppressed": {"uncalibrated-audit": ADA}}),
    ({}, LEAK | {"suppressed": {"confirmed-reconstruction/a": ADA}, "complete": False}),
]


def test_golden() -> None:
    """Every kind of reason, as verdicts give it."""
    judgements = [judge(policy(**rules), audited(**facts)) for rules, facts in CASES]
    kinds = {why.kind for judgement in judgements for why in judgement.reasons}
    assert kinds >= set(get_args(ReasonKind))
    text = "\n".join(
        "".join(f"{line}\n" for line in [judgement.verdict, *map(reason, judgement.reasons)])
        for judgement in judgements
    )
    assert_golden("reasons.txt", text)
    assert not re.search(r"\b(anonym\w*|complian\w*|safe|safely)\b", text, re.IGNORECASE)


def test_a_power_that_bounds_nothing_is_not_called_a_limit_of_100_percent() -> None:
    for why in judge(policy(), audited(positive_control=PowerFact(40, 1))).reasons:
        assert "100 %" not in reason(why)


def test_a_clean_result_names_its_numbers() -> None:
    first, second = judge(policy(), CLEAN).reasons
    assert "kkt-margin" in reason(first)
    assert "7.22 %" in reason(second)
