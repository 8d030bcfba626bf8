# make demo             open the window on a sample image
# make demo HEADLESS=1  the same on a virtual screen; leaves demo-screenshot.png
# make test             the whole test suite
# make processors       the tests of what computes, with the instruction sets of older processors
# make fuzz             10,000 random calls of every method; FUZZ="--calls 500 --seed 3" chooses others
# make lint             ruff and mypy
# make bench            every script in benchmarks/, each printing a table
# make gpu-pack         copy what the next one reads into .gpu-round, for a machine that has only this folder
# make gpu-round        checks, every starter's training and benchmarks on a GPU in nine minutes; ARGS="--minutes 4"
# make docs             screenshots by script, then the pages into site/
#
# A fresh machine needs Python 3.11 or newer, make and git. Everything else goes into .venv.
# PYTHON=/path/to/python chooses the Python; ARGS="..." adds arguments to pytest; JOBS=0 runs the tests in one process.

PYTHON ?= python3
HEADLESS ?=
ARGS ?=
FUZZ ?= --calls 10000
JOBS ?= $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() or 1))')

VENV := .venv
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install --disable-pip-version-check -c constraints.txt

# Left over from a shell, these would slow the networks down or leave napari without OpenGL.
unexport OMP_NUM_THREADS
unexport MKL_NUM_THREADS
unexport QT_QPA_PLATFORM

SYSTEM := $(shell uname -s)
ifeq ($(SYSTEM),Linux)
VIRTUAL_SCREEN := xvfb-run -a -s "-screen 0 1600x1000x24"
else
VIRTUAL_SCREEN :=
endif

.PHONY: help demo test processors fuzz lint bench gpu-pack gpu-round docs clean screen virtual-screen
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

# --- environment: one stamp per set of tools, so that a second run is quick and needs no network ---

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, but $(PYTHON) is $$($(PYTHON) --version 2>&1 | tail -n 1): name another one with  make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian and Ubuntu: sudo apt-get install python3-venv) and try again." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(RUN)
	$(INSTALL) -e ".[test]"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(RUN)
	$(INSTALL) -e ".[test,dev]"
	@touch $@ $(VENV)/.installed-test

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(RUN)
	$(INSTALL) -e ".[test,docs]"
	@touch $@ $(VENV)/.installed-test

screen:
	@.ci/system-packages

virtual-screen:
	@.ci/system-packages --virtual

# --- what one does ---

ifeq ($(HEADLESS),)
demo: $(VENV)/.installed-test screen
	$(RUN) -m napari_diffuscope.viewer.demo
else
demo: $(VENV)/.installed-test virtual-screen
	@rm -f demo-screenshot.png
	$(VIRTUAL_SCREEN) $(RUN) -m napari_diffuscope.viewer.demo --screenshot demo-screenshot.png
	@test -s demo-screenshot.png || { echo "The demo ended without leaving demo-screenshot.png." >&2; exit 1; }
	@echo "Look at demo-screenshot.png"
endif

# A file's tests stay together: many share a model or a window. tests/conftest.py says in which order files are taken.
# Processes that all took every core would wait for each other; and what one of them computes must be what a process
# that it starts computes, so that the share is set for all.
SHARED_OUT = -n $(JOBS) --dist loadfile --no-loadscope-reorder
SHARE = $(if $(filter-out 0 1,$(JOBS)),env OMP_NUM_THREADS=$(shell $(PYTHON) -c 'import os; print(max(1, (os.cpu_count() or 1) // $(JOBS)))'))

test: $(VENV)/.installed-test virtual-screen
	$(SHARE) $(RUN) -m pytest -q $(SHARED_OUT) $(ARGS)

# Each library chooses its kernels by itself; all are held back at once, so that one pass is enough.
OLDER := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell
# What NumPy would take here; it refuses names that this processor lacks.
VECTORS := from numpy._core._multiarray_umath import __cpu_dispatch__ as d, __cpu_features__ as f; \
  print(*(name for name in d if f[name]))
NUMERIC := tests/measure tests/diffusion tests/networks tests/methods tests/simulate

processors: $(VENV)/.installed-test
	@if [ "$$(uname -m)" = x86_64 ]; then env $(OLDER) NPY_DISABLE_CPU_FEATURES="$$($(RUN) -c '$(VECTORS)')" \
	  $(SHARE) $(RUN) -m pytest -q -m "not slow" $(SHARED_OUT) $(NUMERIC) $(ARGS); \
	else echo "Nothing to do: these settings are for x86 processors."; fi

fuzz: $(VENV)/.installed-test
	$(RUN) -m tests.fuzz $(FUZZ)

lint: $(VENV)/.installed-dev
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

bench: $(VENV)/.installed-test virtual-screen
	@set -e; for script in benchmarks/[!_]*.py; do \
	  test -e "$$script" || { echo "There is no script in benchmarks/." >&2; exit 1; }; \
	  echo; echo "== $$script"; $(VIRTUAL_SCREEN) $(RUN) "$$script"; done

gpu-pack: $(VENV)/.installed-test
	$(RUN) -m benchmarks.gpu_round.pack $(ARGS)

gpu-round: $(VENV)/.installed-test
	$(RUN) -m benchmarks.gpu_round $(ARGS)

docs: $(VENV)/.installed-docs virtual-screen
	$(VIRTUAL_SCREEN) $(RUN) docs/screenshots.py
	$(RUN) -m mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site demo-screenshot.png .pytest_cache .mypy_cache .ruff_cache
