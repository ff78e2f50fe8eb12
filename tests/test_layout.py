"""Where tests are, and that they are there."""

import ast
from pathlib import Path

import audit

TESTS = Path(__file__).parent
AUDIT = Path(audit.__file__).parent

ELSEWHERE = {
    "attacks/polynomial_delta.py": "attacks/test_polynomial.py",
    "attacks/polynomial_gradient.py": "attacks/test_polynomial.py",
    "battery/attempt.py": "battery/test_suite.py",
    "battery/outcomes.py": "battery/test_suite.py",
    "battery/reading.py": "battery/test_suite.py",
    "cli/inspection_table.py": "pipeline/test_inspection.py",
    "cli/json_schema.py": "cli/test_schemas.py",
    "cli/shell.py": "cli/test_stops.py",
    "diagnostics/measure.py": "pipeline/test_measured.py",
    "scoring/shares.py": "scoring/test_confirmation.py",
    "version.py": "cli/test_help.py",
}
"""Modules that the test file of another name covers."""


def functions(source: str) -> list[str]:
    """Names of the tests in a module, be they functions of it or of a class."""
    nodes = ast.walk(ast.parse(source))
    return [
        node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def files() -> list[str]:
    return sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py"))


def test_no_test_file_is_empty() -> None:
    assert [file for file in files() if not functions((TESTS / file).read_text())] == []


def test_an_empty_file_is_seen() -> None:
    assert functions("") == functions('"""Tests."""\nimport pytest\ndef helper(): ...\ntest_it = 1\n') == []
    assert functions("def test_one(): ...\nclass TestMore:\n    def test_two(self): ...\n") == [
        "test_one",
        "test_two",
    ]
    assert {"test_layout.py", "cli/test_scan.py"} <= set(files())


def covering_test(module: str) -> str:
    folder, _, name = module.rpartition("/")
    return ELSEWHERE.get(module, f"{folder}/test_{name}".lstrip("/"))


def modules() -> list[str]:
    found = sorted(path.relative_to(AUDIT).as_posix() for path in AUDIT.rglob("*.py"))
    return [module for module in found if Path(module).name not in ("__init__.py", "__main__.py")]


def test_every_module_has_a_test_file_in_the_same_folder() -> None:
    assert [module for module in modules() if covering_test(module) not in files()] == []


def test_exceptions_are_of_modules_that_need_them() -> None:
    assert [module for module in ELSEWHERE if module not in modules()] == []
    assert [module for module in ELSEWHERE if module.replace("/", "/test_") in files()] == []


LONGEST_FILE, LONGEST_FUNCTION = 350, 60


def test_no_file_and_no_function_is_too_long() -> None:
    found = []
    for module in modules():
        source = (AUDIT / module).read_text()
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
        lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in nodes}
        found += [f"{module}:{name}" for name, lines in lengths.items() if lines > LONGEST_FUNCTION]
        found += [module] if len(source.splitlines()) > LONGEST_FILE else []
    assert found == []
