from audit.render.sentences import alt_text
from audit.report.measured import Rank
from tests.report.factory import make_report
from tests.report.golden import assert_golden

RANK = Rank(source="weights", singular_values=[4.0, 2.0, 1.0], edge=1.8, kept=2, bulk_edge=1.5)


def test_golden() -> None:
    """Every plot, described in numbers."""
    lines = [
        alt_text.groups([0.5, 0.6, 0.9], [0.2, 0.3], 0.4),
        alt_text.groups([0.5, 0.1], [0.0]),
        alt_text.curves(make_report().attacks[:1]),
        alt_text.spectrum(RANK),
        alt_text.spectrum(RANK.model_copy(update={"kept": 0, "bulk_edge": None})),
        alt_text.scatter([0.1, 0.3], [0.9, 0.2], 0.4, "SSIM"),
    ]
    assert_golden("alt_text.txt", "".join(f"{line}\n" for line in lines))


def test_numbers_of_a_description() -> None:
    text = alt_text.groups([0.5, 0.6, 0.9], [0.2, 0.3], 0.4)
    assert all(word in text for word in ("3 members", "0.6", "0.9; 3", "2 controls", "0.25", "0.3; 0"))
    text = alt_text.scatter([0.1, 0.3], [0.9, 0.2], 0.4, "SSIM")
    assert all(word in text for word in ("rose for 1", "0.2 before", "0.55 after", "1 after."))
