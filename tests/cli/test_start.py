"""What is missing is reported before any large library is loaded."""

from pathlib import Path

import pytest

from tests.cli.script import COMMAND, start

LARGE = {"torch", "torchvision", "matplotlib", "skimage", "scipy", "numpy", "safetensors"}
SCAN = ["scan", "model.safetensors", "--data", "members.npz"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that exist; nobody reads what is in them."""
    for name in ("model.safetensors", "members.npz"):
        (tmp_path / name).touch()
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scan", "none.pt", "--data", "members.npz"], "none.pt does not exist"),
        (["scan", "model.safetensors", "--data", "none.npz"], "none.npz is neither a file"),
        ([*SCAN, "--controls", "none.npz"], "none.npz is neither a file"),
        ([*SCAN, "--initial", "none.pt"], "--initial: none.pt does not exist"),
        ([*SCAN, "--gradient", "none.pt"], "--gradient: none.pt does not exist"),
        ([*SCAN, "--policy", "none.yaml"], "none.yaml: no such policy file"),
        ([*SCAN, "--policy", "relase"], "did you mean 'release'?"),
        ([*SCAN, "--waivers", "none.yaml"], "none.yaml does not exist"),
        ([*SCAN, "--baseline", "none"], "--baseline: none does not exist"),
        ([*SCAN, "--baseline", "run"], "--baseline: run has no report.json"),
        ([*SCAN, "--config", "none.yaml"], "none.yaml: cannot be read"),
        ([*SCAN, "--budget", "soon"], "--budget is 'soon'"),
        ([*SCAN, "--threshold", "7"], "--threshold is 7"),
        ([*SCAN, "--mean", ""], "--mean is empty"),
        (["inspect", "none.pt"], "none.pt does not exist"),
        (["inspect", "model.safetensors", "--mean", "0"], "--mean without --data"),
        (["init", "none.pt"], "none.pt does not exist"),
        (["report", "none"], "none does not exist"),
        (["compare", "run", "none"], "run has no report.json"),
        (["policy", "check", "none.yaml"], "none.yaml: no such policy file"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else "",
)
def test_what_is_missing_is_told_at_once(folder: Path, arguments: list[str], words: str) -> None:
    loaded = f"lambda: print(sorted({LARGE} & sys.modules.keys()), file=sys.stderr)"
    code = f"import atexit, sys; atexit.register({loaded}); {COMMAND}"
    ran = start(folder, *arguments, code=code)
    out, err = ran.communicate(timeout=600)
    assert (ran.returncode, out) == (2, "")
    complaint, large = err.splitlines()
    assert complaint.startswith("model-audit: ")
    assert words in complaint
    assert large == "[]"
    assert sorted(path.name for path in folder.iterdir()) == [
        "members.npz", "model.safetensors", "run",
    ]  # fmt: skip
