"""`report.json`: the report as data, and its JSON Schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.report.evidence import Evidence, Trajectory
from audit.report.schema import Report


def render(report: Report, evidence: Sequence[Evidence] = (), trajectories: Sequence[Trajectory] = ()) -> str:
    """Serialise a report; images are never part of it. Read back with `Report.model_validate_json`."""
    return report.model_dump_json(indent=2) + "\n"


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what `render` writes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
    }
