"""What an earlier run left behind, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError

from audit.errors import RunError
from audit.report import evidence_file as kept
from audit.report.evidence import Evidence, Trajectory
from audit.report.files import EVIDENCE, report_file
from audit.report.schema import SCHEMA_VERSION, Report
from audit.report.upgrade import upgrade


def read_report(path: Path) -> Report:
    """Read the report of a run.

    Parameters
    ----------
    path:
        A run folder with `report.json`, or such a file by any name.

    Raises
    ------
    RunError
        When there is none, or it is damaged or of another schema version.
    """
    file = report_file(path)
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror or error}", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{file} is damaged: not JSON ({error})", "repeat the scan") from error
    return _validate(file, upgrade(content))


def _validate(file: Path, content: Any) -> Report:
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        found = "no report of model-audit" if version is None else f"a report of schema version {version}"
        raise RunError(
            f"{file} is {found}, expected version 1 or {SCHEMA_VERSION}", "give a report.json of this tool"
        )
    try:
        report = Report.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        writer = content.get("tool", {}).get("version") if isinstance(content.get("tool"), dict) else None
        by = f" (written by version {writer})" if writer else ""
        raise RunError(
            f"{file} is damaged, or newer than this tool{by}: {where}: {first['msg'].lower()}",
            "repeat the scan, or use the version that wrote it",
        ) from error
    if len(report.samples) != report.summary.members or not report.model.layers:
        raise RunError(f"{file} is damaged: samples or layers are missing", "repeat the scan")
    return report


def read_pictures(folder: Path, report: Report) -> tuple[list[Evidence], list[Trajectory]]:
    """Read the pictures of a run; none where images were withheld, or there is no file, or one of another run.

    Raises
    ------
    RunError
        When the file is damaged.
    """
    file = folder / EVIDENCE
    if report.provenance.redacted:
        return [], []
    try:
        return kept.from_bytes(file.read_bytes(), report)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror or error}", "check the path") from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{file} is damaged, or of another version",
            "delete it to do without pictures, or repeat the scan",
        ) from error
