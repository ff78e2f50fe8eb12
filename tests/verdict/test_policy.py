import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import PolicyError
from audit.verdict.findings import AttackFact, Facts, PowerFact, Suppression
from audit.verdict.policy import Policy, judge, load_policy, shipped_policies
from audit.verdict.policy import _policy_folder as policy_folder

ATTACKS = ("kkt-margin", "kkt-loss")
WORDS = re.compile(r"\b(anonym\w*|complian\w*|safe|safely)\b", re.IGNORECASE)

CLEAN = Facts(
    members=40,
    controls=1000,
    threshold=0.4,
    fdr=0.05,
    recovered=0,
    confirmed=0,
    unresolved=0,
    null_confirmed=0,
    attacks={"kkt-margin": AttackFact("ran", "")},
)
SKIPPED = {"kkt-margin": AttackFact("skipped", "tanh"), "kkt-loss": AttackFact("ran", "")}


def policy(**changes: Any) -> Policy:
    content = {
        "version": 1,
        "name": "test",
        "limits": [{"metric": "confirmed", "maximum": 0}],
        "require": {"controls": 50, "attacks": ["kkt-margin"]},
    }
    return Policy.model_validate(content | changes)


LAX = {"limits": [{"metric": "confirmed", "maximum": 5}]}
SHARE = {"limits": [{"metric": "confirmed_fraction", "maximum": 0.1}]}
RECOVERED = {"limits": [{"metric": "recovered", "maximum": 0}]}
OPEN = {"limits": [], "require": {}}
TWIN = {"require": {"positive_control": True}}
HALF = {"require": {"positive_control": 0.5}}
LEAK = {"confirmed": 3, "recovered": 3}


@pytest.mark.parametrize(
    ("rules", "facts", "verdict", "words"),
    [
        ({}, {}, "PASS", "evidence of resistance to the attacks run (kkt-margin), at this budget"),
        ({}, LEAK, "FAIL", "3 of 40 training samples were confirmed"),
        (
            LAX,
            LEAK,
            "PASS",
            "3 of 40 training samples were confirmed at SSIM >= 0.4, which the policy allows",
        ),
        (LAX, {"confirmed": 6, "recovered": 6}, "FAIL", "The policy allows 5."),
        (SHARE, {"confirmed": 4, "recovered": 4}, "PASS", "which the policy allows"),
        (SHARE, {"confirmed": 5, "recovered": 5}, "FAIL", "The policy allows 10 %."),
        # limits that need no calibration
        (RECOVERED, {"recovered": 1}, "FAIL", "1 of 40 training samples was recovered"),
        (RECOVERED, {"recovered": 1, "controls": 0, "null_confirmed": None}, "FAIL", "chance included"),
        (RECOVERED, {"recovered": 1, "null_confirmed": 1}, "FAIL", "was recovered"),
        (RECOVERED, {"controls": 0, "null_confirmed": None}, "INCONCLUSIVE", "not calibrated"),
        # controls
        ({}, {"controls": 0, "null_confirmed": None}, "INCONCLUSIVE", "not calibrated"),
        ({}, LEAK | {"controls": 0, "null_confirmed": None}, "INCONCLUSIVE", "not calibrated"),
        ({}, {"controls": 49}, "INCONCLUSIVE", "requires 50 controls, and there were 49"),
        ({}, {"controls": 50}, "PASS", "evidence of resistance"),
        ({}, LEAK | {"controls": 49}, "FAIL", "3 of 40"),
        (
            {"require": {}},
            {"controls": 18},
            "INCONCLUSIVE",
            "That takes at least 19 controls.",
        ),
        ({"require": {}}, {"controls": 19}, "PASS", "evidence of resistance"),
        # too few controls to tell a group of recoveries from chance
        ({}, {"controls": 60, "recovered": 9, "unresolved": 9}, "INCONCLUSIVE", "beat every control"),
        ({}, {"controls": 60, "recovered": 2, "unresolved": 2}, "PASS", "evidence of resistance"),
        (LAX, {"controls": 60, "recovered": 5, "unresolved": 5}, "PASS", "evidence of resistance"),
        (LAX, {"controls": 60, "recovered": 6, "unresolved": 6}, "INCONCLUSIVE", "beat every control"),
        (OPEN, {"controls": 60, "recovered": 9, "unresolved": 9}, "PASS", "sets no limit"),
        # the null attack
        ({}, {"null_confirmed": 1}, "INCONCLUSIVE", "cannot be believed"),
        ({}, LEAK | {"null_confirmed": 1}, "INCONCLUSIVE", "cannot be believed"),
        ({}, {"null_confirmed": None}, "INCONCLUSIVE", "null attack did not run"),
        ({}, LEAK | {"null_confirmed": None}, "FAIL", "3 of 40"),
        # attacks
        (
            {},
            {"attacks": SKIPPED},
            "INCONCLUSIVE",
            "requires the attack kkt-margin, which was skipped: tanh.",
        ),
        ({}, {"attacks": {"kkt-margin": AttackFact("failed", "x")}}, "INCONCLUSIVE", "No attack ran"),
        ({}, LEAK | {"attacks": SKIPPED}, "FAIL", "3 of 40"),
        ({"require": {}}, {"attacks": SKIPPED}, "PASS", "attacks run (kkt-loss)"),
        ({"require": {}}, {"attacks": {}}, "INCONCLUSIVE", "No attack ran"),
        (
            {},
            {"attacks": CLEAN.attacks | {"kkt-loss": AttackFact("failed", "x")}},
            "PASS",
            "evidence of resistance",
        ),
        # the positive control
        (TWIN, {}, "INCONCLUSIVE", "requires a positive control"),
        (TWIN, {"positive_control": PowerFact(40, 4)}, "PASS", "evidence of resistance"),
        (TWIN, {"positive_control": PowerFact(40, 3)}, "INCONCLUSIVE", "the policy requires 10 %"),
        (HALF, {"positive_control": PowerFact(40, 20)}, "PASS", "evidence of resistance"),
        (HALF, {"positive_control": PowerFact(40, 19)}, "INCONCLUSIVE", "the policy requires 50 %"),
        (HALF, LEAK | {"positive_control": PowerFact(40, 0)}, "FAIL", "3 of 40"),
        (TWIN, LEAK, "FAIL", "3 of 40"),
        ({}, {"positive_control": PowerFact(40, 0)}, "INCONCLUSIVE", "so their silence here says nothing"),
        ({}, {"positive_control": PowerFact(40, 1)}, "PASS", "evidence of resistance"),
        # broken off
        ({}, {"complete": False}, "INCONCLUSIVE", "broke off"),
        ({}, LEAK | {"complete": False}, "FAIL", "3 of 40"),
        # nothing asked
        (OPEN, LEAK, "PASS", "The policy sets no limit; this run only reports."),
        (OPEN, {"complete": False}, "INCONCLUSIVE", "broke off"),
        (OPEN, {"controls": 3}, "PASS", "sets no limit"),
        (OPEN, {"null_confirmed": 1}, "INCONCLUSIVE", "cannot be believed"),
    ],
)
def test_verdicts(rules: dict[str, Any], facts: dict[str, Any], verdict: str, words: str) -> None:
    judgement = judge(policy(**rules), replace(CLEAN, **facts))
    assert judgement.verdict == verdict
    assert words in judgement.reasons[0]
    assert not any(WORDS.search(reason) for reason in judgement.reasons)


def test_what_decided_comes_first_and_doubts_are_still_told() -> None:
    judgement = judge(policy(), replace(CLEAN, confirmed=3, recovered=3, complete=False))
    assert [reason.split()[0] for reason in judgement.reasons] == ["3", "The"]
    assert "broke off" in judgement.reasons[1]


def test_limits_say_what_was_measured() -> None:
    rules = policy(limits=[{"metric": name, "maximum": 0} for name in ("confirmed", "recovered")])
    uncalibrated = judge(rules, replace(CLEAN, controls=0, null_confirmed=None, recovered=2)).limits
    assert [(limit.value, limit.verdict) for limit in uncalibrated] == [(None, "INCONCLUSIVE"), (2.0, "FAIL")]
    clean = judge(rules, CLEAN).limits
    assert [(limit.value, limit.verdict) for limit in clean] == [(0.0, "PASS"), (0.0, "PASS")]


def test_a_pass_says_how_many_leaks_too_few_controls_would_hide() -> None:
    assert not any("unconfirmed" in reason for reason in judge(policy(), CLEAN).reasons)
    hidden = judge(policy(), replace(CLEAN, controls=60)).reasons[2]
    assert hidden == "With 60 controls, up to 13 leaking samples of 40 could have gone unconfirmed."


def test_another_threshold_than_the_policy_asks_for_is_told() -> None:
    reasons = judge(policy(), replace(CLEAN, threshold=0.9)).reasons
    assert reasons[-1] == "The threshold used was SSIM >= 0.9; the policy says 0.4."


# What does not count

ADA = Suppression(kind="waiver", reason="All of them agreed.", owner="Ada", expires="2026-12-31")
KNOWN = Suppression(kind="baseline", reason="confirmed in runs/a of 2026-11-01 too")
NOTHING = ("no-attack-ran", "required-attack-missing/kkt-margin")
FACES = {f"confirmed-reconstruction/face-{i}": ADA for i in range(3)}
ONE_FACE = {"confirmed-reconstruction/face-0": ADA}


@pytest.mark.parametrize(
    ("rules", "facts", "verdict", "words"),
    [
        (
            {},
            LEAK | {"suppressed": FACES},
            "PASS",
            "confirmed at SSIM >= 0.4, of which none counts, which",
        ),
        (
            {},
            LEAK | {"suppressed": ONE_FACE},
            "FAIL",
            "beyond chance. Of these, 2 count. The policy allows 0.",
        ),
        (
            SHARE,
            {"confirmed": 5, "recovered": 5, "suppressed": ONE_FACE},
            "PASS",
            "of which 4 count, which the policy allows",
        ),
        (RECOVERED, LEAK | {"suppressed": FACES}, "PASS", "which the policy allows"),
        (RECOVERED, {"recovered": 4, "confirmed": 3, "suppressed": FACES}, "FAIL", "Of these, 1 counts."),
        (RECOVERED, {"recovered": 2, "suppressed": {"recovered-not-confirmed": ADA}}, "PASS", "evidence"),
        # doubts
        ({}, {"controls": 49, "suppressed": {"too-few-controls": ADA}}, "PASS", "evidence of resistance"),
        (
            {},
            {"controls": 49, "null_confirmed": None, "suppressed": {"too-few-controls": ADA}},
            "INCONCLUSIVE",
            "null",
        ),
        (
            {},
            {"controls": 0, "suppressed": {"uncalibrated-audit": ADA}},
            "PASS",
            "Without controls nothing could be confirmed. 0 of 40",
        ),
        ({}, {"attacks": {}, "suppressed": dict.fromkeys(NOTHING, ADA)}, "PASS", "No attack ran: nothing"),
        ({}, LEAK | {"null_confirmed": 1, "suppressed": {"null-attack-confirmed": ADA}}, "FAIL", "3 of 40"),
        (
            {},
            {"controls": 60, "recovered": 9, "unresolved": 6, "confirmed": 3, "suppressed": FACES},
            "INCONCLUSIVE",
            "beat every control",
        ),
    ],
)
def test_what_is_suppressed_does_not_count(
    rules: dict[str, Any], facts: dict[str, Any], verdict: str, words: str
) -> None:
    judgement = judge(policy(**rules), replace(CLEAN, **facts))
    assert judgement.verdict == verdict
    assert words in judgement.reasons[0]
    assert any(
        "waived by Ada until 2026-12-31: All of them agreed." in reason for reason in judgement.reasons
    )


def test_a_limit_tells_what_counted_and_a_reason_what_did_not() -> None:
    suppressed = ONE_FACE | {"confirmed-reconstruction/face-9": KNOWN, "too-few-controls": ADA}
    facts = replace(CLEAN, confirmed=5, recovered=5, controls=49, suppressed=suppressed)
    judgement = judge(policy(), facts)
    assert judgement.limits[0].value == 3.0
    assert judgement.reasons[1:] == (
        "1 of 5 confirmed is waived by Ada until 2026-12-31: All of them agreed.",
        "The finding too-few-controls is waived by Ada until 2026-12-31: All of them agreed.",
        "1 of 5 confirmed is not new: confirmed in runs/a of 2026-11-01 too.",
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
    assert all(judgement.reasons)
    worst = max((RANK[limit.verdict] for limit in judgement.limits), default=0)
    assert RANK[judgement.verdict] >= worst
    if judgement.verdict == "FAIL":
        assert worst == RANK["FAIL"]


@given(audits())
def test_a_policy_without_limits_never_fails(facts: Facts) -> None:
    assert judge(policy(**OPEN), facts).verdict != "FAIL"


# Reading policies


def test_shipped_policies_load_under_their_own_names() -> None:
    assert shipped_policies() == ["release", "research", "strict"]
    for name in shipped_policies():
        loaded = load_policy(name, ATTACKS)
        assert loaded.name == name
        assert loaded.match.threshold == 0.4


def test_shipped_policies_explain_themselves() -> None:
    for path in policy_folder().glob("*.yaml"):
        text = path.read_text()
        assert text.startswith("# For ")
        assert "Where the numbers come from" in text
        assert not WORDS.search(text)


def test_the_release_policy_is_the_one_of_the_documents() -> None:
    release = load_policy("release", ATTACKS)
    assert [(limit.metric, limit.maximum) for limit in release.limits] == [("confirmed", 0.0)]
    assert release.require.model_dump() == {
        "controls": 50,
        "attacks": ["kkt-margin"],
        "positive_control": False,
    }


def test_strict_cannot_pass_without_a_positive_control() -> None:
    strict = load_policy("strict", ATTACKS)
    assert judge(strict, CLEAN).verdict == "INCONCLUSIVE"
    assert judge(strict, replace(CLEAN, recovered=1)).verdict == "FAIL"


def test_a_clean_result_comes_with_its_upper_limit() -> None:
    """0 of 40, and 24 of 40 of a twin: 1 - .05^(1/40), and the ends of both exact intervals divided."""
    release = load_policy("release", ATTACKS)
    (_, alone) = judge(release, CLEAN).reasons
    assert (
        alone
        == "0 of 40: of samples like these, the attacks would confirm at most 7.22 % (95 % upper limit)."
    )
    facts = replace(CLEAN, positive_control=PowerFact(40, 24))
    (_, same, scaled) = judge(release, facts).reasons
    assert same == alone
    assert scaled == (
        "They confirmed 24 of 40 samples of a twin that was made to leak (95 % interval 43.3 % to 75.2 %): at most "
        "20.4 % of the samples may leak as the twin's do (95 % upper limit, by both counts)."
    )


def test_a_power_too_low_to_bound_anything_is_said_in_words() -> None:
    facts = replace(CLEAN, positive_control=PowerFact(40, 1))
    reasons = judge(load_policy("release", ATTACKS), facts).reasons
    assert "100 %" not in " ".join(reasons)
    assert reasons[2].endswith(
        ": the power is too low, or too uncertain, to limit what may leak as the positive control's do."
    )


def test_no_limit_is_told_where_every_sample_was_confirmed() -> None:
    facts = replace(CLEAN, recovered=40, confirmed=40)
    reasons = judge(load_policy("research", ATTACKS), facts).reasons
    assert not any("95 %" in reason for reason in reasons)


def test_members_that_controls_cannot_settle_count_towards_the_limit() -> None:
    facts = replace(CLEAN, controls=60, recovered=2, unresolved=2)
    reasons = judge(load_policy("release", ATTACKS), facts).reasons
    assert any(
        reason.startswith("2 of 40, counting 2 that more controls might confirm: of samples")
        for reason in reasons
    )


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


GOOD: dict[str, Any] = {
    "version": 1,
    "name": "mine",
    "match": {"metric": "ssim", "threshold": 0.5, "fdr": 0.1},
    "limits": [{"metric": "confirmed", "maximum": 2}],
    "require": {"controls": 10, "attacks": ["kkt-loss"], "positive_control": False},
}


def test_a_policy_file_is_read(tmp_path: Path) -> None:
    loaded = load_policy(write(tmp_path, yaml.safe_dump(GOOD)), ATTACKS)
    assert loaded == Policy.model_validate(GOOD)
    assert loaded.match.threshold == 0.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limit": []}, "unknown key 'limit'; did you mean 'limits'?"),
        ({"match": {"treshold": 0.4}}, "unknown key 'match.treshold'; did you mean 'threshold'?"),
        ({"limits": [{"metric": "confirmed", "maximun": 0}]}, "'limits.0.maximun'; did you mean 'maximum'?"),
        ({"require": {"control": 5}}, "unknown key 'require.control'; did you mean 'controls'?"),
        ({"zebra": 1}, "unknown key 'zebra'; known are version, name, description, match, limits, require"),
        ({"limits": [{"metric": "confirmd", "maximum": 0}]}, "did you mean 'confirmed'?"),
        ({"limits": [{"metric": "confirmed"}]}, "the key 'limits.0.maximum' is missing"),
        ({"limits": [{"metric": "confirmed", "maximum": "0"}]}, "limits.0.maximum is '0': input should be a"),
        ({"limits": [{"metric": "confirmed", "maximum": float("nan")}]}, "limits.0.maximum is nan"),
        ({"limits": [{"metric": "confirmed", "maximum": -1}]}, "limits.0.maximum is -1"),
        ({"limits": {"metric": "confirmed"}}, "limits is {'metric': 'confirmed'}"),
        ({"match": {"threshold": 1.5}}, "match.threshold is 1.5: input should be less than or equal to 1"),
        ({"match": {"fdr": 0}}, "match.fdr is 0"),
        ({"match": {"metric": "lpips"}}, "match.metric is 'lpips': input should be 'ssim'"),
        ({"require": {"controls": True}}, "require.controls is True"),
        *(
            (
                {"require": {"positive_control": wrong}},
                f"require.positive_control is {wrong!r}: expected true, false, or the smallest power",
            )
            for wrong in (0, 0.0, -0.1, 1.01, float("nan"), "yes", None)
        ),
        ({"version": 2}, "version is 2: input should be 1"),
        (
            {"require": {"attacks": ["kkt-magrin"]}},
            "'kkt-magrin', which is no attack; did you mean 'kkt-margin'?",
        ),
    ],
)
def test_a_bad_policy_is_refused_by_key(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = write(tmp_path, yaml.safe_dump(GOOD | changes))
    with pytest.raises(PolicyError) as caught:
        load_policy(path, ATTACKS)
    message = str(caught.value)
    assert words in message
    assert message.startswith(path)
    assert "\n" not in message


@pytest.mark.parametrize("key", ["version", "name", "limits"])
def test_keys_that_may_not_be_left_out(tmp_path: Path, key: str) -> None:
    content = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(PolicyError, match=f"the key '{key}' is missing"):
        load_policy(write(tmp_path, yaml.safe_dump(content)), ATTACKS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version: 1\nname: [a\n", "mine.yaml:3: not valid YAML"),
        (
            "version: 1\nlimits: []\nlimits: []\n",
            "mine.yaml:3: not valid YAML: the key 'limits' is given twice",
        ),
        ("", "this is empty"),
        ("- a\n", "this is a list"),
        ("version: \x07\n", "not valid YAML: unreadable characters"),
        ("name: !!python/object/apply:os.getcwd []\n", "mine.yaml:1: not valid YAML"),
        ("{[1]: 2}\n", "mine.yaml:1: not valid YAML"),
        ("1: 2\n", "keys should be strings"),
    ],
)
def test_what_is_no_policy_at_all(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(words)):
        load_policy(write(tmp_path, text), ATTACKS)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, words in (
        (tmp_path, "cannot be read: Is a directory"),
        (binary, "not UTF-8"),
        (tmp_path / "absent.yaml", "no such policy file; shipped policies are release, research, strict"),
    ):
        with pytest.raises(PolicyError, match=words):
            load_policy(str(path), ATTACKS)


def test_an_unknown_name_gets_the_nearest_policy() -> None:
    with pytest.raises(
        PolicyError, match=re.escape("'relese' is no policy and no file; did you mean 'release'?")
    ):
        load_policy("relese", ATTACKS)
