"""Scoring of many samples ends, and (marked `benchmark`) within time and memory."""

import json

import pytest

from tests.benchmarks import scoring_cost
from tests.benchmarks.targets import DATA_DIR


@pytest.mark.benchmark
def test_scoring_ten_thousand_members_takes_three_minutes_and_4_gb(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert scoring_cost.main(["--data-dir", str(DATA_DIR)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["processor_seconds"] < 360  # of two cores
    assert found["peak_gigabytes"] < 4


@pytest.mark.skipif(not (DATA_DIR / "t10k-images-idx3-ubyte.gz").exists(), reason="needs MNIST")
def test_a_small_one(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--members", "20", "--controls", "30", "--candidates", "40", "--data-dir", str(DATA_DIR)]
    assert scoring_cost.main(few) == 0
    assert json.loads(capsys.readouterr().out)["confirmed"] == 0
