"""A file of named tensors: safetensors, or a PyTorch state dict that holds nothing but data.

What a file is, its content says, not its name. Nothing in a file is ever executed.
"""

from __future__ import annotations

import errno
import hashlib
import pickle
import re
import stat
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open

from audit.errors import CheckpointError

FLOAT_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What weights may be stored as, whatever attacks compute in."""

_WANTED = "pass a .safetensors file, or a state dict saved by torch.save (.pt, .pth, .bin)"
_STATE_DICT = "save the tensors alone, as safetensors or with torch.save(model.state_dict(), path)"
_COPY_AGAIN = "copy or download the file again"

_TORCH_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19."  # begins files of torch.save before they were zip archives

# What the weights-only unpickler was seen to raise on damaged files; it checks less than it reads.
_DAMAGE = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    struct.error,
)

# `{"epoch": .., "model": {"state_dict": {..}}}`: deeper than this lies only the state of optimisers.
_NESTING = 2


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Named tensors of one model, on the CPU, with the types they were stored as."""

    path: Path
    """Where they were read."""
    tensors: dict[str, torch.Tensor]
    """By name, in the order the file gives; safetensors files have none and give them by name."""
    metadata: dict[str, str]
    """The header of a safetensors file; the strings beside the state dict of a PyTorch file."""
    sha256: str
    """Of the whole file, in hexadecimal."""


def load_checkpoint(path: Path) -> Checkpoint:
    """Read the tensors of a checkpoint without running any code it may contain.

    Parameters
    ----------
    path:
        A safetensors file, or a PyTorch file whose pickle holds plain data. A state dict under one key of
        a training checkpoint (`state_dict`, `model`, ...) is found as long as there is only one.

    Raises
    ------
    CheckpointError
        When the file cannot be read, is damaged, would run code, holds no tensors or several state dicts,
        or when a tensor holds NaN or infinite values.
    """
    try:
        kind = _kind(path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        tensors, metadata = _read_safetensors(path) if kind == "safetensors" else _read_pickle(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist", "check the path of the checkpoint") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(
            f"{path} cannot be read: {reason}", "check the file and its permissions"
        ) from error
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors, expected the weights of a model", _STATE_DICT)
    for name, tensor in tensors.items():
        _check_values(path, name, tensor)
    return Checkpoint(path, tensors, metadata, sha256)


def load_plain(path: Path) -> object:
    """Read whatever torch.save wrote, if it is plain data; no code in it is run.

    Raises
    ------
    CheckpointError
        When the file is damaged, of another kind, or would run code.
    OSError
        When it cannot be read.
    """
    if _kind(path) != "pickle":
        raise CheckpointError(f"{path} is a safetensors file, expected one that torch.save wrote", _WANTED)
    return _load_pickle(path)


def _kind(path: Path) -> Literal["safetensors", "pickle"]:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise CheckpointError(f"{path} is a folder, expected a file of tensors", _WANTED)
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{path} is not a regular file", _WANTED)
    if status.st_size == 0:
        raise CheckpointError(f"{path} is empty (0 bytes)", _COPY_AGAIN)
    with path.open("rb") as file:
        start = file.read(32)
    if start[8:9] == b"{" and start[4:8] == bytes(4):
        return "safetensors"
    if start.startswith(b"PK\x03\x04") or _TORCH_MAGIC in start:
        return "pickle"
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        problem = f"{path} was not loaded: it is a plain pickle, which can run code, expected tensors"
        raise CheckpointError(problem, _STATE_DICT)
    if start.startswith(b"version https://"):
        raise CheckpointError(
            f"{path} is a Git LFS pointer, not the file itself", "fetch it with git lfs pull"
        )
    expected = "safetensors" if path.suffix == ".safetensors" else "safetensors or PyTorch"
    raise CheckpointError(f"{path} is not a {expected} file: it begins with {start[:16]!r}", _WANTED)


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        problem = f"{path} is a truncated or damaged safetensors file ({error})"
        raise CheckpointError(problem, _COPY_AGAIN) from error


def _read_pickle(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    return _find_state(path, _load_pickle(path))


def _load_pickle(path: Path) -> object:
    try:
        # An open file: given a path, torch.load goes by its suffix.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        if error.errno != errno.EINVAL:  # what a seek to before the beginning of a truncated archive raises
            raise
        raise _refusal(path, error) from error
    except _DAMAGE as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: BaseException) -> CheckpointError:
    entries = _zip_entries(path)
    if any(entry.endswith("/constants.pkl") for entry in entries):
        problem = f"{path} was not loaded: it is a TorchScript program, expected a state dict"
        return CheckpointError(problem, _STATE_DICT)
    if entries and not any(entry.endswith("/data.pkl") for entry in entries):
        return CheckpointError(f"{path} is a zip archive, but not one that torch.save wrote", _WANTED)
    named = re.search(r"(?:GLOBAL|Unsupported class) ([\w.]+)", str(error))
    if named and named[1].startswith("torch.nn."):
        problem = f"{path} was not loaded: it is a whole pickled model ({named[1]}), expected its state dict"
        return CheckpointError(problem, _STATE_DICT)
    if named:
        problem = f"{path} was not loaded: it is a pickle that would run code ({named[1]}), expected tensors"
        return CheckpointError(problem, _STATE_DICT)
    if "Unsupported operand 149" in str(error):  # FRAME, which protocols from 4 on begin with
        problem = f"{path} was not loaded: its pickle protocol is not one that is read as plain data"
        return CheckpointError(
            problem, "save it with the default pickle_protocol of torch.save, or as safetensors"
        )
    reason = re.split(r"\. |\n", str(error))[0][:100]
    problem = f"{path} is a truncated or damaged PyTorch file ({type(error).__name__}: {reason})"
    return CheckpointError(problem, _COPY_AGAIN)


def _zip_entries(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (*_DAMAGE, zipfile.BadZipFile):
        return []


def _find_state(path: Path, content: object) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    if not isinstance(content, Mapping):
        problem = f"{path} holds a {type(content).__name__}, expected tensors by name"
        raise CheckpointError(problem, _STATE_DICT)
    found = _states(content, "", _NESTING)
    if len(found) > 1:
        keys = ", ".join(key or "the top level" for key in found)
        raise CheckpointError(f"{path} holds {len(found)} state dicts ({keys}), expected one", _STATE_DICT)
    tensors = next(iter(found.values()), None) or _tensors(content)
    return tensors, {str(key): value for key, value in content.items() if isinstance(value, str)}


def _states(content: Mapping[object, object], key: str, depth: int) -> dict[str, dict[str, torch.Tensor]]:
    """Find the mappings from names to tensors, at least one of them a matrix, by dotted key."""
    own = _tensors(content)
    found = {key: own} if any(tensor.ndim >= 2 for tensor in own.values()) else {}
    for name, value in content.items():
        if depth and isinstance(name, str) and isinstance(value, Mapping):
            found |= _states(value, f"{key}.{name}".lstrip("."), depth - 1)
    return found


def _tensors(content: Mapping[object, object]) -> dict[str, torch.Tensor]:
    return {
        name: value.detach()
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor)
    }


def _check_values(path: Path, name: str, tensor: torch.Tensor) -> None:
    if tensor.is_meta or tensor.layout is not torch.strided:
        kind = "has no values (meta)" if tensor.is_meta else f"is stored as {tensor.layout}"
        raise CheckpointError(f"{path}: {name} {kind}, expected a dense tensor", _STATE_DICT)
    if tensor.dtype not in FLOAT_TYPES:
        return
    bad = tensor.numel() - int(tensor.to(torch.float32).isfinite().sum())
    if bad:
        problem = f"{path}: {name} has {bad} NaN or infinite values of {tensor.numel()} in float32"
        raise CheckpointError(problem, "pass a checkpoint from before the training diverged")
