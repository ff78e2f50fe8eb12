"""Inputs that nothing can be done with, and the names and numbers that the refusal must have."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from tests.cli.support import BEFORE, SEEN
from tests.cli.support import write_gradient_file as gradient
from tests.cli.support import write_initial as initial
from tests.tiny import SIDE, Tiny, blobs, untrained, weights

Spoil = Callable[[Tiny], None]


def nothing(tiny: Tiny) -> None:
    pass


def tensors(**changes: torch.Tensor) -> Spoil:
    """Change tensors of the checkpoint."""

    def write(tiny: Tiny) -> None:
        changed = {name.replace("_", "."): value for name, value in changes.items()}
        save_file(load_file(tiny.checkpoint) | changed, tiny.checkpoint)

    return write


def not_safetensors(tiny: Tiny) -> None:
    tiny.checkpoint.write_text("these are my weights, honestly, all of them")


def truncated(tiny: Tiny) -> None:
    tiny.checkpoint.write_bytes(tiny.checkpoint.read_bytes()[:-1000])


def truncated_state_dict(tiny: Tiny) -> None:
    torch.save(weights(), tiny.checkpoint)
    truncated(tiny)


broken_chain = tensors(fc2_weight=torch.ones(1, 99))
convolution = tensors(fc1_weight=torch.ones(8, 1, 3, 3))
nan_weights = tensors(fc1_bias=torch.full((100,), torch.nan))
infinite_weights = tensors(fc2_weight=torch.full((1, 100), torch.inf))
another_model = tensors(fc1_weight=torch.ones(100, 784))


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


def images_too_small(tiny: Tiny) -> None:
    np.savez(tiny.members, images=blobs(4).reshape(4, 1, SIDE * SIDE))
    np.savez(tiny.controls, images=blobs(60, seed=9).reshape(60, 1, SIDE * SIDE))
    np.save(tiny.mean, np.zeros((1, SIDE * SIDE)))


def mean_of_another_size(tiny: Tiny) -> None:
    np.save(tiny.mean, np.zeros((SIDE, SIDE + 1)))


def few_controls(tiny: Tiny) -> None:
    np.savez(tiny.controls, images=np.load(tiny.controls)["images"][:22])


def pickled_gradient(tiny: Tiny) -> None:
    content = {**untrained(), "extra": Path("gone").unlink}
    torch.save(content, tiny.checkpoint.with_name("gradient.safetensors"))


STARTS: list[tuple[Spoil, str, list[str]]] = [
    (
        initial(fc2_weight=torch.ones(7, 100), fc3_weight=torch.ones(1, 7)),
        BEFORE,
        ["before.safetensors has 3 layers", "model.safetensors has 2", "fc3.weight"],
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
    (initial(fc1_weight=torch.ones(8, 1, 3, 3)), BEFORE, [f"--initial {BEFORE}", "(8x1x3x3)", "convolution"]),
    (initial(fc1_bias=torch.full((100,), torch.nan)), BEFORE, [f"{BEFORE}: fc1.bias has 100 NaN"]),
    (nothing, BEFORE, [f"{BEFORE} does not exist"]),
    (nothing, "..", [".. is a folder", ".safetensors"]),
    (nothing, "", [". is a folder", ".safetensors"]),
    (nothing, "../tiny/members.npz", ["members.npz"]),
]
"""For `--initial`."""

GRADIENTS: list[tuple[Spoil, str, list[str]]] = [
    (gradient(without="fc1.bias"), SEEN, [f"--gradient {SEEN}", "no fc1.bias"]),
    (gradient(fc3_weight=torch.ones(1, 1)), SEEN, [f"--gradient {SEEN} has fc3.weight"]),
    (gradient(fc1_weight=torch.ones(100, 99)), SEEN, [f"fc1.weight is 100x99 in {SEEN}", "100x144 in"]),
    (gradient(fc1_bias=torch.ones(100, dtype=torch.int64)), SEEN, ["fc1.bias", "torch.int64"]),
    (gradient(fc1_bias=torch.full((100,), torch.nan)), SEEN, ["fc1.bias has 100 NaN"]),
    (gradient(fc1_weight=torch.ones(8, 1, 3, 3)), SEEN, ["fc1.weight is 8x1x3x3 in", "100x144 in"]),
    (pickled_gradient, SEEN, [f"--gradient: {SEEN}", "not loaded", "run code"]),
    (nothing, SEEN, [f"--gradient: {SEEN} does not exist"]),
    (nothing, "", ["--gradient: . is a folder"]),
    (nothing, "../tiny/members.npz", ["--gradient: ../tiny/members.npz"]),
]
"""For `--gradient`."""

ACTIVATIONS: list[tuple[str, list[str]]] = [
    ("rellu", ['--activation "rellu"', "nearest: relu"]),
    ("poly", ['--activation "poly"', "from 2 to 9"]),
    ("polynomial:1", ["--activation", '"1"', "from 2 to 9"]),
    ("elu:-1", ["--activation", '"-1"', "positive"]),
    ("tanh:2", ["--activation", '"2"', "none"]),
    ("softmax", ['--activation "softmax"', "relu"]),
]
"""For `--activation`."""
