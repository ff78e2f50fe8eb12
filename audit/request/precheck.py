"""What can be wrong with a request and costs nothing to see: checked before any large library is loaded."""

from __future__ import annotations

from pathlib import Path

from audit.dataset.specs import may_exist, refuse_unknown
from audit.errors import CheckpointError, RunError, UsageError
from audit.report.files import report_file
from audit.request.options import check_options, check_without_data
from audit.request.request import Request
from audit.verdict.policy_file import policy_path


def precheck(request: Request) -> None:
    """Check values of options, and that everything they name exists.

    Raises
    ------
    AuditError
        One line that says what is wrong and what to do.
    """
    check_options(request)
    if request.samples.data is None:
        check_without_data(request.samples)
    policy_path(request.verdict.policy)
    _check_model_files(request)
    for spec in (request.samples.data, request.samples.controls):
        if spec is not None:
            refuse_unknown(spec)
    waivers = request.verdict.waivers
    if waivers is not None and not may_exist(waivers):
        raise UsageError(f"--waivers {waivers} does not exist", "check the path of the waivers")
    if request.verdict.baseline is not None:
        try:
            report_file(request.verdict.baseline)
        except RunError as error:
            raise UsageError(f"--baseline: {error.problem}", error.remedy) from error


def refuse_missing(checkpoint: Path, option: str = "") -> None:
    """Check that a file of tensors exists.

    Raises
    ------
    CheckpointError
        When it does not; names the option.
    """
    if not may_exist(checkpoint):
        problem = f"{option}: {checkpoint} does not exist" if option else f"{checkpoint} does not exist"
        raise CheckpointError(problem, f"check the path of the {'file' if option else 'checkpoint'}")


def _check_model_files(request: Request) -> None:
    refuse_missing(request.model.checkpoint)
    if request.model.initial is not None:
        refuse_missing(request.model.initial, "--initial")
    if request.model.gradient is not None:
        refuse_missing(request.model.gradient, "--gradient")
