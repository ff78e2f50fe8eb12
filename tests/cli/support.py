"""What tests of `scan` share: its arguments, what it leaves behind, and files beside the checkpoint."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.tiny import Tiny, untrained

TENSORS = {"candidates.safetensors", "evidence.safetensors"}
REPORTS = {*TENSORS, "report.html", "report.json", "report.md"}

BEFORE, SEEN = "../tiny/before.safetensors", "../tiny/gradient.safetensors"
"""What `write_initial` and `write_gradient_file` write, as seen from where the command runs."""


def scan(tiny: Tiny, *more: object) -> list[object]:
    return ["scan", *tiny.arguments, "--controls", tiny.controls, "--budget", "1h", "--out", "out", *more]


def report(folder: str = "out") -> Any:
    return json.loads(Path(folder, "report.json").read_text())


def files(folder: str = "out") -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def tree(folder: Path) -> dict[str, int]:
    """Sizes of all files and empty folders."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


def write_initial(without: str = "", **changes: torch.Tensor) -> Callable[[Tiny], None]:
    """Write weights from before training, some of them changed."""
    return _write("before.safetensors", without, changes)


def write_gradient_file(without: str = "", **changes: torch.Tensor) -> Callable[[Tiny], None]:
    """Write what could be a gradient, some of it changed."""
    return _write("gradient.safetensors", without, changes)


def _write(file: str, without: str, changes: dict[str, torch.Tensor]) -> Callable[[Tiny], None]:
    def write(tiny: Tiny) -> None:
        kept = {name: value for name, value in untrained().items() if name != without}
        changed = {name.replace("_", "."): value for name, value in changes.items()}
        save_file(kept | changed, tiny.checkpoint.with_name(file))

    return write
