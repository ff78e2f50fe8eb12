"""The GitHub action and the pre-commit hook, run as their hosts run them."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import audit
from tests.action import Ran, run
from tests.tiny import Tiny, make

ROOT = Path(audit.__file__).parent.parent
ACTION = ROOT / ".github/actions/model-audit/action.yml"
UPLOAD = "github/codeql-action/upload-sarif"
STUB = """#!/bin/bash
printf '%s\\0' "$@" > "$RUNNER_TEMP/arguments"
for argument in "$@"; do case $argument in --out=*) folder=${argument#--out=} ;; esac; done
if [[ -f $RUNNER_TEMP/said ]]; then
  touch "$folder/report.html" "$folder/report.sarif"
  echo "## Model audit" > "$folder/report.summary.md"
  cat "$RUNNER_TEMP/said"
fi
exit "$(cat "$RUNNER_TEMP/code")"
"""
"""Stands in for the console script: notes its arguments, says what it was told, ends as it was told."""

COUNTED = """
import time
from tests.recording import CountedClock
time.monotonic = CountedClock()
from audit.cli import main
main()
"""
"""The console script, whose budget is counted in gradients, so that the machine's speed does not matter."""

Act = Callable[..., Ran]


def program(path: Path, content: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)


@pytest.fixture
def act(tmp_path: Path) -> Act:
    """The action in an empty folder, with a pip that only notes what it is to install."""
    for name in ("here", "temporary"):
        (tmp_path / name).mkdir()
    program(tmp_path / "programs/pip", '#!/bin/bash\nprintf \'%s\\0\' "$@" > "$RUNNER_TEMP/installed"\n')

    def run_it(**inputs: str) -> Ran:
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return run(ACTION, given, tmp_path / "here", tmp_path / "temporary", tmp_path / "programs")

    return run_it


def stub(tmp_path: Path, code: int, said: str | None) -> None:
    program(tmp_path / "programs/model-audit", STUB)
    (tmp_path / "temporary/code").write_text(str(code))
    if said is not None:
        (tmp_path / "temporary/said").write_text(said)


def noted(tmp_path: Path, name: str) -> list[str]:
    return (tmp_path / "temporary" / name).read_text().split("\0")[:-1]


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """A model that leaks, in the workspace, and the console script of these sources."""
    lines = ["#!/bin/bash", "export OMP_WAIT_POLICY=PASSIVE"]
    lines += [f"export PYTHONPATH={shlex.quote(str(ROOT))}"]
    lines += [f'exec {shlex.quote(sys.executable)} -c {shlex.quote(COUNTED)} "$@"\n']
    program(tmp_path / "programs/model-audit", "\n".join(lines))
    return make(tmp_path / "here/models")


@pytest.mark.parametrize(
    ("inputs", "code", "verdict"),
    [
        ({"controls": "models/controls.npz"}, 1, "FAIL"),
        pytest.param({}, 3, "INCONCLUSIVE", marks=pytest.mark.slow),
    ],
)
def test_a_real_scan(act: Act, tiny: Tiny, inputs: dict[str, str], code: int, verdict: str) -> None:
    ran = act(
        checkpoint="models/model.safetensors",
        data="models/members.npz",
        budget="40s",
        arguments="--attacks=kkt-margin\n\n--mean=models/mean.npy\n",
        **inputs,
    )
    assert (ran.code, ran.outputs["exit-code"], ran.outputs["verdict"]) == (code, str(code), verdict), ran.log
    assert f"{verdict}: " in ran.log
    assert ran.summary.startswith(f"## Model audit: {verdict}\n\n`models/model.safetensors`")
    assert Path(ran.outputs["report"]).read_text().startswith("<!DOCTYPE html>")
    (upload,) = [given for name, given in ran.used if name.startswith(UPLOAD)]
    log = json.loads(Path(upload["sarif_file"]).read_text())
    assert {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in log["runs"][0]["results"]
    } == {"models/model.safetensors"}
    assert {path.name for path in tiny.checkpoint.parents[1].iterdir()} == {"models"}


@pytest.mark.parametrize(
    ("code", "said", "verdict"),
    [
        (0, "PASS: nothing found\nFAIL: not really\n", "PASS"),
        (1, "FAIL: 3 of 4\n", "FAIL"),
        (3, "INCONCLUSIVE: who knows\n", "INCONCLUSIVE"),
        (4, "INCONCLUSIVE: broken off\n", "INCONCLUSIVE"),
    ],
)
def test_whatever_the_scan_ends_with_the_findings_are_shown_and_the_code_is_passed_on(
    act: Act, tmp_path: Path, code: int, said: str, verdict: str
) -> None:
    stub(tmp_path, code, said)
    ran = act(checkpoint="m.pt", data="d.npz")
    assert (ran.code, ran.outputs["exit-code"], ran.outputs["verdict"]) == (code, str(code), verdict)
    assert ran.summary == "## Model audit\n"
    assert [name.partition("@")[0] for name, _ in ran.used] == ["actions/setup-python", UPLOAD]
    assert Path(ran.outputs["folder"]).parent == tmp_path / "temporary"


@pytest.mark.parametrize("code", [2, 4])
def test_where_nothing_was_audited_nothing_is_uploaded(act: Act, tmp_path: Path, code: int) -> None:
    stub(tmp_path, code, None)
    ran = act(checkpoint="m.pt", data="d.npz")
    assert (ran.code, ran.outputs["exit-code"]) == (code, str(code))
    assert ran.outputs["verdict"] == ran.outputs["report"] == ""
    assert ran.summary.startswith(f"Model audit: nothing was audited (exit code {code}).")
    assert UPLOAD not in [name.partition("@")[0] for name, _ in ran.used]


def test_the_upload_can_be_left_out(act: Act, tmp_path: Path) -> None:
    stub(tmp_path, 1, "FAIL: 3 of 4\n")
    ran = act(checkpoint="m.pt", data="d.npz", upload_sarif="false")
    assert [name.partition("@")[0] for name, _ in ran.used] == ["actions/setup-python"]
    assert ran.code == 1


def test_an_install_that_fails_stops_everything(act: Act, tmp_path: Path) -> None:
    stub(tmp_path, 0, "PASS: nothing found\n")
    program(tmp_path / "programs/pip", "#!/bin/bash\nexit 7\n")
    ran = act(checkpoint="m.pt", data="d.npz")
    assert ran.code == 7
    assert ran.outputs["exit-code"] == ran.summary == ""
    assert not (tmp_path / "temporary/arguments").exists()


HOSTILE = [
    "; touch pwned",
    "$(touch pwned) `touch pwned`",
    "'; touch pwned; '\" && touch pwned #",
    "a\ntouch pwned\nexit-code=0\nverdict=PASS",
    "--policy=research",
    "* ? [a-z] ~ \\ ${IFS}",
    "${{ steps.scan.outputs.verdict }}",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_reach_the_scan_as_they_are_and_do_nothing(
    act: Act, tmp_path: Path, value: str
) -> None:
    stub(tmp_path, 1, "FAIL: 3 of 4\n")
    ran = act(
        checkpoint=value,
        data=value,
        controls=value,
        policy=value,
        budget=value,
        rounds=value,
        package=value,
        upload_sarif=value,
    )
    *options, dashes, checkpoint = noted(tmp_path, "arguments")
    assert (dashes, checkpoint) == ("--", value)
    assert options[:5] == [
        "scan",
        f"--data={value}",
        f"--policy={value}",
        "--no-progress",
        f"--budget={value}",
    ]
    assert options[5:7] == [f"--rounds={value}", f"--controls={value}"]
    assert noted(tmp_path, "installed") == ["install", "--quiet", "--", value]
    assert (ran.code, ran.outputs["verdict"]) == (1, "FAIL")
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_arguments_are_taken_line_by_line(act: Act, tmp_path: Path, value: str) -> None:
    stub(tmp_path, 1, "FAIL: 3 of 4\n")
    ran = act(checkpoint="m.pt", data="d.npz", arguments=value)
    options = noted(tmp_path, "arguments")
    assert options[4 : 4 + len(value.split("\n"))] == value.split("\n")
    assert options[-4].startswith("--out=")
    assert (ran.code, ran.outputs["verdict"]) == (1, "FAIL")
    assert list((tmp_path / "here").iterdir()) == []


def test_what_is_said_cannot_set_outputs(act: Act, tmp_path: Path) -> None:
    stub(tmp_path, 1, "FAIL: 3 of 4\nverdict=PASS\nexit-code=0\n")
    ran = act(checkpoint="m.pt", data="d.npz")
    assert (ran.outputs["verdict"], ran.outputs["exit-code"]) == ("FAIL", "1")


def test_by_default_these_sources_are_installed(act: Act, tmp_path: Path) -> None:
    stub(tmp_path, 0, "PASS: nothing found\n")
    act(checkpoint="m.pt", data="d.npz")
    *_, package = noted(tmp_path, "installed")
    assert (Path(package) / "pyproject.toml").samefile(ROOT / "pyproject.toml")


def test_nothing_is_pasted_into_a_shell_and_all_that_is_used_is_pinned() -> None:
    action = yaml.safe_load(ACTION.read_text())
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step.get("uses", f"x@{'0' * 40}"))
    upload, verdict = action["runs"]["steps"][-2:]
    assert upload["if"].startswith("always() && ")
    assert verdict["if"].startswith("always() && "), "a failed upload must not hide the verdict"
    assert action["outputs"].keys() == {"verdict", "exit-code", "report", "folder"}


@pytest.mark.parametrize("file", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda file: file.stem)
def test_workflows_pin_what_they_use(file: Path) -> None:
    used = re.findall(r"uses: (.+)", file.read_text())
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", line)] == []
    assert bool(used) == (file.parent.name in ("workflows", "model-audit"))
    assert yaml.safe_load(file.read_text())


@pytest.mark.slow
def test_the_pre_commit_hook(tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["stages"] == ["manual"]
    assert hook["pass_filenames"] is False
    name, *arguments = shlex.split(hook["entry"])
    assert name == "model-audit"
    # As pre-commit does: the entry, then `args` of the user's configuration, and no names of files.
    command = [sys.executable, "-m", "audit.cli", *arguments, "gone.safetensors", "--data", "gone.npz"]
    ended = subprocess.run(
        [*command, "--budget", "soon"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("model-audit: --budget is 'soon'"), "the user's own budget wins"
