"""Which package may import which, as DESIGN.md explains, who may touch the world, and what a start costs."""

import ast
import builtins
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest

import audit

ROOT = Path(audit.__file__).parent

# Package -> what it may import. `errors`, `words`, `budget` and `version` may be imported by all that name GROUND
# here; what is missing from a line is forbidden, above all: attacks, solvers and the battery never reach the data.
GROUND = {"errors", "words", "budget", "version"}
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "words": set(),
    "budget": set(),
    "version": set(),
    "yaml_file": GROUND,
    "model": GROUND,
    "equation": GROUND | {"model"},
    "attacks": GROUND | {"model", "equation"},
    "solve": GROUND | {"model", "equation"},
    "battery": GROUND | {"equation", "attacks", "solve"},
    "dataset": GROUND | {"model"},
    "scoring": GROUND | {"model"},
    "diagnostics": GROUND | {"model", "equation", "attacks", "dataset", "scoring"},
    "verdict": GROUND | {"yaml_file", "model", "scoring"},
    "report": GROUND | {"model", "verdict"},
    "render": GROUND | {"model", "report", "verdict", "scoring"},
    "request": GROUND
    | {"model", "equation", "attacks", "dataset", "scoring", "diagnostics", "verdict", "report"},
    "pipeline": GROUND
    | {"model", "equation", "attacks", "battery", "dataset", "scoring"}
    | {"diagnostics", "verdict", "report", "render", "request"},
    "cli": GROUND | {"yaml_file", "model", "attacks", "verdict", "report", "render", "request", "pipeline"},
}
MOST_EDGES, MOST_LAYERS = 80, 9

# The shell may print, read files, the clock and the environment; nothing else may, but for what is listed.
SHELL = {"cli", "dataset", "model.checkpoint", "model.preprocessing", "pipeline"}
ALSO_ALLOWED = {
    "": {"environment"},
    "yaml_file": {"files"},
    "verdict.policy_file": {"files"},
    "request.earlier_run": {"files"},
    "render.comparison_views": {"files"},
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


def room_of(module: str) -> str:
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
    """What a source may not import. The package itself names its parts, and imports them when asked for."""
    if not module:
        return []
    room = room_of(module)
    return [
        f"{module} imports {name}"
        for name in imported(module, package, source)
        if room_of(name) != room and room_of(name) not in ROOMS.get(room, set())
    ]


def doors() -> dict[str, set[str]]:
    """Room -> rooms that it imports today."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module, path in modules():
        if room := room_of(module):
            names = imported(module, path.name == "__init__.py", path.read_text())
            found[room] |= {room_of(name) for name in names} - {room}
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


def test_every_module_has_a_room_and_every_room_a_module() -> None:
    assert {room_of(module) for module, _ in modules() if module} == set(ROOMS)


def test_a_module_imports_only_what_its_room_may() -> None:
    found = [violations(module, path.name == "__init__.py", path.read_text()) for module, path in modules()]
    assert list(chain(*found)) == []


def test_every_permission_is_used() -> None:
    unused = {room: sorted(ROOMS[room] - GROUND - used) for room, used in doors().items()}
    assert {room: names for room, names in unused.items() if names} == {}


def test_rooms_form_few_layers_with_few_doors_and_no_cycle() -> None:
    found = doors()
    assert sum(map(len, found.values())) <= MOST_EDGES
    layers = 0
    sorter = TopologicalSorter(found)
    sorter.prepare()  # raises CycleError
    while sorter.is_active():
        sorter.done(*sorter.get_ready())
        layers += 1
    assert layers <= MOST_LAYERS


def test_only_the_shell_touches_the_world() -> None:
    found = {module: effects(path.read_text()) for module, path in modules()}
    allowed = {module: ALSO_ALLOWED.get(module, set()) for module in found}
    inner = {module for module in found if not {module, room_of(module)} & SHELL}
    assert {
        module: found[module] - allowed[module] for module in inner if found[module] - allowed[module]
    } == {}


def test_no_global_seed() -> None:
    assert {module for module, path in modules() if global_seeds(path.read_text())} == set()


def test_the_command_line_starts_without_heavy_libraries() -> None:
    code = f"import audit.cli, sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_the_package_imports_its_parts_when_they_are_asked_for() -> None:
    code = "import audit, sys; print(*[name for name in sys.modules if name.startswith('audit.')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["audit.version"]


# The checks themselves


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("model.checkpoint", "import audit.cli"),
        ("model.checkpoint", "from audit import cli"),
        ("model.checkpoint", "from audit.equation.objective import Objective"),
        ("model.checkpoint", "def f():\n    from audit.equation.objective import Objective"),
        ("model.checkpoint", "if TYPE_CHECKING:\n    from audit.equation.objective import Objective"),
        ("model.checkpoint", "from ..equation import objective"),
        ("attacks.base", "from ..solve import base"),
        ("attacks.base", "from audit.dataset import members"),
        ("attacks.base", "from audit.pipeline.inspection import inspect"),
        ("solve.base", "from audit.pipeline.inspection import inspect"),
        ("battery", "from audit.diagnostics.stationarity import stationarity"),
        ("battery", "from audit.scoring.matching import match"),
        ("solve.base", "from audit.attacks.base import Attack"),
        ("solve.base", "from audit import attacks"),
        ("cli", "from audit.unlisted import x"),
    ],
)
def test_a_forbidden_import_is_seen(module: str, source: str) -> None:
    assert len(violations(module, False, source)) == 1


@pytest.mark.parametrize(
    ("module", "package", "source"),
    [
        ("model.checkpoint", False, "import torch\nfrom audit.errors import CheckpointError"),
        ("verdict.policy", False, "import audit\nfrom audit import __version__, yaml_file"),
        ("attacks.kkt_loss", False, "from audit.attacks.base import Attack\nfrom .base import Attack"),
        (
            "attacks",
            True,
            "from . import base\nfrom .kkt_loss import KktLoss\nfrom ..equation import objective",
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
