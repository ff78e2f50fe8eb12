from typing import get_args

import pytest

from audit.render.sentences.comparison import difference, figure_name, headline
from audit.report.comparison import Comparison, compare
from audit.report.differences import Difference, DifferenceKind, Setting
from audit.report.figures import Figure, FigureId
from tests.report.factory import make_report
from tests.report.golden import assert_golden


def found(**changes: int) -> Comparison:
    return compare(make_report(**changes), make_report(**changes | {"confirmed": 0}, policy="strict"))


def test_golden() -> None:
    """Every kind of difference, and the name of every figure."""
    kinds = [kind for kind in get_args(DifferenceKind) if kind != "setting"]
    lines = [difference(Difference(kind=kind, before="one", after="two")) for kind in kinds]
    lines += [
        difference(Difference(kind="setting", setting=name, before="1", after="2"))
        for name in get_args(Setting)
    ]
    figures = [
        Figure(id=name, attack="kkt-margin", unit="number", before=1, after=2) for name in get_args(FigureId)
    ]
    lines += [figure_name(figure, "SSIM") for figure in figures]
    assert_golden("comparison.txt", "".join(f"{line}\n" for line in lines))


def test_the_headline_counts_and_names() -> None:
    verdict, confirmed, recovered = headline(found())
    assert verdict == "Verdict: FAIL in both runs."
    assert confirmed.endswith("Only before (3): face-0, face-1, face-2.")
    assert "4 of 6 before, 1 after" in recovered
    back = headline(compare(make_report(controls=0), make_report()))
    assert "INCONCLUSIVE before, FAIL after" in back[0]
    assert "Only after (3)" in back[1]


@pytest.mark.parametrize("count", [10, 13])
def test_a_long_list_is_cut(count: int) -> None:
    many = found()
    assert many.confirmed is not None
    lost = many.confirmed.model_copy(update={"lost": [f"m{i}" for i in range(count)]})
    line = headline(many.model_copy(update={"confirmed": lost}))[1]
    assert line.endswith("m9 and 3 more." if count == 13 else "m8, m9.")
