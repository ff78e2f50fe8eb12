import re
from xml.etree import ElementTree

import numpy as np
import pytest

from audit.render import plots
from audit.render.sentences import alt_text
from audit.report.measured import Rank
from audit.report.outcomes import AttackReport
from tests.report.factory import make_report


def texts(svg: str) -> list[str]:
    return [
        "".join(node.itertext()).strip()
        for node in ElementTree.fromstring(svg).iter()
        if node.tag.endswith("text")
    ]


def histogram(threshold: float | None = 0.4) -> str:
    return plots.similarity_histogram([0.5, 0.6, 0.9], [0.2, 0.3], "SSIM & <more>", threshold)


def test_histogram_names_both_groups_and_the_threshold() -> None:
    assert {"members (3)", "controls (2)", "threshold 0.4", "SSIM & <more>"} <= set(texts(histogram()))
    assert not any("threshold" in text for text in texts(histogram(threshold=None)))


def test_histogram_without_controls() -> None:
    shown = texts(plots.similarity_histogram([0.5], [], "SSIM"))
    assert "members (1)" in shown
    assert not any("controls" in text for text in shown)


def test_histogram_of_equal_values() -> None:
    assert "members (2)" in texts(plots.similarity_histogram([0.0, 0.0], [0.0], "SSIM"))


def test_loss_curves_name_the_attacks_that_have_one() -> None:
    report = make_report()
    shown = texts(plots.loss_curves(report.attacks))
    assert "kkt-margin" in shown
    assert "weight-delta" not in shown
    assert plots.loss_curves(report.attacks[1:]) == ""
    at_once = report.attacks[0].model_copy(update={"history": [(4096, 1e-8)]})
    assert plots.loss_curves([at_once]) == ""


def test_an_attack_name_is_not_read_as_mathematics() -> None:
    attack = AttackReport(
        id="$x^2$ <b>",
        title="",
        reference="",
        source="weights",
        status="ran",
        reason="",
        history=[(0, 1.0), (9, 0.0), (10, 0.1)],
    )
    assert "$x^2$ <b>" in texts(plots.loss_curves([attack]))


def test_spectrum_shows_the_edge_and_leaves_out_the_far_tail() -> None:
    svg = plots.spectrum(Rank(source="weights", singular_values=[9.0, 8.0, *[0.5] * 600], edge=1.5, kept=2))
    assert "edge 1.5" in texts(svg)
    assert svg.count("<use") < 100
    assert "2 above the edge" in svg


def test_labels_of_the_spectrum_are_above_every_point() -> None:
    rank = Rank(
        source="weights", singular_values=[4.0, *[3.0] * 20, 2.9, 2.0], edge=4.1, kept=0, bulk_edge=4.05
    )
    svg = plots.spectrum(rank)
    highest = min(float(y) for y in re.findall(r'<use [^>]*y="([\d.]+)"[^>]*fill: var\(--faint\)', svg))
    baselines = [float(y) for y in re.findall(r'<text [^>]* y="([\d.]+)"[^>]*>(?:edge|noise)', svg)]
    assert len(baselines) == 2
    assert max(baselines) < highest
    assert not any("10^" in text for text in texts(svg))


def dots(svg: str) -> list[tuple[float, float]]:
    """Places of the members, in units of the picture: x to the right, y down."""
    found = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*fill: var\(--member\)', svg)
    return [(float(x), float(y)) for x, y in found]


def test_scatter_has_before_across_and_after_upwards() -> None:
    svg = plots.splitting_scatter([0.1, 0.3], [0.9, 0.2], 0.4)
    (left, high), (right, low) = dots(svg)
    assert 0 < right - left < low - high
    assert {"SSIM before", "SSIM after", "threshold 0.4"} <= set(texts(svg))


@pytest.mark.parametrize("members", [1, 10_000])
def test_scatter_of_few_and_of_many_members(members: int) -> None:
    values = np.random.default_rng(0).uniform(-0.1, 1.0, (2, members))
    svg = plots.splitting_scatter(values[0].tolist(), values[1].tolist(), 0.4)
    assert min(members, 5_000) <= len(dots(svg)) <= members
    assert len(svg) < 1_000_000


def test_no_scatter_without_members() -> None:
    assert plots.splitting_scatter([], [], 0.4) == ""


@pytest.mark.parametrize(
    "svg",
    [
        histogram(),
        plots.loss_curves(make_report().attacks),
        plots.spectrum(Rank(source="weights", singular_values=[1.0], edge=2.0, kept=0)),
        plots.splitting_scatter([0.1, 0.2], [0.3, 0.1], 0.4, "<a> & b"),
    ],
)
def test_every_plot_fits_into_any_page(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root[0].tag.endswith("title")
    assert root[0].text
    assert root[1].tag.endswith("desc")
    assert re.search(r"\d", root[1].text or "")
    assert not re.search(r"#01020\d|font-family|<style|<metadata|<g id=", svg)
    assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg)) <= {
        "none", "currentColor", "var(--member)", "var(--control)", "var(--faint)",
    }  # fmt: skip


def test_plots_in_one_page_share_no_ids() -> None:
    one = plots.similarity_histogram([0.5], [0.1], "SSIM")
    other = plots.similarity_histogram([0.5], [0.1], "margin")
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_plots_do_not_vary_between_runs() -> None:
    assert histogram() == histogram()


def test_contributions_of_both_groups_on_one_scale() -> None:
    svg = plots.contribution_histogram([0.5, 0.1, 0.0], [0.001, 0.0])
    assert {"members (3)", "controls (2)", "contribution", "0.1"} <= set(texts(svg))
    assert "<title>Histogram of contribution, members against controls</title>" in svg
    assert "members (1)" in texts(plots.contribution_histogram([0.0], [0.0]))


def test_a_spectrum_shows_what_noise_leaves_by_itself() -> None:
    rank = Rank(source="weights", singular_values=[4.0, 2.0, 1.0], edge=3.0, kept=1, bulk_edge=1.5)
    assert {"edge 3", "noise by itself 1.5"} <= set(texts(plots.spectrum(rank)))
    assert "noise" not in " ".join(texts(plots.spectrum(rank.model_copy(update={"bulk_edge": None}))))


def test_every_plot_is_described_in_numbers() -> None:
    description = histogram().partition("<desc>")[2].partition("</desc>")[0]
    assert description == alt_text.groups([0.5, 0.6, 0.9], [0.2, 0.3], 0.4)
