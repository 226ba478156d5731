# One environment, one command each. `make train` builds what it needs; `make help` lists the rest.
#
#   VENV=<folder>   where the environment goes            PYTHON=<path>   the Python it is built with
#   ARGS="..."      passed on to the command              UV=false        install with pip although uv is there

VENV ?= .venv
UV ?= uv
PY := $(VENV)/bin/python
RUFF ?= $(PY) -m ruff
BASEDPYRIGHT ?= $(VENV)/bin/basedpyright
CODE := $(wildcard src scripts tests benchmarks docs)
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
# As in the extra `docs` of pyproject.toml, which the lock leaves out.
DOCS := "mkdocs-material>=9.6,<10" "mkdocstrings[python]>=1,<2"

# Tests compile the same programs every time; 3 s of XLA become 0.1 s on the second run.
CACHED = JAX_COMPILATION_CACHE_DIR="$${JAX_COMPILATION_CACHE_DIR:-$(CURDIR)/.cache/xla}"

# Pytest rewrites the assertions of all test files: 31 s of a core in each worker, 14 s where their bytecode is kept.
BYTECODE = PYTHONDONTWRITEBYTECODE=

# Most of the time of the quick tests is XLA's. Its older way to emit fused loops compiles in two thirds of the time, and
# is some 8 % slower where a run is long: slow tests, benchmarks and users' runs have what XLA gives.
QUICK = XLA_FLAGS="$$XLA_FLAGS --xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters"

.DEFAULT_GOAL := help
.PHONY: .venv train test test-all lint types bench results notebooks notebook-outputs docs lock clean help

help: ## print this list
	@sed -n 's/^\([.a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-26s %s\n", $$1, $$2}'

train: $(VENV)/.ok ## train PPO on CartPole-v1 (more options: ARGS="--seed 1")
	$(VENV)/bin/elsinore train CartPole-v1 --config configs/cartpole.yaml $(ARGS)

test: $(VENV)/.ok ## run the tests that take seconds, on up to four cores
	$(CACHED) $(BYTECODE) $(QUICK) $(PY) -m pytest -q -n auto --maxprocesses 4 --dist loadfile $(ARGS)

test-all: $(VENV)/.ok ## run every test, also those that take minutes
	$(CACHED) $(PY) -m pytest -q -m "" --timeout=1200 $(ARGS)

lint: $(VENV)/.ok ## check style and formatting
	$(RUFF) check $(CODE)
	$(RUFF) format --check $(CODE)

types: $(VENV)/.ok ## check types
	$(BASEDPYRIGHT) --pythonpath $(PY)

bench: $(VENV)/.ok ## measure the speed
	$(PY) -m benchmarks.run $(ARGS)

results: $(VENV)/.ok ## train what docs/results.md lacks, and write it (ARGS="ppo/CartPole-v1 --again")
	$(PY) -m benchmarks.learning $(ARGS)

notebooks: $(VENV)/.ok ## run every notebook from top to bottom, two at a time
	$(if $(NOTEBOOKS),$(CACHED) $(PY) -m pytest -q -m "" -n 2 --dist worksteal --nbmake --nbmake-timeout=1200 --timeout=1200 $(ARGS) $(NOTEBOOKS),@echo "There is no notebooks/*.ipynb: nothing to run.")

notebook-outputs: $(VENV)/.ok ## run notebooks and store what they show (ARGS="notebooks/01_quickstart.ipynb")
	$(CACHED) $(PY) docs/store_outputs.py $(ARGS)

docs: $(VENV)/.ok ## build the docs as a site, in build/site (ARGS="-d DIR" puts it elsewhere)
	@$(PY) -c 'import material, mkdocstrings_handlers.python' 2>/dev/null || { \
	  echo "Installing what the docs are built with"; \
	  if $(UV) --version >/dev/null 2>&1; then $(UV) pip install -q --python "$(PY)" $(DOCS); \
	  else "$(PY)" -m pip install -qq $(DOCS); fi; \
	}
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict $(ARGS)

lock: ## resolve the dependencies anew (ARGS=--upgrade to move them all); needs uv
	@$(UV) --version >/dev/null 2>&1 || { echo "make lock needs uv, and '$(UV)' does not run: install it and put it on the PATH." >&2; exit 1; }
	$(UV) pip compile --universal --python-version 3.11 --extra dev --generate-hashes --no-header -q $(ARGS) pyproject.toml -o requirements.lock

clean: ## remove the environments, the caches and the builds (runs/ stays)
	@for venv in .venv .venv311 "$(VENV)"; do if [ -f "$$venv/pyvenv.cfg" ]; then rm -rf "$$venv"; fi; done
	rm -rf .cache .hypothesis .pytest_cache .ruff_cache build dist
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.venv: $(VENV)/.ok ## build the environment (again, when the lock or pyproject.toml is newer)
	@:

# The stamp is written last, so a build that failed or was interrupted starts afresh next time;
# pyvenv.cfg stays till then, because it says that the folder is ours to empty.
# The sources are compiled to bytecode now: without it `import gymnax` takes 5.2 s rather than 2.1 s.
# uv leaves pip out, which extras are installed with; Python's own copy needs no network.
# hatchling builds the project itself (`-e .`) in isolation: the one thing fetched outside the lock.
$(VENV)/.ok: requirements.lock pyproject.toml
	@set -eu; \
	python=$$(PYTHON="$${PYTHON:-}" scripts/find-python); \
	if [ -e "$(VENV)" ] && [ ! -f "$(VENV)/pyvenv.cfg" ] && [ -n "$$(ls -A "$(VENV)")" ]; then \
	  echo "$(VENV) is there and is no Python environment: move it, or choose another folder with VENV=<folder>." >&2; exit 1; \
	fi; \
	rm -f "$@"; \
	empty() { [ ! -d "$(VENV)" ] || find "$(VENV)/" -mindepth 1 -maxdepth 1 ! -name pyvenv.cfg -exec rm -rf {} +; }; \
	with_uv() { \
	  empty \
	  && $(UV) venv -q --allow-existing --python "$$python" "$(VENV)" \
	  && $(UV) pip install -q --python "$(PY)" --compile-bytecode --require-hashes -r requirements.lock \
	  && $(UV) pip install -q --python "$(PY)" --no-deps -e . \
	  && { "$(PY)" -m ensurepip --default-pip >/dev/null 2>&1 || true; }; \
	}; \
	with_pip() { \
	  empty \
	  && "$$python" -m venv "$(VENV)" \
	  && "$(PY)" -m pip install -qq --require-hashes -r requirements.lock \
	  && "$(PY)" -m pip install -qq --no-deps -e .; \
	}; \
	if $(UV) --version >/dev/null 2>&1; then \
	  echo "Building $(VENV) with $$python, by uv (seconds if uv has the packages, else a minute or two)"; \
	  with_uv || { echo "uv could not build $(VENV): trying pip, which reads its own configuration (a minute or two)"; with_pip; }; \
	else \
	  echo "Building $(VENV) with $$python, by pip (a minute or two)"; \
	  with_pip; \
	fi; \
	touch "$@"
