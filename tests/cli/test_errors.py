"""Mistakes: of the command line, of files that cannot be trusted, and of the tool itself."""

import errno
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.cli.script import start
from tests.cli.support import files, scan, tree
from tests.command import Ended, Run, complains
from tests.tiny import Tiny, weights

TRAINING = "training a 625-1000-1 network on 40 faces with random labels ...\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scan"], ["'CHECKPOINT'"]),
        (["scan", "model.safetensors"], ["'--data'"]),
        (["scam"], ["'scam'", "scan", "(see model-audit --help)"]),
        (["scan", "a", "b", "--data", "c"], ["extra argument", "(b)"]),
        (["demo", "--budget", "soon"], ["--budget", "'soon'"]),
        (["demo", "--seed", "-1"], ["--seed is -1", "2^63 - 1"]),
        (["demo", "--out", __file__], ["run folder", __file__, "--out"]),
    ],
)
def test_a_mistaken_command_line_gets_one_line(
    model_audit: Run, arguments: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "audit.pipeline.demo.prepare", lambda folder, seed: pytest.fail("the demo was trained")
    )
    ended = model_audit(*arguments)
    complains(Ended(ended.code, ended.out, ended.err.removeprefix(TRAINING)), *words)
    assert tree(Path()) == {}


def test_a_misspelt_policy_key_names_the_nearest(model_audit: Run, tiny: Tiny, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\nname: mine\nlimits: []\nmatch: {metric: ssim, treshold: 0.5}\n")
    ended = model_audit(*scan(tiny, "--policy", path))
    complains(ended, "mine.yaml", "'match.treshold'", "'threshold'")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(model_audit: Run, tiny: Tiny, no_attack: None) -> None:
    complains(model_audit(*scan(tiny, "--device", "cuda")), "CUDA", "--device cpu")
    assert tree(Path()) == {}


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
    complains(model_audit("scan", path, *tiny.arguments[1:]), name, "not loaded", "run code")
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
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return whole(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    ended = model_audit(*scan(tiny, "--data", locked))
    complains(ended, str(locked), "Permission denied")


def test_bad_input_writes_nothing_not_even_into_the_home_folder(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    elsewhere = {"HOME": str(folder), "MPLCONFIGDIR": "", "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": ""}
    process = start(folder, *scan(tiny, "--policy", "relaese"), **elsewhere)
    out, err = process.communicate(timeout=600)
    complains(Ended(process.returncode, out, err), "'relaese'", "'release'")
    assert tree(folder) == {}


def test_a_mistake_of_our_own_is_no_verdict(
    model_audit: Run, tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.pipeline.run.assemble", lambda *_: [][0])
    ended = model_audit(*scan(tiny))
    assert (ended.code, ended.out) == (4, "")
    assert "IndexError" in ended.err
    assert ended.err.splitlines()[-1].startswith("model-audit: ")
    assert "internal error; please report the traceback above" in ended.err.splitlines()[-1]
    assert files() == set()
