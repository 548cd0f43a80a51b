# Every target that runs something makes its environment first. `make help` lists them.

PYTHON ?= python3
WORKERS ?= 2
CHROMIUM ?= chromium

BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test format lint types imports check check-browser bench fast slow clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 15

setup: $(READY) ## make .venv with everything pinned

# torch comes first and by its version alone, so that a CPU build offered locally is taken.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'make: Python 3.11 or newer is needed; name one with PYTHON=python3.11' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,distill,chat]'
	@touch $@

demo: $(READY) ## the main job in one go: a student learns long sums, in about a minute
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

check-browser: $(READY) ## open a report in Chromium, without a window
	@command -v $(CHROMIUM) >/dev/null || { echo 'make: $(CHROMIUM) is not installed; Debian has it as the package chromium' >&2; exit 1; }
	CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest -q tests/browser

bench: fast ## run the benchmarks, on the compiled hot path
	$(BIN)/python -m benchmarks

CORE := $(addprefix decomposition/,advance fuel hypertext loop memo merkle node rendering session step tree) \
	$(addprefix traces/,batch bloom digest recall reuse window)

fast: $(READY) ## compile the hot path of engine and record in place (docs/decisions/0005)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fast]'
	rm -rf build/fast && mkdir -p build/fast && cp -r decomposition traces build/fast/
	find build/fast -name '*.so' -delete
	cd build/fast && ../../$(BIN)/mypyc --ignore-missing-imports $(CORE:%=%.py) \
		>log 2>&1 || { tail -5 log >&2; exit 1; }
	cp build/fast/*.so . && for part in decomposition traces; do \
		cp build/fast/$$part/*.so $$part/; done && rm -rf build/fast

slow: ## run the engine from its source again
	rm -rf build *__mypyc*.so decomposition/*.so traces/*.so

clean: slow ## remove the environment, builds and caches
	rm -rf .venv build dist .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
