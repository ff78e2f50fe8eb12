"""What the user asks for, and everything about it that can be wrong, checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PRECISIONS = ("float32", "float64")
"""In which attacks can compute."""


@dataclass(frozen=True)
class Request:
    """What to audit, in the user's words: the options of `model-audit scan`."""

    checkpoint: Path
    """Weights, .safetensors or a PyTorch state dict."""
    data: str | None
    """Members: file, folder of images or torchvision name. Only `inspect` can do without."""
    controls: str | None = None
    """Images the model never saw; None takes the test set of a named training set, if there is one."""
    policy: str = "release"
    """Name or file."""
    budget: float = 120.0
    """Seconds for the whole audit."""
    attacks: tuple[str, ...] | None = None
    """Ids; None for all that apply."""
    initial: Path | None = None
    """Weights before training, or the public base model; None if the attacker has none."""
    gradient: Path | None = None
    """Gradient or update of one batch, taken at the checkpoint; None if the attacker saw none."""
    gradient_kind: str = "gradient"
    """gradient, or update: what a step added to the weights."""
    learning_rate: float | None = None
    """Of the step, for an update; None leaves the scale of the gradient open."""
    activation: str | None = None
    """Name; None takes the checkpoint's metadata, else ReLU."""
    input_shape: str | None = None
    """As `1,28,28`; None takes the members' shape."""
    mean: str | None = None
    """Of the model's input normalisation: number, one per channel, or a .npy file."""
    std: str | None = None
    """Likewise."""
    threshold: float | None = None
    """SSIM, or correlation of rows of a table; None takes the policy's."""
    device: str = "auto"
    """auto, cpu or cuda."""
    precision: str = "float32"
    """float32 or float64."""
    splitting: bool = True
    """Whether attacks split candidates."""
    positive_control: bool = False
    """Whether to try the same attacks on a twin that was made to leak. Takes up to three times the budget."""
    seed: int = 0
    """Of the attacks, and of the twin."""
    data_root: Path = Path("data")
    """Where named data sets lie."""
    download: bool = False
    """Whether torchvision may fetch them there."""
    waivers: Path | None = None
    """Findings that somebody takes responsibility for; None for none."""
    baseline: Path | None = None
    """Run folder or report.json of an earlier run, whose confirmed members do not count again."""
    dp: str | None = None
    """As `1.1,0.01,1000`: noise multiplier, sampling rate and steps, if trained by DP-SGD."""
    redact: bool = False
    """Whether reports withhold all images."""
    evidence: Path | None = None
    """With `redact`: a private folder that gets what is withheld; None keeps nothing."""
    command: str = "model-audit scan"
    """What the user typed, for the report."""

    @property
    def files(self) -> list[Path]:
        """All that it names and that may be a file, whether there is one or not."""
        named = (self.checkpoint, self.initial, self.gradient, self.waivers)
        words = (self.data, self.controls, self.policy, self.mean, self.std)
        reports = [] if self.baseline is None else [self.baseline, self.baseline / "report.json"]
        return [*filter(None, named), *map(Path, filter(None, words)), *reports]
