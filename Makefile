# Everything a person or a machine does with this project. `make` alone lists it.
# Needs: Python 3.11 or newer, and the internet the first time. No Docker, no global installs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# The first Python that is new enough; `make PYTHON=/path/to/python run` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
# -qq: pip speaks up only about errors.
PIP := PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip install -qq

# What `make serve` runs on: from the environment or behind `make serve`, else from .env, else these defaults.
# Several processes hear each other through Redis only, so without it there is one.
env_file = $(shell sed -n 's/^ *$(1)=//p' .env 2>/dev/null | tail -n 1)
HOST ?= $(or $(call env_file,HOST),127.0.0.1)
PORT ?= $(or $(call env_file,PORT),8000)
REDIS_URL ?= $(call env_file,REDIS_URL)
METRICS_PORT ?= $(or $(call env_file,METRICS_PORT),9600)
DRAIN_SECONDS ?= $(or $(call env_file,DRAIN_SECONDS),20)
PROCESSES ?= $(or $(call env_file,PROCESSES),$(if $(REDIS_URL),$(shell nproc 2>/dev/null || echo 2),1))

# Celery speaks to one Redis server, not to a cluster.
WORKERS ?= $(or $(call env_file,WORKERS),$(if $(REDIS_URL),$(if $(findstring +cluster:,$(REDIS_URL)),0,1),0))

.PHONY: help run serve stop rolling-restart install dev load spa test test-engines chaos bench bench-answers lint format clean

help: ## list what can be done
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
		while IFS=$$'\t' read -r name text; do printf '  make %-16s %s\n' "$$name" "$$text"; done

run: install spa ## one process on http://localhost:8000 with an embedded database (Ctrl-C ends it)
	@mkdir -p var
	@$(PY) server.py migrate
	@exec $(PY) server.py

serve: export HOST := $(HOST)
serve: export PORT := $(PORT)
serve: export PROCESSES := $(PROCESSES)
serve: export WORKERS := $(WORKERS)
serve: export METRICS_PORT := $(METRICS_PORT)
serve: export DRAIN_SECONDS := $(DRAIN_SECONDS)
serve: export TONGYOU_STOP_SECONDS = $(shell expr $(DRAIN_SECONDS) + 25)
serve: install spa ## under supervisord: one process, or one per core when REDIS_URL is set
	@mkdir -p var/log
	@$(PY) server.py migrate
	@echo "$$PROCESSES process(es), $$WORKERS worker(s) on http://$$HOST:$$PORT; logs in var/log; control: .venv/bin/supervisorctl status"
	@echo "Health and metrics of process N: http://127.0.0.1:$$METRICS_PORT + N"
	@export TONGYOU_USER="$$(id -un)"; hard=$$(ulimit -Hn); \
	export TONGYOU_MINFDS=65536; \
	if [ "$$hard" != unlimited ] && [ "$$hard" -lt 65536 ]; then export TONGYOU_MINFDS=$$hard; fi; \
	exec .venv/bin/supervisord --nodaemon --silent --configuration supervisord.conf

stop: ## end what `make serve` started, letting every process drain; done when all have ended
	@pid=$$(cat var/supervisord.pid 2>/dev/null || true); .venv/bin/supervisorctl -c supervisord.conf shutdown; \
	while [ -n "$$pid" ] && kill -0 "$$pid" 2>/dev/null; do sleep 0.2; done

rolling-restart: export METRICS_PORT := $(METRICS_PORT)
rolling-restart: ## restart the processes of `make serve` one after the other; nobody has to reload
	@$(PY) server.py rolling-restart

# Installing: a step runs again only when setup.py changed.

.venv/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Tongyou needs Python 3.11 or newer, which is not here. On Debian or Ubuntu:"; \
		echo "    sudo apt-get install python3 python3-venv"; exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing python3-venv ..."; \
			(apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
				"$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')") >/dev/null 2>&1 || true; fi; \
		if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
			echo "Python has no venv module here. On Debian or Ubuntu:"; \
			echo "    sudo apt-get install python3-venv"; exit 1; fi; fi
	@echo "Making .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv

.venv/.installed: setup.py | .venv/bin/python
	@echo "Installing Python packages (about 10 s) ..."
	@$(PIP) -e .
	@touch $@

.venv/.installed-dev: setup.py | .venv/bin/python
	@echo "Installing Python packages with the tools for tests (about 30 s) ..."
	@$(PIP) -e '.[dev]'
	@touch .venv/.installed $@

.venv/.installed-load: setup.py | .venv/bin/python
	@echo "Installing Python packages for load tests (about 10 s) ..."
	@$(PIP) -e '.[load]'
	@touch .venv/.installed $@

.venv/.installed-engines: setup.py | .venv/bin/python
	@echo "Installing Python packages for tests of further engines ..."
	@$(PIP) -e '.[engines]'
	@touch .venv/.installed $@

install: .venv/.installed
dev: .venv/.installed-dev ## install the tools for tests into .venv

spa: install
	@$(PY) frontend/build.py

# Checking

test: ## everything that must be green: linters, types, imports, web app, tests on real servers and browsers
	@$(or $(PYTHON),python3) tests/run.py

test-engines: dev .venv/.installed-engines ## the storage suites on seekdb (OceanBase) and Galera, and one trip on three Galera nodes (10 minutes)
	@TEST_ENGINES="seekdb galera" $(PY) -m pytest -q tests/contracts -k "seekdb or galera"
	@TEST_ENGINES="galera" $(PY) -m pytest -q tests/engines

load: dev .venv/.installed-load spa ## people in rooms, judged by targets: PROFILE=smoke (seed, node, storm, soak, restart), RESTART=1
	@$(PY) -m loadtests.run $(or $(PROFILE),smoke) $(if $(filter 1,$(RESTART)),--restart)

chaos: dev ## RUNS stress runs of SECONDS of faults from SEED on (default: any): see docs/TESTING.md
	@$(PY) -m tests.chaos $(if $(SEED),--seed $(SEED)) --runs $(or $(RUNS),10) --seconds $(or $(SECONDS),20)

bench: dev $(if $(PROFILE),.venv/.installed-load) ## what the server does beside its peers (5 minutes): ONLY=fan-out, QUICK=1, PROFILE=1, DOCS=1
	@$(PY) -m loadtests $(if $(ONLY),--only $(ONLY)) $(if $(PEERS),--peers $(PEERS)) $(if $(QUICK),--quick) $(if $(PROFILE),--profile) $(if $(DOCS),--docs)

bench-answers: dev spa ## 500 answers of the assistant at once in one process, beside reading the model directly
	@$(PY) -m loadtests.answers

lint: dev ## style, types and import rules, quickly
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: dev ## put the Python code into shape
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

clean: ## remove what was built or installed (not var/, which holds data)
	@rm -rf .venv build *.egg-info frontend/node_modules frontend/dist \
		.mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Clean. Data in var/ is kept."
