"""The sentence that each measurement implies, and no more than that."""

import pytest

from audit.render import diagnostics as held
from audit.render.text import unsaid
from audit.report.measured import AttainableReport, ContributionReport, IdentifiabilityReport, Rank
from tests.report.factory import make_report

FIT = ContributionReport(attack="kkt-margin", source="weights", residual=0.1234, unknowns=40)


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (
            (0.95, 1.0),
            "The weights lean on members more than on controls: AUC 0.98 (95 % interval 0.95 to 1.00)",
        ),
        ((0.45, 1.0), "What the weights lean on does not tell members from controls: AUC 0.98"),
        ((0.1, 0.3), "The weights lean on controls more than on members: AUC 0.98"),
    ],
)
def test_what_the_interval_allows_to_say(interval: tuple[float, float], words: str) -> None:
    found = FIT.model_copy(update={"auc": 0.98, "auc_interval": interval, "controls": 500})
    assert held.contribution(found, 40).startswith(words)
    assert held.contribution(found, 40).endswith(
        "The training images leave 12.3 % of the equation of kkt-margin unexplained."
    )


def test_a_test_that_time_ended_clears_nobody() -> None:
    found = FIT.model_copy(update={"auc": 0.5, "auc_interval": (0.4, 0.6), "common_converged": False})
    assert held.contribution(found, 40).startswith(
        "The fit was ended before what the weights lean on told members from controls: AUC 0.50"
    )
    told = found.model_copy(update={"auc_interval": (0.51, 0.6)})
    assert held.contribution(told, 40).startswith("The weights lean on members more than on controls")


def test_another_equation_that_tells_members_apart_is_not_passed_over() -> None:
    first, other, unsure = (
        FIT.model_copy(update={"attack": name, "auc": 0.7, "auc_interval": interval})
        for name, interval in (
            ("kkt-loss", (0.46, 0.79)),
            ("kkt-margin", (0.57, 0.88)),
            ("gradient", (0.3, 0.6)),
        )
    )
    assert list(held.contributions([first, other, unsure], 40)) == [
        held.contribution(first, 40),
        "Of 3 equations tested, that of kkt-margin tells them apart: AUC 0.70 (95 % interval 0.57 to 0.88).",
    ]
    assert list(held.contributions([other, first], 40)) == [held.contribution(other, 40)]
    assert list(held.contributions([first, unsure], 40)) == [held.contribution(first, 40)]
    assert list(held.contributions([], 40)) == []


def test_true_positives_are_told_where_members_stand_out() -> None:
    tested = FIT.model_copy(update={"auc": 0.98, "auc_interval": (0.95, 1.0), "true_positives": 0.4})
    assert "1.00); 40 % of members are recognised at 1 % false positives. The" in held.contribution(
        tested, 40
    )
    blurred = tested.model_copy(update={"auc_interval": (0.4, 1.0)})
    assert "recognised" not in held.contribution(blurred, 40)


def test_a_change_leans_and_a_fit_that_time_ended_is_a_bound() -> None:
    update = {"auc": 0.98, "auc_interval": (0.95, 1.0), "source": "change", "converged": False}
    said = held.contribution(FIT.model_copy(update=update), 40)
    assert said.startswith("The change of the weights leans on members")
    assert "leave at most 12.4 %" in said  # an upper bound is rounded up
    assert held.contribution(FIT, 40).startswith("The training images leave 12.3 %")


@pytest.mark.parametrize(
    ("residual", "words"),
    [
        (1.0, "leaves 100 %"),
        (0.9999, "leaves over 99.9 %"),
        (0.99949, "leaves 99.9 %"),
        (1e-6, "leaves 0.0001 %"),
    ],
)
def test_a_single_image_leaves_all_or_nearly_all(residual: float, words: str) -> None:
    said = held.contribution(FIT.model_copy(update={"residual": residual}), 1)
    assert said == f"The training image {words} of the equation of kkt-margin unexplained."


@pytest.mark.parametrize(
    ("reachable", "of", "words"),
    [
        (0, 1, "For it, no"),
        (0, 3, "For all 3, no"),
        (2, 3, "For the other, no"),
        (1, 3, "For the other 2, no"),
    ],
)
def test_members_out_of_reach_are_counted(reachable: int, of: int, words: str) -> None:
    found = AttainableReport(
        attacks=["kkt-margin"], reachable=reachable, members=of, threshold=0.4, tolerance=0.05, complete=True
    )
    assert words in held.attainable(found)


def test_a_ceiling_is_no_proof() -> None:
    found = AttainableReport(
        attacks=["kkt-margin", "weight-delta"],
        reachable=12,
        members=500,
        threshold=0.4,
        tolerance=0.05,
        complete=True,
    )
    assert held.attainable(found) == (
        "Members above the threshold even in principle: 12 of 500 (SSIM >= 0.4, in the row space of kkt-margin and "
        "weight-delta). For the other 488, no image as similar as 0.35 was found there: the best image is searched "
        "for, and trusted within 0.05, not proven."
    )
    assert held.attainable(found.model_copy(update={"complete": False})).endswith(
        "Time ended the search: there may be more."
    )
    assert held.attainable(found.model_copy(update={"reachable": 500})).endswith("weight-delta).")


@pytest.mark.parametrize(
    ("of", "undetermined", "words"),
    [
        (
            "weights",
            10,
            "The weights leave 10 directions of the data's tensor undetermined (rank 10 of 20 needed",
        ),
        ("change", 1, "The change of the weights leaves 1 direction of the data's tensor"),
        (
            "weights",
            0,
            "The weights determine the data's tensor (rank 20 of 20 needed, condition 14, residual 0",
        ),
    ],
)
def test_what_equations_leave_open(of: str, undetermined: int, words: str) -> None:
    found = IdentifiabilityReport(
        source=of,
        rank_needed=20,
        rank=20 - undetermined,
        undetermined=undetermined,
        condition=14.0,
        residual=0.0,
        error=float("inf"),
    )
    assert held.identifiability(found).startswith(words)


@pytest.mark.parametrize(("of", "word"), [("weights", "them"), ("gradient", "it")])
def test_a_tensor_that_explains_nothing_is_not_called_determined(of: str, word: str) -> None:
    found = IdentifiabilityReport(
        source=of, rank_needed=4, rank=4, undetermined=0, condition=14.0, residual=0.97, error=0.1
    )
    assert held.identifiability(found).endswith(
        f"but no tensor explains {word}: the equations do not hold here."
    )


def test_a_spectrum_in_words() -> None:
    rank = Rank(
        source="weights", singular_values=[4.0, 2.0, 1.0], edge=3.0, kept=1, bulk_edge=1.5, effective_rank=2.6
    )
    assert held.spectrum(rank) == (
        "Singular values of the first layer: 1 stands out of noise (above 3); 2 lie beyond what noise such as an "
        "initialisation leaves by itself (up to 1.5); effective rank 2.6 of 3."
    )
    assert "beyond" not in held.spectrum(rank.model_copy(update={"bulk_edge": None}))


def test_a_layer_that_is_kept_whole_stands_out_of_rounding_only() -> None:
    rank = Rank(source="weights", singular_values=[4.0, 2.0, 1.0], edge=0.001, kept=3, bulk_edge=5.0)
    assert held.spectrum(rank).startswith(
        "Singular values of the first layer: 3 stand out of rounding (above 0.001); 0 lie beyond what noise"
    )


def test_a_caption_claims_no_more_than_the_plot_shows() -> None:
    rank = Rank(source="weights", singular_values=[4.0, 2.0, 1.0], edge=3.0, kept=1)
    assert "attacker's own estimate" in held.spectrum_caption(rank, 3)
    assert "Drawn" not in held.spectrum_caption(rank, 3)
    assert " Drawn are the largest 2 of 3. " in held.spectrum_caption(rank, 2)
    narrow = held.spectrum_caption(rank.model_copy(update={"kept": 3, "edge": 0.0}), 3)
    assert "attacker" not in narrow
    assert narrow.endswith("As all stand out, they do not tell how many samples it holds.")


def test_a_membership_test_that_was_made_is_not_called_missing() -> None:
    made, not_made = (" ".join(unsaid(make_report(controls=controls))) for controls in (60, 0))
    assert "the AUC of contributions shows a part" in made
    assert "at all: that was not measured" in not_made
