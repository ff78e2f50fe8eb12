"""The command line as a user meets it: exit codes, one-line complaints, what is printed and what is written."""

import errno
import hashlib
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import audit
from audit.attacks import BATTERY
from audit.cli.options import parse_budget
from audit.errors import UsageError
from audit.progress import Lines
from tests.command import Ended, Run, complains
from tests.tiny import (
    MEMBERS,
    SIDE,
    Tiny,
    blobs,
    fix_steps,
    make,
    untrained,
    untrained_tiny,
    weights,
    write_gradient,
)

TENSORS = {"candidates.safetensors", "evidence.safetensors"}
REPORTS = {*TENSORS, "report.html", "report.json", "report.md"}


def scan(tiny: Tiny, *more: object) -> list[object]:
    return ["scan", *tiny.arguments, "--controls", tiny.controls, "--budget", "1h", "--out", "out", *more]


def tree(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


# --- verdicts ---------------------------------------------------------------------------------------------


def test_a_model_that_leaks_fails(model_audit: Run, tiny: Tiny) -> None:
    ended = model_audit(*scan(tiny, "--budget", "4s"))
    content = json.loads(Path("out/report.json").read_text())
    assert ended.code == 1
    assert re.match(r"FAIL: \d of 4 training samples were confirmed", ended.out)
    assert ended.out.splitlines()[-1] == "report: out/report.html"
    assert content["verdict"] == "FAIL"
    assert content["summary"]["confirmed"] > 0
    assert content["provenance"]["complete"] is True
    assert content["provenance"]["command"].startswith("model-audit scan ")
    assert {path.name for path in Path("out").iterdir()} == REPORTS


def test_a_model_that_learnt_nothing_passes(model_audit: Run, tmp_path: Path, steps: None) -> None:
    ended = model_audit(*scan(make(tmp_path / "untrained", trained=False)))
    assert ended.code == 0
    assert ended.out.startswith(
        "PASS: No training sample was confirmed at SSIM >= 0.4: evidence of resistance"
    )
    assert json.loads(Path("out/report.json").read_text())["summary"]["confirmed"] == 0


def test_without_controls_nothing_is_decided(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit("scan", *tiny.arguments, "--out", "out")
    assert ended.code == 3
    assert ended.out.startswith("INCONCLUSIVE: There were no control images, so the count is not calibrated")


def test_a_lenient_policy_only_reports(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit(*scan(tiny, "--policy", "research"))
    assert (ended.code, ended.out.split(":")[0]) == (0, "PASS")


# --- what does not count ----------------------------------------------------------------------------------


def waived(*names: str, expires: str = "2999-12-31") -> str:
    entry = "- {{id: {}, reason: They agreed., owner: Ada, expires: {}}}\n"
    return "".join(entry.format(name, expires) for name in names)


def everybody() -> list[str]:
    return [f"confirmed-reconstruction/{member}" for member in range(MEMBERS)]


def test_waived_members_are_told_and_do_not_count(model_audit: Run, tiny: Tiny, steps: None) -> None:
    Path("audit-waivers.yaml").write_text(waived(*everybody(), "positive-control-missing"))
    ended = model_audit(*scan(tiny))
    report = json.loads(Path("out/report.json").read_text())
    confirmed = report["summary"]["confirmed"]
    assert (ended.code, report["verdict"]) == (0, "PASS")
    assert confirmed > 0
    assert report["policy"]["limits"][0]["value"] == 0
    assert [finding["suppression"]["owner"] for finding in report["findings"][:confirmed]] == [
        "Ada"
    ] * confirmed
    assert ", of which none counts, which the policy allows." in report["reasons"][0]
    assert f"{confirmed} of {confirmed} confirmed" in ended.out
    assert "waived by Ada until 2999-12-31: They agreed." in ended.out
    assert "note: waivers: audit-waivers.yaml, 5 in it" in ended.out
    assert re.search(r"note: waived, but not found in this run: .*positive-control-missing", ended.out)


def test_one_waiver_does_not_cover_the_others(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny)).code == 1
    before = json.loads(Path("out/report.json").read_text())
    Path("mine.yaml").write_text(waived(before["findings"][0]["id"]))
    assert model_audit(*scan(tiny, "--waivers", "mine.yaml")).code == 1
    after = json.loads(Path("out/report.json").read_text())
    assert after["summary"]["confirmed"] == before["summary"]["confirmed"] > 1
    assert after["policy"]["limits"][0]["value"] == before["summary"]["confirmed"] - 1


def test_only_what_is_new_since_the_baseline_counts(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny)).code == 1
    ended = model_audit(*scan(tiny, "--out", "later", "--baseline", "out"))
    report = json.loads(Path("later/report.json").read_text())
    assert (ended.code, report["policy"]["limits"][0]["value"]) == (0, 0)
    assert {finding["suppression"]["kind"] for finding in report["findings"] if finding["suppression"]} == {
        "baseline"
    }
    assert "note: baseline: out/report.json, of the same checkpoint" in ended.out
    doubtful = model_audit(*scan(tiny, "--out", "third", "--baseline", "out", "--policy", "strict"))
    assert doubtful.code == 3  # doubts are about this run


def test_the_bound_of_private_training_is_reported(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny, "--dp", "1.1,0.01,100")).code == 1
    told = json.loads(Path("out/report.json").read_text())["diagnostics"]["dp"]
    assert (told["sigma"], told["q"], told["steps"], told["prior"]) == (1.1, 0.01, 100, 1 / MEMBERS)
    assert 1 / MEMBERS < told["bound"] < 1
    assert "noise multiplier 1.1" in Path("out/report.html").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            waived("confirmed-reconstruction/0", expires="2020-01-01"),
            ["entry 1", "by Ada expired on 2020-01-01"],
        ),
        (waived("confirmed-reconstruction/99"), ["entry 1", "names no member of this audit"]),
        (
            waived("confirmed-reconstuction/0"),
            ["no kind of finding", "mean 'confirmed-reconstruction'?"],
        ),
        (waived("incomplete-audit", expires="2026-02-30"), ["expires is '2026-02-30'", "expected a day"]),
        (
            waived("incomplete-audit").replace("owner", "onwer"),
            ["unknown key 'onwer'", "did you mean 'owner'?"],
        ),
    ],
)
@pytest.mark.parametrize("options", [[], ["--waivers", "audit-waivers.yaml"]])
def test_a_bad_waiver_gets_one_line_before_anything_is_attacked(
    model_audit: Run,
    tiny: Tiny,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    words: list[str],
    options: list[str],
) -> None:
    monkeypatch.setattr("audit.pipeline.run", lambda *_: pytest.fail("the attack began"))
    Path("audit-waivers.yaml").write_text(text)
    complains(model_audit(*scan(tiny, *options)), "audit-waivers.yaml: entry 1", *words)
    assert set(tree(Path())) == {"audit-waivers.yaml"}


def test_a_baseline_of_other_members_is_refused(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny)).code == 1
    np.savez(tiny.members, images=blobs(4, seed=77))
    complains(
        model_audit(*scan(tiny, "--baseline", "out")), "--baseline out/report.json is of 4 members", "sha256"
    )


# --- formats and folders ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formats", "written", "told"),
    [
        (["json"], {"report.json"}, "report.json"),
        (["markdown, html"], {"report.md", "report.html"}, "report.md"),
        (["json", "markdown,json"], {"report.json", "report.md"}, "report.json"),
        (
            ["sarif,junit", "summary"],
            {"report.sarif", "report.junit.xml", "report.summary.md"},
            "report.sarif",
        ),
    ],
)
def test_formats_change_the_files_and_not_the_exit_code(
    model_audit: Run, tiny: Tiny, steps: None, formats: list[str], written: set[str], told: str
) -> None:
    ended = model_audit(*scan(tiny, *(word for name in formats for word in ("--format", name))))
    assert ended.code == 1
    assert {path.name for path in Path("out").iterdir()} == written | {
        "candidates.safetensors",
        "evidence.safetensors",
    }
    assert ended.out.endswith(f"report: out/{told}\n")


def test_reports_at_paths_of_their_own(model_audit: Run, tiny: Tiny, steps: None) -> None:
    Path("gone.json").write_text("old")
    ended = model_audit(*scan(tiny, "--format", "sarif=deep/x.sarif,markdown", "--format", "json=gone.json"))
    assert (ended.code, ended.out.splitlines()[-1]) == (1, "report: deep/x.sarif")
    assert {path.name for path in Path("out").iterdir()} == {"report.md", "candidates.safetensors"}
    assert json.loads(Path("deep/x.sarif").read_text())["version"] == "2.1.0"
    assert json.loads(Path("gone.json").read_text())["verdict"] == "FAIL"
    assert {path.name for path in Path().iterdir()} == {"out", "deep", "gone.json"}


def test_the_default_folder_is_named_after_the_checkpoint(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit("scan", *tiny.arguments)
    assert re.search(r"^report: reports/model-\d{8}-\d{6}/report\.html$", ended.out, re.MULTILINE)
    assert Path(ended.out.splitlines()[-1].removeprefix("report: ")).exists()


def test_a_run_folder_can_be_used_again(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny)).code == 1
    assert model_audit(*scan(tiny, "--policy", "research")).code == 0
    assert json.loads(Path("out/report.json").read_text())["policy"]["name"] == "research"
    assert {path.name for path in Path("out").iterdir()} == REPORTS


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
    samples = json.loads(Path("out/report.json").read_text())["samples"]
    assert ended.code == 1
    assert "note: activation not stated: ReLU assumed; pass --activation if it differs" in ended.out
    assert [(sample["id"], sample["label"]) for sample in samples] == [
        ("0/0.png", 0),
        ("0/2.png", 0),
        ("1/1.png", 1),
        ("1/3.png", 1),
    ]


def test_a_redacted_audit(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit(*scan(tiny, "--redact", "--evidence", "private"))
    assert ended.code == 1
    assert {path.name for path in Path("out").iterdir()} == REPORTS - {"candidates.safetensors"}
    assert json.loads(Path("out/report.json").read_text())["provenance"]["redacted"] is True
    assert "base64" not in Path("out/report.html").read_text()
    assert {path.name for path in Path("private").iterdir()} == {"report.html", "candidates.safetensors"}


def test_evidence_is_for_redacted_audits(model_audit: Run, tiny: Tiny) -> None:
    ended = model_audit(*scan(tiny, "--evidence", "private"))
    assert ended.code == 2
    assert "--evidence without --redact; add --redact, or leave it out" in ended.err
    assert not Path("private").exists()


# --- what is printed --------------------------------------------------------------------------------------


def test_all_attacks_in_double_precision(model_audit: Run, tiny: Tiny, steps: None) -> None:
    initial()(tiny)
    ended = model_audit(*scan(tiny, "--initial", BEFORE, "--precision", "float64", "--format", "json"))
    content = json.loads(Path("out/report.json").read_text())
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


def test_an_update_of_one_batch(model_audit: Run, tiny: Tiny, steps: None) -> None:
    seen = write_gradient(untrained_tiny(tiny), factor=-0.1, dtype=torch.float64)
    ended = model_audit(
        *scan(tiny, "--gradient", seen, "--gradient-kind", "update", "--attacks", "gradient-exact")
    )
    content = json.loads(Path("out/report.json").read_text())
    assert ended.code == 1
    first, *others = ended.out.splitlines()
    assert first.startswith(
        "FAIL: 4 of 4 training samples were confirmed: reconstructed from an observed update, beyond chance."
    )
    assert "  note: observed update: its first layer has rank 4: the batch held about 4 samples" in others
    assert [sample["attack"] for sample in content["samples"]] == ["gradient-exact"] * 4
    assert content["data"]["gradient"]["kind"] == "update"
    assert set(load_file("out/candidates.safetensors")) == {"gradient-exact"}


def test_inspect_says_what_a_gradient_holds(model_audit: Run, tiny: Tiny) -> None:
    seen = write_gradient(untrained_tiny(tiny), dtype=torch.bfloat16)
    lines = model_audit("inspect", tiny.checkpoint, "--gradient", seen).out.splitlines()
    assert lines[1].startswith("note: observed gradient: its first layer has rank ")
    assert lines[2].startswith("note: observed gradient: stored in half precision")
    assert "gradient applies" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("options", [[], ["--no-splitting"]], ids=["with", "without"])
def test_splitting_can_be_left_out(model_audit: Run, tiny: Tiny, steps: None, options: list[str]) -> None:
    ended = model_audit(*scan(tiny, "--attacks", "kkt-margin", *options))
    content = json.loads(Path("out/report.json").read_text())
    assert ended.code == 1
    assert (content["attacks"][0]["splitting"] is None) == bool(options)
    assert ("Sample splitting" in Path("out/report.html").read_text()) != bool(options)


def test_a_positive_control(model_audit: Run, tiny: Tiny, steps: None) -> None:
    out = tiny.checkpoint.parent / "out"
    ended = model_audit(*scan(tiny, "--positive-control", "--policy", "strict", "--out", out))
    assert ended.code == 1
    stages = [line for line in ended.err.splitlines() if line.startswith("positive control:")]
    assert len(stages) == 2
    assert "making a twin that leaks 4 control images" in stages[0]
    control = json.loads((out / "report.json").read_text())["diagnostics"]["positive_control"]
    assert control["confirmed"] > 0
    assert "a power of" in (out / "report.html").read_text()
    assert "a power of" in (out / "report.md").read_text()


def test_quiet_prints_the_verdict_and_the_path_only(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit(*scan(tiny, "--quiet", "--threshold", "0.3"))
    verdict, path = ended.out.splitlines()
    assert verdict.startswith("FAIL: ")
    assert path == "report: out/report.html"
    assert ended.err == ""


def test_all_reasons_and_notes_are_printed(model_audit: Run, tiny: Tiny, steps: None) -> None:
    arguments = ["scan", tiny.checkpoint, "--data", tiny.members, "--threshold", "0.3", "--out", "out"]
    lines = model_audit(*arguments).out.splitlines()
    assert "  The threshold used was SSIM >= 0.3; the policy says 0.4." in lines
    assert any(line.startswith("  note: normalisation not stated") for line in lines)


def test_no_progress_keeps_stderr_silent(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit(*scan(tiny, "--no-progress"))
    assert ended.err == ""
    assert len(ended.out.splitlines()) >= 2


def test_progress_is_plain_lines_when_stderr_is_no_terminal(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    fix_steps(monkeypatch)
    stage, step, measuring, last = model_audit(*scan(tiny)).err.splitlines()
    assert measuring == "measuring what the weights hold"
    assert stage == "attacking 144-100-1"
    assert re.fullmatch(r"kkt-margin: 0 of 3570 s, relative loss [\d.e+-]+", step)
    assert last == "matching reconstructions with members and controls"


@pytest.mark.parametrize("columns", [20, 50, 60, 200])
def test_help_in_a_terminal_of_any_width(
    model_audit: Run, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ended = model_audit("scan", "--help")
    assert ended == model_audit("scan", "-h")
    assert ended.code == 0
    for option in (
        "--data", "--controls", "--initial", "--gradient", "--gradient-kind", "--learning-rate",
        "--input-shape", "--precision", "--no-splitting", "--no-progress",
    ):  # fmt: skip
        assert option in ended.out
    assert "..." not in ended.out
    if columns >= 50:
        assert max(len(line) for line in ended.out.splitlines()) <= columns


def test_without_a_command_there_is_help(model_audit: Run) -> None:
    ended = model_audit()
    assert ended.code == 2
    commands = re.findall(r"^  (\w+)  +[A-Z].*\.$", ended.out.partition("Commands:")[2], re.MULTILINE)
    assert commands == [
        "scan", "demo", "inspect", "attacks", "report", "compare", "init", "schema", "policy",
    ]  # fmt: skip


def test_version(model_audit: Run) -> None:
    assert model_audit("--version") == Ended(0, f"model-audit {audit.__version__}\n", "")


# --- other commands ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_what_inspect_prints(
    model_audit: Run, tiny: Tiny, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    initial()(tiny)
    ended = model_audit("inspect", tiny.checkpoint, "--initial", BEFORE, "--activation", "tanh")
    attacks, _, held = ended.out.partition("\nWhat the weights hold\n")
    network, note, blank, *table = attacks.splitlines()
    assert note.startswith("note: weights before training: ../tiny/before.safetensors, sha256 ")
    assert (ended.code, ended.err) == (0, "")
    assert (network, blank) == ("144-100-1, tanh, biases in layer 1, 14,600 parameters", "")
    assert max(map(len, ended.out.splitlines()[2:])) <= columns
    words = " ".join(held.split())
    assert words.startswith("- Singular values of the first layer: 3 stand out of noise")
    assert "- Singular values of the change of the first layer: " in words
    assert [line.split(" ")[0] for line in table if line and line[0] != " "] == [a.id for a in BATTERY]
    words = " ".join(" ".join(table).split())
    assert words.startswith("kkt-margin applies, but tanh is not homogeneous")
    assert "kkt-loss applies, but its theory supposes weight decay" in words
    assert "weight-delta applies gradient does not apply: needs an observed gradient" in words


@pytest.mark.parametrize("columns", [60, 200])
def test_inspect_with_members(
    model_audit: Run, tiny: Tiny, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ended = model_audit("inspect", *tiny.arguments, "--controls", tiny.controls)
    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert max(map(len, lines)) <= columns
    words = " ".join(ended.out.split())
    assert "- The weights lean on members more than on controls: AUC 1.00 (95 % interval 0." in words
    assert "- Members above the threshold even in principle: 4 of 4" in words
    assert "- Labels of controls are unknown: the membership test uses predicted ones for all." in words
    table = lines[lines.index("Members, the most exposed first") + 2 :]
    assert table[0].split() == ["member", "label", "exposure", "rank", "ceiling"]
    assert [row.split()[3] for row in table[1:5]] == ["1", "2", "3", "4"]


def test_inspect_writes_json_and_nothing_else(model_audit: Run, tiny: Tiny) -> None:
    ended = model_audit("inspect", *tiny.arguments, "--controls", tiny.controls, "--format", "json")
    content = json.loads(ended.out)
    assert (ended.code, ended.err) == (0, "")
    assert [attack["id"] for attack in content["attacks"]] == [attack.id for attack in BATTERY]
    assert content["model"]["input_shape"] == [1, SIDE, SIDE]
    assert {sample["exposure_rank"] for sample in content["samples"]} == {1, 2, 3, 4}
    assert content["stationarity"].keys() == {"kkt-margin", "kkt-loss"}
    assert content["identifiability"] is None


def test_inspect_says_what_it_assumed(model_audit: Run, tmp_path: Path) -> None:
    save_file(weights(), tmp_path / "bare.safetensors")
    lines = model_audit("inspect", tmp_path / "bare.safetensors").out.splitlines()
    assert lines[0].startswith("144-100-1, relu")
    assert lines[1] == "note: activation not stated: ReLU assumed; pass --activation if it differs"
    assert "pass --initial" in " ".join(lines)


@pytest.mark.parametrize("columns", [50, 200])
def test_the_list_of_attacks(model_audit: Run, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ended = model_audit("attacks")
    assert (ended.code, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= columns
    words = " ".join(ended.out.split())
    for attack in BATTERY:
        assert f"{attack.id} {attack.title}. Needs: {attack.requires}. Source: {attack.source}" in words


# --- what bad input gets ----------------------------------------------------------------------------------


def broken(tiny: Tiny, **changes: torch.Tensor) -> None:
    tensors = load_file(tiny.checkpoint)
    save_file(tensors | {name.replace("_", "."): value for name, value in changes.items()}, tiny.checkpoint)


def not_safetensors(tiny: Tiny) -> None:
    tiny.checkpoint.write_text("these are my weights, honestly, all of them")


def truncated(tiny: Tiny) -> None:
    tiny.checkpoint.write_bytes(tiny.checkpoint.read_bytes()[:-1000])


def truncated_state_dict(tiny: Tiny) -> None:
    torch.save(weights(), tiny.checkpoint)
    truncated(tiny)


def broken_chain(tiny: Tiny) -> None:
    broken(tiny, fc2_weight=torch.ones(1, 99))


def convolution(tiny: Tiny) -> None:
    broken(tiny, fc1_weight=torch.ones(8, 1, 3, 3))


def nan_weights(tiny: Tiny) -> None:
    broken(tiny, fc1_bias=torch.full((100,), torch.nan))


def infinite_weights(tiny: Tiny) -> None:
    broken(tiny, fc2_weight=torch.full((1, 100), torch.inf))


def no_checkpoint(tiny: Tiny) -> None:
    tiny.checkpoint.unlink()


def no_members(tiny: Tiny) -> None:
    tiny.members.unlink()


def empty_members(tiny: Tiny) -> None:
    np.savez(tiny.members, images=np.zeros((0, SIDE, SIDE), np.uint8))


def members_that_are_no_archive(tiny: Tiny) -> None:
    tiny.members.write_bytes(b"PK\x03\x04 and then nothing")


def labels_out_of_range(tiny: Tiny) -> None:
    np.savez(tiny.members, images=blobs(4), labels=np.array([0, 1, 2, 1]))


def negative_labels(tiny: Tiny) -> None:
    np.savez(tiny.members, images=blobs(4), labels=np.array([-1, 1, -1, 1]))


def controls_of_another_size(tiny: Tiny) -> None:
    np.savez(tiny.controls, images=blobs(100, side=SIDE + 1))


def overlap(tiny: Tiny) -> None:
    np.savez(tiny.controls, images=np.concatenate([blobs(60, seed=9), np.load(tiny.members)["images"][2:3]]))


def another_model(tiny: Tiny) -> None:
    broken(tiny, fc1_weight=torch.ones(100, 784))


def images_too_small(tiny: Tiny) -> None:
    np.savez(tiny.members, images=blobs(4).reshape(4, 1, SIDE * SIDE))
    np.savez(tiny.controls, images=blobs(60, seed=9).reshape(60, 1, SIDE * SIDE))
    np.save(tiny.mean, np.zeros((1, SIDE * SIDE)))


def mean_of_another_size(tiny: Tiny) -> None:
    np.save(tiny.mean, np.zeros((SIDE, SIDE + 1)))


def few_controls(tiny: Tiny) -> None:
    np.savez(tiny.controls, images=np.load(tiny.controls)["images"][:22])


def nothing(tiny: Tiny) -> None:
    pass


BEFORE = "../tiny/before.safetensors"


def initial(without: str = "", **changes: torch.Tensor) -> Callable[[Tiny], None]:
    """Writes weights from before training, some of them changed."""

    def write(tiny: Tiny) -> None:
        kept = {name: value for name, value in untrained().items() if name != without}
        changed = {name.replace("_", "."): value for name, value in changes.items()}
        save_file(kept | changed, tiny.checkpoint.with_name("before.safetensors"))

    return write


BAD_STARTS = [
    (
        initial(fc2_weight=torch.ones(7, 100), fc3_weight=torch.ones(1, 7)),
        BEFORE,
        ["before.safetensors has 3 layers", "model.safetensors has 2", "belongs to fc3.weight"],
    ),
    (
        initial(fc1_weight=torch.ones(100, 99)),
        BEFORE,
        [f"fc1.weight is 100x99 in {BEFORE}", "fc1.weight is 100x144 in"],
    ),
    (initial(fc2_weight=torch.ones(2, 100)), BEFORE, ["fc2.weight is 2x100 in", "fc2.weight is 1x100 in"]),
    (
        initial(without="fc1.bias"),
        BEFORE,
        ["model.safetensors has fc1.bias", f"fc1.weight has no bias in {BEFORE}"],
    ),
    (initial(fc2_bias=torch.ones(1)), BEFORE, [f"{BEFORE} has fc2.bias", "fc2.weight has no bias in"]),
    (
        initial(fc1_weight=torch.ones(8, 1, 3, 3)),
        BEFORE,
        [f"--initial {BEFORE}", "fc1.weight (8x1x3x3) is a convolution"],
    ),
    (initial(fc1_bias=torch.full((100,), torch.nan)), BEFORE, [f"{BEFORE}: fc1.bias has 100 NaN"]),
    (nothing, BEFORE, [f"{BEFORE} does not exist"]),
    (nothing, "..", [".. is a folder", "pass a .safetensors file"]),
    (nothing, "", [". is a folder", "pass a .safetensors file"]),
    (nothing, "../tiny/members.npz", ["members.npz"]),
]
SEEN = "../tiny/gradient.safetensors"


def gradient(without: str = "", **changes: torch.Tensor) -> Callable[[Tiny], None]:
    """Writes a gradient, some of it changed."""

    def write(tiny: Tiny) -> None:
        kept = {name: value for name, value in untrained().items() if name != without}
        changed = {name.replace("_", "."): value for name, value in changes.items()}
        save_file(kept | changed, tiny.checkpoint.with_name("gradient.safetensors"))

    return write


def pickled_gradient(tiny: Tiny) -> None:
    content = {**untrained(), "extra": Path("gone").unlink}
    torch.save(content, tiny.checkpoint.with_name("gradient.safetensors"))


BAD_GRADIENTS = [
    (gradient(without="fc1.bias"), SEEN, [f"--gradient {SEEN} has no fc1.bias", "one finite tensor"]),
    (gradient(fc3_weight=torch.ones(1, 1)), SEEN, [f"--gradient {SEEN} has fc3.weight", "has not"]),
    (
        gradient(fc1_weight=torch.ones(100, 99)),
        SEEN,
        [f"fc1.weight is 100x99 in {SEEN}", "100x144 in"],
    ),
    (gradient(fc1_bias=torch.ones(100, dtype=torch.int64)), SEEN, ["fc1.bias is stored as torch.int64"]),
    (gradient(fc1_bias=torch.full((100,), torch.nan)), SEEN, ["fc1.bias has 100 NaN", "one finite tensor"]),
    (gradient(fc1_weight=torch.ones(8, 1, 3, 3)), SEEN, ["fc1.weight is 8x1x3x3 in", "100x144 in"]),
    (pickled_gradient, SEEN, [f"--gradient: {SEEN} was not loaded", "would run code", "one finite tensor"]),
    (nothing, SEEN, [f"--gradient: {SEEN} does not exist"]),
    (nothing, "", ["--gradient: . is a folder"]),
    (nothing, "../tiny/members.npz", ["--gradient: ../tiny/members.npz"]),
]
BAD_ACTIVATIONS = [
    ("rellu", ['--activation "rellu" is unknown', "nearest: relu"]),
    ("poly", ['--activation "poly" has no degree', "a whole number from 2 to 9"]),
    ("polynomial:1", ['the degree "1"', "a whole number from 2 to 9"]),
    ("elu:-1", ['the alpha "-1"', "a positive number"]),
    ("tanh:2", ['has the parameter "2", tanh takes none']),
    ("softmax", ['--activation "softmax" is unknown']),
]


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        (not_safetensors, [], ["model.safetensors is not a safetensors file", "b'these are my wei'"]),
        (truncated, [], ["model.safetensors is a truncated or damaged safetensors file", "again"]),
        (truncated_state_dict, [], ["model.safetensors", "PyTorch file", "again"]),
        (broken_chain, [], ["fc2.weight", "99", "100"]),
        (convolution, [], ["fc1.weight (8x1x3x3) is a convolution"]),
        (nan_weights, [], ["fc1.bias has 100 NaN or infinite values of 100"]),
        (infinite_weights, [], ["fc2.weight has 100 NaN or infinite values of 100"]),
        (no_checkpoint, [], ["model.safetensors does not exist", "check the path"]),
        (another_model, [], ["--input-shape 1,12,12 has 144 values, fc1.weight takes 784", "1,28,28"]),
        *((spoil, ["--initial", path], words) for spoil, path, words in BAD_STARTS),
        *((spoil, ["--gradient", path], words) for spoil, path, words in BAD_GRADIENTS),
        (nothing, ["--gradient-kind", "hessian"], ["unknown gradient kind 'hessian'", "gradient or update"]),
        (nothing, ["--gradient-kind", "update"], ["without an update", "as --gradient"]),
        (gradient(), ["--gradient", SEEN, "--learning-rate", "0.1"], ["belongs to an update"]),
        *(
            (
                gradient(),
                ["--gradient", SEEN, "--gradient-kind", "update", "--learning-rate", rate],
                [f"--learning-rate is {rate}", "positive"],
            )
            for rate in ("0", "-1", "nan", "inf")
        ),
        *(
            (nothing, ["--attacks", name], [f"--attacks {name} needs an observed gradient", "--gradient"])
            for name in ("gradient", "gradient-cosine", "gradient-exact", "moment-tensor", "polynomial-gradient")
        ),
        *((nothing, ["--activation", name], words) for name, words in BAD_ACTIVATIONS),
        (nothing, ["--activation", ""], ["--activation is empty"]),
        (nothing, ["--precision", "half"], ["unknown precision 'half'", "use float32 or float64"]),
        (nothing, ["--precision", ""], ["unknown precision ''", "use float32 or float64"]),
        (no_members, [], ["members.npz is neither a file, nor a folder"]),
        (empty_members, [], ["members.npz is empty", "at least one image"]),
        (members_that_are_no_archive, [], ["members.npz"]),
        (labels_out_of_range, [], ["image 2 has label 2", "labels 0 to 1", "relabel"]),
        (negative_labels, [], ["label -1 of image 0", "not -1 and 1"]),
        (controls_of_another_size, [], ["controls.npz: images are 1 x 13 x 13", "1 x 12 x 12", "resize"]),
        (overlap, [], ["1 of the 61 controls are also members", "image 60 of"]),
        (images_too_small, [], ["1 x 144 pixels", "SSIM"]),
        (mean_of_another_size, [], ["mean.npy has shape (12, 13)", "(12, 12)"]),
        (nothing, ["--input-shape", "1,13,13", "--mean", "0"], ["1,13,13 has 169 values", "takes 144"]),
        (nothing, ["--input-shape", "9,16", "--mean", "0"], ["images are 1 x 12 x 12", "takes 1 x 9 x 16"]),
        (nothing, ["--input-shape", "square"], ['--input-shape "square" is not an image shape', "1,28,28"]),
        (nothing, ["--std", "0"], ["--std 0", "positive"]),
        (nothing, ["--mean", "lots"], ['--mean "lots" is neither numbers nor a file']),
        (nothing, ["--policy", "relaese"], ["'relaese' is no policy and no file", "did you mean 'release'?"]),
        (nothing, ["--policy", "gone.yaml"], ["gone.yaml: no such policy file", "release"]),
        (nothing, ["--attacks", "kkt-margin,kkt-magic"], ["unknown attack 'kkt-magic'", "kkt-margin"]),
        (nothing, ["--attacks", ","], ["--attacks names no attack", "kkt-margin"]),
        *(
            (nothing, ["--attacks", names], ["--attacks weight-delta needs the weights", "pass --initial"])
            for names in ("weight-delta", "kkt-loss,weight-delta")
        ),
        (few_controls, ["--positive-control"], ["22 of them are too few", "give at least 23"]),
        (nothing, ["--format", "pdf"], ["unknown format 'pdf'", "html, markdown, json"]),
        (nothing, ["--format", "json", "--format", "jsn"], ["unknown format 'jsn'", "did you mean 'json'?"]),
        (nothing, ["--format", "srif=x.sarif"], ["unknown format 'srif'", "did you mean 'sarif'?"]),
        (nothing, ["--format", "sarif="], ["--format sarif= has no path"]),
        (nothing, ["--format", "json=a", "--format", "json=b"], ["two paths for json: a and b"]),
        (nothing, ["--format", "json=a,sarif=./a"], ["two reports for ./a"]),
        (nothing, ["--format", "html,sarif=.."], ["cannot write the report ..: ", "is no file", "--format"]),
        (nothing, ["--format", "sarif=a/b/c.sarif", "--format", f"json={__file__}/x"], ["report", "test_cli.py/x"]),
        (nothing, ["--format", "sarif=/dev/null"], ["cannot write the report /dev/null: ", "is no file"]),
        (nothing, ["--format", "sarif=" + 300 * "a"], ["cannot write the report", "name too long"]),
        (nothing, ["--format", ","], ["--format names no format"]),
        (nothing, ["--device", "tpu"], ["unknown device 'tpu'", "auto, cpu or cuda"]),
        (nothing, ["--budget", "soon"], ["--budget is 'soon'", "60s, 10m or 2h"]),
        (nothing, ["--budget", "0s"], ["--budget is '0s'", "positive"]),
        (nothing, ["--budget", "-5s"], ["--budget is '-5s'"]),
        (nothing, ["--budget", "9" * 400], ["--budget is inf s", "positive"]),
        (nothing, ["--threshold", "0"], ["--threshold is 0", "above 0"]),
        (nothing, ["--threshold", "1.01"], ["--threshold is 1.01"]),
        (nothing, ["--threshold", "nan"], ["--threshold is nan"]),
        (nothing, ["--waivers", "absent.yaml"], ["absent.yaml: cannot be read: No such file"]),
        (nothing, ["--baseline", "absent"], ["--baseline absent: cannot be read: No such file", "run folder"]),
        (nothing, ["--baseline", __file__], ["test_cli.py: not a report of schema version 1: Invalid JSON"]),
        (nothing, ["--dp", "1.1,0.01"], ["--dp is '1.1,0.01'", "such as 1.1,0.01,1000"]),
        (nothing, ["--dp", "0,0.01,9"], ["--dp: the noise multiplier is 0", "give one from 0.001"]),
        (nothing, ["--threshold", "high"], ["'--threshold'", "(see model-audit scan --help)"]),
        (nothing, ["--seed", "-1"], ["'--seed'", "-1 is not a whole number from 0"]),
        (nothing, ["--seed", 2**63], ["'--seed'", "is not a whole number from 0"]),
        (nothing, ["--seed", "1.5"], ["'--seed'"]),
        (nothing, ["--data", ""], ["--data is empty", "leave it out"]),
        (nothing, ["--controls", ""], ["--controls is empty", "leave it out"]),
        (nothing, ["--data", "mnist:train[:500]"], ["mnist:train[:500]", "missing or damaged under", "data"]),
        (nothing, ["--datta", "x"], ["No such option: --datta", "--data", "(see model-audit scan --help)"]),
        (nothing, ["--out", __file__], ["cannot write the run folder", "test_cli.py", "--out"]),
        (nothing, ["--out", f"{__file__}/deeper"], ["cannot write the run folder", "--out"]),
        (nothing, ["--activation", "re\nlu\x1b[31m"], ['"re lu?[31m" is unknown']),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line_and_nothing_is_written(
    model_audit: Run,
    tiny: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Tiny], None],
    options: list[object],
    words: list[str],
) -> None:
    monkeypatch.setattr("audit.pipeline.run", lambda *_: pytest.fail("the attack began"))
    spoil(tiny)
    before = tree(tmp_path)
    complains(model_audit(*scan(tiny, *options)), *words)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        (truncated, [], ["model.safetensors is a truncated or damaged safetensors file"]),
        (convolution, [], ["fc1.weight (8x1x3x3) is a convolution"]),
        (no_checkpoint, [], ["model.safetensors does not exist"]),
        *((spoil, ["--initial", path], words) for spoil, path, words in BAD_STARTS),
        *((spoil, ["--gradient", path], words) for spoil, path, words in BAD_GRADIENTS),
        *((nothing, ["--activation", name], words) for name, words in BAD_ACTIVATIONS),
        (nothing, ["--data", "x"], ["x is neither a file, nor a folder"]),
        (nothing, ["--controls", "x"], ["--controls without --data", "pass the training images"]),
        (nothing, ["--input-shape", "1,2,3"], ["--input-shape without --data"]),
        (nothing, ["--mean", ""], ["--mean is empty"]),
        (nothing, ["--gradient-kind", "update"], ["--gradient-kind update without an update"]),
        (nothing, ["--format", "html"], ["unknown format 'html' in --format", "use table or json"]),
        (nothing, ["--out", "x"], ["No such option: --out", "(see model-audit inspect --help)"]),
    ],
)
def test_inspect_refuses_what_scan_refuses(
    model_audit: Run,
    tiny: Tiny,
    tmp_path: Path,
    spoil: Callable[[Tiny], None],
    options: list[str],
    words: list[str],
) -> None:
    spoil(tiny)
    before = tree(tmp_path)
    complains(model_audit("inspect", tiny.checkpoint, *options), *words)
    assert tree(tmp_path) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(model_audit: Run, tiny: Tiny) -> None:
    complains(model_audit(*scan(tiny, "--device", "cuda")), "no CUDA device", "--device cpu")
    assert tree(Path()) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scan"], ["Missing argument"]),
        (["scan", "model.safetensors"], ["Missing option '--data'"]),
        (["scam"], ["No such command 'scam'", "scan", "(see model-audit --help)"]),
        (["scan", "a", "b", "--data", "c"], ["unexpected extra argument"]),
        (["demo", "--budget", "soon"], ["--budget is 'soon'"]),
        (["demo", "--seed", "-1"], ["-1 is not a whole number from 0"]),
        (["demo", "--out", __file__], ["cannot write the run folder"]),
    ],
)
def test_a_mistaken_command_line_gets_one_line(
    model_audit: Run, arguments: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.demo.prepare", lambda folder, seed: pytest.fail("the demo was trained"))
    ended = model_audit(*arguments)
    complains(Ended(ended.code, ended.out, ended.err.removeprefix(TRAINING)), *words)
    assert tree(Path()) == {}


TRAINING = "training a 625-1000-1 network on 40 faces with random labels ...\n"


def test_a_misspelt_policy_key_names_the_nearest(model_audit: Run, tiny: Tiny, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\nname: mine\nlimits: []\nmatch: {metric: ssim, treshold: 0.5}\n")
    ended = model_audit(*scan(tiny, "--policy", path))
    complains(ended, "mine.yaml: unknown key 'match.treshold'", "did you mean 'threshold'?")


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("form", ["torch", "old torch", "pickle"])
@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_a_pickle_that_wants_to_run_code_is_never_loaded(
    model_audit: Run, tiny: Tiny, tmp_path: Path, form: str, name: str
) -> None:
    marker, path = tmp_path / "it ran", tmp_path / "evil" / name
    path.parent.mkdir()
    content = {**weights(), "extra": Payload(marker)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "torch")
    complains(model_audit("scan", path, *tiny.arguments[1:]), "was not loaded", "run code")
    assert not marker.exists()
    with path.open("rb") as file:
        pickle.load(file) if form == "pickle" else torch.load(file, weights_only=False)
    assert marker.exists()  # the trap works


def test_a_folder_one_may_not_read(
    model_audit: Run, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    whole = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path == locked:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    ended = model_audit(*scan(tiny, "--data", locked))
    complains(ended, f"{locked} cannot be read (Permission denied)", "check the path")


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """No file whose name begins with `name` can be written whole."""
    whole = Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        if path.name.startswith(name):
            whole(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return whole(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)


def test_a_full_disk_is_seen_before_the_attack(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch, "")
    monkeypatch.setattr("audit.pipeline.run", lambda *_: pytest.fail("the attack began"))
    complains(model_audit(*scan(tiny)), "cannot write the run folder out", "No space left", "make room")
    assert tree(Path()) == {}


@pytest.mark.parametrize("name", ["report.html", "report.md", "report.json", "candidates", "evidence"])
def test_a_disk_that_fills_up_breaks_the_audit_off(
    model_audit: Run, tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fill_the_disk(monkeypatch, name)
    ended = model_audit(*scan(tiny, "--no-progress"))
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.startswith("model-audit: cannot write the run folder out: No space left on device")
    assert len(ended.err.splitlines()) == 1
    assert {path.name for path in Path("out").iterdir()} < REPORTS  # what is there, is whole


def test_a_mistake_of_our_own_is_no_verdict(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.pipeline.assemble", lambda *_: [][0])
    ended = model_audit(*scan(tiny, "--budget", "0.1s"))
    assert ended.code == 4
    assert "IndexError" in ended.err
    assert ended.err.splitlines()[-1].startswith("model-audit: broken off")


# --- interrupts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_report_of_what_was_finished(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(Lines, "step", lambda *_: signal.raise_signal(number))
    ended = model_audit(*scan(tiny))
    content = json.loads(Path("out/report.json").read_text())
    assert ended.code == 4
    assert content["provenance"]["complete"] is False
    assert content["attacks"][0]["reason"].endswith("the user broke off")
    assert "incomplete-audit" in {finding["kind"] for finding in content["findings"]}
    assert "broke off" in ended.out
    assert {path.name for path in Path("out").iterdir()} == REPORTS


def test_a_second_interrupt_ends_at_once(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")

    monkeypatch.setattr(Lines, "step", twice)
    ended = model_audit(*scan(tiny))
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.splitlines()[-1] == "model-audit: broken off before the report was written"
    assert list(Path("out").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_before_the_attack_ends_at_once(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("audit.request.load_images", lambda *_, **__: signal.raise_signal(number))
    ended = model_audit(*scan(tiny))
    assert ended == Ended(4, "", "model-audit: broken off before the report was written\n")
    assert tree(Path()) == {}


def test_an_interrupt_while_the_report_is_written_changes_nothing(
    model_audit: Run, tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        if path.name.startswith("report.md"):
            signal.raise_signal(signal.SIGINT)
        return whole(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    assert model_audit(*scan(tiny)).code == 1
    assert {path.name for path in Path("out").iterdir()} == REPORTS


def test_handlers_are_put_back(model_audit: Run, tiny: Tiny, steps: None) -> None:
    before = signal.getsignal(signal.SIGINT)
    model_audit(*scan(tiny))
    assert signal.getsignal(signal.SIGINT) is before


# --- the real script --------------------------------------------------------------------------------------


def script(folder: Path, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from audit.cli import main; main()", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_signals_to_the_real_script(tiny: Tiny, tmp_path: Path) -> None:
    numbers = [signal.SIGINT, signal.SIGTERM]
    running = {}
    for number in numbers:
        folder = tmp_path / number.name
        folder.mkdir()
        running[number] = script(folder, *scan(tiny, "--format", "json"))
    for number, process in running.items():
        assert process.stderr
        while not (line := process.stderr.readline()).startswith("kkt-margin"):
            assert line, "ended before the attack began"
        process.send_signal(number)
        began = time.monotonic()
        out, _ = process.communicate(timeout=60)
        assert time.monotonic() - began < 30
        content = json.loads((tmp_path / number.name / "out/report.json").read_text())
        assert process.returncode == 4
        assert content["provenance"]["complete"] is False
        assert out.endswith("report: out/report.json\n")


def test_bad_input_writes_nothing_not_even_into_the_home_folder(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    elsewhere = {"HOME": str(folder), "MPLCONFIGDIR": "", "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": ""}
    process = script(folder, *scan(tiny, "--policy", "relaese"), **elsewhere)
    out, err = process.communicate(timeout=60)
    complains(Ended(process.returncode, out, err), "'relaese' is no policy")
    assert tree(folder) == {}


def test_nobody_reading_does_not_change_the_exit_code(
    model_audit: Run, tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.dup(1)

    def refuse(*_: object, **__: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    try:
        monkeypatch.setattr("audit.cli.typer.echo", refuse)
        monkeypatch.setattr(sys.stdout, "fileno", lambda: 1)
        assert model_audit(*scan(tiny, "--policy", "research")).code == 0
    finally:
        os.dup2(whole, 1)
        os.close(whole)


def test_help_is_there_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    out, err = script(tmp_path, "--help").communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert "scan" in out
    assert err == ""


# --- small parts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("10m", 600), ("2h", 7200), ("90", 90), (" 1.5 H ", 5400), ("0.5s", 0.5)],
)
def test_budgets(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1d", "1h30m", "-1s", "0", "0.0m", "1e3", "inf", "nan", "1 0"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(UsageError, match="60s, 10m or 2h"):
        parse_budget(text)
