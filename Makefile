# What a developer types; `make help` lists it. Needs Python 3.11 or newer with pip, nothing else.
# The environment stands in .venv and is installed again only when a lock file or pyproject.toml
# has changed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help up down status monitor test test-fast chaos-kill lint format docs dashboards image manifests bench-peers bench-paths \
	bench-cold bench-overload bench-plan bench-telemetry bench-flood bench-cachelab bench-registrations bench-store lock clean

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v $$python; break; }; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
PACKAGES := resolver secondary_nodes bench
FIRST := 88.901.1/000001
PYTEST ?= $(BIN)/python -m pytest

RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
LOCK_VENV := .venv-lock
LOCK_READY := $(LOCK_VENV)/.ready

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) \
		| while IFS='|' read -r name text; do printf '  make %-19s %s\n' "$$name" "$$text"; done

# ---------------------------------------------------------------- the network

up: $(RUN_READY) ## set up, start the whole network in the background, resolve a first identifier
	@if $(BIN)/wuhan status >/dev/null 2>&1; then echo "the network runs already; its console: $$($(BIN)/wuhan console)"; \
		else $(BIN)/wuhan up --detach; fi
	@$(BIN)/wuhan resolve $(FIRST) --trace

down: $(RUN_READY) ## stop the network
	@$(BIN)/wuhan down

status: $(RUN_READY) ## what runs, its ports, memory and health
	@$(BIN)/wuhan status

monitor: $(RUN_READY) ## Prometheus with our rules and alerts, beside the running network
	@$(BIN)/wuhan monitor

# ---------------------------------------------------------------- checks

test: $(DEV_READY) ## all tests, those with real networks too
	@$(PYTEST)

test-fast: $(DEV_READY) ## the tests that take milliseconds
	@$(PYTEST) -m "not slow"

chaos-kill: $(DEV_READY) ## kill a node 1,000 times under registrations and look at what is left
	@$(BIN)/python -m tests.live.chaos --kills 1000

lint: $(DEV_READY) ## format, lint, types, layers; all of them, even if one fails
	@failed=0; \
	for check in "ruff format --check --quiet ." "ruff check --quiet ." \
		"mypy --strict --no-error-summary $(PACKAGES)" "lint-imports --no-cache --no-logo"; do \
		echo "$$check"; $(BIN)/$$check || failed=1; done; \
	exit $$failed

format: $(DEV_READY) ## rewrite the code in the house format
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format --quiet .

docs: $(DEV_READY) ## write the generated parts of docs/network.md and operations.md anew
	@$(BIN)/python docs/network_reference.py
	@$(BIN)/python docs/metrics_reference.py

dashboards: $(DEV_READY) ## write the dashboards of config/grafana anew
	@$(BIN)/python docs/grafana_dashboards.py

image: ## build the container images wuhan and wuhan-load (needs docker)
	docker build -f docker/Dockerfile -t wuhan .
	docker build -f docker/Dockerfile --target load -t wuhan-load .

manifests: $(DEV_READY) ## write docker/kubernetes anew
	@$(BIN)/python docker/write_manifests.py

bench-peers: $(DEV_READY) ## CPU of an answer from the cache, beside Unbound, Knot and a C echo
	@$(BIN)/python -m bench.peers

bench-paths: $(DEV_READY) ## TCP, HTTP, batches, the store, a large cache, workers
	@$(BIN)/python -m bench.paths

bench-cold: $(DEV_READY) ## latency of cold resolutions at 1,000 a second, Unbound beside it
	@$(BIN)/python -m bench.cold

bench-cachelab: $(DEV_READY) ## the eviction policies over traces: hits, memory, CPU; minutes
	@$(BIN)/python -m bench.cachelab

bench-flood: $(DEV_READY) ## ten million names that do not exist; takes a while
	@$(BIN)/python -m bench.flood

bench-overload: $(DEV_READY) ## five times as many questions as the recursive node can answer
	@$(BIN)/python -m bench.overload

bench-plan: $(DEV_READY) ## what answers cost here, and how far the planner's predictions are off
	@$(BIN)/wuhan bench calibrate
	@$(BIN)/wuhan plan --validate

bench-telemetry: $(DEV_READY) ## what the metrics cost of an answer, and a scrape of 115 nodes
	@$(BIN)/python -m bench.telemetry

bench-registrations: $(DEV_READY) ## durable registrations a second, LMDB alone beside them
	@$(BIN)/python -m bench.registrations

bench-store: $(DEV_READY) ## 10 million records: import, size, start, latency; LMDB alone beside it
	@$(BIN)/python -m bench.store

# ---------------------------------------------------------------- the environment

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer is needed; none was found (set PYTHON=/path/to/python)." >&2; \
		exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$(PYTHON) cannot make environments: install its venv module" \
			"(Debian and Ubuntu: apt-get install python3-venv)." >&2; \
		exit 1; fi
	@$(PYTHON) -m venv $(VENV)

$(RUN_READY): requirements-run.lock pyproject.toml | $(BIN)/python
	@echo "installing what the network needs into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements-run.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_READY): requirements.lock $(RUN_READY)
	@echo "installing what the tests and checks need into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

# ---------------------------------------------------------------- the lock files

COMPILE = $(LOCK_VENV)/bin/pip-compile --quiet --generate-hashes --strip-extras --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	--build-deps-for editable $(UPGRADE)

$(LOCK_READY): | $(BIN)/python
	@$(PYTHON) -m venv $(LOCK_VENV)
	@$(LOCK_VENV)/bin/python -m pip --disable-pip-version-check -qq install pip-tools==7.6.2
	@touch $@

lock: $(LOCK_READY) ## write the lock files anew (UPGRADE=--upgrade takes newer versions)
	$(COMPILE) --all-extras --output-file=requirements.lock pyproject.toml
	$(COMPILE) --constraint=requirements.lock --output-file=requirements-run.lock pyproject.toml
	$(COMPILE) --constraint=requirements.lock --extra=bench --output-file=requirements-load.lock pyproject.toml
	@for file in requirements.lock requirements-run.lock requirements-load.lock; do \
		{ echo '# made by `make lock` for Python 3.11'; grep -v '^# made by' $$file; } > $$file.new; \
		mv $$file.new $$file; done

clean: ## remove the environments and what the tools left; networks and their data stay
	@rm -rf $(VENV) $(LOCK_VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
