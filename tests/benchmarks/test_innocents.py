"""Networks that leak none of the members are rarely said to."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import innocents
from tests.benchmarks.innocents import SOURCES, audit_one, main, summary
from tests.benchmarks.run import RESULTS


def test_an_audit_of_strangers_and_of_what_was_memorised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(innocents, "attacked", lambda inputs, *_: [])
    found = audit_one("people", True, 3, 1.0)
    assert (found["members"], found["confirmed"], found["memorised_confirmed"]) == (4, 0, 0)
    assert found["null_confirmed"] is None


@pytest.mark.parametrize("source", SOURCES)
def test_samples_are_enough_and_differ_between_audits(source: str) -> None:
    form, values, _ = SOURCES[source](0)
    other = SOURCES[source](1)[1]
    assert len(values) == innocents.COUNT
    assert form.normalise(values).shape[0] == innocents.COUNT
    assert not (values == other).all()


def test_what_is_written_counts_all_audits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        "confirmed": 1,
        "identified": 2,
        "controls_confirmed": 0,
        "null_confirmed": None,
        "stands_out": True,
    }

    def audited(source: str, leaky: bool, seed: int, seconds: float) -> dict[str, object]:
        return {"source": source, "leaky": leaky, "memorised_confirmed": 3 if leaky else None} | (
            rows if seed == 4 else dict.fromkeys(rows, 0)
        )

    monkeypatch.setattr(innocents, "audit_one", audited)
    assert main(["--audits", "10", "--out", str(tmp_path / "found.json")]) == 0
    content = json.loads((tmp_path / "found.json").read_text())
    assert content["summary"]["audits"] == 10
    assert content["summary"]["confirmed_in"] == content["summary"]["confirmed_in_untrained"] == 1
    assert content["summary"]["memorised_confirmed"] == 3.0
    assert content["by_source"]["embeddings"]["stands_out_in"] == 1
    assert len(content["not_silent"]) == 1


def test_nothing_is_counted_of_nothing() -> None:
    assert summary([])["interval"] == [0.0, 1.0]


@pytest.mark.benchmark
def test_at_most_five_per_cent_of_innocent_audits_confirm_a_member(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())["summary"]
    assert found["confirmed_in"] <= 0.05 * found["audits"]
    assert found["memorised_confirmed"] > 3  # they do leak others


def test_the_committed_results_meet_the_goal() -> None:
    found = json.loads((RESULTS / "innocents.json").read_text())["summary"]
    assert found["audits"] == 200
    assert found["confirmed_in"] <= 10
    assert found["memorised_confirmed"] > 3
