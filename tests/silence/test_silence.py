"""No audit that is wrong or poor in one way passes; and beside each, its right reading FAILs."""

import pytest

from tests.command import Run
from tests.silence.case import CODES, Case, first_kind, parameters, report, right_readings, scan
from tests.silence.wrong_knowledge import KNOWLEDGE
from tests.silence.wrong_reading import READING
from tests.silence.wrong_samples import SAMPLES

CASES = (*READING, *SAMPLES, *KNOWLEDGE)
"""All tables."""
AWAITED = {
    "a3 rows of H,W,C",
    "a3 rows of H,W,C, folder",
    "rows of C,H,W called H,W,C",
    "channels in the order of BGR",
    "a3 transposed, weights",
    "a3 transposed, change",
    "a3 transposed, gradient",
    "transposed, without labels",
    "mirrored",
    "upside down",
    "cut from larger pictures",
    "a3 table, mean and std swapped",
    "a3 table, as it is",
    "a3 table, std alone",
    "a3 table, mean alone",
    "a3 table, least and range",
    "a3 table tuned, as it is",
    "a3 table tuned, std alone",
    "pixels of 0 to 255 read as 0 to 1",
    "pixels of -1 to 1 read as 0 to 1",
    "inverted",
    "a3 no activations read as ReLU",
    "a3 no activations, not stated",
    "x^2 read as ReLU",
    "a3 another batch",
    "members of another set",
    "a1 four rare ones among 400",
    "a1 four rare ones among 400, 60 controls",
    "a6 embeddings below the threshold",
    "a7 exchanged, change",
    "a8 straight digits as controls",
    "a8 noise as controls",
    "darker controls",
    "a4 attack on the change not asked for",
    "a4 initial weights are the checkpoint",
    "a4 initial weights are the checkpoint in half precision",
    "a4 frozen first layer",
    "a4 unrelated base",
    "a4 unrelated base, table",
    "base from before its own training",
    "weights alone where the start is known",
    "weights alone where the base is public",
    "a11 an ordinary classifier",
    "a11 an ordinary classifier, positive control",
    "a3 order of layers",
}
"""What is at work, and does not yet end as it should."""


@pytest.mark.parametrize("case", parameters(CASES, AWAITED))
def test_a_wrong_audit_does_not_pass(case: Case, model_audit: Run, enough_steps: None) -> None:
    ended = scan(model_audit, case.wrong(case.right()))
    assert (ended.code, ended.out.split(":")[0]) == (
        CODES[case.ends],
        "" if case.ends == "refused" else case.ends,
    )
    if case.ends == "refused":
        assert case.because in ended.err
        return
    content = report()
    assert content["verdict"] == case.ends
    if case.ends == "INCONCLUSIVE":
        assert first_kind(content) == case.because
    elif case.because:
        assert case.because in {one["kind"] for one in content["findings"]}


@pytest.mark.parametrize("case", parameters(right_readings(CASES), AWAITED))
def test_its_right_reading_fails(case: Case, model_audit: Run, enough_steps: None) -> None:
    ended = scan(model_audit, case.right())
    assert (ended.code, ended.out.split(":")[0]) == (1, "FAIL")
    content = report()
    assert content["summary"]["null_confirmed"] == 0
    assert content["summary"]["confirmed"] >= max(attack["confirmed"] or 0 for attack in content["attacks"])


def test_there_are_cases_enough_and_each_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 40
    missing = {f"a{row}" for row in (1, 2, 3, 4, 6, 7, 8, 11)} - {name.split()[0] for name in names}
    assert not missing
