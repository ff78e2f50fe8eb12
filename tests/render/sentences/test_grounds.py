from dataclasses import replace
from typing import get_args

import pytest

from audit.render.sentences.grounds import TITLES, heading, sentence, stated
from audit.verdict.facts import AttackFact, ExchangeFact, MembershipFact, PowerFact
from audit.verdict.finding import with_suppressions
from audit.verdict.findings import validity_issues
from audit.verdict.grounds import GROUND_OF, GROUNDS, Basis, grounds
from audit.verdict.policy import Requirements
from tests.report.factory import make_report
from tests.report.golden import assert_golden
from tests.verdict.cases import ADA, CLEAN, KNOWS, LOST, REGRESSION, UNLABELLED

LITTLE = {"kkt-margin": AttackFact("ran", "", relative_loss=0.9, true_loss=0.95)}
CASES = [
    CLEAN,
    replace(CLEAN, attacks=LITTLE, untrained=True, membership=MembershipFact(0.52, 0.41, 0.63)),
    replace(CLEAN, attacks=LITTLE, positive_control=PowerFact(40, 30)),
    replace(CLEAN, attacks=LITTLE, confirmed=2, recovered=3, unresolved=1),
    replace(CLEAN, attacks=LITTLE, controls=10, suppressed={"too-few-controls": ADA}),
    replace(CLEAN, exchangeability=ExchangeFact(0.31)),
    replace(CLEAN, exchangeability=ExchangeFact(0.002, ("mean", "noise"), confirmable=38)),
    replace(CLEAN, confirmed=3, recovered=3, exchangeability=ExchangeFact(0.002, ("spread",), 38)),
    replace(CLEAN, controls=0, null_confirmed=None, attacks={}),
    replace(CLEAN, attacks=LITTLE, reading=KNOWS),
    replace(CLEAN, reading=LOST),
    replace(CLEAN, attacks=LITTLE, reading=replace(LOST, renumbered=True)),
    replace(CLEAN, attacks=LITTLE, reading=REGRESSION),
    replace(CLEAN, attacks=LITTLE, reading=replace(UNLABELLED, p_surer=1e-5)),
    replace(CLEAN, attacks=LITTLE, reading=LOST, untrained=True),
]


def test_golden() -> None:
    """Every basis of a ground, and grounds that do not hold."""
    require, lines, bases = Requirements(controls=50), [], set()
    for facts in CASES:
        issues = with_suppressions(validity_issues(facts, require), facts.suppressed)
        silent = [one for one in issues if one.kind == "uninformative-silence"]
        rest = [one for one in issues if one not in silent and one.kind in GROUND_OF]
        found = grounds(facts, rest, silent, require)
        bases |= {ground.basis for ground in found}
        lines += [f"{ground.holds} {TITLES[ground.id]}: {sentence(ground)}\n" for ground in found]
        lines.append("\n")
    assert bases >= set(get_args(Basis))
    assert_golden("grounds.txt", "".join(lines))


@pytest.mark.parametrize(
    ("confirmed", "controls", "policy", "words"),
    [
        (0, 200, "release", "this PASS rests"),
        (0, 19, "release", "would rest"),
        (3, 60, "research", "would rest"),
    ],
)
def test_the_list_is_of_this_pass_only_where_it_is_one(
    confirmed: int, controls: int, policy: str, words: str
) -> None:
    assert words in heading(make_report(confirmed=confirmed, controls=controls, policy=policy))


def test_what_a_reason_says_is_not_said_again() -> None:
    report = make_report(confirmed=0, controls=19)
    lost = [one for one in stated(report) if one.mark == "missing"]
    assert [one.said for one in lost] == [one.sentence in report.reasons for one in lost]
    assert any(one.said for one in lost)
    assert not any(one.said for one in stated(report) if one.mark == "holds")
    assert stated(make_report()) == []  # FAIL


def test_every_ground_has_a_title() -> None:
    assert tuple(TITLES) == GROUNDS
