# Every target that runs something makes its environment first. `make help` lists them.

PYTHON ?= python3
WORKERS ?= 2

BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test format lint types imports check bench clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

setup: $(READY) ## make .venv with everything pinned

# torch joins setup when distill has modules: `pip install torch==2.13.0` first, then `.[dev,distill]`.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'make: Python 3.11 or newer is needed; name one with PYTHON=python3.11' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY) ## the main job in one go
	$(BIN)/workbench demo

test: $(READY) ## run the tests
	$(BIN)/python -m pytest -q -n $(WORKERS)

format: $(READY) ## sort imports and format
	$(BIN)/ruff check --quiet --select I --fix .
	$(BIN)/ruff format .

lint: $(READY) ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY) ## check types, strictly
	$(BIN)/pyright

imports: $(READY) ## check who imports whom
	$(BIN)/lint-imports

check: lint types imports test ## everything that must hold before a change lands

bench: $(READY) ## run the benchmarks
	$(BIN)/python -m benchmarks

clean: ## remove the environment, builds and caches
	rm -rf .venv build dist .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
