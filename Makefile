# `make repro` and `make test` set up everything they need; the rest is for those who change the code.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SCALE := engine plan scale
export DVC_NO_ANALYTICS := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help repro test test-slow test-models test-browser test-cluster faults lint types bench bench-scale check clean lock

help:  ## Say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): pyproject.toml requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or newer, or: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint requirements.lock --editable '.[dev]'
	@touch $@

repro: $(READY)  ## Run the pipeline with params.yaml; the report is reports/report.html
	$(BIN)/dvc repro
	@echo
	@echo "encoder: models/encoder"
	@echo "report:  file://$(CURDIR)/reports/report.html"

test: $(READY)  ## Run the quick tests, offline
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal --ignore tests/benchmarks

test-slow: $(READY)  ## Run the tests that take seconds each, more examples of every property, and DVC in a fresh clone
	EXAMPLES=thorough $(BIN)/python -m pytest -m '(slow or pipeline or hypothesis) and not faults' --numprocesses auto --dist loadfile --durations 8

test-models: $(READY)  ## Run the tests on the real SmolLM2 and MiniLM (fetched once); PREMISES=50 TRIPLETS=256 is quicker
	OMP_NUM_THREADS=$$(nproc) $(BIN)/python -m pytest -m models --durations 8

test-browser: $(READY)  ## Open a report in headless Chromium
	$(BIN)/python -m pytest -m browser --numprocesses auto --dist loadfile

ifeq ($(FAULTS),short)  # not the real models, and of the stages those in shards
CLUSTER := -k 'not killed_driver and not torchrun and not launcher_began and not lost_worker and not cannot_do'
BROKEN := -k 'not test_kills and not train and not report'
endif

test-cluster: $(READY)  ## Run a Ray cluster here and kill parts of it; FAULTS=short is a little of it
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m cluster $(CLUSTER) --durations 8

faults: $(READY)  ## Break things on purpose, into reports/reliability.json; FAULTS=short is a little of it
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m faults tests/faults $(BROKEN) --durations 8

lint: $(READY)  ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## Check types
	$(BIN)/mypy

bench: $(READY)  ## Measure speed into reports/benchmarks.json; ROUNDS=1 is quicker
	OMP_NUM_THREADS=$$(nproc) $(BIN)/python -m pytest -m benchmarks tests/benchmarks --durations 8 \
	  $(SCALE:%=--ignore tests/benchmarks/test_%.py)

bench-scale: $(READY)  ## Measure Ray's engine, the plan's error and 10 million rows; SCALE_ROWS=N is another number
	SCALE_ROWS=$${SCALE_ROWS:-10000000} OMP_NUM_THREADS=$$(nproc) $(BIN)/python -m pytest -m benchmarks \
	  --durations 8 $(SCALE:%=tests/benchmarks/test_%.py)

check: lint types test  ## Everything that a commit must pass

lock: $(READY)  ## Write the versions now installed to requirements.lock
	$(BIN)/python -m pip freeze --exclude-editable | sed -E 's/\+cpu$$//' > requirements.lock

clean:  ## Remove the environment and caches; data, models and .work stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .benchmarks build *.egg-info
