from audit.render.sentences import counts
from audit.render.sentences.verdict import NO_LIMIT_AT_POWER
from audit.report.measured import DpBound
from tests.report.factory import make_controlled, make_observed, make_report


def test_chance_is_unknown_without_controls() -> None:
    text = counts.chance(make_report())
    assert all(word in text for word in ("1.0 of 6 members", "SSIM >= 0.4", "10 of 60 controls"))
    assert "unknown" in counts.chance(make_report(controls=0))
    assert "no interval" in counts.interval(make_report(controls=0))


def test_limits_end_where_nothing_is_bounded() -> None:
    assert counts.limits(make_report(controls=0)) == ""
    report = make_report(confirmed=0)
    assert "39.4 %" in counts.limits(report)
    idle = [attack.model_copy(update={"status": "failed"}) for attack in report.attacks]
    assert counts.limits(report.model_copy(update={"attacks": idle})) == ""
    assert counts.limits(make_controlled()).endswith(NO_LIMIT_AT_POWER)


def test_a_limit_is_rounded_up_and_vanishes_where_all_were_confirmed() -> None:
    report = make_controlled()
    summary = {"upper_limit": 0.07211, "upper_limit_at_power": 0.20301}
    bounded = report.model_copy(update={"summary": report.summary.model_copy(update=summary)})
    assert all(word in counts.limits(bounded) for word in ("7.22 %", "20.4 %"))
    nothing = report.model_copy(update={"summary": report.summary.model_copy(update={"upper_limit": 1.0})})
    assert counts.limits(nothing) == ""


def test_an_observed_batch_is_described_with_its_rank() -> None:
    assert counts.batch(make_report()) == ""
    text = counts.batch(make_observed("update"))
    assert all(word in text for word in ("an update of one batch", "6 given", "first layer: 7."))
    assert "a gradient of one batch" in counts.batch(make_observed("gradient"))


def test_private_training_is_a_statement_of_the_owner() -> None:
    report = make_report()
    assert counts.dp(report) == ""
    bound = DpBound(sigma=1.1, q=0.01, steps=100, prior=1 / 6, bound=0.2)
    text = counts.dp(
        report.model_copy(update={"diagnostics": report.diagnostics.model_copy(update={"dp": bound})})
    )
    for word in ("1.1", "0.01", "100 steps", "not checked", "6 equally likely images", "20.0 %", "16.7 %"):
        assert word in text


def test_a_redacted_report_states_what_it_withholds() -> None:
    assert counts.withheld(make_report()) == ""
    assert "--redact" in counts.withheld(make_report(redacted=True))


def test_counts_at_other_similarities_and_what_the_row_space_shows_by_itself() -> None:
    report = make_report()
    assert "3 at >= 0.4, 3 at >= 0.6, 3 at >= 0.8" in counts.strength(report)
    assert "confirm 1, without any attack. What is attacked is a sum" in counts.row_space(report)
    none = report.summary.model_copy(update={"row_space_confirmed": 0})
    assert "due to the attacks" in counts.row_space(report.model_copy(update={"summary": none}))
    uncalibrated = make_report(controls=0)
    assert counts.strength(uncalibrated) == counts.row_space(uncalibrated) == ""


def test_what_an_attacker_would_pick() -> None:
    text = counts.picks(make_report())
    assert "of the first 6, 2 show a confirmed member (2 different ones)." in text
    assert counts.picks(make_report(controls=0)) == ""
