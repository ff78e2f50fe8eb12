import pytest

from audit.render import text
from audit.render.sentences.sources import origins_of
from audit.render.sentences.verdict import NO_LIMIT_AT_POWER
from audit.report.measured import Diagnostics, DpBound
from audit.verdict.finding import Suppression
from tests.report.factory import make_controlled, make_observed, make_report, without_rounds


def test_chance_is_unknown_without_controls() -> None:
    assert text.chance(make_report()).startswith(
        "Chance alone would take about 1.0 of 6 members to SSIM >= 0.4"
    )
    assert "unknown" in text.chance(make_report(controls=0))
    assert text.interval(make_report(controls=0)) == "no interval without controls"


LITTLE = (
    "The training images themselves leave 51 % of this equation open: it describes little of these weights"
)


@pytest.mark.parametrize(
    ("left", "reached", "confirmed", "words"),
    [
        (None, None, 0, ""),
        (0.1, None, 0, ""),
        (None, 0.1, 0, "What the training images themselves would leave open was not measured."),
        (0.51, 0.2, 0, f"{LITTLE}, so its silence says little."),
        (0.51, 0.9, 3, f"{LITTLE}."),
        (0.49, 0.3, 0, "As far down as the training images themselves (49 % open)."),
        (0.49, 0.24, 0, "Further down than the training images themselves (49 % open): the equation is"),
        (0.1, 0.051, 3, "As far down"),
        (0.1, 0.049, 3, "Further down"),
        (0.0, 0.0, 3, "As far down as the training images themselves (0 % open)."),
        (0.1, 0.119, 0, "As far down"),
        (
            0.1,
            0.121,
            0,
            "The attack stopped with 12.1 % open, the training images themselves would leave 10 %: it",
        ),
        (0.001, 0.0109, 0, "As far down"),
        (
            0.001,
            0.0111,
            0,
            "The attack stopped with 1.11 % open, the training images themselves would leave 0.1 %",
        ),
    ],
)
def test_where_an_attack_stands(
    left: float | None, reached: float | None, confirmed: int, words: str
) -> None:
    report = make_report(confirmed=confirmed)
    stationarity = {"weight-delta": 0.9} | ({} if left is None else {"kkt-margin": left})
    diagnostics = report.diagnostics.model_copy(update={"stationarity": stationarity})
    report = report.model_copy(update={"diagnostics": diagnostics})
    attack = report.attacks[0].model_copy(update={"relative_loss": reached})
    assert text.truth(report, attack) == left
    said = text.standing(report, attack)
    assert said == words if words.endswith(".") else said.startswith(words)
    assert bool(said) == bool(words)


def test_a_single_training_image_is_spoken_of_as_one() -> None:
    report = make_report(confirmed=0)
    report = report.model_copy(
        update={
            "summary": report.summary.model_copy(update={"members": 1}),
            "diagnostics": report.diagnostics.model_copy(update={"stationarity": {"kkt-margin": 0.9}}),
        }
    )
    said = text.standing(report, report.attacks[0])
    assert said.startswith("The training image itself leaves 90 % of this equation open")


def test_the_truth_may_not_have_been_measured() -> None:
    report = make_report()
    unmeasured = report.model_copy(update={"diagnostics": Diagnostics()})
    ran, skipped = report.attacks
    assert text.truth(unmeasured, ran) is text.truth(unmeasured, skipped) is None
    assert "not measured" in text.standing(unmeasured, ran)
    assert text.standing(unmeasured, skipped) == ""
    assert text.truth(report, report.attacks[0]) == 0.00284
    assert text.truth(report, report.attacks[1]) is None


def test_what_cannot_be_said_names_what_was_not_tried() -> None:
    said = text.unsaid(make_report(confirmed=0))
    assert "These did not: weight-delta." in said[0]
    assert "budget of 1 min and took 1 min 2 s" in said[1]
    assert "(the initial weights, gradients seen" in said[1]
    assert "6 images in members.npz" in said[2]
    assert "0 confirmed of 6 does not mean that no more leak" in said[-1]
    assert "up to 39.4 %" in said[-1]
    assert "up to 1 leaking member could have gone unconfirmed" in said[-1]


def test_initial_weights_that_were_used_are_not_called_unknown() -> None:
    report = make_report()
    attacks = [attack.model_copy(update={"status": "ran", "source": "change"}) for attack in report.attacks]
    said = text.unsaid(report.model_copy(update={"attacks": attacks}))
    assert "(gradients seen" in said[1]


def test_what_was_observed_is_named() -> None:
    report = make_report()
    assert text.batch(report) == ""
    assert origins_of(report, report.samples) == "the weights"
    assert origins_of(report, []) == "the weights"
    observed = make_observed("update")
    assert text.batch(observed).startswith(
        "Besides the checkpoint, an update of one batch was observed. Members ar"
    )
    assert "6 were given" in text.batch(observed)
    assert text.batch(observed).endswith("is 7.")
    assert origins_of(observed, observed.samples) == "the weights and an observed update"
    assert origins_of(observed, observed.samples[1:]) == "an observed update"
    assert "(the initial weights, further gradients seen" in text.unsaid(observed)[1]


def test_an_observed_gradient_that_is_none_of_the_members_is_told() -> None:
    report = make_observed("gradient")
    attack = report.attacks[-1]
    diagnostics = report.diagnostics.model_copy(update={"stationarity": {attack.id: 0.97}})
    said = text.standing(report.model_copy(update={"diagnostics": diagnostics}), attack)
    assert "it describes little of what was observed" in said
    assert said.endswith("other samples, several steps, clipping or noise are likely.")


def test_the_precision_of_the_count() -> None:
    assert "nothing can be confirmed" in text.unsaid(make_report(controls=0))[-1]
    assert "unconfirmed" not in text.unsaid(make_report(controls=200))[-1]
    assert text.unsaid(make_report(confirmed=6))[-1].startswith("Every member was confirmed")


def test_splitting_says_whose_match_became_more_alike() -> None:
    kept, skipped = make_report().attacks
    report = make_report()
    assert (
        text.splitting(report, kept) == "From before to after, SSIM rose for 4 of 6 members and fell for 1."
    )
    assert text.splitting(make_report(), skipped) == ""


def test_cells_of_splitting_go_from_before_to_after() -> None:
    report = make_report()
    cells = ["3", "17", "0.042 → 0.0031", "1 → 4", "0 → 3", "2.1e-05", "-0.0031"]
    assert text.splitting_cells(report, report.attacks[0]) == cells
    uncalibrated = make_report(controls=0)
    assert text.splitting_cells(uncalibrated, uncalibrated.attacks[0])[3:5] == ["1 → 1", "—"]
    assert text.splitting_cells(report, report.attacks[1]) == []


def test_no_round_kept_is_said_in_words_and_claims_no_change() -> None:
    report = make_report()
    attack = without_rounds(report).attacks[0]
    assert text.splitting(report, attack).startswith("No round of splitting was kept")
    assert text.splitting_cells(report, attack)[:5] == ["0", "0", "—", "—", "—"]


def test_the_positive_control_in_words() -> None:
    assert text.positive_control(make_report()).startswith("Not run (--positive-control)")
    said = text.positive_control(make_controlled())
    assert said == (
        "2 of 3 images confirmed: a power of 66.7 % (95 % interval 9.4 % to 99.2 %). The twin: a network of the "
        "same shape, its first layer begun in their span, trained on them until it knew them by heart, with their "
        "own labels. They are controls of this audit; the other 197 were the twin's controls. There are fewer of "
        "them than members, which makes a twin easier to read. It took 59 s, 4.2 s of it for training."
    )
    other = text.positive_control(
        make_controlled(source="gradient", images=6, labels="random", note="broken off")
    )
    assert "with the gradient of a batch of them, with random labels." in other
    assert "fewer" not in other
    assert "could find nothing" not in other
    for kind, phrase in [
        ("weights", "learnt its samples by heart"),
        ("gradient", "in the gradient of samples that"),
    ]:
        blind = text.positive_control(make_controlled(source=kind, confirmed=0))
        assert "The attacks could find nothing even in " in blind
        assert phrase in blind
    few = text.positive_control(make_controlled(images=6, controls=60))
    assert "the other 60 were the twin's controls, with which fewer than 2 cannot be confirmed." in few
    assert other.endswith("for training. Broken off.")


def test_limits_in_words() -> None:
    assert text.limits(make_report(controls=0)) == ""
    alone = "at most 39.4 % of samples like these would be confirmed by these attacks"
    assert text.limits(make_report(confirmed=0)) == alone
    assert text.limits(make_controlled()) == f"{alone}; {NO_LIMIT_AT_POWER}"


def test_a_limit_is_rounded_up_and_vanishes_where_all_were_confirmed() -> None:
    report = make_controlled()
    summary = {"upper_limit": 0.07211, "upper_limit_at_power": 0.20301}
    told = report.model_copy(update={"summary": report.summary.model_copy(update=summary)})
    assert text.limits(told) == (
        "at most 7.22 % of samples like these would be confirmed by these attacks; at most 20.4 % may leak as the "
        "positive control's do"
    )
    nothing = report.model_copy(update={"summary": report.summary.model_copy(update={"upper_limit": 1.0})})
    assert text.limits(nothing) == ""


def test_the_time_of_the_positive_control_is_told_apart() -> None:
    assert any("59 s of it for the positive control" in line for line in text.unsaid(make_controlled()))


def test_private_training_is_told_as_a_statement() -> None:
    report = make_report()
    assert text.dp(report) == ""
    said = DpBound(sigma=1.1, q=0.01, steps=100, prior=1 / 6, bound=0.2)
    told = text.dp(
        report.model_copy(update={"diagnostics": report.diagnostics.model_copy(update={"dp": said})})
    )
    assert (
        "noise multiplier 1.1, sampling rate 0.01 and 100 steps, as was stated (--dp) and not checked" in told
    )
    assert (
        "among 6 equally likely images finds it with a probability of at most 20.0 %, instead of 16.7 %"
        in told
    )
    assert told.endswith("This does not enter the verdict.")


def test_of_many_findings_that_do_not_count_the_first_are_named() -> None:
    report = make_report()
    (finding,) = report.findings[:1]
    why = Suppression(kind="baseline", reason="confirmed in runs/a too")
    many = [finding.model_copy(update={"id": f"x/{i}", "suppression": why}) for i in range(13)]
    (told,) = text.suppressed(report.model_copy(update={"findings": [finding, *many]}))
    assert told.startswith("x/0, x/1, ")
    assert told.endswith(", x/9 and 3 more: Not new: confirmed in runs/a too.")
