PYTHON_ENV := .venv/bin/python
# Containers forbid Python to keep what it compiles, which triples the start of every tool.
export PYTHONDONTWRITEBYTECODE :=
WORKERS := $(shell n=$$(nproc 2>/dev/null || echo 1); echo $$((n < 4 ? n : 4)))

.DEFAULT_GOAL := help
.PHONY: env lock demo test test-slow test-sam-family fuzz coverage lint compare bench help

env: ## build .venv from nothing (5.4 GB; instant when nothing changed); OPS=1 compiles mmcv's ops, OPS=0 goes back
	@bash requirements/make_env.sh

# Versions that are in constraints.txt stay; without that file, all are the newest.
lock: env ## make constraints.txt anew after a change of requirements/*.txt
	$(PYTHON_ENV) -m uv pip compile --quiet --universal --python-version 3.10 --no-annotate \
	  --custom-compile-command 'make lock' --override requirements/overrides.in -o constraints.txt \
	  $(addprefix requirements/,build.txt onedl.txt onedl-all.txt runtime.txt sam-family.txt tests.txt)

demo: env ## draw scenes, boxes to masks and their picture, scores; pre-train on two sources
	$(PYTHON_ENV) tools/demo.py

# One thread per worker: the workers already use all cores.
test: env ## run the test suite
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(PYTHON_ENV) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-slow: env ## run the tests marked slow
	$(PYTHON_ENV) -m pytest -m slow $(ARGS)

# transformers 5 breaks mmpretrain for programs that don't import samrs_mm first, so not in .venv itself.
test-sam-family: env ## run the tests that need transformers, which is put into a folder of its own
	$(PYTHON_ENV) -m uv pip install --quiet --python $(PYTHON_ENV) --target .venv/sam-family -c constraints.txt \
	  "$$(grep '^transformers' requirements/sam-family.txt)"
	PYTHONPATH=$(CURDIR)/.venv/sam-family OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(PYTHON_ENV) -m pytest \
	  tests/models/prompt_segmentors tests/tools/prompt_ablation tests/test_gpu_check.py tests/models/backbones/test_huggingface.py \
	  tests/models/conversion/test_outside.py tests/test_outside_configs.py \
	  -k 'sam2 or sam3 or hf_models or famil or huggingface or hub or hf-' $(ARGS)

fuzz: env ## spoil files of every kind for MINUTES (60) and tell which reader falls over
	PYTHONPATH=tests:tests/support $(PYTHON_ENV) -m fuzz --minutes $(or $(MINUTES),60)

coverage: env ## run the test suite and print which lines of samrs_mm no test reaches
	$(MAKE) test ARGS='--cov --cov-report=term $(ARGS)'

lint: env ## ruff (rules and format), mypy and codespell
	$(PYTHON_ENV) -m ruff check .
	$(PYTHON_ENV) -m ruff format --check .
	$(PYTHON_ENV) -m mypy
	$(PYTHON_ENV) -m codespell_lib

compare: env ## run the tools at revision BASE and here, and list what differs in their output
	$(PYTHON_ENV) benchmarks/compare_revisions.py $(BASE)

# sep_study.py isn't among them: it trains for half an hour.
bench: env ## run every benchmarks/bench_*.py, and boxnet_table.py on drawn scenes
	@for file in benchmarks/bench_*.py benchmarks/boxnet_table.py; do $(PYTHON_ENV) $$file || exit; done

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[a-z ]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12
