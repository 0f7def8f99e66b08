# AX Connect. Every target works from a bare checkout: it makes .venv and installs the pinned versions first.
# Another Python: make PYTHON=/path/to/python3.12 test

PYTHON ?=
PY := .venv/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format types venv venv-dev clean

help:  ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: venv  ## Start everything with four sandbox practices alive: http://127.0.0.1:8000/
	@$(PY) manage.py up --demo

test: venv-dev  ## Run the whole suite (ARGS="-k name" for a part)
	@.ci/test -n 2 $(ARGS)

bench: venv-dev  ## Measure accepted and end-to-end events per second
	@$(PY) manage.py bench $(ARGS)

lint: venv-dev  ## Check style and form
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: venv-dev  ## Put style and form right
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

types: venv-dev  ## Check the types
	@AX_ENV_FILE= $(PY) -m mypy

venv:
	@PYTHON="$(PYTHON)" .ci/venv requirements.txt

venv-dev:
	@PYTHON="$(PYTHON)" .ci/venv requirements-dev.txt

clean:  ## Remove .venv and what the tools left (not .data)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
