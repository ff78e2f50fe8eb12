# The commands of the README. Everything is installed into .venv; nothing outside this folder is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test browser lint types wheel-test benchmark clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("model-audit needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": run make with PYTHON=python3.x") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

demo: install
	$(BIN)/model-audit demo

test: install lint types
	$(BIN)/python -m pytest -n 2 --cov --cov-report=
	$(BIN)/coverage report --include='audit/cli/*' --fail-under=99
	$(BIN)/coverage report --include='audit/pipeline/*' --fail-under=99

browser: install
	$(BIN)/python -m pytest -m browser -rs

lint: install
	$(BIN)/ruff check audit tests
	$(BIN)/ruff format --check audit tests

types: install
	$(BIN)/mypy --strict audit

benchmark: install
	$(BIN)/python -m tests.benchmarks.run

clean:
	rm -rf $(VENV) build dist .coverage* .mypy_cache .ruff_cache .pytest_cache
