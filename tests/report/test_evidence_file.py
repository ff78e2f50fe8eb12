import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save

from audit.render import html
from audit.report.evidence_file import from_bytes, to_bytes
from tests.report.factory import as_table, make_evidence, make_report, make_rows, make_trajectories
from tests.tiny import draw_once


@pytest.mark.parametrize("controls", [0, 60])
def test_what_is_read_gives_the_same_page(controls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_once(monkeypatch)
    report = make_report(controls=controls)
    pictures = make_evidence(report), make_trajectories(report)
    evidence, trajectories = from_bytes(to_bytes(report, *pictures), report)
    assert [item.sample for item in evidence] == [item.sample for item in pictures[0]]
    assert (evidence[0].control is None) == (controls == 0)
    assert html.render(report, evidence, trajectories) == html.render(report, *pictures)


def test_rows_that_are_read_give_the_same_page(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_once(monkeypatch)
    report = as_table(make_report())
    rows = make_rows(report)
    evidence, _ = from_bytes(to_bytes(report, rows, []), report)
    assert evidence[0].member.tolist() == rows[0].member.tolist()
    assert html.render(report, evidence) == html.render(report, rows)


def test_pictures_of_another_run_are_left_out() -> None:
    report = make_report()
    content = to_bytes(report, make_evidence(report), make_trajectories(report))
    later = report.provenance.model_copy(update={"started": "2026-01-02T03:04:06Z"})
    assert from_bytes(content, report.model_copy(update={"provenance": later})) == ([], [])


@pytest.mark.parametrize(
    "content",
    [
        b"nothing",
        save({"kkt-margin": np.zeros(3)}),
        save({"structure": np.frombuffer(b"[1]", np.uint8)}),
        save({"structure": np.frombuffer(b"[", np.uint8)}),
    ],
)
def test_what_is_no_pictures(content: bytes) -> None:
    with pytest.raises((SafetensorError, KeyError, TypeError, ValueError)):
        from_bytes(content, make_report())
