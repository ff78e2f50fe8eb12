import re

from audit.render.markdown import escape, render
from audit.render.sentences.attacks import BEFORE_SPLITTING
from audit.render.sentences.counts import batch
from audit.verdict.finding import Suppression, with_suppressions
from tests.report.factory import make_evidence, make_observed, make_report
from tests.report.golden import assert_golden

HOSTILE = "a|b`c*d_e[f](g)<script>\nnext & #1"


def test_golden() -> None:
    assert_golden("report.md", render(make_report()))


def test_golden_inconclusive() -> None:
    assert_golden("inconclusive.md", render(make_report(controls=0, complete=False)))


def test_pictures_are_never_part_of_it() -> None:
    report = make_report()
    assert render(report, make_evidence(report)) == render(report)


def test_names_stand_for_themselves_in_tables() -> None:
    page = render(make_report(checkpoint=HOSTILE, prefix=HOSTILE))
    outside = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    assert "<script>" not in outside
    assert r"a\|b\`c\*d\_e\[f\](g)&lt;script&gt; next &amp; \#10" in outside
    widths = {
        len(re.findall(r"(?<!\\)\|", line))
        for line in outside.partition("## Best matches")[2].partition("## ")[0].splitlines()
        if line.startswith("|")
    }
    assert widths == {6}


def test_splitting_is_a_table_and_the_sentence_on_what_before_means() -> None:
    report = make_report()
    part = render(report).partition("## Sample splitting")[2].partition("## ")[0]
    assert BEFORE_SPLITTING in part
    rows = [line for line in part.splitlines() if line.startswith("|")]
    assert [row.count("|") for row in rows] == [10, 10, 10]
    without = report.model_copy(update={"attacks": report.attacks[1:]})
    assert "splitting" not in render(without)


def test_a_command_cannot_end_its_code_block() -> None:
    page = render(make_report(checkpoint="x\n```\n# injected"))
    assert "````\nmodel-audit scan x\n```\n# injected" in page


def test_numbers_pass_through_unescaped() -> None:
    assert escape(3) == 3


def test_an_incomplete_audit_says_so_first() -> None:
    page = render(make_report(complete=False))
    assert page.index("**Incomplete.**") < page.index("confirmed")
    assert "Incomplete" not in render(make_report())


def test_wording() -> None:
    for report in (make_report(), make_report(confirmed=0, controls=200), make_report(controls=0)):
        assert not re.search(r"\b(anonym\w*|complian\w*|safe|safely)\b", render(report), re.IGNORECASE)


def test_an_observed_gradient_is_named() -> None:
    text = render(make_observed("gradient"))
    assert batch(make_observed("gradient")) in text
    assert f"| Observed gradient | seen.safetensors, learning rate 0.1, sha256 {'12' * 32} |" in text
    assert "bserved" not in render(make_report())


def test_what_is_suppressed_is_listed_with_its_reason() -> None:
    report = make_report()
    assert "## Suppressed" not in render(report)
    why = Suppression(kind="waiver", reason="They *agreed*.", owner="Ada", expires="2026-12-31")
    told = with_suppressions(report.findings, {"confirmed-reconstruction/face-1": why})
    page = render(report.model_copy(update={"findings": told}))
    assert "\n- confirmed-reconstruction/face-1: waived by Ada until 2026-12-31: They \\*agreed\\*\n" in page


def test_a_redacted_report_says_what_it_withholds() -> None:
    assert "Names of members remain" in render(make_report(redacted=True))
    assert "withheld" not in render(make_report())
