# make run    install the runtime into .venv and watch the camera; without a camera, the demo
# make test   install what the tests need into .venv-dev and pass the whole suite
# `make help` lists the rest.

PYTHON ?= python3
RUNTIME := .venv/.installed
WORKSHOP := .venv-dev/.installed
comma := ,
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: run demo test lint map tables test-long test-newest test-faults test-fuzz test-arm64 test-boot test-virtual-board test-home-assistant test-container test-fleet evidence clip api-docs docs address release clean help
.DEFAULT_GOAL := help

run: $(RUNTIME)
	@if .venv/bin/waste-edge run --camera --no-wait --frames 1 --json >/dev/null 2>&1; then \
		exec .venv/bin/waste-edge run --camera; \
	else \
		echo "No camera answers here: playing the demo instead (waste-edge run --demo)."; \
		exec .venv/bin/waste-edge run --demo; \
	fi

demo: $(RUNTIME)
	@.venv/bin/waste-edge run --demo

# Two tests at a time, shared out as tests/sharing.py says; then, with nothing beside it, what measures this machine.
WORKERS ?= 2
USUAL := not long and not faults and not fuzz
test: lint
	OMP_NUM_THREADS=1 .venv-dev/bin/pytest --numprocesses $(WORKERS) -m "$(USUAL) and not alone"
	.venv-dev/bin/pytest -m "$(USUAL) and alone"

lint: $(WORKSHOP)
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports

test-long: $(WORKSHOP)
	.venv-dev/bin/pytest -m long

# Needs root, mosquitto, e2fsprogs and gcc; 12 minutes. A missing tool is a failure, not a skip.
# WASTE_EDGE_KILLS=20 makes it shorter while you work on it.
test-faults: $(WORKSHOP)
	.venv-dev/bin/pytest -m faults tests/faults

# Damaged, hostile and odd input for every parser, and for whole commands; SEED gives the same inputs again.
SEED ?= 20
FUZZ ?= 10000
test-fuzz: $(WORKSHOP)
	WASTE_EDGE_FUZZ=$(FUZZ) .venv-dev/bin/pytest -m "fuzz or not fuzz" --hypothesis-seed=$(SEED) tests/fuzz

# The newest of each dependency, whatever the upper bounds in pyproject.toml say, and the suite with them: run it by
# the week (.ci/weekly), and raise the bounds when it passes. EXTRAS=sign,mqtt,dev leaves out torch and the exporters.
EXTRAS ?= host,dev
WITHIN_BOUNDS := tests/tools/test_newest.py::test_this_environment_is_within_the_bounds
test-newest:
	rm -rf .venv-newest
	$(PYTHON) -m venv .venv-newest
	$(PYTHON) -m tools.newest $(subst $(comma), ,$(EXTRAS)) > .venv-newest/requirements.txt
	.venv-newest/bin/pip install $(PIP_FLAGS) --upgrade --requirement .venv-newest/requirements.txt onnx
	.venv-newest/bin/pip install $(PIP_FLAGS) --no-deps --editable .
	.venv-newest/bin/python -m tools.newest --beyond $(subst $(comma), ,$(EXTRAS))
	.venv-newest/bin/waste-edge verify small
	.venv-newest/bin/pytest --deselect $(WITHIN_BOUNDS) $(if $(findstring host,$(EXTRAS)),,tests/bundle tests/engines tests/files tests/test_libraries.py tests/cli/test_verify.py tests/cli/test_run.py)

# The map of the package in docs/architecture.md, from the code.
map: $(WORKSHOP)
	.venv-dev/bin/python -m tools.package_map

# The benchmark tables of the README files, from benchmarks/results/.
tables: $(WORKSHOP)
	.venv-dev/bin/python -m tools.benchmark_tables

# Needs root, debootstrap and qemu-user-static; what it makes is kept in ~/.cache/waste-edge/arm64.
# SUITE=trixie tries Python 3.13.
SUITE ?= bookworm
test-arm64: $(WORKSHOP)
	.venv-dev/bin/python -m tests.arm64.try_out --suite $(SUITE)

# Needs root, systemd-container and debootstrap; what it makes is kept in /var/tmp.
test-boot: $(WORKSHOP)
	.venv-dev/bin/python tests/systemd/boot.py
	.venv-dev/bin/python tests/systemd/first_boot.py

# Needs root and mmdebstrap; what it makes is kept in /var/tmp.
test-virtual-board: $(WORKSHOP)
	.venv-dev/bin/python tests/virtual_board/board.py

# Needs root, mmdebstrap and mosquitto; what it makes is kept in /var/tmp.
test-home-assistant: $(WORKSHOP)
	.venv-dev/bin/python tests/home_assistant/try_out.py

# Needs root, podman, mmdebstrap and qemu-user-static, and some 20 GB; what it makes is kept in /var/tmp.
# The image, the Compose file with it, then on x86-64 the image for arm64, emulated (half an hour to two).
test-container: $(WORKSHOP)
	.venv-dev/bin/python -m tests.container.try_out
	.venv-dev/bin/python -m tests.container.stack
	$(if $(filter x86_64,$(shell uname -m)),.venv-dev/bin/python -m tests.container.try_out --architecture arm64)

# Needs mosquitto and prometheus. MINUTES=10 by default.
MINUTES ?= 10
test-fleet: $(WORKSHOP)
	.venv-dev/bin/python -m tests.fleet.try_out --minutes $(MINUTES)

# The list of all recorded figures in docs/results.md; what is not of the shipped bundles is named.
evidence: $(WORKSHOP)
	.venv-dev/bin/python -m tools.evidence

# docs/api.md, from the docstrings.
api-docs: $(WORKSHOP)
	.venv-dev/bin/python tools/make_api_docs.py

# The repository's address, set in pyproject.toml, in the pages that name it.
address: $(WORKSHOP)
	.venv-dev/bin/python -m tools.address

# dist/VERSION: wheel and sdist, built twice and compared, hashes, list of dependencies. REHEARSE=1 takes a CHANGELOG
# that has no entry of this version yet.
release: .venv-release/.installed
	.venv-release/bin/python -m tools.release $(if $(REHEARSE),--rehearse)

.venv-release/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		print(*project["optional-dependencies"]["release"], sep="\n")' > .venv-release/requirements.txt
	.venv-release/bin/pip install $(PIP_FLAGS) --requirement .venv-release/requirements.txt
	touch $@

# The documentation as a site, into build/site.
docs: $(WORKSHOP)
	.venv-dev/bin/mkdocs build --strict

clip: $(WORKSHOP)
	.venv-dev/bin/python -m waste_edge.rendering.clip --out waste_edge/demo

clean:
	rm -rf .venv .venv-dev .venv-newest dist build

help:
	@echo "make run        watch the camera, or play the demo where there is none"
	@echo "make demo       play the demo"
	@echo "make test       install what the tests need and pass the whole suite (lint included)"
	@echo "make lint       style, types and the layers of the house"
	@echo "make test-long  the tests that take minutes"
	@echo "make test-newest  the suite with the newest of each dependency, beyond the upper bounds"
	@echo "make test-faults  the faults a station must survive (needs root and mosquitto)"
	@echo "make test-fuzz  every parser and some commands on 10,000 damaged inputs"
	@echo "make map        make the map of the package in docs/architecture.md from the code"
	@echo "make tables     make the READMEs' benchmark tables from the recorded runs"
	@echo "make model      train, distil, quantize and export the two shipped bundles into runs/model (hours)"
	@echo "make model-results  measure these on the test part, for training/results/ and the README"
	@echo "make model-seeds  train the small one with two more seeds, for training/results/"
	@echo "make domains-results  measure these on other sources (DOMAINS=CSV), for training/results/ and the README"
	@echo "make rehearsal-results  rehearse a station with these, for benchmarks/results/ and the README"
	@echo "make rehearsal-grounds-results  the same on wood and textile, and with a thousand things"
	@echo "make rehearsal-table  make the tables of the rehearsed station from these records"
	@echo "make domains-table  make the README's table by source from training/results/"
	@echo "make headline   make the README's first table from training/results/"
	@echo "make test-arm64 the wheel on an emulated arm64 Debian (needs root and debootstrap)"
	@echo "make test-boot  the service under a systemd that is booted for it (the same)"
	@echo "make test-virtual-board  the station before real camera drivers, virtual cameras (needs root, mmdebstrap, QEMU)"
	@echo "make test-home-assistant  a station and a real Home Assistant, mosquitto between them (needs root and mmdebstrap)"
	@echo "make test-container  the container images and the Compose file, without a registry (needs root, podman and mmdebstrap)"
	@echo "make test-fleet  forty stations at one mosquitto and one Prometheus, ten minutes (needs both)"
	@echo "make evidence   make the list of recorded figures in docs/results.md; names what is stale"
	@echo "make api-docs   make docs/api.md from the docstrings"
	@echo "make address    write the repository's address (pyproject.toml) into the pages that name it"
	@echo "make release    build wheel and sdist into dist/VERSION, twice, and check them"
	@echo "make docs       build the documentation's site into build/site"
	@echo "make clip       render the demo clip again"
	@echo "make clean      remove the environments and builds"

$(RUNTIME): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version 2>&1): too old, Python 3.11 or later is needed; try make PYTHON=python3.11 run"; exit 2; }
	@echo "Installing the runtime into .venv (about a minute, once)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install $(PIP_FLAGS) --editable .
	@touch $@

$(WORKSHOP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version 2>&1): too old, Python 3.11 or later is needed; try make PYTHON=python3.11 test"; exit 2; }
	@echo "Installing the workshop into .venv-dev (torch and the exporters: several minutes and 7 GB, once)"
	@$(PYTHON) -m venv .venv-dev
	@.venv-dev/bin/pip install $(PIP_FLAGS) --editable '.[host,dev]'
	@touch $@

include training/model.mk
include training/domains.mk
