"""`model-audit scan`: verdicts and their exit codes, and what the options of the audit itself change."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.cli.support import BEFORE, REPORTS, files, report, scan, write_initial
from tests.command import Run
from tests.tiny import MEMBERS, Tiny, make, untrained_tiny, weights, write_gradient

# --- verdicts ---------------------------------------------------------------------------------------------


def test_a_model_that_leaks_fails(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit(*scan(tiny))
    content = report()
    confirmed = content["summary"]["confirmed"]
    assert (ended.code, content["verdict"]) == (1, "FAIL")
    assert confirmed > 0
    assert ended.out.startswith(f"FAIL: {confirmed} of {MEMBERS} ")
    assert ended.out.splitlines()[-1] == "report: out/report.html"
    assert content["provenance"]["complete"] is True
    assert content["provenance"]["command"].startswith("model-audit scan ")
    assert files() == REPORTS


def test_a_model_that_learnt_nothing_passes(model_audit: Run, tmp_path: Path, steps: None) -> None:
    ended = model_audit(*scan(make(tmp_path / "untrained", trained=False)))
    assert (ended.code, report()["verdict"]) == (0, "PASS")
    assert re.match(r"PASS: .*0\.4.*evidence of resistance", ended.out)
    assert report()["summary"]["confirmed"] == 0


def test_without_controls_nothing_but_exact_copies_is_confirmed(
    model_audit: Run, tiny: Tiny, tmp_path: Path, steps: None
) -> None:
    ended = model_audit("scan", *tiny.arguments, "--out", "out")
    assert (ended.code, report()["verdict"]) == (1, "FAIL")
    assert report()["summary"]["controls"] == 0
    assert {sample["evidence"] for sample in report()["samples"]} == {"exact", None}
    untrained = make(tmp_path / "untrained", trained=False)
    ended = model_audit("scan", *untrained.arguments, "--out", "other")
    assert ended.code == 3
    assert re.match(r"INCONCLUSIVE: .*not calibrated", ended.out)


def test_a_lenient_policy_only_reports(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit(*scan(tiny, "--policy", "research"))
    assert (ended.code, ended.out.split(":")[0]) == (0, "REPORT")
    confirmed = report()["summary"]["confirmed"]
    assert (confirmed > 0, report()["verdict"]) == (True, "PASS")
    assert ended.out.startswith(f"REPORT: {confirmed} of 4 training samples confirmed")


# --- what is attacked, and with what ----------------------------------------------------------------------


def test_the_training_images_may_be_a_folder_and_the_weights_a_state_dict(
    model_audit: Run, tiny: Tiny, tmp_path: Path, steps: None
) -> None:
    for index, image in enumerate(np.load(tiny.members)["images"]):
        path = tmp_path / f"images/{index % 2}/{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    torch.save(weights(), tmp_path / "model.pt")
    arguments = [tmp_path / "model.pt", "--data", tmp_path / "images", "--mean", tiny.mean, "--out", "out"]
    ended = model_audit("scan", *arguments, "--controls", tiny.controls, "--budget", "1h")
    assert ended.code == 1
    assert re.search(r"^  note: activation .*--activation", ended.out, re.MULTILINE)
    assert [(sample["id"], sample["label"]) for sample in report()["samples"]] == [
        ("0/0.png", 0),
        ("0/2.png", 0),
        ("1/1.png", 1),
        ("1/3.png", 1),
    ]


def test_all_attacks_in_double_precision(model_audit: Run, tiny: Tiny, steps: None) -> None:
    write_initial()(tiny)
    ended = model_audit(*scan(tiny, "--initial", BEFORE, "--precision", "float64", "--format", "json"))
    content = report()
    assert ended.code == 1
    assert {attack["id"]: attack["status"] for attack in content["attacks"]} == {
        "kkt-margin": "ran",
        "kkt-loss": "ran",
        "weight-delta": "ran",
        "gradient": "skipped",
        "gradient-cosine": "skipped",
        "gradient-exact": "skipped",
        "moment-tensor": "skipped",
        "polynomial": "skipped",
        "polynomial-delta": "skipped",
        "polynomial-gradient": "skipped",
    }
    assert content["diagnostics"]["stationarity"].keys() == {"kkt-margin", "kkt-loss", "weight-delta"}
    assert set(load_file("out/candidates.safetensors")) == {"kkt-margin", "kkt-loss", "weight-delta"}
    digest = hashlib.sha256(Path(BEFORE).read_bytes()).hexdigest()
    notes = ["attacks computed in float64", f"weights before training: {BEFORE}, sha256 {digest}"]
    assert content["provenance"]["notes"] == notes
    assert all(f"  note: {note}" in ended.out.splitlines() for note in notes)


def test_single_precision_finds_something_else(model_audit: Run, tiny: Tiny, steps: None) -> None:
    found = []
    for precision in ("float32", "float64"):
        options = ["--attacks", "kkt-margin", "--format", "json", "--precision", precision]
        assert model_audit(*scan(tiny, *options)).code == 1
        found.append(load_file("out/candidates.safetensors")["kkt-margin"])
    assert found[0].dtype == found[1].dtype == torch.float32
    assert not torch.equal(*found)


def test_an_update_of_one_batch(model_audit: Run, tiny: Tiny, steps: None) -> None:
    seen = write_gradient(untrained_tiny(tiny), factor=-0.1, dtype=torch.float64)
    options = ["--gradient", seen, "--gradient-kind", "update", "--attacks", "gradient-exact"]
    ended = model_audit(*scan(tiny, *options))
    content = report()
    assert ended.code == 1
    first, *others = ended.out.splitlines()
    assert re.match(rf"FAIL: {MEMBERS} of {MEMBERS} .*observed update", first)
    assert any(re.match(rf"  note: observed update: .*rank {MEMBERS}\b", line) for line in others)
    assert [sample["attack"] for sample in content["samples"]] == ["gradient-exact"] * MEMBERS
    assert content["data"]["gradient"]["kind"] == "update"
    assert set(load_file("out/candidates.safetensors")) == {"gradient-exact"}


@pytest.mark.parametrize("options", [[], ["--no-splitting"]], ids=["with", "without"])
def test_splitting_can_be_left_out(model_audit: Run, tiny: Tiny, steps: None, options: list[str]) -> None:
    ended = model_audit(*scan(tiny, "--attacks", "kkt-margin", *options))
    assert ended.code == 1
    assert (report()["attacks"][0]["splitting"] is None) == bool(options)
    assert ("Sample splitting" in Path("out/report.html").read_text()) != bool(options)


def test_a_positive_control(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit(*scan(tiny, "--positive-control", "--policy", "strict"))
    assert ended.code == 1
    stages = [line for line in ended.err.splitlines() if line.startswith("positive control:")]
    assert len(stages) == 2
    assert f" {MEMBERS} held-out images" in stages[0]
    control = report()["diagnostics"]["positive_control"]
    assert control["confirmed"] > 0
    for name in ("html", "md"):
        assert "power" in Path(f"out/report.{name}").read_text()


def test_the_bound_of_private_training_is_reported(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny, "--dp", "1.1,0.01,100")).code == 1
    bound = report()["diagnostics"]["dp"]
    assert (bound["sigma"], bound["q"], bound["steps"], bound["prior"]) == (1.1, 0.01, 100, 1 / MEMBERS)
    assert 1 / MEMBERS < bound["bound"] < 1
    assert "noise multiplier 1.1" in Path("out/report.html").read_text()
