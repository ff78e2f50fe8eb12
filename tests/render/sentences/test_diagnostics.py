"""What each measurement implies, and no more than that."""

import pytest

from audit.render.sentences import diagnostics
from audit.report.measured import AttainableReport, ContributionReport, IdentifiabilityReport, Rank
from tests.report.golden import assert_golden

FIT = ContributionReport(attack="kkt-margin", source="weights", residual=0.1234, unknowns=40)
TESTED = FIT.model_copy(update={"auc": 0.98, "auc_interval": (0.95, 1.0), "controls": 500})
REACHED = AttainableReport(
    attacks=["kkt-margin", "weight-delta"],
    reachable=12,
    members=500,
    threshold=0.4,
    tolerance=0.05,
    complete=True,
)
TENSOR = IdentifiabilityReport(
    source="weights", rank_needed=20, rank=20, undetermined=0, condition=14.0, residual=0.0, error=0.1
)
RANK = Rank(
    source="weights", singular_values=[4.0, 2.0, 1.0], edge=3.0, kept=1, bulk_edge=1.5, effective_rank=2.6
)


def test_golden() -> None:
    """Every sentence of the section."""
    contributions = [
        FIT,
        TESTED,
        TESTED.model_copy(update={"true_positives": 0.4, "source": "change", "converged": False}),
        TESTED.model_copy(update={"auc_interval": (0.1, 0.3), "source": "gradient"}),
        TESTED.model_copy(update={"auc_interval": (0.45, 1.0)}),
        TESTED.model_copy(update={"auc_interval": (0.45, 1.0), "common_converged": False}),
    ]
    attainable = [
        REACHED,
        REACHED.model_copy(update={"complete": False}),
        REACHED.model_copy(update={"reachable": 500}),
        REACHED.model_copy(update={"reachable": 0, "members": 1}),
    ]
    tensors = [
        TENSOR,
        TENSOR.model_copy(update={"undetermined": 1, "rank": 19, "source": "change"}),
        TENSOR.model_copy(update={"residual": 0.97, "source": "gradient"}),
    ]
    lines = [
        *map(diagnostics.contribution, contributions),
        *map(diagnostics.attainable, attainable),
        *map(diagnostics.identifiability, tensors),
        *(diagnostics.spectrum_caption(RANK, drawn) for drawn in (3, 2)),
    ]
    assert_golden("diagnostics.txt", "".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize(
    ("interval", "begin"),
    [
        ((0.95, 1.0), "Members contribute more"),
        ((0.45, 1.0), "Contributions do not distinguish"),
        ((0.1, 0.3), "Held-out samples contribute more"),
    ],
)
def test_what_the_interval_allows_to_say(interval: tuple[float, float], begin: str) -> None:
    text = diagnostics.contribution(TESTED.model_copy(update={"auc_interval": interval}))
    assert text.startswith(begin)
    assert "AUC 0.98" in text
    assert text.endswith("12.3 %.")


def test_a_membership_test_that_time_ended_clears_nobody() -> None:
    unfinished = TESTED.model_copy(update={"auc_interval": (0.4, 0.6), "common_converged": False})
    assert "time limit" in diagnostics.contribution(unfinished)
    found = unfinished.model_copy(update={"auc_interval": (0.51, 0.6)})
    assert "time limit" not in diagnostics.contribution(found)


def test_another_equation_that_distinguishes_members_is_not_passed_over() -> None:
    first, other, unsure = (
        FIT.model_copy(update={"attack": name, "auc": 0.7, "auc_interval": interval})
        for name, interval in (
            ("kkt-loss", (0.46, 0.79)),
            ("kkt-margin", (0.57, 0.88)),
            ("gradient", (0.3, 0.6)),
        )
    )
    one, further = diagnostics.contributions([first, other, unsure])
    assert one == diagnostics.contribution(first)
    assert all(word in further for word in ("3 equations", "kkt-margin", "AUC 0.70", "0.57 to 0.88"))
    assert list(diagnostics.contributions([other, first])) == [diagnostics.contribution(other)]
    assert list(diagnostics.contributions([first, unsure])) == [diagnostics.contribution(first)]
    assert list(diagnostics.contributions([])) == []


def test_true_positives_are_given_where_members_stand_out() -> None:
    tested = TESTED.model_copy(update={"true_positives": 0.4})
    assert "40 % of members" in diagnostics.contribution(tested)
    blurred = tested.model_copy(update={"auc_interval": (0.4, 1.0)})
    assert "40 %" not in diagnostics.contribution(blurred)


@pytest.mark.parametrize(
    ("residual", "written"),
    [(1.0, "100 %"), (0.9999, "over 99.9 %"), (0.99949, "99.9 %"), (1e-6, "0.0001 %")],
)
def test_what_is_unexplained_is_rounded(residual: float, written: str) -> None:
    assert diagnostics.unexplained(FIT.model_copy(update={"residual": residual})) == written


def test_a_fit_that_time_ended_is_a_bound_and_rounded_up() -> None:
    assert diagnostics.unexplained(FIT.model_copy(update={"converged": False})) == "at most 12.4 %"


def test_an_attainable_ssim_is_no_proof() -> None:
    text = diagnostics.attainable(REACHED)
    assert all(word in text for word in ("12 of 500", "0.4", "0.35", "within 0.05", "no proof"))
    assert "there may be more" in diagnostics.attainable(REACHED.model_copy(update={"complete": False}))
    assert "no proof" not in diagnostics.attainable(REACHED.model_copy(update={"reachable": 500}))


def test_a_tensor_that_fits_nothing_is_not_called_determined() -> None:
    assert "do not hold" in diagnostics.identifiability(TENSOR.model_copy(update={"residual": 0.97}))
    assert "expected error 0.1" in diagnostics.identifiability(TENSOR)
    open_ = TENSOR.model_copy(update={"undetermined": 10, "rank": 10})
    assert "10 directions" in diagnostics.identifiability(open_)


def test_a_layer_that_is_kept_whole_is_above_rounding_only() -> None:
    whole = RANK.model_copy(update={"edge": 0.001, "kept": 3, "bulk_edge": 5.0})
    assert "3 above the threshold of rounding, 0.001; 0 above 5" in diagnostics.spectrum(whole)
    assert "by itself" not in diagnostics.spectrum(RANK.model_copy(update={"bulk_edge": None}))


def test_a_caption_claims_no_more_than_the_plot_shows() -> None:
    assert "attacker's own estimate" in diagnostics.spectrum_caption(RANK, 3)
    assert "largest 2 of 3" in diagnostics.spectrum_caption(RANK, 2)
    assert "Shown" not in diagnostics.spectrum_caption(RANK, 3)
    narrow = diagnostics.spectrum_caption(RANK.model_copy(update={"kept": 3, "edge": 0.0}), 3)
    assert "attacker" not in narrow
    assert "do not tell" in narrow
