import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# Nothing here is large enough for two threads, and on a busy machine they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
import torch

from audit import cli
from audit.attacks import Observation
from audit.model.network import Network
from tests import pairwise
from tests.command import Ended, Run
from tests.planted import observation, small_network
from tests.recording import CountedClock
from tests.tiny import Tiny, attack_once, draw_once, fix_steps, make

UNMEASURED = {
    *("attacks", "battery", "benchmarks", "dataset", "diagnostics", "equation", "model"),
    *("render", "report", "request", "scoring", "solve", "verdict"),
}
"""Folders whose tests run without measuring coverage: its floors are for the command line and the pipeline."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the full product of tables in pairs where slow cases may run."""
    pairwise.EVERYTHING = "not slow" not in config.getoption("markexpr", "")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Stop measuring where a folder begins whose tests are not measured, and go on where it ends."""
    plugin = item.config.pluginmanager.getplugin("_cov")
    controller = plugin.cov_controller if plugin else None
    if controller is None:
        return
    measured = not UNMEASURED & set(item.path.relative_to(Path(__file__).parent).parts)
    if measured and not controller.started:
        controller.resume()
    elif controller.started and not measured:
        controller.pause()


@pytest.fixture
def model_audit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Run]:
    """The console script, in this process and in an empty folder."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a SIGTERM nobody handles would end pytest
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # as the script does; here, it is put back
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["model-audit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make(tmp_path / "tiny")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attacks take a fixed number of steps, and are not run again where another test has; nor are plots drawn."""
    fix_steps(monkeypatch)
    attack_once(monkeypatch)
    draw_once(monkeypatch)


@pytest.fixture
def counted_time(monkeypatch: pytest.MonkeyPatch) -> CountedClock:
    """The machine's clocks, until the test ends: they count gradients, and say the same however slow it is."""
    monkeypatch.setattr(
        torch.autograd, "grad", torch.autograd.grad
    )  # so that what the clock does to it is undone
    clock = CountedClock()
    for name in ("monotonic", "perf_counter"):
        monkeypatch.setattr(time, name, clock)
    return clock


@pytest.fixture
def net(outputs: int, layers: int, biases: str, activation: str) -> Network:
    """The network of a case, for tests that are parametrised with `LAYOUTS` and activations."""
    return small_network(outputs, layers, biases, activation=activation)


@pytest.fixture
def seen(net: Network) -> Observation:
    """Everything that an attacker of this network can see."""
    return observation(net)
