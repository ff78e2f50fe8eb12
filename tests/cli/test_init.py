"""`init` writes a file of options that can be edited and scanned."""

import re
from pathlib import Path

import yaml
from safetensors.torch import save_file

from tests.command import Run, complains
from tests.tiny import Tiny, weights


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
    }
    assert {"# activation: relu", "# layout: chw", "# layers: fc1.weight,fc2.weight"} <= set(
        text.splitlines()
    )
    assert "# 144-100-1, 14,600 parameters\n" in text
    complains(model_audit("scan", "--config", "own.yaml"), "members.npz is neither a file, nor a folder")
    text = text.replace(": members.npz", f": {tiny.members}").replace(": controls.npz", f": {tiny.controls}")
    Path("own.yaml").write_text(text.replace("# mean: 0", f"mean: {tiny.mean}"))
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
