"""`report.junit.xml`: the verdict as test cases, for GitLab, Jenkins and others that show test reports.

One case per limit of the policy: it passes, fails when it is violated, is an error when the audit was interrupted,
and is skipped when there was too little evidence to decide. One per ground of a PASS, unless the verdict is FAIL:
skipped when it is missing or was not checked. One per attack: skipped when it did not apply, an error
when it failed. Neither GitLab nor Jenkins minds a skipped case, so one more says whether the audit could decide
at all, and is an error when it could not: what is inconclusive never looks like a pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from audit.render.sentences.findings import suppression
from audit.render.sentences.grounds import Stated, stated
from audit.render.sentences.reading import lines
from audit.report.evidence import Evidence, Trajectory
from audit.report.outcomes import AttackReport
from audit.report.schema import Report
from audit.verdict.limits import LimitResult

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document can hold, escaped or not."""


def render(report: Report, evidence: Sequence[Evidence] = (), trajectories: Sequence[Trajectory] = ()) -> str:
    """Write the verdict as a JUnit report; images are never part of it."""
    suite = Element("testsuite", name=_clean(f"{report.tool.name} {report.model.checkpoint}"))
    properties = SubElement(suite, "properties")
    for name, value in {
        "verdict": report.headline,
        "reason": report.reasons[0],
        "policy": report.policy.name,
        "sha256": report.model.sha256,
        **({"reading": " ".join(said)} if (said := lines(report)) else {}),
    }.items():
        SubElement(properties, "property", name=name, value=_clean(value))
    _decided(suite, report)
    for limit in report.policy.limits:
        _limit(suite, report, limit)
    for ground in stated(report):
        _ground(suite, report, ground)
    for attack in report.attacks:
        _attack(suite, report, attack)
    counts = {
        "tests": str(len(suite.findall("testcase"))),
        "failures": str(len(suite.findall("testcase/failure"))),
        "errors": str(len(suite.findall("testcase/error"))),
        "skipped": str(len(suite.findall("testcase/skipped"))),
        "time": f"{report.provenance.seconds:.2f}",
    }
    suite.attrib.update(
        counts | {"timestamp": report.provenance.started.removesuffix("Z").removesuffix("+00:00")}
    )
    root = Element("testsuites", counts, name=report.tool.name)
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _decided(suite: Element, report: Report) -> None:
    case = _case(suite, report, "the audit could decide")
    if not report.provenance.complete:
        _end(case, "error", "incomplete", "The audit was interrupted.", report.reasons)
    elif report.verdict == "INCONCLUSIVE":
        _end(case, "error", "inconclusive", report.reasons[0], report.reasons)
    suppressed = [(one.id, why) for one in report.findings if (why := one.suppression)]
    if suppressed:
        lines = [f"suppressed: {name} ({suppression(why)})" for name, why in suppressed]
        SubElement(case, "system-out").text = _clean("\n".join(lines))


def _limit(suite: Element, report: Report, limit: LimitResult) -> None:
    case = _case(suite, report, f"limit: {limit.metric} at most {limit.maximum:g}")
    if limit.verdict == "FAIL":
        message = f"{limit.metric} is {limit.value:g}, and the policy allows at most {limit.maximum:g}."
        _end(case, "failure", "violated", message, report.reasons)
    elif limit.verdict == "INCONCLUSIVE" and not report.provenance.complete:
        _end(
            case, "error", "incomplete", "The audit was interrupted before this was decided.", report.reasons
        )
    elif limit.verdict == "INCONCLUSIVE":
        _end(case, "skipped", "inconclusive", f"Not decided: {report.reasons[0]}", report.reasons)
    elif any(finding.suppression for finding in report.findings):
        seen = f"{limit.metric} is {limit.value:g} without what is suppressed."
        SubElement(case, "system-out").text = _clean("\n".join([seen, *report.reasons]))


def _ground(suite: Element, report: Report, ground: Stated) -> None:
    case = _case(suite, report, f"ground: {ground.title}")
    if ground.mark == "holds":
        SubElement(case, "system-out").text = _clean(ground.sentence)
    else:
        _end(case, "skipped", ground.mark.replace(" ", "-"), ground.sentence, [])


def _attack(suite: Element, report: Report, attack: AttackReport) -> None:
    case = _case(suite, report, f"attack: {attack.id}", attack.seconds)
    if attack.status == "skipped":
        _end(case, "skipped", "does-not-apply", f"Skipped: {attack.reason}", [])
    elif attack.status == "failed":
        _end(case, "error", "failed", f"Failed: {attack.reason}", [])


def _case(suite: Element, report: Report, name: str, seconds: float = 0.0) -> Element:
    # GitLab shows the class as the suite, and drops cases that have both names in common with another.
    return SubElement(
        suite,
        "testcase",
        classname=_clean(f"{report.tool.name} {report.model.checkpoint}"),
        name=_clean(name),
        time=f"{seconds:.2f}",
    )


def _end(
    case: Element, how: Literal["failure", "error", "skipped"], kind: str, message: str, more: Sequence[str]
) -> None:
    # Jenkins shows the attribute, GitLab the text.
    ended = SubElement(case, how, type=kind, message=_clean(message))
    ended.text = _clean("\n".join(dict.fromkeys([message, *more])))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
