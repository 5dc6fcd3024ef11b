# The habits of the house. `make demo` and `make test` set everything up by themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed
# A process a core, each with files of its own, so that what a file sets up is set up once; every one may hold a TensorFlow, hence eight at most.
WORKERS ?= $(shell cores=$$(nproc); echo $$((cores < 8 ? cores : 8)))
PYTEST := $(BIN)/python -m pytest --dist loadfile --numprocesses

.PHONY: help setup demo test test-fast test-long lint types format check lock docs dist clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## install the pinned packages and gapsack itself into .venv

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("gapsack needs Python 3.11 or newer, got " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	@echo "Installing the pinned packages into .venv (a few minutes the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(STAMP)

demo: $(STAMP)  ## the main job on generated data: sweep, select, build, evaluate, report
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo.sh demo

test: $(STAMP)  ## every test but the longest, in parallel
	$(PYTEST) $(WORKERS) -m "not long"

test-fast: $(STAMP)  ## the tests that take seconds
	$(PYTEST) $(WORKERS) -m "not slow and not long"

# One process more than there are cores: these wait for Ray and for servers half of the time.
test-long: $(STAMP)  ## the tests that take minutes: faults, scale, clusters, every command of the docs
	$(PYTEST) $$(($(WORKERS) + 1)) -m long --timeout 1800

lint: $(STAMP)  ## ruff, formatting and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy

format: $(STAMP)  ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint types test test-long  ## everything that CI runs

lock:  ## pin the newest versions that pyproject.toml admits (needs uv); no address is written
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --no-header --no-annotate --no-emit-index-url --generate-hashes --upgrade --quiet -o requirements.lock

docs: $(STAMP)  ## the documentation as a site, in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

dist: $(STAMP)  ## sdist and wheel in dist/, as a package index takes them
	rm -rf dist && $(BIN)/python -m hatchling build -d dist && $(BIN)/twine check --strict dist/*

clean:  ## remove what the demo and the tools wrote (not .venv)
	rm -rf demo site dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
