"""What users install: a wheel that carries its policies and templates and works from an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import audit

ROOT = Path(audit.__file__).parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(pip, check=True, timeout=300)
    (path,) = folder.glob("*.whl")
    return path


def test_its_name_and_contents(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert wheel.name.startswith(f"model_privacy_audit-{audit.__version__}-py3")
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "audit").rglob("*.py")}
    policies = {f"audit/policies/{path.name}" for path in (ROOT / "policies").glob("*.yaml")}
    templates = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "audit/render/templates").rglob("*")
        if path.is_file()
    }
    docs = {path.relative_to(ROOT).as_posix() for path in (ROOT / "audit/docs").glob("*.md")}
    assert len(policies) >= 3
    assert templates
    assert docs
    assert modules | policies | templates | docs | {"audit/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests/", "reports/"))]


def test_it_works_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    code = (
        "import audit, audit.render.formats; from audit.verdict.policy import load_policy;"
        "from audit.verdict.policy_file import shipped_policies;"
        "print(audit.__file__, *[load_policy(name, ['kkt-margin']).name for name in shipped_policies()])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "empty",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    where, *policies = ran.stdout.split()
    assert where == str(tmp_path / "site/audit/__init__.py")
    assert policies == ["release", "research", "strict"]
    entry_points = next((tmp_path / "site").glob("*.dist-info/entry_points.txt")).read_text()
    assert "model-audit = audit.cli:main" in entry_points
