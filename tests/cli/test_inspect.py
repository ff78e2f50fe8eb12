"""`model-audit inspect`: what it prints, as a table and as JSON."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from audit.attacks import BATTERY
from tests.cli.support import BEFORE, tree, write_initial
from tests.command import Run
from tests.tiny import MEMBERS, SIDE, Tiny, untrained_tiny, weights, write_gradient

IDS = [attack.id for attack in BATTERY]


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_what_inspect_prints(
    model_audit: Run, tiny: Tiny, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    write_initial()(tiny)
    ended = model_audit("inspect", tiny.checkpoint, "--initial", BEFORE, "--activation", "tanh")
    network, note, *lines = ended.out.splitlines()
    assumed, rest = lines[: lines.index("")], lines[lines.index("") + 1 :]
    assert (ended.code, ended.err) == (0, "")
    assert network == "144-100-1, tanh, biases in layer 1, 14,600 parameters"
    assert " ".join(assumed).startswith("Read as: activation tanh; layers 144-100-1 in a chain,")
    assert note.startswith(f"note: weights before training: {BEFORE}, sha256 ")
    assert max(map(len, assumed + rest)) <= columns
    table, held = rest[: rest.index("")], rest[rest.index("") :]
    assert [line.split(" ")[0] for line in table if line[0] != " "] == IDS
    words = " ".join(" ".join(table).split())
    assert words.startswith("kkt-margin applies, but tanh is not homogeneous")
    assert "kkt-loss applies, but " in words
    assert "weight-delta applies gradient does not apply: needs an observed gradient" in words
    words = " ".join(" ".join(held).split())
    assert f"- Singular values of the first layer: {MEMBERS - 1} above the threshold of noise" in words
    assert "- Singular values of the change of the first layer: " in words


@pytest.mark.parametrize("columns", [60, 200])
def test_inspect_with_members(
    model_audit: Run, tiny: Tiny, unhurried: None, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ended = model_audit("inspect", *tiny.arguments, "--controls", tiny.controls)
    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert max(map(len, lines)) <= columns
    words = " ".join(ended.out.split())
    assert words.partition("parameters ")[2].startswith("As read, the network gets 4 of 4 members right")
    assert "AUC 1.00 (95 % interval 0." in words
    assert f" in principle: {MEMBERS} of {MEMBERS}" in words
    assert "Labels of controls are unknown" in words
    (header,) = [line for line in lines if line.split()[:2] == ["member", "label"]]
    assert [*header.split()[:2], header.split()[3]] == ["member", "label", "rank"]
    rows = [line.split() for line in lines[lines.index(header) + 1 :][:MEMBERS]]
    assert sorted(row[0] for row in rows) == ["0", "1", "2", "3"]
    assert [row[3] for row in rows] == ["1", "2", "3", "4"]
    contributions = [float(row[2]) for row in rows]
    assert contributions == sorted(contributions, reverse=True)


def test_inspect_writes_json_and_nothing_else(model_audit: Run, tiny: Tiny, unhurried: None) -> None:
    ended = model_audit("inspect", *tiny.arguments, "--controls", tiny.controls, "--format", "json")
    content = json.loads(ended.out)
    assert (ended.code, ended.err) == (0, "")
    assert [attack["id"] for attack in content["attacks"]] == IDS
    assert content["model"]["input_shape"] == [1, SIDE, SIDE]
    assert content["reading"]["members"]["accuracy"] == 1.0
    assert [one["what"] for one in content["assumed"]] == ["activation", "chain", "normalisation"]
    assert {sample["contribution_rank"] for sample in content["samples"]} == {1, 2, 3, 4}
    assert content["stationarity"].keys() == {"kkt-margin", "kkt-loss"}
    assert content["identifiability"] is None
    assert tree(Path()) == {}


def test_inspect_says_what_it_assumed(model_audit: Run, tmp_path: Path) -> None:
    save_file(weights(), tmp_path / "bare.safetensors")
    lines = model_audit("inspect", tmp_path / "bare.safetensors").out.splitlines()
    assert lines[0].startswith("144-100-1, relu")
    assert lines[1].startswith("note: activation ")
    assert lines[1].endswith(" if it differs")
    assert "--activation" in lines[1]
    assert lines[2].startswith(
        "Read as: activation relu (assumed); layers 144-100-1 in a chain, without skip"
    )
    assert "pass --initial" in " ".join(lines)


def test_inspect_says_what_a_gradient_holds(model_audit: Run, tiny: Tiny) -> None:
    seen = write_gradient(untrained_tiny(tiny), dtype=torch.bfloat16)
    lines = model_audit("inspect", tiny.checkpoint, "--gradient", seen).out.splitlines()
    assert lines[1].startswith("note: observed gradient: its first layer has rank ")
    assert lines[2].startswith("note: observed gradient: stored in half precision")
    assert "gradient applies" in " ".join(" ".join(lines).split())
