"""What is said of a checkpoint that is not attacked."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from audit.attacks import BATTERY, Equation
from audit.budget import Budget
from audit.cli.inspection_table import lines
from audit.errors import ArchitectureError
from audit.pipeline.inspection import Inspection
from audit.pipeline.inspection import inspect as inspect_request
from audit.render.sentences import diagnostics
from audit.request.request import Request
from tests.planted import Clock
from tests.polynomials import gradient_sum, random_network
from tests.tiny import CONTROLS, MEMBERS, make


def write(path: Path, *shapes: tuple[int, int], biased: tuple[int, ...] = (), value: float = 1.0) -> Path:
    """Layers of the given shapes, numbered from 1, filled with one value."""
    tensors = {}
    for index, shape in enumerate(shapes, 1):
        tensors[f"fc{index}.weight"] = torch.full(shape, value)
        if index in biased:
            tensors[f"fc{index}.bias"] = torch.full(shape[:1], value)
    save_file(tensors, path)
    return path


def inspect(
    path: Path, initial: Path | None = None, activation: str | None = None, **more: str
) -> Inspection:
    request = Request.of(path, initial=initial, activation=activation, **more)
    return inspect_request(request, Budget(60.0, Clock()))


def sentences(found: Inspection) -> dict[str, str]:
    return {item.id: item.sentence for item in found.attacks}


@pytest.mark.parametrize(
    ("shapes", "biased", "activation", "words"),
    [
        ([(5, 8), (1, 5)], (), "relu", "8-5-1, relu, no biases, 45 parameters"),
        ([(5, 8), (1, 5)], (1, 2), "relu", "8-5-1, relu, biases everywhere, 51 parameters"),
        (
            [(5, 8), (4, 5), (3, 4)],
            (1, 3),
            "LeakyReLU:0.2",
            "8-5-4-3, leaky_relu:0.2, biases in layer 1, 3, 80 parameters",
        ),
        (
            [(500, 784), (10, 500)],
            (1,),
            "x^3",
            "784-500-10, polynomial:3, biases in layer 1, 397,500 parameters",
        ),
    ],
)
def test_the_network_in_words(
    tmp_path: Path, shapes: list[tuple[int, int]], biased: tuple[int, ...], activation: str, words: str
) -> None:
    found = inspect(write(tmp_path / "model.safetensors", *shapes, biased=biased), None, activation)
    assert found.network == words
    assert found.notes == []


def test_what_was_assumed_is_noted(tmp_path: Path) -> None:
    (note,) = inspect(write(tmp_path / "model.safetensors", (5, 8), (1, 5)), None, None).notes
    assert "ReLU assumed" in note


@pytest.mark.parametrize(
    ("activation", "biased", "caveat"),
    [
        ("relu", (), None),
        ("relu", (1,), None),
        ("relu", (2,), "applies, but biases after the first layer break homogeneity"),
        ("silu", (), "applies, but silu is not homogeneous"),
    ],
)
def test_how_far_the_theory_applies(
    tmp_path: Path, activation: str, biased: tuple[int, ...], caveat: str | None
) -> None:
    path = write(tmp_path / "model.safetensors", (5, 8), (1, 5), biased=biased)
    found = sentences(inspect(path, None, activation))
    assert list(found) == [attack.id for attack in BATTERY]
    assert found["kkt-margin"].startswith(caveat or "applies")
    assert (found["kkt-margin"] == "applies") == (caveat is None)
    assert found["kkt-loss"].startswith("applies, but its theory supposes weight decay")


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (None, "does not apply: needs the weights from before training"),
        (0.5, "applies"),
    ],
)
def test_where_training_began(tmp_path: Path, start: float | None, sentence: str) -> None:
    path = write(tmp_path / "model.safetensors", (5, 8), (1, 5))
    initial = None if start is None else write(tmp_path / "before.safetensors", (5, 8), (1, 5), value=start)
    assert sentences(inspect(path, initial, None))["weight-delta"].startswith(sentence)


def test_a_start_of_other_layers_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "model.safetensors", (5, 8), (1, 5))
    initial = write(tmp_path / "before.safetensors", (5, 9), (1, 5))
    with pytest.raises(ArchitectureError, match=r"fc1.weight is 5x9 in .*before.* is 5x8 in"):
        inspect(path, initial, None)


# --- what the weights hold --------------------------------------------------------------------------------


def test_nothing_is_said_of_members_that_were_not_given(tmp_path: Path) -> None:
    found = inspect(make(tmp_path / "tiny").checkpoint)
    (spectrum,) = found.spectra
    assert (spectrum.source, spectrum.kept) == ("weights", MEMBERS - 1)
    assert spectrum.bulk_edge is not None
    assert 0 < spectrum.bulk_edge < spectrum.edge
    assert spectrum.effective_rank is not None
    assert 1 < spectrum.effective_rank < MEMBERS
    assert (found.contribution, found.attainable, found.samples, found.stationarity) == ([], None, [], None)
    assert found.model.input_shape == [144]


def test_what_is_known_of_members(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny")
    images = {"data": str(tiny.members), "controls": str(tiny.controls), "mean": str(tiny.mean)}
    found = inspect(tiny.checkpoint, **images)
    assert [item.attack for item in found.contribution] == ["kkt-margin", "kkt-loss"]
    first = found.contribution[0]
    assert (first.source, first.unknowns, first.rank) == ("weights", MEMBERS, MEMBERS)
    assert first.auc == 1.0
    assert (len(first.common_members), len(first.common_controls)) == (MEMBERS, CONTROLS)
    assert min(first.common_members) > max(first.common_controls)
    assert first.true_positives == 1.0
    assert found.stationarity == {item.attack: pytest.approx(item.residual) for item in found.contribution}
    assert found.attainable is not None
    assert (found.attainable.reachable, found.attainable.members) == (MEMBERS, MEMBERS)
    assert found.attainable.complete
    known = sorted(found.samples, key=lambda sample: sample.contribution_rank or 0)
    assert [sample.contribution for sample in known] == sorted(
        (sample.contribution for sample in found.samples), key=lambda value: -(value or 0.0)
    )


def test_an_untrained_network_leans_on_nobody(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny", trained=False)
    images = np.load(tiny.controls)["images"]
    np.savez(tiny.members, images=images[:50])
    np.savez(tiny.controls, images=images[50:])
    found = inspect(tiny.checkpoint, data=str(tiny.members), controls=str(tiny.controls), mean=str(tiny.mean))
    for item in found.contribution:
        assert item.auc is not None
        assert 0.35 < item.auc < 0.65  # 50 against 50: a standard error of .06
        assert item.residual > 0.9


def test_labels_of_members_are_used_and_others_predicted(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny")
    given = {"controls": str(tiny.controls), "mean": str(tiny.mean)}
    right = inspect(tiny.checkpoint, data=str(tiny.members), **given)
    arrays = dict(np.load(tiny.members))
    np.savez(tiny.members, images=arrays["images"])
    unknown = inspect(tiny.checkpoint, data=str(tiny.members), **given)
    np.savez(tiny.members, images=arrays["images"], labels=1 - arrays["labels"])
    wrong = inspect(tiny.checkpoint, data=str(tiny.members), **given)
    assert unknown.stationarity == right.stationarity
    assert right.stationarity is not None
    assert wrong.stationarity is not None
    assert wrong.stationarity["kkt-margin"] > 0.5 > right.stationarity["kkt-margin"]
    assert wrong.contribution[0].attack == "kkt-loss"


def test_what_cannot_be_tested_is_said(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny")
    images = np.load(tiny.members)["images"]
    np.savez(tiny.members, images=images[[0, 1, 2, 3, 3]])
    np.savez(tiny.controls, images=np.load(tiny.controls)["images"][:5])
    found = inspect(tiny.checkpoint, data=str(tiny.members), controls=str(tiny.controls), mean=str(tiny.mean))
    notes = " ".join(found.contribution[0].notes)
    assert found.contribution[0].auc is None
    assert "exact copies among the members: 1; each sample counts once" in found.notes
    assert "membership is not tested with fewer than 10 different controls (5 given)" in notes


def test_without_time_little_is_measured_and_that_is_said(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny")
    request = Request.of(tiny.checkpoint, data=tiny.members, controls=tiny.controls, mean=str(tiny.mean))
    found = inspect_request(request, Budget(0.0, Clock()))
    assert found.contribution == []
    assert (
        "no time was left to measure contributions in the equation of kkt-margin and kkt-loss" in found.notes
    )
    assert found.attainable is not None
    assert not found.attainable.complete


def test_what_a_change_tells_does_not_wait_for_the_weights_alone(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny")
    before = write(tmp_path / "before.safetensors", (100, 144), (1, 100), biased=(1,), value=0.1)
    request = Request.of(tiny.checkpoint, data=tiny.members, initial=before, mean=str(tiny.mean))
    found = inspect_request(request, Budget(0.0, Clock()))
    missing = (
        "no time was left to measure contributions in the equation of weight-delta, kkt-margin and kkt-loss"
    )
    assert missing in found.notes


def test_attacks_that_solve_one_equation_are_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = make(tmp_path / "tiny")
    before = write(tmp_path / "before.safetensors", (100, 144), (1, 100), biased=(1,), value=0.0)
    found = inspect(tiny.checkpoint, before, data=str(tiny.members), mean=str(tiny.mean))
    assert {item.attack: item.source for item in found.contribution} == {
        "kkt-margin": "weights",
        "kkt-loss": "weights",
        "weight-delta": "change",
    }
    assert len(found.spectra) == 1  # the change from zero is the weights
    monkeypatch.setattr(Equation, "equals", lambda *_: True)
    assert (
        len(inspect(tiny.checkpoint, before, data=str(tiny.members), mean=str(tiny.mean)).contribution) == 1
    )


def polynomial(folder: Path, units: int) -> Request:
    """A network x^3 of four inputs, and the gradient of four samples there."""
    net = random_network(4, units)
    rows = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    slopes = gradient_sum(net, rows, torch.ones(4, 1, dtype=torch.float64))
    paths = [folder / "model.safetensors", folder / "gradient.safetensors"]
    for path, holder in zip(paths, (net, slopes), strict=True):
        names = ("fc1.weight", "fc2.weight")
        save_file({name: value.contiguous() for name, value in zip(names, holder.weights, strict=True)}, path)
    return Request.of(paths[0], gradient=paths[1], activation="polynomial:3")


@pytest.mark.parametrize(("units", "rank"), [(4, 16), (40, 20)])
def test_what_a_polynomial_network_determines(tmp_path: Path, units: int, rank: int) -> None:
    """A tensor of order 3 in 4 variables has 20 entries; a neuron gives 5 equations, one of which follows."""
    request = polynomial(tmp_path, units)
    found = inspect_request(request, Budget(60.0, Clock())).identifiability
    assert found is not None
    assert found.keys() == {"polynomial", "polynomial-gradient"}
    gradient = found["polynomial-gradient"]
    assert gradient.source == "gradient"
    assert (gradient.rank_needed, gradient.rank, gradient.undetermined) == (20, rank, 20 - rank)
    assert gradient.residual == pytest.approx(0.0, abs=1e-6)
    assert ("undetermined" in diagnostics.identifiability(gradient)) == (rank < 20)


def printed(found: Inspection, monkeypatch: pytest.MonkeyPatch, columns: int = 80) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    return "\n".join(lines(found))


@pytest.mark.parametrize("columns", [54, 60, 80, 140])
def test_the_table_says_what_its_columns_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    tiny = make(tmp_path / "tiny")
    found = inspect(tiny.checkpoint, data=str(tiny.members), controls=str(tiny.controls), mean=str(tiny.mean))
    text = printed(found, monkeypatch, columns)
    heading = next(line for line in text.splitlines() if "unexplained  lambdas" in line)
    for column in heading.split()[1:]:
        assert column in text.partition(heading)[2]
    assert max(map(len, text.splitlines())) <= columns
    assert "Members, largest contribution first" in text
    table = text.partition(heading)[2].partition("unexplained:")[0]
    row = next(line for line in table.splitlines() if line)
    assert f"{row.split()[1]} %" in " ".join(text.partition(heading)[0].split())
    assert "…" not in table
    assert "pass --controls" not in text


def test_one_member_is_no_list_of_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = make(tmp_path / "tiny")
    arrays = np.load(tiny.members)
    np.savez(tiny.members, images=arrays["images"][:1], labels=arrays["labels"][:1])
    text = printed(inspect(tiny.checkpoint, data=str(tiny.members), mean=str(tiny.mean)), monkeypatch)
    assert "\nThe member\n" in text
    assert "Members, " not in text
    assert "--controls" not in text  # one member is not enough for that test


def test_without_controls_it_says_how_to_test_membership(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = make(tmp_path / "tiny")
    images = np.concatenate([np.load(tiny.members)["images"], np.load(tiny.controls)["images"][:8]])
    np.savez(tiny.members, images=images)
    text = printed(inspect(tiny.checkpoint, data=str(tiny.members), mean=str(tiny.mean)), monkeypatch)
    assert "note: no controls: pass --controls to learn whether" in text
    assert "Members, the 10 of largest contribution of 12" in text


def test_what_is_not_solved_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.equation.identifiability.MOST_UNKNOWNS", 10)
    found = inspect_request(polynomial(tmp_path, 40), Budget(60.0, Clock()))
    assert found.identifiability is None
    said = "the data's tensor has 20 entries"
    assert [attack.id for attack in found.attacks if said in (attack.reason or "")] == [
        "polynomial",
        "polynomial-gradient",
    ]
    assert not any(said in note for note in found.notes)
