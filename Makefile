# The commands of a working day; `make help` lists them. Everything they need is installed into .venv.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help demo demo-helm images test bench lint checkov docs format generate lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/.installed ## Place three DAGs on an emulated city, cut a node, watch it recover (KEEP=1 leaves it running)
	@$(BIN)/edgewright demo $(if $(KEEP),--keep)

demo-helm: .venv/.installed ## The same with the Helm charts and images on a real kubelet (Linux, root; BASE= as for images)
	images/tools
	$(BIN)/edgewright testbed build --with helm --with containers
	BASE=$${BASE-debian} images/build operator agent
	@$(BIN)/edgewright demo --helm --name demo-helm $(if $(KEEP),--keep)

images: ## Build the images into dist/images (BASE=debian where no registry can be reached)
	images/build $(TARGETS)

test: .venv/.installed ## Run every test: unit, cluster (real API server), end to end; as root also the container node
	@if [ "$$(id -u)" = 0 ]; then images/tools; else echo "NOT RUN without root: tests/cluster/test_container_node.py" >&2; fi
	$(BIN)/edgewright testbed build --with prometheus --with helm $(if $(filter 0,$(shell id -u)),--with containers)
	$(BIN)/pytest -q tests/unit -n 2
	$(BIN)/pytest -q tests/cluster -n 2 --dist loadfile
	$(BIN)/pytest -q tests/e2e

bench: .venv/.installed ## Measure the figures of docs/reference/benchmarks.md (tables and CSV in bench/out)
	$(BIN)/python -m bench

lint: .venv/.installed ## Check format, style, types and who imports whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv-checkov/.installed: requirements/checkov.txt
	$(PYTHON) -m venv .venv-checkov
	.venv-checkov/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/checkov.txt
	@touch $@

checkov: .venv/.installed .venv-checkov/.installed ## Check what the charts install with checkov (an environment of its own)
	$(BIN)/python charts/checkov.py .venv-checkov/bin/checkov

docs: .venv/.installed ## Regenerate the reference pages and run the examples of the docs
	$(BIN)/python docs/generate.py
	$(BIN)/pytest -q tests/e2e/test_docs.py

format: .venv/.installed ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: .venv/.installed ## Write the CRDs, the dashboards, and what charts and manifests have from each other
	$(BIN)/python -m edgewright.kube.crds
	$(BIN)/python -m charts.dashboards
	$(BIN)/python charts/generate.py

LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header
lock: ## Resolve the requirements again: of a user, of developers, of each image, and of building
	$(LOCK) pyproject.toml --all-extras -o requirements/run.txt
	$(LOCK) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra operator -c requirements/run.txt -o requirements/operator.txt \
		--no-emit-package numba --no-emit-package llvmlite --no-emit-package scipy
	$(LOCK) pyproject.toml --extra testbed -c requirements/run.txt -o requirements/testbed.txt
	$(LOCK) pyproject.toml -c requirements/run.txt -o requirements/kernels.txt --no-emit-package scipy
	$(LOCK) pyproject.toml -c requirements/run.txt -o requirements/agent.txt \
		--no-emit-package numba --no-emit-package llvmlite --no-emit-package scipy
	echo 'hatchling>=1.27' | $(LOCK) - -c requirements/dev.txt -o requirements/wheel.txt
	$(LOCK) requirements/checkov.in -o requirements/checkov.txt

clean: ## Remove what was built here (not the user's cache of binaries)
	rm -rf .venv .venv-checkov bench/out .pytest_cache .mypy_cache .ruff_cache
