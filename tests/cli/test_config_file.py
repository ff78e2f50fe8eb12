"""`model-audit scan --config`."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

from tests.command import Run, complains
from tests.tiny import Tiny


@pytest.fixture
def config(tiny: Tiny) -> Path:
    """All of a tiny audit, beside its files."""
    content = {
        "checkpoint": tiny.checkpoint.name,
        "data": tiny.members.name,
        "controls": tiny.controls.name,
        "mean": tiny.mean.name,
        "budget": "1h",
        "policy": "research",
        "format": ["json", "markdown"],
        "progress": False,
        "out": "../here/out",
    }
    path = tiny.checkpoint.with_name("audit.yaml")
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_scan_by_its_config_alone(model_audit: Run, config: Path, steps: None) -> None:
    ended = model_audit("scan", "--config", config)
    content = json.loads(Path("out/report.json").read_text())
    assert (ended.code, ended.err) == (0, "")
    assert content["policy"]["name"] == "research"
    assert content["provenance"]["budget_seconds"] == 3600
    assert content["summary"]["controls"] == 100
    assert not Path("out/report.html").exists()


def test_the_command_line_wins(model_audit: Run, config: Path, steps: None) -> None:
    ended = model_audit(
        "scan", "--config", config, "--policy", "release", "--format", "json", "--out", "mine"
    )
    assert ended.code == 1
    assert json.loads(Path("mine/report.json").read_text())["policy"]["name"] == "release"
    assert not Path("mine/report.md").exists()
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("file", "line", "counted"),
    [
        ({}, ["--rounds", "2"], ["--rounds", "2"]),
        ({"budget": None, "rounds": 2}, ["--budget", "1h"], ["--budget", "1h"]),
        ({"budget": None, "rounds": 2}, [], ["--rounds", "2"]),
    ],
)
def test_time_on_the_command_line_takes_the_place_of_rounds_in_the_file_and_the_other_way_round(
    model_audit: Run,
    config: Path,
    steps: None,
    file: dict[str, int | None],
    line: list[str],
    counted: list[str],
) -> None:
    content = yaml.safe_load(config.read_text()) | file
    config.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    assert model_audit("scan", "--config", config, *line).code == 0
    provenance = json.loads(Path("out/report.json").read_text())["provenance"]
    expected = (None, 2) if "--rounds" in counted else (3600, None)
    assert (provenance["budget_seconds"], provenance["rounds"]) == expected
    words = shlex.split(provenance["command"])
    place = words.index(counted[0])
    assert words[place : place + 2] == counted
    assert not {"--budget", "--rounds"} - {counted[0]} & set(words)


def test_time_and_rounds_in_one_file_are_refused(model_audit: Run, config: Path, no_attack: None) -> None:
    config.write_text(config.read_text() + "rounds: 2\n")
    complains(model_audit("scan", "--config", config), "--rounds and --budget exclude each other")


def test_the_report_has_the_whole_command(model_audit: Run, config: Path, steps: None) -> None:
    model_audit("scan", "--config", config, "--seed", "0", "--quiet")
    said = json.loads(Path("out/report.json").read_text())["provenance"]["command"]
    folder = config.parent
    assert shlex.split(said) == [
        "model-audit", "scan", f"{folder}/model.safetensors", "--data", f"{folder}/members.npz",
        "--controls", f"{folder}/controls.npz", "--mean", f"{folder}/mean.npy", "--budget", "1h",
        "--seed", "0", "--policy", "research", "--out", f"{folder}/../here/out",
        "--format", "json", "--format", "markdown", "--no-progress", "--quiet",
    ]  # fmt: skip
    Path("out/report.json").unlink()
    assert model_audit(*shlex.split(said)[1:]).code == 0
    assert json.loads(Path("out/report.json").read_text())["provenance"]["command"] == said


def test_a_mistake_in_the_config(model_audit: Run, config: Path) -> None:
    config.write_text("thresold: 0.4\n")
    complains(model_audit("scan", "--config", config), "audit.yaml: unknown key 'thresold'", "'threshold'")
    complains(model_audit("scan", "--config", "none.yaml"), "none.yaml: cannot be read")
    config.write_text("data: members.npz\n")
    complains(model_audit("scan", "--config", config), "Missing argument 'CHECKPOINT'")
    config.write_text("checkpoint: model.safetensors\ndata: members.npz\nformat: sarif=\n")
    complains(model_audit("scan", "--config", config), "--format sarif= has no path")
    config.write_text("checkpoint: model.safetensors\n")
    complains(model_audit("scan", "--config", config), "Missing option '--data'")
    config.write_text("checkpoint: model.safetensors\ndata: members.npz\nthreshold: 7\n")
    complains(model_audit("scan", "--config", config), "--threshold is 7")
    config.write_text("checkpoint: model.safetensors\ndata: members.npz\nseed: -1\n")
    complains(model_audit("scan", "--config", config), "--seed is -1")
    assert list(Path().iterdir()) == []


def test_no_report_replaces_the_config(model_audit: Run, config: Path, no_attack: None) -> None:
    before = config.read_text()
    ended = model_audit("scan", "--config", config, "--format", f"json={config}")
    complains(ended, f"{config} would be replaced, and is what this audit reads")
    assert config.read_text() == before
