"""`model-audit scan --config` and `init`."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from safetensors.torch import save_file

from tests.command import Run, complains
from tests.tiny import Tiny, weights


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
    complains(model_audit("scan", "--config", config), "-1 is not a whole number")
    assert list(Path().iterdir()) == []


def test_what_init_writes_can_be_scanned_with_other_data(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit("init", tiny.checkpoint, "--out", "own.yaml")
    assert (ended.code, ended.err) == (0, "")
    assert (
        ended.out == "own.yaml: written; edit data and controls, then: model-audit scan --config own.yaml\n"
    )
    text = Path("own.yaml").read_text()
    assert yaml.safe_load(text) == {
        "checkpoint": "../tiny/model.safetensors",
        "data": "members.npz",
        "controls": "controls.npz",
        "activation": "relu",
    }
    assert "# 144-100-1, 14,600 parameters\n" in text
    complains(model_audit("scan", "--config", "own.yaml"), "members.npz is neither a file, nor a folder")
    text = text.replace(": members.npz", f": {tiny.members}").replace(": controls.npz", f": {tiny.controls}")
    Path("own.yaml").write_text(text.replace("# mean: X|FILE", f"mean: {tiny.mean}"))
    ended = model_audit("scan", "--config", "own.yaml", "--budget", "1h", "--out", "out")
    assert ended.code == 1


def test_all_that_init_leaves_out_is_a_valid_default(model_audit: Run, tiny: Tiny) -> None:
    model_audit("init", tiny.checkpoint)
    text = Path("audit.yaml").read_text()
    defaults = re.findall(r"^# ([\w-]+: [\w-]+)$", text, re.MULTILINE)
    assert {"policy: release", "budget: 2m", "seed: 0", "progress: true", "no-splitting: false"} <= set(
        defaults
    )
    placeholders = {
        "initial: CHECKPOINT",
        "gradient: FILE",
        "learning-rate: X",
        "threshold: SSIM",
        "out: DIR",
    }
    assert placeholders <= set(defaults)
    text = re.sub(r"^# ([\w-]+: [\w-]+)$", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r"^([\w-]+: [A-Z]+)$", r"# \1", text, flags=re.MULTILINE)
    Path("audit.yaml").write_text(text)
    complains(model_audit("scan", "--config", "audit.yaml"), "members.npz is neither a file")


def test_init_says_what_it_assumed(model_audit: Run, tmp_path: Path) -> None:
    save_file(weights(), tmp_path / "a: b.safetensors")
    model_audit("init", tmp_path / "a: b.safetensors")
    text = Path("audit.yaml").read_text()
    assert "# activation not stated: ReLU assumed; pass --activation if it differs\n" in text
    assert yaml.safe_load(text)["checkpoint"] == "../a: b.safetensors"


def test_init_replaces_nothing(model_audit: Run, tiny: Tiny) -> None:
    Path("audit.yaml").write_text("mine")
    complains(model_audit("init", tiny.checkpoint), "audit.yaml exists, and is not replaced", "--force")
    assert Path("audit.yaml").read_text() == "mine"
    assert model_audit("init", tiny.checkpoint, "--force").code == 0
    assert yaml.safe_load(Path("audit.yaml").read_text())["data"] == "members.npz"
    complains(model_audit("init", tiny.checkpoint, "--out", "no/audit.yaml"), "cannot write no/audit.yaml")
    complains(model_audit("init", "none.safetensors", "--out", "new.yaml"), "none.safetensors does not exist")
    assert not Path("new.yaml").exists()
    before = tiny.checkpoint.read_bytes()
    ended = model_audit("init", tiny.checkpoint, "--out", tiny.checkpoint, "--force")
    complains(ended, "is the checkpoint, and is not replaced")
    assert tiny.checkpoint.read_bytes() == before


def test_no_report_replaces_the_config(model_audit: Run, config: Path, no_attack: None) -> None:
    before = config.read_text()
    ended = model_audit("scan", "--config", config, "--format", f"json={config}")
    complains(ended, f"{config} would be replaced, and is what this audit reads")
    assert config.read_text() == before
