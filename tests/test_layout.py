"""Where tests are, and that they are there."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def functions(source: str) -> list[str]:
    """Names of the tests in a module, be they functions of it or of a class."""
    nodes = ast.walk(ast.parse(source))
    return [
        node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def files() -> list[str]:
    return sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("file", files())
def test_no_test_file_is_empty(file: str) -> None:
    assert functions((TESTS / file).read_text()) != []


def test_an_empty_file_is_seen() -> None:
    assert functions("") == functions('"""Tests."""\nimport pytest\ndef helper(): ...\ntest_it = 1\n') == []
    assert functions("def test_one(): ...\nclass TestMore:\n    def test_two(self): ...\n") == [
        "test_one",
        "test_two",
    ]
    assert {"test_layout.py", "cli/test_scan.py"} <= set(files())
