import pytest

from audit.render.sentences.positive_control import positive_control
from tests.report.factory import make_controlled, make_report
from tests.report.golden import assert_golden


def test_golden() -> None:
    reports = [
        make_report(),
        make_controlled(),
        make_controlled(source="change", confirmed=0, power=0.0),
        make_controlled(source="gradient", images=6, labels="random", note="interrupted"),
        make_controlled(images=6, controls=60),
    ]
    assert_golden("positive_control.txt", "".join(f"{positive_control(report)}\n" for report in reports))


@pytest.mark.parametrize("source", ["weights", "change", "gradient"])
def test_an_attack_that_finds_nothing_even_there_is_not_informative(source: str) -> None:
    assert "not informative" in positive_control(make_controlled(source=source, confirmed=0))
    assert "not informative" not in positive_control(make_controlled(source=source))


def test_controls_too_few_to_confirm_one_are_mentioned() -> None:
    few = positive_control(make_controlled(images=6, controls=60))
    assert "fewer than 3 cannot be confirmed" in few
    assert "cannot be confirmed" not in positive_control(make_controlled(images=6))
