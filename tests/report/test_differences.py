from typing import Any

import pytest

from audit.report.differences import differences
from audit.report.schema import Report
from tests.report.factory import make_observed, make_report


def changed(part: str, **changes: Any) -> Report:
    report = make_report()
    return report.model_copy(update={part: getattr(report, part).model_copy(update=changes)})


@pytest.mark.parametrize(
    ("after", "setting", "values"),
    [
        (changed("summary", threshold=0.3), "threshold", ("SSIM >= 0.4", "SSIM >= 0.3")),
        (changed("summary", fdr=0.1), "fdr", ("0.05", "0.1")),
        (
            make_report(policy="strict"),
            "policy",
            ("release, confirmed <= 0", "strict, confirmed <= 0, recovered <= 0"),
        ),
        (changed("provenance", budget_seconds=7.5), "budget", ("60 s", "7.5 s")),
        (changed("provenance", budget_seconds=None, rounds=2), "budget", ("60 s", "2 rounds")),
        (changed("provenance", seed=1), "seed", ("0", "1")),
        (changed("provenance", device="cuda"), "device", ("cpu", "cuda")),
        (changed("tool", version="9"), "version", ("0.1.0", "9")),
        (changed("model", activation="tanh"), "network", ("625-1000-1 relu", "625-1000-1 tanh")),
        (make_report(controls=50), "controls", ("60", "50")),
        (make_observed("update"), "observed", ("none", "update")),
        (make_observed("update"), "attacks", ("kkt-margin", "kkt-margin, gradient")),
    ],
)
def test_settings_that_differ(after: Report, setting: str, values: tuple[str, str]) -> None:
    found = {one.setting: (one.before, one.after) for one in differences(make_report(), after)}
    assert found[setting] == values


def test_a_report_and_itself_have_the_checkpoint_in_common() -> None:
    assert [one.kind for one in differences(make_report(), make_report())] == ["same-checkpoint"]
    other = changed("model", sha256="00" * 32)
    assert list(differences(make_report(), other)) == []


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (make_report(complete=False), "after-interrupted"),
        (make_report(controls=0), "after-uncalibrated"),
        (make_report(controls=0), "other-controls"),
    ],
)
def test_runs_that_cannot_be_compared_whole(after: Report, kind: str) -> None:
    assert kind in {one.kind for one in differences(make_report(), after)}
    back = kind.replace("after", "before")
    assert back in {one.kind for one in differences(after, make_report())}


def test_members_controls_and_equations_that_are_not_the_same() -> None:
    report = make_report()
    assert report.data.controls is not None
    (fit,) = report.diagnostics.contribution
    others = {"sha256": "00" * 32, "source": "others.npz"}
    members, controls = (
        changed("data", **{name: part.model_copy(update=others)})
        for name, part in (("members", report.data.members), ("controls", report.data.controls))
    )
    equation = changed("diagnostics", contribution=[fit.model_copy(update={"attack": "kkt-loss"})])
    found = {one.kind: (one.before, one.after) for after in (members, controls, equation)
             for one in differences(report, after)}  # fmt: skip
    assert found["other-members"] == ("members.npz", "others.npz")
    assert found["other-controls"] == (None, None)
    assert found["other-equation"] == ("kkt-margin", "kkt-loss")
