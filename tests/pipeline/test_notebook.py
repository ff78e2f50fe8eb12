"""Audits of what is in memory: the same result as from files, and no trace of the files in between."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import audit
from audit.pipeline import notebook
from tests.tiny import HIDDEN, SIDE, Tiny, attack_once, draw_once, fix_steps, make

BUDGET = 1e6


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attacks take a fixed number of steps, and run once for all tests."""
    fix_steps(monkeypatch)
    attack_once(monkeypatch)
    draw_once(monkeypatch)


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make(tmp_path / "tiny")


def module(tiny: Tiny) -> nn.Module:
    model = nn.Sequential(nn.Linear(SIDE * SIDE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1, bias=False))
    names = {"fc1.weight": "0.weight", "fc1.bias": "0.bias", "fc2.weight": "2.weight"}
    model.load_state_dict({names[name]: value for name, value in load_file(tiny.checkpoint).items()})
    return model


def arrays(tiny: Tiny) -> tuple[Any, Any, Any, Any]:
    members = np.load(tiny.members)
    return members["images"], members["labels"], np.load(tiny.controls)["images"], np.load(tiny.mean)


def numbers(result: notebook.Result) -> list[Any]:
    report = result.report
    return [report.verdict, report.summary, [sample.p_value for sample in report.samples]]


def test_all_forms_of_a_model_and_its_data_give_the_same_result(tiny: Tiny) -> None:
    images, labels, controls, mean = arrays(tiny)
    files = audit.audit(
        str(tiny.checkpoint), str(tiny.members), tiny.controls, mean=tiny.mean, budget=BUDGET, seed=0
    )
    assert files.verdict == "FAIL"
    assert files.report.summary.confirmed > 0
    state = audit.audit(
        load_file(tiny.checkpoint),
        (images, labels),
        controls,
        mean=mean,
        budget=str(BUDGET),
        activation="relu",
    )
    tensors = (torch.from_numpy(images)[:, None], torch.from_numpy(labels))
    whole = audit.audit(
        module(tiny),
        tensors,
        torch.from_numpy(controls)[:, None],
        mean=torch.from_numpy(mean),
        budget=BUDGET,
        input_shape=f"1,{SIDE},{SIDE}",
    )
    assert numbers(state) == numbers(files)
    assert numbers(whole) == numbers(files)
    assert whole.report.model.activation == "relu"
    assert whole.report.provenance.notes == []


def test_a_report_shows_no_temporary_path(tiny: Tiny, tmp_path: Path) -> None:
    images, labels, controls, mean = arrays(tiny)
    result = audit.audit(module(tiny), (images, labels), controls, mean=mean, budget=BUDGET)
    assert result.report.model.checkpoint == "in-memory-model.pt"
    assert result.report.data.members.source == "in-memory-members.npz"
    paths = result.save(tmp_path / "run", ["html", "json"])
    assert [path.name for path in paths] == ["report.html", "report.json"]
    for path in paths:
        assert "/tmp" not in path.read_text().replace(str(tmp_path), "")


def test_a_result_shows_itself(tiny: Tiny) -> None:
    images, labels, controls, mean = arrays(tiny)
    result = audit.audit(module(tiny), (images, labels), controls, mean=mean, budget=BUDGET)
    assert repr(result).startswith("FAIL: ")
    shown = result._repr_html_()
    assert shown.startswith('<iframe srcdoc="')
    assert "&lt;html" in shown
    assert "<html" not in shown
    assert result.reconstructions.keys() == {"kkt-margin", "kkt-loss"}


def test_rows_of_a_table_are_features(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def stop(request: audit.Request, **_: object) -> None:
        seen.append(dict(np.load(str(request.samples.data))))
        raise audit.AuditError("stopped", "nothing")

    monkeypatch.setattr(notebook, "run", stop)
    rows = np.arange(6.0).reshape(2, 3)
    with pytest.raises(audit.AuditError, match="stopped"):
        audit.audit({"a": torch.zeros(1)}, (rows, [0, 1]), mean=0, std=1)
    (found,) = seen
    assert found.keys() == {"features", "labels"}
    np.testing.assert_array_equal(found["features"], rows)


def test_an_error_names_what_was_given_and_no_temporary_path(tiny: Tiny) -> None:
    images, _, controls, mean = arrays(tiny)
    with pytest.raises(audit.AuditError) as caught:
        audit.audit(module(tiny), images[:0], controls, mean=mean)
    assert "in-memory-members.npz" in str(caught.value)
    assert "/" not in str(caught.value).split("in-memory")[0]


@pytest.mark.parametrize(
    ("model", "members"),
    [
        ([1, 2], np.zeros((2, 3, 3))),
        ({"a": torch.zeros(1)}, [[1.0, 2.0]]),
        ({"a": torch.zeros(1)}, (np.zeros((2, 3, 3)), [0, 1], [0, 1])),
        ({"a": torch.zeros(1)}, ()),
    ],
)
def test_what_is_no_model_or_data_is_refused(model: Any, members: Any) -> None:
    with pytest.raises(TypeError):
        audit.audit(model, members)


def test_an_unknown_option_is_refused(tiny: Tiny) -> None:
    with pytest.raises(TypeError, match="polcy"):
        audit.audit(tiny.checkpoint, str(tiny.members), polcy="strict")


@pytest.mark.parametrize(
    ("name", "value"), [("out", "run"), ("format", "html"), ("evidence", "here"), ("quiet", True)]
)
def test_an_option_of_what_is_written_is_refused_instead_of_ignored(
    tiny: Tiny, name: str, value: Any
) -> None:
    with pytest.raises(TypeError, match=f"{name}.*save"):
        audit.audit(tiny.checkpoint, str(tiny.members), **{name: value})


def test_a_stated_activation_is_not_read_off_the_module(tiny: Tiny) -> None:
    images, labels, controls, mean = arrays(tiny)
    model = module(tiny)
    model[1] = nn.PReLU()
    del model[1].weight
    result = audit.audit(model, (images, labels), controls, mean=mean, budget=BUDGET, activation="relu")
    assert result.report.model.activation == "relu"


@pytest.mark.parametrize("first", [nn.LazyLinear(3), nn.Linear(4, 3, device="meta")])
def test_weights_without_values_are_refused(tiny: Tiny, first: nn.Module) -> None:
    with pytest.raises(audit.AuditError, match=r"0\.weight has no values yet"):
        audit.audit(nn.Sequential(first, nn.ReLU(), nn.Linear(3, 1)), str(tiny.members))


@pytest.mark.parametrize("name", audit.__all__)
def test_everything_public_is_there(name: str) -> None:
    assert getattr(audit, name) is not None
    assert name in dir(audit)


def test_nothing_else_is_there() -> None:
    with pytest.raises(AttributeError, match="unknown"):
        _ = audit.unknown
