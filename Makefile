# `make run` and `make test` do all of their own set-up, in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint format clean

run: .venv/.ready
	$(BIN)/z1 run demo

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest

lint: .venv/.ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/.ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
