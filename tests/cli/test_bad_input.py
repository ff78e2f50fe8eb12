"""What bad input gets: one line that names it, exit code 2, and nothing written."""

from pathlib import Path

import pytest

from tests.cli import spoiled
from tests.cli.spoiled import ACTIVATIONS, GRADIENTS, STARTS, Spoil, nothing
from tests.cli.support import SEEN, scan, tree
from tests.cli.support import write_gradient_file as gradient
from tests.command import Run, complains
from tests.tiny import Tiny

BOTH = [
    (spoiled.truncated, [], ["model.safetensors", "truncated"]),
    (spoiled.convolution, [], ["fc1.weight (8x1x3x3)", "convolution"]),
    (spoiled.no_checkpoint, [], ["model.safetensors does not exist"]),
    *((spoil, ["--initial", path], words) for spoil, path, words in STARTS),
    *((spoil, ["--gradient", path], words) for spoil, path, words in GRADIENTS),
    *((nothing, ["--activation", name], words) for name, words in ACTIVATIONS),
    (nothing, ["--gradient-kind", "update"], ["--gradient-kind update", "--gradient"]),
    (nothing, ["--mean", ""], ["--mean is empty"]),
]
"""Refused by `scan` and `inspect` alike."""

CHECKPOINTS = [
    (spoiled.not_safetensors, [], ["model.safetensors is not a safetensors file", "b'these are my wei'"]),
    (spoiled.truncated_state_dict, [], ["model.safetensors", "PyTorch file"]),
    (spoiled.broken_chain, [], ["fc2.weight", "99", "100"]),
    (spoiled.nan_weights, [], ["fc1.bias has 100 NaN or infinite values of 100"]),
    (spoiled.infinite_weights, [], ["fc2.weight has 100 NaN or infinite values of 100"]),
    (spoiled.another_model, [], ["--input-shape 1,12,12 has 144 values", "fc1.weight takes 784", "1,28,28"]),
]
IMAGES = [
    (spoiled.no_members, [], ["members.npz", "neither a file, nor a folder"]),
    (spoiled.empty_members, [], ["members.npz is empty"]),
    (spoiled.members_that_are_no_archive, [], ["members.npz"]),
    (spoiled.labels_out_of_range, [], ["image 2 has label 2", "0 to 1"]),
    (spoiled.negative_labels, [], ["label -1 of image 0"]),
    (spoiled.controls_of_another_size, [], ["controls.npz", "1 x 13 x 13", "1 x 12 x 12"]),
    (spoiled.overlap, [], ["1 of the 61 controls", "image 60 of"]),
    (spoiled.images_too_small, [], ["1 x 144 pixels", "SSIM"]),
    (spoiled.mean_of_another_size, [], ["mean.npy", "(12, 13)", "(12, 12)"]),
    (spoiled.few_controls, ["--positive-control"], ["22 of them", "at least 28"]),
    (nothing, ["--data", ""], ["--data is empty"]),
    (nothing, ["--controls", ""], ["--controls is empty"]),
    (nothing, ["--data", "mnist:train[:500]"], ["mnist:train[:500]", "data"]),
    (nothing, ["--input-shape", "1,13,13", "--mean", "0"], ["1,13,13 has 169 values", "takes 144"]),
    (nothing, ["--input-shape", "9,16", "--mean", "0"], ["1 x 12 x 12", "1 x 9 x 16"]),
    (nothing, ["--input-shape", "square"], ['--input-shape "square"', "1,28,28"]),
    (nothing, ["--std", "0"], ["--std 0", "positive"]),
    (nothing, ["--mean", "lots"], ['--mean "lots"']),
]
OPTIONS = [
    (nothing, ["--gradient-kind", "hessian"], ["'hessian'", "gradient or update"]),
    (
        gradient(),
        ["--gradient", SEEN, "--learning-rate", "0.1"],
        ["--learning-rate", "--gradient-kind update"],
    ),
    *(
        (
            gradient(),
            ["--gradient", SEEN, "--gradient-kind", "update", "--learning-rate", rate],
            [f"--learning-rate is {rate}", "positive"],
        )
        for rate in ("0", "-1", "nan", "inf")
    ),
    *(
        (nothing, ["--attacks", name], [f"--attacks {name}", "pass --gradient"])
        for name in ("gradient", "gradient-cosine", "gradient-exact", "moment-tensor", "polynomial-gradient")
    ),
    *(
        (nothing, ["--attacks", names], ["--attacks weight-delta", "pass --initial"])
        for names in ("weight-delta", "kkt-loss,weight-delta")
    ),
    (nothing, ["--attacks", "kkt-margin,kkt-magic"], ["'kkt-magic'", "--attacks", "kkt-margin"]),
    (nothing, ["--attacks", ","], ["--attacks", "kkt-margin"]),
    (nothing, ["--activation", ""], ["--activation is empty"]),
    (nothing, ["--activation", "re\nlu\x1b[31m"], ['"re lu?[31m"']),
    (nothing, ["--precision", "half"], ["precision 'half'", "float32 or float64"]),
    (nothing, ["--precision", ""], ["precision ''", "float32 or float64"]),
    (nothing, ["--policy", "relaese"], ["'relaese'", "'release'"]),
    (nothing, ["--policy", "gone.yaml"], ["gone.yaml", "release"]),
    (nothing, ["--device", "tpu"], ["'tpu'", "auto, cpu or cuda"]),
    (nothing, ["--budget", "soon"], ["--budget is 'soon'", "60s, 10m or 2h"]),
    (nothing, ["--budget", "0s"], ["--budget is '0s'", "positive"]),
    (nothing, ["--budget", "-5s"], ["--budget is '-5s'"]),
    (nothing, ["--budget", "9" * 400], ["--budget is inf s", "positive"]),
    (nothing, ["--threshold", "0"], ["--threshold is 0", "above 0"]),
    (nothing, ["--threshold", "1.01"], ["--threshold is 1.01"]),
    (nothing, ["--threshold", "nan"], ["--threshold is nan"]),
    (nothing, ["--threshold", "high"], ["'--threshold'", "(see model-audit scan --help)"]),
    (nothing, ["--waivers", "absent.yaml"], ["absent.yaml does not exist"]),
    (nothing, ["--baseline", "absent"], ["--baseline", "absent", "does not exist"]),
    (nothing, ["--baseline", __file__], ["--baseline", "test_bad_input.py is damaged", "JSON"]),
    (nothing, ["--dp", "1.1,0.01"], ["--dp is '1.1,0.01'", "1.1,0.01,1000"]),
    (nothing, ["--dp", "0,0.01,9"], ["--dp", "0.001"]),
    (nothing, ["--seed", "-1"], ["--seed is -1", "2^63 - 1"]),
    (nothing, ["--seed", 2**63], [f"--seed is {2**63}", "2^63 - 1"]),
    (nothing, ["--seed", "1.5"], ["'--seed'"]),
    (nothing, ["--rounds", "0"], ["--rounds is 0", "from 1 on"]),
    (nothing, ["--rounds", "2", "--budget", "2m"], ["--rounds and --budget", "one of them"]),
    (nothing, ["--datta", "x"], ["--datta", "--data", "(see model-audit scan --help)"]),
]
OUTPUTS = [
    (nothing, ["--format", "pdf"], ["'pdf'", "html, markdown, json"]),
    (nothing, ["--format", "json", "--format", "jsn"], ["'jsn'", "'json'"]),
    (nothing, ["--format", "srif=x.sarif"], ["'srif'", "'sarif'"]),
    (nothing, ["--format", "sarif="], ["--format sarif= has no path"]),
    (nothing, ["--format", "json=a", "--format", "json=b"], ["two paths for json: a and b"]),
    (nothing, ["--format", "json=a,sarif=./a"], ["two reports for ./a"]),
    (nothing, ["--format", "html,sarif=.."], ["report ..: ", "no file", "--format"]),
    (nothing, ["--format", "sarif=a/b/c.sarif", "--format", f"json={__file__}/x"], ["test_bad_input.py/x"]),
    (nothing, ["--format", "sarif=/dev/null"], ["report /dev/null: ", "no file", "--format"]),
    (nothing, ["--format", "sarif=" + 300 * "a"], ["report aaa", "name too long"]),
    (nothing, ["--format", ","], ["--format names no format"]),
    (nothing, ["--out", __file__], ["run folder", "test_bad_input.py", "--out"]),
    (nothing, ["--out", f"{__file__}/deeper"], ["run folder", "test_bad_input.py/deeper", "--out"]),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "options", "words"), [*BOTH, *CHECKPOINTS, *IMAGES, *OPTIONS, *OUTPUTS])
def test_bad_input_gets_one_line_and_nothing_is_written(
    model_audit: Run,
    tiny: Tiny,
    tmp_path: Path,
    no_attack: None,
    spoil: Spoil,
    options: list[object],
    words: list[str],
) -> None:
    spoil(tiny)
    before = tree(tmp_path)
    complains(model_audit(*scan(tiny, *options)), *words)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        *BOTH,
        (nothing, ["--data", "x"], ["x is neither a file, nor a folder"]),
        (nothing, ["--controls", "x"], ["--controls without --data"]),
        (nothing, ["--input-shape", "1,2,3"], ["--input-shape without --data"]),
        (nothing, ["--format", "html"], ["'html' in --format", "table or json"]),
        (nothing, ["--out", "x"], ["--out", "(see model-audit inspect --help)"]),
    ],
)
def test_inspect_refuses_what_scan_refuses(
    model_audit: Run, tiny: Tiny, tmp_path: Path, spoil: Spoil, options: list[str], words: list[str]
) -> None:
    spoil(tiny)
    before = tree(tmp_path)
    complains(model_audit("inspect", tiny.checkpoint, *options), *words)
    assert tree(tmp_path) == before
