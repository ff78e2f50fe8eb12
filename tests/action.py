"""Runs the steps of a composite GitHub action on this machine, as far as the action in this repository needs it.

`run` steps are executed as GitHub does, with `bash -e -o pipefail` and files for outputs and summary; `uses` steps
are recorded. Expressions are names of the contexts `inputs` and `steps`, and conditions are such names, compared
with text and joined by `&&`.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass
class Ran:
    """What became of an action."""

    code: int = 0
    """Exit code of the last step that failed."""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    log: str = ""
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Other actions that were called, with their inputs."""


def run(path: Path, inputs: dict[str, str], workspace: Path, temporary: Path, programs: Path) -> Ran:
    """Run the action at a path; `programs` comes first in PATH."""
    action = yaml.safe_load(path.read_text(encoding="utf-8"))
    given = {name: about.get("default") for name, about in action["inputs"].items()} | inputs
    assert None not in given.values(), "a required input is missing"
    contexts: dict[str, str] = {f"inputs.{name}": value for name, value in given.items()}
    summary = temporary / "summary"
    base = {
        **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(temporary),
        "GITHUB_ACTION_PATH": str(path.parent),
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_WORKSPACE": str(workspace),
    }
    ran = Ran()
    for number, step in enumerate(action["runs"]["steps"]):
        if not _wanted(step.get("if", "success()"), contexts, failed=ran.code != 0):
            continue
        if "uses" in step:
            ran.used.append((step["uses"], _filled(step.get("with", {}), contexts)))
            continue
        assert step["shell"] == "bash"
        output = temporary / f"output-{number}"
        output.touch()
        env = base | _filled(step.get("env", {}), contexts) | {"GITHUB_OUTPUT": str(output)}
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
        ended = subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True, timeout=600)
        ran.log += ended.stdout + ended.stderr
        ran.code = ended.returncode or ran.code
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            contexts[f"steps.{step['id']}.outputs.{name}"] = value
    ran.summary = summary.read_text() if summary.exists() else ""
    ran.outputs = _filled({name: about["value"] for name, about in action["outputs"].items()}, contexts)
    return ran


def _filled(values: dict[str, Any], contexts: dict[str, str]) -> dict[str, str]:
    return {
        name: re.sub(r"\$\{\{ *(.*?) *\}\}", lambda found: _value(found[1], contexts), str(value))
        for name, value in values.items()
    }


def _value(name: str, contexts: dict[str, str]) -> str:
    assert re.fullmatch(r"(inputs|steps)\.[\w.-]+", name), f"this helper knows no {name!r}"
    return contexts.get(name, "")


def _wanted(condition: str, contexts: dict[str, str], *, failed: bool) -> bool:
    terms = condition.split(" && ")
    if "always()" not in terms and failed:
        return False
    return all(_true(term, contexts) for term in terms if term not in ("always()", "success()"))


def _true(term: str, contexts: dict[str, str]) -> bool:
    compared = re.fullmatch(r"(\S+) (==|!=) '(.*)'", term)
    assert compared, f"this helper knows no {term!r}"
    return (_value(compared[1], contexts) == compared[3]) == (compared[2] == "==")
