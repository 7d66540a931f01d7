# Two commands for a newcomer: `make demo` and `make test`. Both set up what they need.

# The first of these that is Python 3.11 or newer; or say it: make PYTHON=/opt/python3.13/bin/python3 setup
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
endif

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test test-compiled test-slow fuzz fuzz-live autobahn check lint types arch bench bench-guard docs format clean

help:
	@echo "make demo       set up, then serve the example FastAPI and Django applications until Ctrl-C"
	@echo "make test       set up, then run the tests"
	@echo "make test-compiled  the same of a compiled build (docs/decisions/016-compiled-build.md), in a copy of the tree"
	@echo "make test-slow  the slow ones: crash loops, upgrades, signals under load"
	@echo "make fuzz       look for inputs that break the parser, for FUZZ_S seconds (60)"
	@echo "make fuzz-live  the same bytes to every worker class: do they agree?"
	@echo "make autobahn   play Autobahn's WebSocket cases, some twenty minutes; needs a Python 2.7"
	@echo "make check      lint types arch test: what must hold before a push"
	@echo "make bench      measure against other servers; see benchmarks/README.md"
	@echo "make bench-guard  count instructions per request (valgrind) against the recorded baseline"
	@echo "make docs       write docs/settings.md from the settings table"
	@echo "make format     format the code and sort the imports"

setup: $(STAMP)

# Keyed on pyproject.toml: a second `make setup` does nothing, a changed dependency installs again.
$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 found (tried python3, python3.14 ... python3.11); give one: make PYTHON=/path/to/python3 setup" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Creating $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing hybrid and its development tools into $(VENV) (a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: setup
	@$(BIN)/python examples/demo.py

# TESTS narrows it: make test TESTS=tests/unit
# Tests of processes wait more than they compute, so there is one process more than there are processors; JOBS=0 is one
# after the other. They start some thousand interpreters, which would compile all of hybrid each where none may write it.
JOBS ?= $(shell expr $$(nproc) + 1)
test: setup
	@$(BIN)/python -m compileall -q hybrid workers
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS) $(TESTS)

# A copy, since what is compiled hides later changes of its source.
COMPILED := build/compiled
test-compiled:
	@rm -rf $(COMPILED) && mkdir -p $(COMPILED)
	@git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t $(COMPILED)
	@echo "Compiling, which takes a minute or two"
	COMPILE_HYBRID=1 $(MAKE) --no-print-directory -C $(COMPILED) test

test-slow: setup
	$(BIN)/python -m pytest -m slow tests

# In its own environment, since atheris has wheels for few Pythons: make fuzz PYTHON=python3.12 FUZZ_S=600
FUZZ_S ?= 60
FUZZ_BIN := .venv-fuzz/bin
fuzz:
	@test -x $(FUZZ_BIN)/python || $(PYTHON) -m venv .venv-fuzz
	@$(FUZZ_BIN)/python -c "import atheris, hybrid" 2>/dev/null || $(FUZZ_BIN)/python -m pip install --quiet --disable-pip-version-check --editable . atheris
	$(FUZZ_BIN)/python -m tests.fuzz.fuzz receiver -max_total_time=$$(($(FUZZ_S) * 3 / 4))
	$(FUZZ_BIN)/python -m tests.fuzz.fuzz proxies -max_total_time=$$(($(FUZZ_S) / 4))

# CASES of SEED to a running server of every worker class: make fuzz-live CASES=20000 SEED=7
CASES ?= 4000
SEED ?= $(shell date +%j)
fuzz-live: setup
	$(BIN)/python -m tests.fuzz.live_differential --cases $(CASES) --seed $(SEED) $(ARGS)

# The suite is written for Python 2.7, which `pyenv install 2.7.18` (or pypy2.7-7.3.20) brings to any machine; or
# say where one is: make autobahn AUTOBAHN_PYTHON=/opt/pypy2.7/bin/pypy. ARGS: make autobahn ARGS="--loop uvloop '12.*'"
AUTOBAHN_SITE := .venv-autobahn
ifndef AUTOBAHN_PYTHON
AUTOBAHN_PYTHON := $(shell for python in python2.7 pypy2.7 pypy $$HOME/.pyenv/versions/*2.7*/bin/python; do \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null && echo $$python && break; done)
endif
autobahn: setup
	@test -n "$(AUTOBAHN_PYTHON)" || { echo "No Python 2.7 found (tried python2.7, pypy2.7, pypy, pyenv's); install one with 'pyenv install 2.7.18', or give one: make AUTOBAHN_PYTHON=/path/to/python2.7 autobahn" >&2; exit 1; }
	@test -d $(AUTOBAHN_SITE)/autobahntestsuite || $(AUTOBAHN_PYTHON) -m pip install --quiet --disable-pip-version-check --target $(AUTOBAHN_SITE) autobahntestsuite==25.10.1
	$(BIN)/python -m tests.autobahn --python $(AUTOBAHN_PYTHON) --site $(AUTOBAHN_SITE) $(ARGS)

check: lint types arch test

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

arch: setup
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# ARGS are the harness's own: make bench ARGS="--questions hello_wsgi --servers 'hybrid*,gunicorn-sync'"
bench: setup
	$(BIN)/python -m benchmarks $(ARGS)

# GUARD_ARGS=--record makes what is counted now the baseline
bench-guard: setup
	$(BIN)/python -m benchmarks.guard $(GUARD_ARGS)

docs: setup
	$(BIN)/python -m hybrid.settings.docs > docs/settings.md

clean:
	rm -rf $(VENV) benchmarks/.venv-peers build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
