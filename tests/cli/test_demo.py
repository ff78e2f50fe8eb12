"""`model-audit demo`: its exit codes, what it says, and what it leaves."""

import errno
import functools
import json
import re
import shlex
import signal
from pathlib import Path

import pytest

from audit import cli
from audit.cli.progress import Lines
from audit.pipeline import demo
from tests.cli.support import REPORTS, files, report, tree
from tests.command import Ended, Run, complains
from tests.tiny import fix_steps

FILES = {"model.safetensors", "members.npz", "controls.npz", "mean.npy"}
TRAINING = "training a 625-1000-1 network on 40 faces with random labels ...\n"


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train hardly at all."""
    monkeypatch.setattr(demo, "train", functools.partial(demo.train, margin=-1.0))


def test_the_command_says_how_to_repeat_it(
    model_audit: Run, untrained: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fix_steps(monkeypatch, 3)
    ended = model_audit("demo", "--out", "my demo", "--budget", "7m")
    assert ended.code == 0
    assert ended.err.startswith(TRAINING)
    verdict, *_, path, blank, stated, by_hand = ended.out.splitlines()
    assert (path, blank) == ("report: my demo/report.html", "")
    found = re.fullmatch(r"This was a demonstration; .* exits with (\d)\. By hand:", stated)
    assert found
    code = int(found[1])
    assert code == cli.EXIT_CODES[verdict.split(":")[0]]
    program, *arguments = shlex.split(by_hand)
    content = report("my demo")
    assert program == "model-audit"
    assert content["provenance"]["command"] == by_hand.strip()
    assert content["provenance"]["budget_seconds"] == 420
    assert files("my demo") == REPORTS | FILES
    assert model_audit(*arguments, "--out", "again").code == code
    again = report("again")
    for one, other in zip(again["samples"], content["samples"], strict=True):
        assert one == {
            **other,
            "similarity": pytest.approx(other["similarity"], abs=1e-5),
            "ncc": pytest.approx(other["ncc"], abs=1e-5),
            "margin": pytest.approx(other["margin"], abs=1e-5),
        }


def test_an_interrupted_demonstration_is_no_success(
    model_audit: Run, untrained: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lines, "step", lambda *_: signal.raise_signal(signal.SIGINT))
    ended = model_audit("demo", "--budget", "1h")
    (folder,) = Path("reports").iterdir()
    assert re.fullmatch(r"demo-\d{8}-\d{6}", folder.name)
    assert ended.code == 4
    assert json.loads((folder / "report.json").read_text())["provenance"]["complete"] is False
    assert "exits with 4" in ended.out


def test_an_interrupt_while_it_trains_ends_it(model_audit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "train", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    ended = model_audit("demo", "--out", "out")
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.removeprefix(TRAINING).startswith("model-audit: ")
    assert "Traceback" not in ended.err
    assert files() == set()


def test_a_full_disk_is_seen_before_it_trains(model_audit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    monkeypatch.setattr(demo, "train", lambda *_, **__: pytest.fail("it trained"))
    ended = model_audit("demo", "--out", "out")
    complains(
        Ended(ended.code, ended.out, ended.err.removeprefix(TRAINING)), "run folder out", "No space left"
    )
    assert tree(Path()) == {}
