# Everything here needs Python >= 3.11 and make, and nothing else.
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help arena standard test check lint format-check types imports spelling docs format rl clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

# The stamps make the set-up run once, and again when a requirement changes.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "CardArena needs Python >= 3.11, found " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) hatchling
	$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

arena: $(VENV)/.core ## a quick arena: three scenarios, every policy, three seeds
	$(BIN)/cardarena arena --scenario baseline --scenario fatigued_base --scenario tight_budget \
		--seeds 3 --cardholders 2000 --workers $(WORKERS) --out out/quick

standard: $(VENV)/.core ## the published arena: every main scenario, every policy, eight seeds
	$(BIN)/cardarena arena --seeds 8 --cardholders 5000 --days 90 --workers $(WORKERS) --out results/standard

test: $(VENV)/.dev $(VENV)/.rl ## the whole test suite, doctests included
	$(BIN)/python -m pytest -n $(WORKERS)

check: lint format-check types imports spelling docs test ## what CI runs

lint: $(VENV)/.dev
	$(BIN)/ruff check .

format-check: $(VENV)/.dev
	$(BIN)/ruff format --check .

types: $(VENV)/.dev $(VENV)/.rl
	$(BIN)/pyright

imports: $(VENV)/.dev $(VENV)/.rl
	$(BIN)/lint-imports

spelling: $(VENV)/.dev
	$(BIN)/codespell

docs: $(VENV)/.dev $(VENV)/.rl ## the documentation, warnings as errors
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

format: $(VENV)/.dev ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

rl: $(VENV)/.rl ## add the rl extra: PyTorch, Stable-Baselines3, sb3-contrib

$(VENV)/.rl: $(VENV)/.core
	$(PIP) --no-build-isolation --editable '.[rl]'
	@touch $@

clean: ## remove the environment, caches and scratch output; published results stay
	rm -rf $(VENV) out build dist docs/_build docs/reference
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache .numba_cache
	find simulator agents scenarios benchmarks tests src -name __pycache__ -type d -prune -exec rm -rf {} +
