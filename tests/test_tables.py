"""An audit of a network whose inputs are rows of a table, from its CSV files to its verdict."""

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from audit.cli import app
from audit.errors import AuditError
from audit.pipeline.demo import train
from audit.pipeline.run import run
from audit.render.json import render, schema
from audit.request.check import check
from audit.request.request import Request
from tests.planted import Clock
from tests.tiny import attack_once, draw_once, fix_steps

MEMBERS, CONTROLS, COLUMNS, HIDDEN = 4, 120, 36, 100
NAMES = [f"feature-{place}" for place in range(COLUMNS)]


@dataclass(frozen=True)
class Table:
    """Files of an audit."""

    checkpoint: Path
    members: Path
    controls: Path
    mean: Path
    std: Path

    @property
    def request(self) -> Request:
        normalisation = {"mean": str(self.mean), "std": str(self.std)}
        return Request.of(
            self.checkpoint, data=self.members, controls=self.controls, budget=1e6, **normalisation
        )

    @property
    def arguments(self) -> list[str]:
        files = ["--data", self.members, "--controls", self.controls, "--mean", self.mean, "--std", self.std]
        return [str(self.checkpoint), *map(str, files)]


@cache
def people() -> NDArray[np.float64]:
    """Columns of different units that go together: plain numbers, skewed ones, and yes or no."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(4, COLUMNS))
    rows = random.normal(size=(MEMBERS + CONTROLS, 4)) @ mixing
    rows += 3 * random.normal(size=rows.shape)
    third = COLUMNS // 3
    rows[:, :third] = 40 + 10 * rows[:, :third]
    rows[:, third : 2 * third] = 1000 * np.exp(rows[:, third : 2 * third] / 8)
    rows[:, 2 * third :] = rows[:, 2 * third :] > 0
    return rows.round(3)


def units() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation as a publisher would state them."""
    controls = people()[MEMBERS:]
    return controls.mean(0), controls.std(0)


@cache
def weights() -> dict[str, torch.Tensor]:
    mean, std = units()
    inputs = torch.from_numpy((people()[:MEMBERS] - mean) / std).float()
    return train(inputs, torch.arange(MEMBERS) % 2, hidden=HIDDEN, margin=100.0)


def untrained() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(HIDDEN, COLUMNS, generator=generator) / COLUMNS**0.5
    last = torch.randn(1, HIDDEN, generator=generator) / HIDDEN**0.5
    return {"fc1.weight": first, "fc1.bias": torch.zeros(HIDDEN), "fc2.weight": last}


def write(path: Path, rows: NDArray[np.float64], names: list[str] = NAMES, labelled: bool = True) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "label"] if labelled else names)
        for place, row in enumerate(rows.tolist()):
            writer.writerow([*row, place % 2] if labelled else row)
    return path


def make(folder: Path, tensors: dict[str, torch.Tensor]) -> Table:
    save_file(tensors, folder / "model.safetensors", metadata={"activation": "relu"})
    members, controls = people()[:MEMBERS], people()[MEMBERS:]
    table = Table(
        folder / "model.safetensors",
        write(folder / "members.csv", members),
        write(folder / "controls.csv", controls),
        folder / "mean.npy",
        folder / "std.npy",
    )
    for path, values in zip((table.mean, table.std), units(), strict=True):
        np.save(path, values)
    return table


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return make(tmp_path, weights())


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attacks take a fixed number of steps, and are computed by the first test that asks for them."""
    fix_steps(monkeypatch, 300)
    attack_once(monkeypatch)


def complaint(request: Request) -> str:
    with pytest.raises(AuditError) as caught:
        check(request)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_leak_is_confirmed_in_the_units_of_the_table(table: Table, steps: None) -> None:
    audit = run(table.request)
    report = audit.report
    jsonschema.validate(json.loads(render(report)), schema())
    assert report.verdict == "FAIL"
    assert report.summary.confirmed == MEMBERS
    assert report.summary.null_confirmed == 0
    assert (report.modality, report.summary.threshold) == ("row", 0.8)
    assert report.summary.control_matches <= 0.05 * CONTROLS
    assert report.model.input_shape == [COLUMNS]
    assert report.diagnostics.attainable is None
    mean, std = people().mean(0), people().std(0)
    for sample, member in zip(report.samples, people(), strict=False):
        assert sample.similarity == sample.ncc
        assert sample.attack is not None
        found = (audit.reconstructions[sample.attack][sample.candidate] - mean) / std
        truth = (member - mean) / std
        assert sample.ncc == pytest.approx(np.corrcoef(found, truth)[0, 1], abs=1e-4)
        error = np.linalg.norm(found - truth) / np.linalg.norm(truth)
        assert sample.relative_error == pytest.approx(error, rel=1e-3)
    assert np.mean([sample.relative_error for sample in report.samples]) < 0.6
    for item in audit.evidence:
        places = [NAMES.index(name) for name in item.columns]
        assert item.member == pytest.approx(people()[item.sample, places], rel=1e-5)
        apart = np.abs(people()[item.sample] - mean) / std
        assert set(places) == set(np.argsort(-apart)[: len(places)])


def test_an_untrained_network_confirms_nothing(tmp_path: Path, steps: None) -> None:
    report = run(make(tmp_path, untrained()).request).report
    assert report.verdict == "PASS"
    assert report.summary.confirmed == report.summary.recovered == 0
    assert "correlation >= 0.8" in report.reasons[0]


def test_the_command_line_reports_a_leaking_table(
    table: Table, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_once(monkeypatch)
    out = table.checkpoint.parent / "out"
    arguments = ["scan", *table.arguments, "--budget", "200h", "--out", str(out), "--no-progress"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output
    assert "SSIM is not applicable to rows of a table: recovered is a correlation of 0.8" in result.output
    page, brief = (out / "report.html").read_text(), (out / "report.md").read_text()
    for said in (page, brief):
        assert "SSIM is not applicable to rows of a table" in said
        assert "Relative error" in said or "relative error" in said
        assert "orrelation" in said
        assert "None" not in said.replace("None of this enters", "")
    for text in ("training rows confirmed", "nearest control", "feature-"):
        assert text in page
    assert page.count("data:image/png") == 0
    assert "| member | correlation | relative error | p-value | confirmed |" in brief
    content = json.loads((out / "report.json").read_text())
    assert all(sample["similarity"] == sample["ncc"] for sample in content["samples"])
    assert all(control["similarity"] == control["ncc"] for control in content["controls"])
    rows = load_file(out / "candidates.safetensors")
    assert all(values.shape[1] == COLUMNS for values in rows.values())


def test_inspect_says_how_rows_are_compared(table: Table) -> None:
    result = CliRunner().invoke(app, ["inspect", *table.arguments])
    assert result.exit_code == 0, result.output
    assert "SSIM is not applicable to rows of a table" in result.output
    assert "two standard deviations about the mean, by the controls" in result.output
    assert "Traceback" not in result.output


def test_attackers_know_the_usual_range_of_columns_by_controls_and_not_by_members(table: Table) -> None:
    inputs = check(table.request)
    mean, std = units()
    assert inputs.truth.preprocessing.low == pytest.approx(mean - 2 * std, rel=1e-4)
    assert inputs.truth.preprocessing.high == pytest.approx(mean + 2 * std, rel=1e-4)
    write(table.members, people()[:MEMBERS] + 1000)
    low, high = check(table.request).truth.preprocessing.box()
    assert (low, high) == (
        pytest.approx(inputs.truth.preprocessing.box()[0]),
        pytest.approx(inputs.truth.preprocessing.box()[1]),
    )
    alone = check(table.request.but(controls=None))
    assert alone.truth.preprocessing.box()[1] == pytest.approx(2.0, rel=1e-4)
    assert any("by --mean and --std" in note for note in alone.notes)


def test_policies_may_ask_for_correlation(table: Table, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("version: 1\nname: mine\nmatch: {metric: correlation}\nlimits: []\n")
    inputs = check(table.request.but(policy=str(tmp_path / "mine.yaml")))
    assert inputs.policy.match.threshold == 0.8
    assert not any("SSIM" in note for note in inputs.notes)
    (tmp_path / "mine.yaml").write_text(
        "version: 1\nname: mine\nmatch: {metric: correlation, threshold: 0.7, fdr: 0.1}\nlimits: []\n"
    )
    match = check(table.request.but(policy=str(tmp_path / "mine.yaml"))).policy.match
    assert (match.threshold, match.fdr) == (0.7, 0.1)
    assert check(table.request).policy.match.metric == "correlation"
    assert check(table.request).policy.match.fdr == 0.05
    as_images = table.request.but(
        input_shape="1,6,6", mean=None, std=None, policy=str(tmp_path / "mine.yaml")
    )
    for path in (table.members, table.controls):
        write(path, np.random.default_rng(len(path.name)).uniform(size=(100, 36)))
    assert "compares by correlation, which is for rows of a table" in complaint(as_images)
    assert check(as_images.but(policy="release")).truth.preprocessing.shape == (1, 6, 6)


def test_columns_without_a_difference_are_left_out_and_named(table: Table) -> None:
    rows = people().copy()
    rows[:, [1, 3]] = (0.1, 7.0)
    write(table.members, rows[:MEMBERS])
    write(table.controls, rows[MEMBERS:])
    inputs = check(table.request)
    assert any("left out of the comparison: feature-1, feature-3" in note for note in inputs.notes)
    low, high = inputs.truth.preprocessing.box()
    assert (high > low).all()
    rows[:] = 1.0
    write(table.members, rows[:1])
    message = complaint(table.request.but(controls=None))
    assert "every column of" in message
    assert "the same in all rows" in message


def test_tables_of_another_width_show_both_numbers(table: Table) -> None:
    write(table.members, people()[:MEMBERS, :30], NAMES[:30])
    bare = table.request.but(mean=None, std=None)
    assert "the rows have 30 columns, fc1.weight takes 36" in complaint(bare)
    assert "belong into a column 'label'" in complaint(bare)
    assert "(36,), the data has 30 columns" in complaint(table.request)
    write(table.members, people()[:MEMBERS])
    write(table.controls, people()[MEMBERS:, :30], NAMES[:30])
    assert "rows have 30 columns, but the network takes rows of 36 columns" in complaint(table.request)


def test_columns_in_another_order_are_refused(table: Table) -> None:
    write(table.controls, people()[MEMBERS:], [*NAMES[1:], NAMES[0]])
    message = complaint(table.request)
    assert "feature-0" in message
    assert "the same columns in the same order" in message


def test_rows_and_images_do_not_mix(table: Table) -> None:
    np.savez(table.controls.with_suffix(".npz"), images=np.random.default_rng(0).uniform(size=(9, 6, 6)))
    mixed = table.request.but(controls=str(table.controls.with_suffix(".npz")))
    assert "images are 1 x 6 x 6" in complaint(mixed)
    mixed = mixed.but(data=mixed.samples.controls, controls=mixed.samples.data, mean=None, std=None)
    assert "pass --input-shape C,H,W if the rows are flattened images" in complaint(mixed)


def test_a_table_needs_its_normalisation(table: Table) -> None:
    message = complaint(table.request.but(mean=None, std=None))
    assert "normalisation is not stated" in message
    assert "--mean 0 --std 1" in message


def test_two_columns_are_too_few(table: Table) -> None:
    save_file({"a.weight": torch.rand(5, 2), "b.weight": torch.rand(1, 5)}, table.checkpoint)
    write(table.members, people()[:MEMBERS, :2], NAMES[:2])
    request = table.request.but(controls=None, mean=None, std=None)
    assert "rows have 2 columns, and a correlation needs at least 3" in complaint(request)


def test_rows_come_back_from_a_gradient_as_they_are(tmp_path: Path) -> None:
    last = torch.randn(10, HIDDEN, generator=torch.Generator().manual_seed(2)) / HIDDEN**0.5
    table = make(tmp_path, untrained() | {"fc2.weight": last})
    mean, std = units()
    inputs = torch.from_numpy((people()[:MEMBERS] - mean) / std).float()
    tensors = {name: value.clone().requires_grad_() for name, value in load_file(table.checkpoint).items()}
    hidden = (inputs @ tensors["fc1.weight"].T + tensors["fc1.bias"]).relu()
    (hidden @ tensors["fc2.weight"].T - 1).square().mean().backward()
    save_file({name: value.grad for name, value in tensors.items()}, tmp_path / "seen.safetensors")
    seen = table.request.but(gradient=tmp_path / "seen.safetensors", attacks=("gradient-exact",))
    report = run(seen.but(budget=30.0, policy="research"), clock=Clock()).report
    assert report.summary.confirmed == MEMBERS
    assert max(sample.relative_error or 1.0 for sample in report.samples) < 0.01
