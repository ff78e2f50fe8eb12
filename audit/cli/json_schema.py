"""JSON Schemas (draft 2020-12) of what users write, and of what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audit.cli.config import CONFIG
from audit.errors import UsageError, suggest
from audit.render import json
from audit.report.schema import SCHEMA_VERSION
from audit.verdict.policy import Policy

_SUBJECTS: dict[str, tuple[Callable[[], dict[str, Any]], str, int]] = {
    "policy": (Policy.model_json_schema, "Policy of model-audit", 1),
    "config": (CONFIG.json_schema, "audit.yaml of model-audit", 1),
    "report": (json.schema, "report.json of model-audit", SCHEMA_VERSION),
}
"""What is described, its title, and its version."""


def schema(name: str) -> dict[str, Any]:
    """Describe a policy, a config or a report as a JSON Schema.

    Raises
    ------
    UsageError
        When there is none of that name; names the nearest.
    """
    if name not in _SUBJECTS:
        raise UsageError(f"there is no schema of {name!r}", suggest(name, _SUBJECTS))
    describe, title, version = _SUBJECTS[name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:model-audit:{name}:{version}",
        **describe(),
        "title": title,
    }
