"""What an audit rests on besides the files."""

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from audit.request.assumed import assumptions
from audit.request.check import check
from audit.request.request import Request
from audit.request.weights import read_weights
from tests.tiny import Tiny, blobs


def assumed(request: Request) -> dict[str, tuple[str, bool]]:
    return {one.what: (one.value, one.stated) for one in check(request).assumed}


def test_what_the_user_states_is_no_assumption(tiny: Tiny) -> None:
    request = Request.of(tiny.checkpoint, data=tiny.members)
    save_file(load_file(tiny.checkpoint), tiny.checkpoint)
    assert assumed(request) == {
        "activation": ("relu", False),
        "chain": ("144-100-1", False),
        "normalisation": ("mean 0, std 1", False),
    }
    stated = assumed(request.but(activation="tanh", std="0.5"))
    assert stated["activation"] == ("tanh", True)
    assert stated["normalisation"] == ("mean 0, std 0.5", True)


def test_a_file_is_named_without_its_folder(tiny: Tiny) -> None:
    request = Request.of(tiny.checkpoint, data=tiny.members, mean=tiny.mean)
    assert assumed(request)["normalisation"] == ("mean mean.npy, std 1", True)


def test_what_the_checkpoint_states_is_no_assumption(tiny: Tiny) -> None:
    assert assumed(Request.of(tiny.checkpoint, data=tiny.members))["activation"] == ("relu", True)


def test_images_of_several_channels_have_a_layout(tiny: Tiny) -> None:
    assert "layout" not in assumed(Request.of(tiny.checkpoint, data=tiny.members))
    np.savez(tiny.members, images=np.stack([blobs(2, seed=seed, side=8) for seed in range(3)], -1))
    tensors = load_file(tiny.checkpoint)
    tensors["fc1.weight"] = tensors["fc1.weight"].repeat(1, 2)[:, :192].contiguous()
    save_file(tensors, tiny.checkpoint)
    request = Request.of(tiny.checkpoint, data=tiny.members)
    assert assumed(request)["layout"] == ("chw", False)
    assert assumed(request.but(layout="hwc"))["layout"] == ("hwc", True)
    save_file(tensors, tiny.checkpoint, metadata={"layout": "hwc"})
    assert assumed(request)["layout"] == ("hwc", True)


def test_layers_that_could_come_in_another_order_have_one(tiny: Tiny) -> None:
    request = Request.of(tiny.checkpoint, data=tiny.members)
    assert "order" not in assumed(request)
    assert assumed(request.but(layers="fc1.weight,fc2.weight"))["order"] == ("fc1.weight,fc2.weight", True)
    square = {"fc2.weight": torch.eye(100), "fc3.weight": 2 * torch.eye(100)}
    save_file(
        {"fc1.weight": torch.ones(100, 144), **square, "fc4.weight": torch.ones(1, 100)}, tiny.checkpoint
    )
    assert assumed(request)["order"] == ("fc1.weight,fc2.weight,fc3.weight,fc4.weight", False)


def test_without_members_inputs_are_not_spoken_of(tiny: Tiny) -> None:
    request = Request.of(tiny.checkpoint)
    weights, _ = read_weights(request.model)
    assert [one.what for one in assumptions(request, weights, None)] == ["activation", "chain"]
