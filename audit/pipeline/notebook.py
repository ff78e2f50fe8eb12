"""One call for notebooks and scripts: models and samples in memory or on disk.

    result = audit.audit(model, (images, labels), held_out, budget="60s", mean=0.5, std=0.5)
    result.verdict          # "FAIL"
    result                  # in a notebook: the report
    result.save("reports/mine")

Whatever is in memory is written to a temporary folder and read again, so that it goes through the checks of files.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from audit.errors import AuditError, CheckpointError, UsageError
from audit.model.module import computed_activation, module_activation
from audit.pipeline import run_folder
from audit.pipeline.progress import Listener
from audit.pipeline.run import run
from audit.render.formats import DEFAULT, FORMATS
from audit.report.evidence import Audit
from audit.report.schema import Report
from audit.request.option import fields_of
from audit.request.request import OutputOptions, Request
from audit.verdict.limits import Verdict

Model = nn.Module | Mapping[str, Tensor] | str | PathLike[str]
"""A module, its state dict, or the path of a checkpoint."""
Array = NDArray[Any] | Tensor
SampleSource = Array | tuple[Array, Array | Sequence[int]] | str | PathLike[str]
"""Values, values with labels, or what `--data` takes: arrays are (n, h, w[, c]) or (n, d), tensors (n, c, h, w)."""
Numbers = float | Sequence[float] | Array | str | PathLike[str]
"""A number, one per channel or column, a full image, or what `--mean` takes."""

_PREFIX = "in-memory-"
_OF_FILES = {one.name for one in fields_of(OutputOptions)} - {"redact"}


@dataclass(frozen=True, eq=False)
class Result:
    """A finished audit, which shows itself in a notebook."""

    audit: Audit
    """The report with its pictures and all reconstructions."""

    @property
    def report(self) -> Report:
        """The report as data, as in report.json."""
        return self.audit.report

    @property
    def verdict(self) -> Verdict:
        """PASS, FAIL or INCONCLUSIVE."""
        return self.report.verdict

    @property
    def reconstructions(self) -> dict[str, NDArray[np.float32]]:
        """By attack, (M, h, w, c) pixels, or (M, d) rows of a table in its units."""
        return self.audit.reconstructions

    def save(self, folder: str | PathLike[str], formats: Sequence[str] = DEFAULT) -> list[Path]:
        """Write a run folder, as `model-audit scan --out` does.

        Parameters
        ----------
        folder:
            Made if missing.
        formats:
            html, markdown, json, sarif, junit or summary.

        Returns
        -------
        list[Path]
            The reports, in the order of `formats`.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        return run_folder.write(self.audit, Path(folder), formats)

    def __repr__(self) -> str:
        return f"{self.report.headline}: {self.report.reasons[0]}"

    def _repr_html_(self) -> str:
        page = FORMATS["html"].render(self.report, self.audit.evidence, self.audit.trajectories)
        return f'<iframe srcdoc="{html.escape(page)}" style="width: 100%; height: 50em; border: 0"></iframe>'


def audit(
    model: Model,
    members: SampleSource,
    controls: SampleSource | None = None,
    *,
    budget: str | float | None = None,
    initial: Model | None = None,
    gradient: Mapping[str, Tensor] | str | PathLike[str] | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    listener: Listener | None = None,
    **options: Any,
) -> Result:
    """Audit a model: attack it, and compare what comes back with its training samples.

    Parameters
    ----------
    model:
        What may be released. The activation of a module is read off its parts, or off what it computes.
    members:
        The training samples.
    controls:
        Held-out samples that the model never saw (non-members).
    budget:
        Time for the whole audit: seconds, or a text such as `"30s"`, `"10m"`; by default 2 minutes. With `rounds=3`
        in its place the same call gives the same result.
    initial:
        The weights before training, if an attacker may know them.
    gradient:
        The gradient of one batch, by the names of the model's tensors, if an attacker may see it.
    mean, std:
        Normalisation of the model's inputs.
    listener:
        Gets progress.
    options:
        Any other option of `model-audit scan`, by the names of `Request`: `policy="strict"`, `seed=1`; not
        those of files and output, such as `out`, for nothing is written before `Result.save`.

    Raises
    ------
    AuditError
        If something cannot be used. Nothing was audited then.
    TypeError
        If an argument is of a type, or an option of a name, that nothing can be done with.
    """
    with TemporaryDirectory(prefix="model-audit-") as name:
        folder = Path(name)
        request = Request.of(
            _checkpoint(model, folder / f"{_PREFIX}model.pt"),
            data=_samples(members, folder / f"{_PREFIX}members"),
            controls=None if controls is None else _samples(controls, folder / f"{_PREFIX}controls"),
            budget=budget,
            initial=None if initial is None else _checkpoint(initial, folder / f"{_PREFIX}initial.pt"),
            gradient=None if gradient is None else _checkpoint(gradient, folder / f"{_PREFIX}gradient.pt"),
            mean=None if mean is None else _numbers(mean, folder / f"{_PREFIX}mean.npy"),
            std=None if std is None else _numbers(std, folder / f"{_PREFIX}std.npy"),
            **_options(model, options),
        )
        return _run(request, listener, folder)


def _options(model: Model, given: dict[str, Any]) -> dict[str, Any]:
    """Complete the options by what a module shows."""
    for name in sorted(_OF_FILES & given.keys()):
        raise TypeError(f"{name!r} says what is written and printed; call save() of the result instead")
    shown = {"command": "audit.audit"}
    if isinstance(model, nn.Module) and given.get("activation") is None:
        return shown | given | {"activation": module_activation(model) or computed_activation(model)}
    return shown | given


def _run(request: Request, listener: Listener | None, folder: Path) -> Result:
    """Audit, and name neither in errors nor in the report the folder of what was in memory."""
    try:
        finished = run(request, listener=listener)
    except AuditError as error:
        raise type(error)(_shown(error.problem, folder), _shown(error.remedy, folder)) from None
    report = Report.model_validate_json(_shown(finished.report.model_dump_json(), folder))
    return Result(replace(finished, report=report))


def _shown(text: str, folder: Path) -> str:
    """A text without the temporary folder, which means nothing to the reader."""
    return text.replace(f"{folder}/", "")


def _checkpoint(model: Model, path: Path) -> Path:
    if isinstance(model, str | PathLike):
        return Path(model)
    state = model.state_dict() if isinstance(model, nn.Module) else model
    if not isinstance(state, Mapping):
        raise TypeError(f"the model is a {type(model).__name__}, expected a module, state dict or path")
    for name, value in state.items():
        if isinstance(value, Tensor) and (value.is_meta or is_lazy(value)):
            raise CheckpointError(f"{name} has no values yet", "load the trained weights first")
    torch.save({name: _detached(value) for name, value in state.items()}, path)
    return path


def _samples(given: SampleSource, path: Path) -> str:
    if isinstance(given, str | PathLike):
        return fspath(given)
    parts = given if isinstance(given, tuple) else (given,)
    if len(parts) not in (1, 2):
        raise TypeError(f"samples are a tuple of {len(parts)}, expected values, or (values, labels)")
    values, *labels = parts
    if not isinstance(values, np.ndarray | Tensor):
        raise TypeError(f"samples are a {type(values).__name__}, expected an array, a tensor or a path")
    name = "features" if values.ndim == 2 else "images"
    content: dict[str, Any] = {name: values}
    if labels and labels[0] is not None:
        content["labels"] = labels[0]
    if isinstance(values, Tensor):
        path = path.with_suffix(".pt")
        torch.save({name: torch.as_tensor(_detached(value)) for name, value in content.items()}, path)
    else:
        path = path.with_suffix(".npz")
        arrays: dict[str, Any] = {name: np.asarray(_detached(value)) for name, value in content.items()}
        np.savez(path, **arrays)
    return str(path)


def _numbers(given: Numbers, path: Path) -> str:
    if isinstance(given, str | PathLike):
        return fspath(given)
    values = np.asarray(_detached(given), dtype=np.float64)
    if values.ndim == 0:
        return repr(float(values))
    if not values.size:
        raise UsageError(
            "a mean or standard deviation holds no number", "give one number, or one per channel"
        )
    if values.ndim == 1 and len(values) <= 4:
        return ",".join(map(repr, values.tolist()))
    np.save(path, values)
    return str(path)


def _detached(value: Any) -> Any:
    return value.detach().cpu().clone() if isinstance(value, Tensor) else value
