# Needs Python 3.11 or newer and make; everything else is installed into .venv when first needed.
PYTHON ?= python3
DEMO = graphs mnist moons
VENV = .venv
RUN = $(VENV)/bin/python -m

unexport PYTHONDONTWRITEBYTECODE # the tests start many processes, which would all compile the package

.PHONY: help demo lab notebooks test coverage test-wheel test-oldest test-plain test-pythons test-peers test-hips soak lint lint-yaml format types bench docs site site-serve clean
.NOTPARALLEL: # one pip at a time, also under -j

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed-demos ## draw graphs, train on MNIST and on two moons; others: make demo DEMO=...
	$(RUN) demos $(DEMO)

lab: $(VENV)/installed-jupyter $(VENV)/installed-demos ## open the notebooks in JupyterLab
	$(RUN) jupyterlab notebooks

notebooks: $(VENV)/installed-notebooks ## run the notebooks and save their outputs
	$(RUN) notebooks

test: $(VENV)/installed-test $(VENV)/installed-demos ## run the tests and the examples in docstrings, on all cores
	$(RUN) pytest -n auto --dist worksteal $(COVERAGE)

test-wheel: $(VENV)/installed-test $(VENV)/installed-package ## build the wheel and test it in an environment without the clone
	rm -rf dist .venv-wheel
	$(RUN) build --outdir dist
	$(RUN) docs.recompress dist/*.whl
	$(RUN) twine check --strict dist/*
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install "$$(echo dist/*.whl)[demos]" pytest
	WHEEL_PYTHON=$(CURDIR)/.venv-wheel/bin/python $(RUN) pytest tests/test_wheel.py
	$(RUN) pytest hatch_build.py

coverage: ## run the tests and print their line and branch coverage
	$(MAKE) test COVERAGE="--cov --cov-report=term"

test-oldest: ## run the tests that depend on other libraries, with the oldest supported ones
	PIP_CONSTRAINT=constraints-oldest.txt \
	    $(MAKE) VENV=.venv-oldest .venv-oldest/installed-test .venv-oldest/installed-demos
	PIP_CONSTRAINT=constraints-oldest.txt \
	    .venv-oldest/bin/python -m pytest -n auto --dist worksteal --hypothesis-profile=few \
	    --dependencies tests engine nn

test-plain: .venv-plain/without-numpy ## run the tests of Values and their networks without NumPy
	.venv-plain/bin/python -m pytest --noconftest tests/test_without_numpy.py

test-pythons: ## run the tests under each installed Python from 3.11 to 3.14
	@for python in python3.11 python3.12 python3.13 python3.14; do \
	    if $$python -c '' 2>/dev/null; then \
	        $(MAKE) PYTHON=$$python VENV=.venv-$$python test || exit 1; \
	    else echo "$$python is not installed"; fi; \
	done

test-peers: $(VENV)/installed-test $(VENV)/installed-peers ## compare with PyTorch, JAX, micrograd; convert to ONNX, ...
	$(RUN) pytest -n auto --dist worksteal tests/peers

test-hips: $(VENV)/installed-test ## download the tests of HIPS/autograd and run them on the engine
	$(RUN) tests.peers.hips

SOAK = PYTHONPATH=.:tests $(RUN) pytest -n auto --dist worksteal -p soak.properties --hypothesis-profile=soak
soak: $(VENV)/installed-test $(VENV)/installed-demos $(VENV)/installed-peers ## for hours: 10,000 examples of each property, fuzzed files and labels, killed training
	$(SOAK) tests/peers
	$(SOAK) tests
	cd tests && PYTHONPATH=..:. ../$(RUN) soak idx_files=100000
	cd tests && PYTHONPATH=..:. ../$(RUN) soak checkpoints=100000
	cd tests && PYTHONPATH=..:. ../$(RUN) soak labels=100000
	cd tests && PYTHONPATH=..:. ../$(RUN) soak kills=100

lint: $(VENV)/installed-dev ## check the code with ruff
	$(RUN) ruff check

lint-yaml: $(VENV)/installed-yaml .venv-cff/bin/cffconvert ## check the workflows, other YAML files and the citation
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)/bin/yamllint --strict .github .pre-commit-config.yaml .yamllint.yml CITATION.cff
	.venv-cff/bin/cffconvert --validate

format: $(VENV)/installed-dev ## format the code with ruff
	$(RUN) ruff format

types: $(VENV)/installed-dev ## check the types with mypy
	$(RUN) mypy

docs: $(VENV)/installed-docs ## write the API reference to out/docs and check for dead links
	$(RUN) docs

site: $(VENV)/installed-site ## build the site in out/site: live pages, notebooks, reference, playground; needs npm
	$(RUN) docs.site

site-serve: ## show the site at an address of this machine
	$(RUN) docs.site serve

bench: $(VENV)/installed-demos ## run the benchmarks against micrograd, PyTorch, JAX and scikit-learn
	@$(MAKE) -k --no-print-directory $(VENV)/installed-peers $(VENV)/installed-browser || echo >&2 \
	    "some peers or playwright could not be installed; the tables state what is missing"
	$(RUN) benchmarks

clean: ## remove .venv, out and caches
	rm -rf $(VENV) .venv-* .coverage* dist out .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# One stamp per extra, written when pip has succeeded; a changed pyproject.toml makes it stale.
$(VENV)/installed-%: pyproject.toml | $(VENV)/bin/activate
	$(RUN) pip install -e '.[$*]'
	@touch $@

# The project without its dependencies, except those for drawing.
.venv-plain/without-numpy: pyproject.toml
	$(MAKE) VENV=.venv-plain .venv-plain/bin/activate
	.venv-plain/bin/python -m pip install --no-deps -e .
	.venv-plain/bin/python -m pip install pytest graphviz graphviz-pure
	! .venv-plain/bin/python -c 'import numpy' 2>/dev/null
	@touch $@

# In an environment of its own: its jsonschema is older than that of check-jsonschema.
.venv-cff/bin/cffconvert:
	$(MAKE) VENV=.venv-cff .venv-cff/bin/activate
	.venv-cff/bin/python -m pip install 'cffconvert>=2'

# The last file that venv writes, so it exists only if .venv is complete.
$(VENV)/bin/activate:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo >&2 \
	    "stepgrad needs Python 3.11 or newer, not $$($(PYTHON) -V 2>&1); try make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo >&2 \
	    "$(PYTHON) cannot create a venv; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
