"""The street of DESIGN.md: who may import whom, who may touch the world, and what a start costs."""

import ast
import builtins
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import audit

ROOT = Path(audit.__file__).parent

# Top to bottom. A module imports its own line or lines above; packages stand for all their files.
STREET = (
    "errors",
    "yaml_file",
    "table",
    "checkpoint",
    "inputs",
    "activations",
    "architecture",
    "network",
    "candidates",
    "objective",
    "reduction",
    "gradient_map",
    "observed",
    "monomials",
    "identifiability",
    "attacks",
    "solve",
    "training",
    "battery",
    "dataset",
    "similarity",
    "matching",
    "calibration",
    "exposure",
    "membership",
    "ceiling",
    "dp_bound",
    "findings",
    "policy",
    "waivers",
    "config",
    "report",
    "schemas",
    "earlier_run",
    "baseline",
    "comparison",
    "comparison_views",
    "trajectory",
    "positive_control",
    "request",
    "knowledge",
    "exhibits",
    "assembly",
    "run_folder",
    "progress",
    "pipeline",
    "inspection",
    "inspection_table",
    "demo",
    "cli",
)

# Lines that must not see each other although one is above the other.
STRANGERS = {("solve", "attacks")}

# The shell may print, read files, the clock and the environment; nothing else may, but for what is listed.
SHELL = {"cli", "pipeline", "checkpoint", "dataset", "inputs", "progress", "run_folder", "demo"}
ALSO_ALLOWED = {
    "yaml_file": {"files"},
    "policy": {"files"},
    "earlier_run": {"files"},
}

EFFECTS = {
    "print": "print",
    "sys.stdout": "print",
    "sys.stderr": "print",
    "open": "files",
    "*.open": "files",
    "*.read_text": "files",
    "*.read_bytes": "files",
    "*.write_text": "files",
    "*.write_bytes": "files",
    "time": "clock",
    "*.now": "clock",
    "*.utcnow": "clock",
    "*.today": "clock",
    "os.environ": "environment",
    "os.getenv": "environment",
}

GLOBAL_SEEDS = {
    "torch.manual_seed",
    "torch.seed",
    "torch.random.manual_seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "np.random.seed",
    "numpy.random.seed",
    "random.seed",
}

HEAVY = ("torch", "torchvision", "matplotlib", "skimage", "scipy")


def modules() -> list[tuple[str, Path]]:
    """Every module under audit/ by its name below it: `cli`, `attacks.base`, and `` for audit itself."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def line_of(module: str) -> str:
    return module.partition(".")[0]


def imported(module: str, package: bool, source: str) -> Iterator[str]:
    """Modules of audit that a source imports anywhere, also in functions and under TYPE_CHECKING."""
    here = ["audit", *module.split(".")] if module else ["audit"]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + package] if node.level else []
            names = [".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            top, _, below = name.partition(".")
            # `from audit import __version__` asks for audit itself, which imports nothing.
            if top == "audit" and below and not below.startswith("__"):
                yield below


def violations(module: str, package: bool, source: str) -> list[str]:
    line = line_of(module)
    found = []
    for name in imported(module, package, source):
        other = line_of(name)
        if other not in STREET:
            found.append(f"{module} imports {name}, which is not on the street")
        elif not module or STREET.index(other) > STREET.index(line) or (line, other) in STRANGERS:
            found.append(f"{module or 'audit'} imports {name}")
    return found


def effects(source: str) -> set[str]:
    """What of the world a source touches, by the names it uses."""
    used = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and hasattr(builtins, node.id):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used |= {ast.unparse(node), f"*.{node.attr}"}
        elif isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            used |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {EFFECTS[name] for name in used & EFFECTS.keys()}


def global_seeds(source: str) -> set[str]:
    tree = ast.parse(source)
    attributes = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return (attributes | names) & GLOBAL_SEEDS


def test_every_module_is_on_the_street() -> None:
    lines = {line_of(module) for module, _ in modules() if module}
    assert {"checkpoint", "inputs", "architecture"} <= lines
    assert sorted(lines - set(STREET)) == []


@pytest.mark.parametrize(("module", "path"), modules())
def test_a_module_imports_only_its_own_line_or_lines_above(module: str, path: Path) -> None:
    assert violations(module, path.name == "__init__.py", path.read_text()) == []


@pytest.mark.parametrize(("module", "path"), modules())
def test_only_the_shell_touches_the_world(module: str, path: Path) -> None:
    if line_of(module) not in SHELL:
        assert effects(path.read_text()) <= ALSO_ALLOWED.get(module, set())


@pytest.mark.parametrize(("module", "path"), modules())
def test_no_global_seed(module: str, path: Path) -> None:
    assert global_seeds(path.read_text()) == set()


def test_the_command_line_starts_without_heavy_libraries() -> None:
    code = f"import audit.cli, sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


# The checks themselves


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("checkpoint", "import audit.cli"),
        ("checkpoint", "from audit import cli"),
        ("checkpoint", "from audit.model.preprocessing import InputFormat"),
        ("checkpoint", "def f():\n    from audit.model.network import Network"),
        ("checkpoint", "if TYPE_CHECKING:\n    from audit.model.network import Network"),
        ("checkpoint", "from .network import Network"),
        ("checkpoint", "from . import network"),
        ("attacks.base", "from ..solve import base"),
        ("attacks.base", "from audit.dataset import members"),
        ("attacks.base", "from audit.run.inspection import inspect"),
        ("solve.base", "from audit.run.inspection import inspect"),
        ("battery", "from audit.diagnostics.stationarity import stationarity"),
        ("solve.base", "from audit.attacks.base import Attack"),
        ("solve.base", "from audit import attacks"),
        ("cli", "from audit.unlisted import x"),
        ("", "from audit.errors import AuditError"),
    ],
)
def test_a_forbidden_import_is_seen(module: str, source: str) -> None:
    assert len(violations(module, module == "", source)) == 1


@pytest.mark.parametrize(
    ("module", "package", "source"),
    [
        ("checkpoint", False, "import torch\nfrom audit.errors import CheckpointError"),
        ("policy", False, "import audit\nfrom audit import __version__, findings"),
        ("attacks.kkt_loss", False, "from audit.attacks.base import Attack\nfrom .base import Attack"),
        (
            "attacks",
            True,
            "from . import base\nfrom .kkt_loss import KktLoss\nfrom ..objective import Objective",
        ),
        ("solve.descent", False, "from audit.equation.objective import Objective\nfrom .base import Solver"),
    ],
)
def test_an_allowed_import_is_allowed(module: str, package: bool, source: str) -> None:
    assert violations(module, package, source) == []


@pytest.mark.parametrize(
    ("source", "effect"),
    [
        ("print(1)", "print"),
        ("import sys\nsys.stderr.write('x')", "print"),
        ("open('x')", "files"),
        ("path.read_text()", "files"),
        ("(folder / 'x').open()", "files"),
        ("import time", "clock"),
        ("from time import monotonic", "clock"),
        ("datetime.now()", "clock"),
        ("os.environ['HOME']", "environment"),
        ("from os import environ", "environment"),
    ],
)
def test_an_effect_is_seen(source: str, effect: str) -> None:
    assert effects(source) == {effect}


def test_words_alone_are_no_effect() -> None:
    assert effects('"""Print the time."""\nopened = {"print": 1}\ntime = result.seconds\nf(time)') == set()


@pytest.mark.parametrize(
    "source", ["torch.manual_seed(0)", "np.random.seed(0)", "from torch import manual_seed", "f(random.seed)"]
)
def test_a_global_seed_is_seen(source: str) -> None:
    assert len(global_seeds(source)) == 1
    assert global_seeds("generator.manual_seed(0)") == set()
