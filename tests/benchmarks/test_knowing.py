"""What the weights hold of members: figures on a network that hardly learnt, and (marked `benchmark`) the goals."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from audit.attacks import BATTERY
from audit.battery import AttackResult
from tests.benchmarks import knowing
from tests.benchmarks.knowing import budget, known, markdown, reached, row, without_training
from tests.benchmarks.recipes import RECIPES
from tests.benchmarks.run import seen_by_us
from tests.benchmarks.targets import DATA_DIR, prepare
from tests.benchmarks.test_run import TINY
from tests.planted import run_battery

ROOT = Path(__file__).resolve().parents[2]
SMALL_START = ("faces", "mnist", "cifar", "mnist10", "mnist-decay", "mnist10-adam")
"""Trained from a small initialisation."""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(RECIPES, "faces", TINY)
    return prepare("faces", cache=tmp_path / "cache")


def test_figures_and_table(target) -> None:
    figures = known(BATTERY[0], seen_by_us(target), target, 1e6)
    assert (figures["attack"], figures["unknowns"], figures["steps"]) == ("kkt-margin", 20, None)
    assert 0.0 <= figures["auc_interval"][0] <= figures["auc"] <= figures["auc_interval"][1] <= 1.0
    assert figures["true_positives_at_1_percent"] is None  # 60 controls
    assert figures["rank"] == 16
    assert figures["reachable_by_projection"] <= figures["reachable"] <= figures["members"] == 20
    assert figures["ceiling_complete"]
    json.dumps(figures)
    line = row("faces", {**figures, "reached": 3, "least_room": 0.1234})
    assert line.startswith("| faces | kkt-margin | ")
    assert " | - | " in line
    assert line.count("|") == knowing.HEADER.split("\n")[0].count("|")
    content = {
        "command": "python -m x", "machine": {"threads": 1}, "outside": 10.0, "tolerance": 0.05,
        "threshold": 0.4, "targets": {"faces": [figures]}, "untrained": {"kkt-loss": [0.4, 0.6]},
        "accuracy": [],
    }  # fmt: skip
    shown = markdown(content)
    assert row("faces", figures) in shown
    assert "kkt-loss 0.400, 0.600 (mean 0.500)" in shown


@pytest.mark.usefixtures("counted_time")
def test_what_is_reached_is_the_best_of_all_pairs(target) -> None:
    outcomes = run_battery(seen_by_us(target), BATTERY, ["kkt-loss"], budget(10.0), 0)
    (result,) = (outcome for outcome in outcomes if isinstance(outcome, AttackResult))
    found = np.concatenate([result.reconstructions, target.members[3:4]])
    object.__setattr__(result, "reconstructions", found)
    got = reached(result, target)
    assert got[3] == pytest.approx(1.0, abs=1e-4)
    assert got.shape == (20,)


@pytest.mark.benchmark
def test_recorded_runs_reach_the_goals() -> None:
    """Of results/knowing.json: what members of small starts, untrained networks and ceilings must come to."""
    recorded = json.loads((knowing.RESULTS / "knowing.json").read_text())
    assert set(recorded["targets"]) == set(RECIPES)
    for name in SMALL_START:
        assert max(figures["auc"] for figures in recorded["targets"][name]) > 0.95
    for values in recorded["untrained"].values():
        assert len(values) == 5
        assert all(0.4 <= value <= 0.6 for value in values)
    every = [figures for many in recorded["targets"].values() for figures in many]
    for figures in every:
        low, high = figures["auc_interval"]
        assert low <= figures["auc"] <= high
        assert low < high
    rooms = [figures["least_room"] for figures in every if "least_room" in figures]
    assert len(rooms) >= 2 * len(RECIPES)
    assert min(rooms) >= -recorded["tolerance"]


@pytest.fixture(scope="module")
def found():
    """Of all targets, with a short attack on each; takes minutes."""
    options = argparse.Namespace(data_dir=DATA_DIR, seconds=60.0, attack_seconds=8.0)
    torch.set_num_threads(1)
    return {name: knowing.measure(name, options) for name in RECIPES}


@pytest.mark.benchmark
@pytest.mark.parametrize("name", SMALL_START)
def test_members_of_networks_with_a_small_start_are_told_apart(name, found) -> None:
    assert max(figures["auc"] for figures in found[name]) > 0.95


@pytest.mark.benchmark
def test_no_attack_comes_above_the_ceiling(found) -> None:
    rooms = [figures["least_room"] for many in found.values() for figures in many if "least_room" in figures]
    assert len(rooms) >= 2 * len(RECIPES)
    assert min(rooms) >= -knowing.TOLERANCE


@pytest.mark.benchmark
def test_untrained_networks_know_nobody() -> None:
    for values in without_training(DATA_DIR, 30.0).values():
        assert all(0.4 <= value <= 0.6 for value in values)


@pytest.mark.benchmark
def test_ten_thousand_members_and_five_million_parameters() -> None:
    """In a process of its own, whose memory is that of the measurement alone."""
    command = [sys.executable, "-m", "tests.benchmarks.knowing", "--scale", "--threads", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    assert figures["parameters"] > 4.9e6
    assert figures["seconds"] < 300
    assert figures["peak_gigabytes"] < 4
    assert figures["auc"] > 0.8  # of random images after as many steps as there was time for
