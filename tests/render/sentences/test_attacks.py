import pytest

from audit.render.sentences import attacks
from audit.report.measured import Diagnostics
from audit.report.schema import Report
from tests.report.factory import make_observed, make_report, without_rounds


def with_losses(report: Report, losses: dict[str, float]) -> Report:
    diagnostics = report.diagnostics.model_copy(update={"stationarity": losses})
    return report.model_copy(update={"diagnostics": diagnostics})


@pytest.mark.parametrize(
    ("left", "reached", "confirmed", "words"),
    [
        (None, None, 0, []),
        (0.1, None, 0, []),
        (None, 0.1, 0, ["not measured"]),
        (0.51, 0.2, 0, ["51 %", "these weights", "not informative"]),
        (0.51, 0.9, 3, ["51 %", "these weights"]),
        (0.49, 0.3, 0, ["30 %, near", "49 %"]),
        (0.49, 0.24, 0, ["24 %, below", "49 %"]),
        (0.1, 0.051, 3, ["near"]),
        (0.1, 0.049, 3, ["below"]),
        (0.0, 0.0, 3, ["near", "(0 %)"]),
        (0.1, 0.119, 0, ["near"]),
        (0.1, 0.121, 0, ["12.1 %, above", "(10 %)"]),
        (0.001, 0.0109, 0, ["near"]),
        (0.001, 0.0111, 0, ["1.11 %, above", "(0.1 %)"]),
    ],
)
def test_where_an_attack_stopped(
    left: float | None, reached: float | None, confirmed: int, words: list[str]
) -> None:
    losses = {"weight-delta": 0.9} | ({} if left is None else {"kkt-margin": left})
    report = with_losses(make_report(confirmed=confirmed), losses)
    attack = report.attacks[0].model_copy(update={"relative_loss": reached})
    assert attacks.true_loss(report, attack) == left
    text = attacks.standing(report, attack)
    assert all(word in text for word in words)
    assert bool(text) == bool(words)
    assert ("not informative" in text) == ("not informative" in words)
    assert attacks.stopped_short(report, attack) == any("above" in word for word in words)


def test_the_loss_of_the_true_samples_may_not_have_been_measured() -> None:
    report = make_report()
    unmeasured = report.model_copy(update={"diagnostics": Diagnostics()})
    ran, skipped = report.attacks
    assert attacks.true_loss(unmeasured, ran) is attacks.true_loss(unmeasured, skipped) is None
    assert "not measured" in attacks.standing(unmeasured, ran)
    assert attacks.standing(unmeasured, skipped) == ""
    assert attacks.true_loss(report, ran) == 0.00284
    assert attacks.true_loss(report, skipped) is None


def test_an_observed_gradient_of_other_samples_is_suspected() -> None:
    report = make_observed("gradient")
    attack = report.attacks[-1]
    text = attacks.standing(with_losses(report, {attack.id: 0.97}), attack)
    assert all(word in text for word in ("97 %", "what was observed", "clipping"))


def test_splitting_counts_whose_match_became_more_similar() -> None:
    report = make_report()
    kept, skipped = report.attacks
    text = attacks.splitting(report, kept)
    assert all(word in text for word in ("SSIM", "6 members", "for 4", "for 1"))
    assert attacks.splitting(report, skipped) == ""


def test_cells_of_splitting_go_from_before_to_after() -> None:
    report = make_report()
    cells = ["3", "17", "0.042 → 0.0031", "1 → 4", "0 → 3", "2.1e-05", "-0.0031"]
    assert attacks.splitting_cells(report, report.attacks[0]) == cells
    uncalibrated = make_report(controls=0)
    assert attacks.splitting_cells(uncalibrated, uncalibrated.attacks[0])[3:5] == ["1 → 1", "—"]
    assert attacks.splitting_cells(report, report.attacks[1]) == []


def test_without_a_kept_round_no_change_is_claimed() -> None:
    report = without_rounds(make_report())
    (attack, *_) = report.attacks
    assert "→" not in attacks.splitting(report, attack)
    assert "No round" in attacks.splitting(report, attack)
    assert attacks.splitting_cells(report, attack)[:5] == ["0", "0", "—", "—", "—"]
