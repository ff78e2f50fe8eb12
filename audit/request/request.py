"""What a user asks for: the options of `model-audit scan`, each stated once, with its help text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from audit.errors import UsageError, suggest
from audit.report.files import REPORT
from audit.request.budget import write_budget
from audit.request.option import Field, Option, fields_of

Kind = Literal["gradient", "update"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What an observed file may hold: the gradient, or what a step of gradient descent added to the weights."""
_SECONDS = 120.0
"""For the whole audit, where neither time nor rounds are given."""
DEVICES = ("auto", "cpu", "cuda")
"""Where attacks can be computed."""
PRECISIONS = ("float32", "float64")
"""In which attacks can compute."""


@dataclass(frozen=True)
class ModelOptions:
    """The audited model, and what else an attacker may have seen of its training."""

    checkpoint: Annotated[Path, Option("The model: a `.safetensors`, `.pt` or `.pth` file.", "CHECKPOINT")]
    activation: Annotated[
        str | None,
        Option("The activation of the hidden layers.", "NAME", "as the checkpoint states, else `relu`"),
    ] = None
    layers: Annotated[
        tuple[str, ...] | None,
        Option(
            "The weight tensors of the layers, first to last; matrices that are not named are left out.",
            "A,B",
            "as the checkpoint states, else by their names and shapes",
        ),
    ] = None
    initial: Annotated[
        Path | None,
        Option(
            "The weights from before training, or the public base model that was fine-tuned.", "CHECKPOINT"
        ),
    ] = None
    gradient: Annotated[
        Path | None,
        Option("The observed gradient of one batch, under the checkpoint's tensor names.", "FILE"),
    ] = None
    gradient_kind: Annotated[
        str,
        Option(
            "What `--gradient` holds: `gradient`, or `update` for the change of the weights in a step.",
            "NAME",
        ),
    ] = "gradient"
    learning_rate: Annotated[
        float | None, Option("Learning rate of the step behind an update (only recorded).", "X")
    ] = None


@dataclass(frozen=True)
class SampleOptions:
    """Members and controls, and how they become inputs of the model."""

    data: Annotated[
        str | None,
        Option(
            "The training data (members): `.npz`, `.npy`, `.pt`, `.csv`, a folder of images, or a named data set "
            "such as `mnist:train[:500]`.",
            "MEMBERS",
        ),
    ] = None
    controls: Annotated[
        str | None,
        Option(
            "Held-out samples that the model never saw (non-members), in the same forms.",
            "CONTROLS",
            "none; the test set for a named training set",
        ),
    ] = None
    input_shape: Annotated[
        str | None, Option("The shape of one input, such as `1,28,28`.", "C,H,W", "the members' shape")
    ] = None
    layout: Annotated[
        str | None,
        Option(
            "How images are flattened: `chw`, channel by channel as in PyTorch, or `hwc`, pixel by pixel as in "
            "NumPy and Keras.",
            "NAME",
            "as the checkpoint states, else `chw`",
        ),
    ] = None
    mean: Annotated[
        str | None,
        Option("Mean of the preprocessing: a number, one per channel, or a `.npy` file.", "X|FILE", "`0`"),
    ] = None
    std: Annotated[
        str | None,
        Option(
            "Standard deviation of the preprocessing: a number, one per channel, or a `.npy` file.",
            "X|FILE",
            "`1`",
        ),
    ] = None
    data_root: Annotated[Path, Option("The folder of named data sets.", "DIR")] = Path("data")
    download: Annotated[
        bool, Option("Let torchvision download named data sets into the folder `--data-root`.")
    ] = False


@dataclass(frozen=True)
class AttackOptions:
    """The attacks to run, and how."""

    attacks: Annotated[tuple[str, ...] | None, Option("The attacks to run.", "A,B", "all that apply")] = None
    budget: Annotated[
        float | None,
        Option(
            "Wall-clock time for the whole audit, such as `60s`, `10m` or `2h`.",
            "TIME",
            f"`{write_budget(_SECONDS)}`",
        ),
    ] = None
    rounds: Annotated[
        int | None,
        Option(
            "Work for the whole audit, instead of a time: rounds of 8 restarts for every attack. The same command "
            "then gives the same result, however busy the machine is.",
            "N",
        ),
    ] = None
    device: Annotated[str, Option("Where attacks are computed: `auto`, `cpu` or `cuda`.", "NAME")] = "auto"
    precision: Annotated[
        str, Option("Precision of the attacks: `float32`, or `float64` at about twice the time.", "NAME")
    ] = "float32"
    no_splitting: Annotated[bool, Option("Start with all candidates instead of splitting a few.")] = False
    positive_control: Annotated[
        bool | None,
        Option(
            "Run the same attacks on a model that was made to leak, to measure their power. This comes on top of "
            "`--budget`: half of it for training at most, and as long as before for attacks, so two and a half "
            "times the budget in all.",
            "",
            "only if the verdict hangs on it",
        ),
    ] = None
    seed: Annotated[int, Option("Seed for the attacks and the positive control.", "N")] = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"--seed is {self.seed}", "give a whole number from 0 to 2^63 - 1")
        if self.rounds is not None and self.rounds < 1:
            raise UsageError(f"--rounds is {self.rounds}", "give a whole number from 1 on")
        if self.rounds is not None and self.budget is not None:
            raise UsageError("--rounds and --budget exclude each other", "give one of them")

    @property
    def seconds(self) -> float:
        """Time for the whole audit: infinite where rounds are counted."""
        if self.rounds is not None:
            return math.inf
        return _SECONDS if self.budget is None else self.budget


@dataclass(frozen=True)
class VerdictOptions:
    """How what was found is judged."""

    policy: Annotated[
        str,
        Option("The rules for the verdict: `release`, `strict`, `research`, or a YAML file.", "NAME|FILE"),
    ] = "release"
    threshold: Annotated[
        float | None, Option("Similarity at which a match counts as recovered.", "SSIM", "the policy's")
    ] = None
    waivers: Annotated[
        Path | None, Option("The file of accepted findings.", "FILE", "`audit-waivers.yaml`, if it exists")
    ] = None
    baseline: Annotated[
        Path | None, Option("An earlier run whose confirmed reconstructions are suppressed.", "RUN")
    ] = None
    dp: Annotated[
        str | None,
        Option("DP-SGD parameters; adds a reconstruction bound to the report.", "SIGMA,Q,STEPS"),
    ] = None


@dataclass(frozen=True)
class OutputOptions:
    """What is written, and where."""

    out: Annotated[
        Path | None,
        Option(
            "The run folder; what an earlier run left there is removed first.", "DIR", "`reports/NAME-TIME`"
        ),
    ] = None
    format: Annotated[
        tuple[str, ...] | None,
        Option(
            "The reports to write: `html`, `markdown`, `json`, `sarif`, `junit`, `summary`; into the run folder, "
            "or to PATH.",
            "A,B=PATH",
            "`html,markdown,json`",
        ),
    ] = None
    redact: Annotated[bool, Option("Write no images: reports show silhouettes and numbers.")] = False
    evidence: Annotated[Path | None, Option("With `--redact`, a private folder for the images.", "DIR")] = (
        None
    )
    progress: Annotated[bool, Option("Show progress on stderr.")] = True
    quiet: Annotated[bool, Option("Print only the verdict, what was assumed and the path of the report.")] = (
        False
    )


@dataclass(frozen=True)
class Request:
    """What to audit, in the user's words. `Request.of` takes all options by their names."""

    model: ModelOptions
    samples: SampleOptions = field(default_factory=SampleOptions)
    attack: AttackOptions = field(default_factory=AttackOptions)
    verdict: VerdictOptions = field(default_factory=VerdictOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    command: str = "model-audit scan"
    """What the user typed, for the report."""

    @classmethod
    def of(cls, checkpoint: str | Path, *, command: str = "model-audit scan", **options: Any) -> Request:
        """Make a request from options by their names.

        Parameters
        ----------
        checkpoint, **options:
            As on the command line, with underscores: `Request.of("model.pt", data="train.npz", budget="10m")`.
        command:
            What the user typed, for the report.

        Raises
        ------
        TypeError
            When there is no option of a name.
        UsageError
            When `budget` is a text and no time.
        """
        return cls(ModelOptions(Path(checkpoint)), command=command).but(**options)

    def but(self, **options: Any) -> Request:
        """Ask for the same with other values of some options, named and written as in `of`."""
        known = {one.name: (group, one) for group in GROUPS for one in fields_of(GROUPS[group])}
        changed: dict[str, dict[str, Any]] = {}
        for name, value in options.items():
            if name not in known:
                raise TypeError(f"there is no option {name!r}; {suggest(name, known)}")
            group, one = known[name]
            changed.setdefault(group, {})[name] = one.read(value)
        groups = {group: replace(getattr(self, group), **values) for group, values in changed.items()}
        return replace(self, **groups)

    @property
    def files(self) -> list[Path]:
        """All that it names and that may be a file, whether there is one or not."""
        model, samples, verdict = self.model, self.samples, self.verdict
        named = (model.checkpoint, model.initial, model.gradient, verdict.waivers)
        words = (samples.data, samples.controls, verdict.policy, samples.mean, samples.std)
        reports = [] if verdict.baseline is None else [verdict.baseline, verdict.baseline / REPORT]
        return [*filter(None, named), *map(Path, filter(None, words)), *reports]


GROUPS: dict[str, type] = {
    "model": ModelOptions,
    "samples": SampleOptions,
    "attack": AttackOptions,
    "verdict": VerdictOptions,
    "output": OutputOptions,
}
"""The groups of options, by their names in a request."""


def options(*groups: type) -> list[Field]:
    """List the options of some groups, or of all."""
    return [one for group in groups or GROUPS.values() for one in fields_of(group)]
