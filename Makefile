# Two commands matter: `make run` (the main job) and `make test`. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
OUT ?= out/talos-rpi5
export PYTHON

.PHONY: run test site test-slow coverage lint fmt setup setup-system setup-test setup-bench bench score docs clean help types style layers dead-code

# Exit status 3 is an answer too: something that matters cannot be known on this machine.
run: setup ## the main job: investigate the Talos on Raspberry Pi 5 reports with real boots
	$(BIN)/bootwright investigate talos-rpi5 --out $(OUT) || [ $$? -eq 3 ]
	@tools/say-where $(BIN)

test: setup-test setup lint ## set everything up, then lint, types, layers and all tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test-slow: setup-test setup ## build whole kernels and boot them: many minutes, or hours; docs/ has the last results
	$(BIN)/python -m pytest -m slow -s

lint: $(STAMP) ## style, types, the layer contract, dead code
	@$(MAKE) --no-print-directory --jobs 2 types style layers dead-code

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/mypy benchmarks tools

style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

layers: $(STAMP)
	$(BIN)/lint-imports

dead-code: $(STAMP)
	$(BIN)/vulture

fmt: $(STAMP) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: setup-system $(STAMP) ## environment in .venv, programs for the main job
	$(if $(filter setup,$(MAKECMDGOALS)),@tools/say-where $(BIN))

setup-system:
	@tools/setup-system run

setup-test:
	@tools/setup-system run test

setup-bench:
	@tools/setup-system run test bench

$(STAMP): requirements.txt pyproject.toml
	@tools/setup-system python
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src  # where the environment forbids to write bytecode later
	touch $@

coverage: setup-test setup ## what the tests reach, with a floor; tests that boot left out (see CONTRIBUTING.md)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -m "not boot and not browser"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: setup setup-bench ## ratios against named references
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

score: setup ## how often diagnosis and prediction are right, over what is here to compare with
	@for file in benchmarks/score_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

site: $(STAMP) ## the page in the browser, as a folder of files: out/site (see docs/site.md)
	$(BIN)/python tools/make_site.py

docs: $(STAMP) ## regenerate the parts of docs/ that come from the code
	$(BIN)/python tools/make_docs.py

clean: ## remove what was made here (the kernel cache stays)
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'
