# make help lists the targets
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: help install develop demo tasks test quick lint type docs-check bench clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed; this is %d.%d: make PYTHON=python3.11 ..." % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.developed: requirements-dev.lock $(VENV)/.installed
	$(RUN) -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.lock
	touch $@

install: $(VENV)/.installed  ## make .venv with what running needs, in the exact versions of requirements.lock

develop: $(VENV)/.developed  ## add what developing needs: requirements-dev.lock

demo: install  ## train and compare mnli -> xnli with the baseline, offline, on synthetic data
	$(RUN) -m stilts_xtreme +intermediate=mnli +target=xnli

SHORT := recipe.intermediate.max_steps=20 recipe.intermediate.tasks=null recipe.target.max_steps=20 \
	recipe.target.tasks=null evaluation.random_init=false evaluation.floors=false
TARGETS := xnli,pawsx,xcopa,xquad,mlqa,tydiqa,udpos,panx,tatoeba,bucc2018,lareqa
ifdef ROOT
ROWS := data=hub data.root=$(ROOT) model=mini model.corpus=[tatoeba] model.pretraining.steps=60 bitext.threshold=test
else
ROWS := data.world.train=2000 data.world.test=100
TARGETS := $(TARGETS),mewsli_x
endif

tasks: install  ## run every task to its end, in trainings of 20 steps, on the synthetic data; ROOT=FOLDER: on real rows
	$(RUN) -m stilts_xtreme -m $(SHORT) $(ROWS) \
		'+intermediate=anli,mnli,qqp,squad_v1,squad_v2,hellaswag,ccg,ud_tags,cosmosqa,commonsenseqa,all'
	$(RUN) -m stilts_xtreme -m $(SHORT) $(ROWS) '+target=$(TARGETS)'

test: develop  ## run the tests, on two cores
	$(RUN) -m pytest -q --numprocesses 2 --dist loadfile

quick: develop  ## run the tests that take seconds: not the slow ones, not those of SLURM, Ray, real rows and encoders
	$(RUN) -m pytest -q --numprocesses 2 --dist loadfile -m 'not slow and not slurm and not ray and not real and not encoder'

lint: develop  ## check style and formatting
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

type: develop  ## check types
	$(VENV)/bin/mypy

docs-check: develop  ## check the pages: links, commands against the program's own options, names of modules
	$(RUN) docs/check.py

BENCHMARKS := outputs/benchmarks
BENCH := OMP_NUM_THREADS=1 $(RUN) -m benchmarks

bench: develop  ## measure everything against its peers, side by side; tables and JSON in outputs/benchmarks
	$(BENCH).startup --output $(BENCHMARKS)/startup.json
	$(BENCH).features --output $(BENCHMARKS)/features.json
	$(BENCH).retrieval --output $(BENCHMARKS)/retrieval.json
	$(BENCH).retrieval --both --output $(BENCHMARKS)/retrieval-both.json
	$(BENCH).evaluation --output $(BENCHMARKS)/evaluation.json
	for head in pairs tagging qa choice; do \
		$(BENCH).training --head $$head --output $(BENCHMARKS)/training-$$head.json || exit 1; \
	done
	$(BENCH).matrix --output $(BENCHMARKS)/matrix.json
	$(BENCH).profile --output $(BENCHMARKS)/profile.json
	$(BENCH) $(BENCHMARKS)/*.json > $(BENCHMARKS)/tables.md

clean:  ## remove caches and builds; outputs and .venv stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
