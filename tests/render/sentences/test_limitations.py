from audit.render.sentences.limitations import limitations
from tests.report.factory import as_table, make_controlled, make_observed, make_report


def test_what_was_not_tried_is_named() -> None:
    attacks, time, data, _, precision = limitations(make_report(confirmed=0))
    assert "weight-delta" in attacks
    assert all(word in time for word in ("1 min", "1 min 2 s", "the initial weights, gradients"))
    assert "6 images in members.npz" in data
    assert all(word in precision for word in ("0 confirmed of 6", "39.4 %", "2 leaking members"))


def test_initial_weights_that_were_used_are_not_called_unknown() -> None:
    report = make_report()
    attacks = [attack.model_copy(update={"status": "ran", "source": "change"}) for attack in report.attacks]
    assert "initial weights" not in limitations(report.model_copy(update={"attacks": attacks}))[1]
    assert "initial weights, further gradients" in limitations(make_observed("update"))[1]


def test_the_time_of_the_positive_control_is_given_apart() -> None:
    assert "59 s of it" in limitations(make_controlled())[1]


def test_a_membership_test_that_was_made_is_not_called_missing() -> None:
    made, not_made = (limitations(make_report(controls=controls))[3] for controls in (60, 0))
    assert "AUC" in made
    assert "AUC" not in not_made


def test_the_precision_of_the_count() -> None:
    assert "nothing can be confirmed" in limitations(make_report(controls=0))[-1]
    assert "unconfirmed" not in limitations(make_report(controls=200))[-1]
    report = make_report(confirmed=0)
    attacks = [attack.model_copy(update={"status": "failed"}) for attack in report.attacks]
    assert "No attack ran" in limitations(report.model_copy(update={"attacks": attacks}))[-1]
    assert "Every member" in limitations(make_report(confirmed=6))[-1]


def test_rows_are_matched_by_correlation() -> None:
    assert "SSIM is not applicable" in limitations(as_table(make_report()))[3]
