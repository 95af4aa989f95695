# Every target does its own set-up: the stamps inside .venv say what is installed there, and are
# renewed when pyproject.toml changes. The demo needs the runtime stamp only.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

CREATED := $(VENV)/.created
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
BENCH := $(VENV)/.bench
BUILD := $(VENV)/.build

SMOKE := build/smoke

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-full test-clients check bench bench-full bench-gate bench-peers bench-readme build clean

help: ## Print this list
	@echo 'Targets (each one sets up .venv by itself; PYTHON=... names the interpreter to use):'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(RUNTIME) ## Load the sample CRM and run its queries
	$(BIN)/python -m crm_schema demo $(ARGS)

test: $(DEV) ## Run the tests that are not marked slow (ARGS="-k ..." narrows them)
	$(BIN)/python -m pytest -n auto -m "not slow" $(ARGS)

test-full: $(DEV) ## Run every test (npm, Chromium; ARGS="-m slow" for what make test leaves out)
	$(BIN)/python -m pytest -n auto $(ARGS)

test-clients: $(DEV) ## Run Parse's JavaScript SDK, dashboard and a browser against the server (npm, Chromium)
	$(BIN)/python -m pytest -n 2 tests/clients $(ARGS)

check: $(DEV) ## Lint, formatting, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict parsekit crm_schema benchmarks
	$(BIN)/lint-imports

bench: $(BENCH) ## Measure parsekit and its peers, small (2 minutes); table and plot in build/benchmarks
	$(BIN)/python -m benchmarks small $(ARGS)

bench-full: $(BENCH) ## Measure at 100,000 deals; table and plot in build/benchmarks
	$(BIN)/python -m benchmarks full $(ARGS)

bench-gate: $(BENCH) ## Fail when a ratio to raw SQLite has slipped (ARGS=--record records them)
	$(BIN)/python -m benchmarks gate $(ARGS)

bench-peers: ## Install the peers that are no Python packages: Node packages, PostgreSQL with PostGIS
	benchmarks/node/install

bench-readme: $(BENCH) ## Put the results of the last bench-full into README.md
	$(BIN)/python -m benchmarks readme build/benchmarks

build: $(BUILD) ## Build wheel and sdist, then import the wheel in an empty environment
	rm -rf dist $(SMOKE)
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m venv $(SMOKE)
	$(SMOKE)/bin/python -m pip --disable-pip-version-check --quiet install dist/*.whl
	cd $(SMOKE) && bin/python -I -c 'import parsekit, crm_schema; print("imported from the wheel:", parsekit.__name__, crm_schema.__name__)'

clean: ## Remove .venv, caches and build output (never a database)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(CREATED):
	@command -v '$(PYTHON)' >/dev/null 2>&1 || { \
	  echo 'error: $(PYTHON) was not found. Install Python 3.11 or newer, or name it: make PYTHON=python3.12 ...' >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: parsekit needs Python 3.11 or newer, but $(PYTHON) is $$('$(PYTHON)' -c 'import platform; print(platform.python_version())'). Name a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@'$(PYTHON)' -c 'import ensurepip, venv' >/dev/null 2>&1 || { \
	  echo "error: $(PYTHON) has no venv module. On Debian or Ubuntu install this one package: python$$('$(PYTHON)' -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv" >&2; exit 1; }
	'$(PYTHON)' -m venv --clear $(VENV)
	$(PIP) install --upgrade pip
	@touch $@

$(RUNTIME): pyproject.toml | $(CREATED)
	$(PIP) install --editable '.[all]'
	@touch $@

$(DEV): pyproject.toml $(RUNTIME)
	$(PIP) install --group dev
	@touch $@

$(BENCH): pyproject.toml $(RUNTIME)
	$(PIP) install --group bench
	@touch $@

$(BUILD): pyproject.toml | $(CREATED)
	$(PIP) install --group build
	@touch $@
