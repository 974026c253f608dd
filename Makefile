# Every target works on a fresh clone: the virtual environment is made on first use and renewed when its inputs change.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo zoo-check quickstart reacher reacher-pixels test test-matrix lint types check bench chaos crowd disk-faults field fuzz rods alarms equations docs docs-links package public-types clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "latentrl needs Python >= 3.10, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true);" \
			"name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]' || { \
		$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 13))' && \
			echo "labmaze, which dm_control needs, has no wheel for Python 3.13 and later: make PYTHON=python3.12 ..." >&2; exit 1; }
	@touch $@

install: $(STAMP) ## make the virtual environment .venv

demo: $(STAMP) ## half a minute, nothing trained: shipped weights act -> runs/demo/demo.html
	$(BIN)/python -m latentrl demo $(ARGS)

quickstart: $(STAMP) ## collect, train, learn, evaluate once; resumes (ARGS="--overwrite" starts afresh)
	$(BIN)/python -m latentrl quickstart $(ARGS)

reacher: $(STAMP) ## the same for a two-link arm and pictured goals, from its joint angles
	$(BIN)/python -m latentrl quickstart --env reacher $(ARGS)

reacher-pixels: $(STAMP) ## the same from camera images
	$(BIN)/python -m latentrl quickstart --env reacher --observation pixels $(ARGS)

test: $(STAMP) ## run the tests, on all cores (ARGS="-k kalman" selects, and runs them in one process)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(STAMP) ## style and formatting
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: $(STAMP) ## static types
	$(BIN)/python -m mypy

test-matrix: $(STAMP) ## the tests on every Python from 3.10, with the lowest and newest dependencies (ARGS="--pythons 3.12 -- -k kalman")
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python tools/test_matrix.py $(ARGS)

check: lint types test ## all that must hold before a commit

bench: $(STAMP) ## measured: training step, frames per second, plans and control steps
	$(BIN)/python -m benchmarks $(ARGS)

chaos: $(STAMP) ## kill verbs at any moment, go on, compare bit by bit (ARGS="--kills 100 --stages collect learn=20 --seed 1")
	$(BIN)/python tools/chaos.py $(ARGS)

disk-faults: $(STAMP) ## let the disk run full under every verb (ARGS="--faults 90 --verbs learn --seed 1")
	$(BIN)/python tools/disk_faults.py $(ARGS)

crowd: $(STAMP) ## ten processes at a time do the same in one folder: one does it, nine are told (ARGS="--verbs learn")
	$(BIN)/python tools/crowd.py $(ARGS)

field: $(STAMP) ## ten million filter steps without a break: beliefs, memory, latency (ARGS="--single 100000 --run runs/mine")
	PYTHONPATH=. $(BIN)/python tools/field.py $(ARGS)

fuzz: $(STAMP) ## bad input of every kind, made up: each case ends well or in one line (ARGS="--cases 500 --seed 1")
	$(BIN)/python tools/fuzz.py $(ARGS)

rods: $(STAMP) ## one rod at many sizes, noises and control rates, from data to swing-ups; resumes (ARGS="--only 48-noiseless --steps 4000")
	$(BIN)/python tools/rods.py $(ARGS)

alarms: $(STAMP) ## warnings of trainings that went well or failed, counted against labels; needs `latentrl suite` first
	PYTHONPATH=. $(BIN)/python tools/alarms.py $(ARGS)

zoo-check: $(STAMP) ## evaluate every shipped run again, 50 episodes each, against its stored interval
	PYTHONPATH=. $(BIN)/python tools/make_zoo.py --check

equations: ## which function implements which equation: docs/equations.md, from the docstrings
	$(PYTHON) docs/make_equations.py

docs: $(STAMP) ## the site, with executed notebooks, doctests and links followed -> build/site/VERSION/index.html
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python -m docs.site.build $(ARGS)

docs-links: $(STAMP) ## follow the site's links to other sites; needs a network
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python -m docs.site.build --external $(ARGS)

package: $(STAMP) ## build wheel and sources, install the wheel into an empty environment, run the demo, resolve the extras
	$(BIN)/python -m pip install --quiet build twine
	$(BIN)/python tools/package.py $(ARGS)

public-types: $(STAMP) ## how much of the public interface has types (pyright --verifytypes); at least 95%
	$(BIN)/python -m pip install --quiet 'pyright[nodejs]'
	$(BIN)/python tools/public_types.py $(ARGS)

clean: ## remove .venv and the caches; runs/ and data/ stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
