# Every target makes what it needs: a Python >= 3.12 is the only thing to have beforehand.
# The environment is exactly requirements.lock plus this package, in .venv.

# A uv that runs, else our own in .tools (not in .venv: syncing removes what is not locked).
UV_COMMAND := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)
TOOLS := $(filter .tools/bin/uv,$(UV_COMMAND))
VENV := .venv/bin
INSTALLED := .venv/.installed
# The older of the two minor releases of Prefect that we support, in an environment of its own.
OLDER_PREFECT := 3.8.8
VENV_3_8 := .venv-3.8/bin
INSTALLED_3_8 := .venv-3.8/.installed
CONFIG ?= pygeoapi-config.yml
MINUTES ?= 10
# The notice of Material for MkDocs about its successor is not about these pages.
export NO_MKDOCS_2_WARNING := 1

# These would install into another place, or refuse what has no hash (uv itself, this package).
unexport UV_SYSTEM_PYTHON UV_REQUIRE_HASHES PIP_REQUIRE_HASHES PIP_USER PIP_TARGET PIP_PREFIX

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: demo climate up test test-large test-prefect-3.8 test-infrastructure check docs wheel bench soak lock clean help

demo: $(INSTALLED)  ## show the whole thing once, from a client's view
	$(VENV)/python examples/demo.py

climate: $(INSTALLED)  ## ingest 437 months, kill the worker on the way, draw the winds
	PYTHONPATH="examples$${PYTHONPATH:+:$$PYTHONPATH}" $(VENV)/python -m climate.demo

up: $(INSTALLED)  ## run Prefect, a worker and pygeoapi here (CONFIG=pygeoapi-config.yml)
	PYTHONPATH="examples$${PYTHONPATH:+:$$PYTHONPATH}" $(VENV)/pygeoapi-prefect up --config $(CONFIG)

test: $(INSTALLED)  ## run all tests but those below (ARGS="-k name -x" for some)
	# Two at once: many tests wait for something to die or to come back. The slow ones first, as
	# they are collected, so that the many quick ones fill up what is left at the end.
	$(VENV)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m "not (docker or hosts or large or pools)" $(ARGS)

test-large: $(INSTALLED)  ## run the tests that have a stack of their own for most of a minute, or much data
	$(VENV)/pytest --numprocesses 2 --dist loadfile --timeout 900 \
	    -m "large and not (docker or hosts or pools)" $(ARGS)

test-prefect-3.8: $(INSTALLED_3_8)  ## run the tests of what touches Prefect with Prefect 3.8
	$(VENV_3_8)/pytest --numprocesses 2 --dist loadfile \
	    tests/integration/engine tests/acceptance/test_execution.py $(ARGS)

# One at a time: they share one Docker engine. The first one may have to build its image.
test-infrastructure: $(INSTALLED) | $(TOOLS)  ## run the tests with containers, several hosts, stock workers
	$(VENV)/pytest --timeout 900 -m "docker or hosts or pools" $(ARGS)

check: $(INSTALLED)  ## lint, format, types, import rules, documentation, tracked files
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy
	$(VENV)/lint-imports --no-logo
	$(VENV)/mkdocs build --strict
	tools/check-tracked-files

docs: $(INSTALLED)  ## build the documentation into site/
	$(VENV)/mkdocs build --strict

wheel: $(TOOLS)  ## build the package into dist/, to be installed elsewhere
	$(UV_COMMAND) build --quiet --wheel --python "$$(tools/find-python)" --out-dir dist

bench: $(INSTALLED)  ## run the benchmarks
	$(VENV)/python -m benchmarks $(ARGS)

soak: $(INSTALLED)  ## run random jobs under random kills and account for each (MINUTES=10)
	$(VENV)/python -m soak --minutes $(MINUTES) $(ARGS)

# Keeps the versions locked so far; ARGS=--upgrade or ARGS="--upgrade-package NAME" moves them.
lock: $(TOOLS)  ## write requirements.lock from pyproject.toml, and requirements-3.8.lock
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV_COMMAND) pip compile pyproject.toml \
	    --quiet --universal --python "$$(tools/find-python)" --python-version 3.12 \
	    --all-extras --group dev --generate-hashes --no-annotate \
	    --output-file requirements.lock $(ARGS)
	# What Prefect 3.8 needs otherwise: itself, a package that 3.9 does without, and an older
	# SQLAlchemy: with 2.1 it makes no runs of schedules (a column that is none is inserted).
	printf 'prefect==%s\nruamel-yaml-clib\nsqlalchemy<2.1\n' "$(OLDER_PREFECT)" | \
	    UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV_COMMAND) pip compile - \
	    --quiet --universal --python "$$(tools/find-python)" --python-version 3.12 \
	    --no-deps --generate-hashes --no-annotate --output-file requirements-3.8.lock

clean:  ## remove everything that make has made
	[ ! -d .docker ] || tools/docker-engine stop
	rm -rf .docker .venv .venv-3.8 .tools dist site demo-output soak/results .pytest_cache .mypy_cache \
	    .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## show this
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "  make %-20s%s\n", $$1, $$2 }' Makefile

$(INSTALLED): requirements.lock pyproject.toml | $(TOOLS)
	@$(VENV)/python -c '' 2>/dev/null || \
	    { rm -rf .venv && python=$$(tools/find-python) && \
	      $(UV_COMMAND) venv --quiet --python "$$python" .venv; }
	$(UV_COMMAND) pip sync --quiet --compile-bytecode --python $(VENV)/python requirements.lock
	$(UV_COMMAND) pip install --quiet --python $(VENV)/python --no-deps --editable .
	@touch $@

# Everything else as locked for the newer one; the check tells when that no longer fits.
$(INSTALLED_3_8): requirements.lock requirements-3.8.lock pyproject.toml | $(TOOLS)
	@$(VENV_3_8)/python -c '' 2>/dev/null || \
	    { rm -rf .venv-3.8 && python=$$(tools/find-python) && \
	      $(UV_COMMAND) venv --quiet --python "$$python" .venv-3.8; }
	$(UV_COMMAND) pip sync --quiet --python $(VENV_3_8)/python requirements.lock
	$(UV_COMMAND) pip install --quiet --compile-bytecode --python $(VENV_3_8)/python \
	    --no-deps --require-hashes --requirement requirements-3.8.lock
	$(UV_COMMAND) pip install --quiet --python $(VENV_3_8)/python --no-deps --editable .
	$(UV_COMMAND) pip check --quiet --python $(VENV_3_8)/python
	@touch $@

.tools/bin/uv:
	@rm -rf .tools
	@python=$$(tools/find-python) || exit 1; "$$python" -m venv .tools || \
	    { echo "cannot make .tools: install uv, or Python's venv module (python3-venv)" >&2; exit 1; }
	.tools/bin/python -m pip install --quiet 'uv>=0.9,<1'
