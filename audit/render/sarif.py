"""`report.sarif`: the findings for code scanning, in SARIF 2.1.0.

References
----------
OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, 2020.
GitHub, SARIF support for code scanning: what is shown, and which properties it needs.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

from audit.render.sentences.findings import MEANING, TITLES
from audit.render.sentences.reading import lines
from audit.report.evidence import Evidence, Trajectory
from audit.report.schema import FindingReport, Report
from audit.verdict.finding import RULES, Kind
from audit.verdict.limits import LimitResult

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVEL = {"high": "error", "medium": "warning", "low": "note", "info": "note"}
_PROJECT = "https://github.com/model-audit/model-audit"
_FINDINGS = f"{_PROJECT}/blob/main/audit/docs/findings.md"
"""Has a section for every rule, under the rule's id; those of limits share one."""
_SCORE = {"high": "8.0", "medium": "5.0", "low": "2.0", "info": "0.0"}
"""Security severity, on GitHub's scale: high is 7.0 to 8.9, medium 4.0 to 6.9, low 0.1 to 3.9."""


def render(report: Report, evidence: Sequence[Evidence] = (), trajectories: Sequence[Trajectory] = ()) -> str:
    """Write the findings as a SARIF log of one run; images are never part of it.

    A violated limit is a result of its own beside those of the findings. Every result lies on the first line of the
    checkpoint, for code scanning shows none without a place, and has a fingerprint of what it is about, not of how
    much or how sure: the alert stays the same one when the numbers change.
    """
    place = _place(report.model.checkpoint)
    limits = {limit.metric: limit for limit in sorted(report.policy.limits, key=lambda limit: -limit.maximum)}
    rules = [*(_rule(kind) for kind in get_args(Kind)), *(_limit_rule(limit) for limit in limits.values())]
    results = [
        *(
            _violation(limit, report.policy.name, place)
            for limit in limits.values()
            if limit.verdict == "FAIL"
        ),
        *(_result(finding, place) for finding in report.findings),
    ]
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    compared = any(
        finding.suppression and finding.suppression.kind == "baseline" for finding in report.findings
    )
    for result in results:
        result["ruleIndex"] = index[result["ruleId"]]
        if compared:
            result.setdefault("baselineState", "new")
    run = {
        "tool": {
            "driver": {
                "name": report.tool.name,
                "version": report.tool.version,
                "informationUri": _PROJECT,
                "rules": rules,
            }
        },
        "automationDetails": {"id": f"{report.tool.name}/{place['uri']}/"},
        "invocations": [_invocation(report)],
        "artifacts": [
            {"location": place, "roles": ["analysisTarget"], "hashes": {"sha-256": report.model.sha256}}
        ],
        "results": results,
        "properties": {
            "verdict": report.headline,
            "reasons": report.reasons,
            "reading": lines(report),
            "verdictGrounds": [one.model_dump(mode="json") for one in report.verdict_grounds],
            "policy": report.policy.name,
            "summary": report.summary.model_dump(mode="json"),
        },
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _place(checkpoint: str) -> dict[str, str]:
    """Artifact location: relative paths are meant from the root of the repository, where scans are run."""
    path = Path(checkpoint)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(posixpath.normpath(path.as_posix())), "uriBaseId": "%SRCROOT%"}


def _rule(kind: Kind) -> dict[str, Any]:
    severity, confidence = RULES[kind]
    return _descriptor(kind, TITLES[kind], MEANING[kind], _LEVEL[severity], _SCORE[severity], confidence)


def _limit_rule(limit: LimitResult) -> dict[str, Any]:
    title = f"The policy's limit on {limit.metric} is violated"
    meaning = (
        f"The policy allows {limit.metric} of at most {limit.maximum:g}, and more was measured. "
        f"What was audited may not be released under this policy."
    )
    return _descriptor(f"limit/{limit.metric}", title, meaning, _LEVEL["high"], _SCORE["high"], "high")


def _descriptor(
    name: str, title: str, meaning: str, level: str, score: str, precision: str
) -> dict[str, Any]:
    return {
        "id": name,
        "shortDescription": {"text": title},
        "fullDescription": {"text": meaning},
        "help": {"text": meaning},
        "helpUri": f"{_FINDINGS}#{name.partition('/')[0]}",
        "defaultConfiguration": {"level": level},
        "properties": {
            "tags": ["security", "privacy"],
            "precision": precision,
            "security-severity": score,
        },
    }


def _violation(limit: LimitResult, policy: str, place: dict[str, str]) -> dict[str, Any]:
    name = f"limit/{limit.metric}"
    message = (
        f"The policy {policy} allows {limit.metric} of at most {limit.maximum:g}: it is {limit.value:g}."
    )
    return {
        "ruleId": name,
        "level": _LEVEL["high"],
        "message": {"text": _message(message)},
        "locations": [_location(place)],
        "partialFingerprints": _fingerprints(name, place),
        "suppressions": [],
    }


def _result(finding: FindingReport, place: dict[str, str]) -> dict[str, Any]:
    result = {
        "ruleId": finding.kind,
        "level": _LEVEL[finding.severity],
        "message": {"text": _message(finding.detail)},
        "locations": [_location(place)],
        "partialFingerprints": _fingerprints(finding.id, place),
        "suppressions": _suppressions(finding),
        "properties": {"id": finding.id, "confidence": finding.confidence, "samples": finding.samples},
    }
    if finding.suppression and finding.suppression.kind == "baseline":
        result["baselineState"] = "unchanged"
    return result


def _suppressions(finding: FindingReport) -> list[dict[str, Any]]:
    """The standard wants the list in every result or in none."""
    waiver = finding.suppression
    if waiver is None or waiver.kind == "baseline":
        return []
    more = {name: value for name in ("owner", "expires") if (value := getattr(waiver, name))}
    accepted = {"kind": "external", "status": "accepted", "justification": waiver.reason}
    return [accepted | ({"properties": more} if more else {})]


def _location(place: dict[str, str]) -> dict[str, Any]:
    region = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1}
    return {"physicalLocation": {"artifactLocation": {**place, "index": 0}, "region": region}}


def _fingerprints(about: str, place: dict[str, str]) -> dict[str, str]:
    """Of the finding's id and the checkpoint's name. GitHub reads `primaryLocationLineHash` and no other."""
    digest = sha256(f"{about}\n{place['uri']}".encode(errors="replace")).hexdigest()
    return {"primaryLocationLineHash": digest, "findingId/v1": digest}


def _message(text: str) -> str:
    """Make text stand for itself where braces are placeholders and `[a](1)` is a link."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "\\](")


def _invocation(report: Report) -> dict[str, Any]:
    return {
        "executionSuccessful": report.provenance.complete,
        "commandLine": report.provenance.command,
        "startTimeUtc": report.provenance.started.replace("+00:00", "Z"),
    }
