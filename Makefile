# Every target does all of its own set-up: Python >= 3.11 and make are enough.
.DEFAULT_GOAL := help
.PHONY: help demo up test storms faults laws check lint format bench bench-worker bench-ingest bench-read bench-outbound bench-notified bench-webhooks bench-rebuild embedded dev bench-environment
.NOTPARALLEL:

BIN := .venv/bin
BENCH := .venv-bench/bin/python -m
# A test waits for servers for most of its time, so more files than cores; slow files stand first, and quick ones fill the end.
AT_ONCE := -n 4 --dist loadfile --no-loadscope-reorder
export PIP_ROOT_USER_ACTION = ignore

help:               ## List the targets
	@sed -n 's/^\([a-z-]*:\).*## \(.*\)/\1 \2/p' Makefile | while read -r target text; do printf '  make %-14s %s\n' "$${target%:}" "$$text"; done

demo: embedded      ## Run the product with a simulated shop (SECONDS=20, KEEP=1, PICTURE=file.svg)
	@$(BIN)/tactus demo $(if $(SECONDS),--seconds "$(SECONDS)") $(if $(KEEP),--keep) $(if $(PICTURE),--picture "$(PICTURE)")

up: embedded        ## Run the product until Ctrl-C (DATA=folder, WORKERS=2)
	@$(BIN)/tactus up $(if $(DATA),--data "$(DATA)") $(if $(WORKERS),--workers "$(WORKERS)")

test: dev bench-environment ## Run all tests, some files at once (ARGS="-k words" chooses, ARGS="-n 0" one by one)
	@$(BIN)/python -m pytest $(AT_ONCE) $(ARGS)

storms: dev         ## Kill everything for hours on a loaded machine (COUNT=40, LOAD=3, SEED=1, LOGS=folder)
	@$(BIN)/python -m tests.faults.storms $(if $(COUNT),--count $(COUNT)) $(if $(LOAD),--load $(LOAD)) $(if $(SEED),--seed $(SEED)) $(if $(LOGS),--logs $(LOGS))

faults: dev         ## Try what ingest and outbound promise in full counts: bad input, spoilt ways, kills, full disks, crowds (SCALE=5, SEED=1)
	@FAULT_SCALE=$(or $(SCALE),5) $(if $(SEED),FAULT_SEED=$(SEED)) $(BIN)/python -m pytest -s $(addprefix tests/faults/test_,bad_input.py spoilt_ways.py spooling.py planted.py webhooks_killed.py feed.py killed_notifying.py)

laws: dev           ## Try the laws of the score in full counts, an hour (COUNT=4000)
	@LAWS_COUNT=$(or $(COUNT),4000) $(BIN)/python -m pytest -n 2 --dist load tests/unit/core

lint: dev           ## Check style, types, imports, configuration, generated files and requirements
	@scripts/check.sh

check: lint test    ## Run everything CI runs

format: dev         ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench-worker: bench-environment ## Measure one worker against its peers (JSON=FILE keeps the figures)
	@$(BENCH) bench.worker $(if $(JSON),--json "$(JSON)") $(ARGS)

bench-ingest: bench-environment ## Measure the doors beside a bridge to Kafka, six minutes (JSON=FILE keeps the figures)
	@$(BENCH) bench.ingest $(if $(JSON),--json "$(JSON)") $(ARGS)

bench-read: dev     ## Measure reading: the core, and answers over the API (JSON=FILE, ARGS="--customers 1000000")
	@$(BIN)/python -m bench.read $(if $(JSON),--json "$(JSON)") $(ARGS)

bench-outbound: dev ## Measure the topic of scores: updates a second, and from the 202 to the record (JSON=FILE, ARGS="--seconds 30")
	@$(BIN)/python -m bench.outbound $(if $(JSON),--json "$(JSON)") $(ARGS)

bench-notified: dev ## Measure how soon somebody is told of a drop (JSON=FILE, ARGS="--rate 1000")
	@$(BIN)/python -m bench.notified $(if $(JSON),--json "$(JSON)") $(ARGS)

bench-webhooks: dev ## Measure webhooks while one endpoint is a black hole (JSON=FILE, ARGS="--endpoints 100")
	@$(BIN)/python -m bench.webhooks $(if $(JSON),--json "$(JSON)") $(ARGS)

bench-rebuild: dev  ## Measure a rebuild beside counting (JSON=FILE, ARGS="--events 1000000")
	@$(BIN)/python -m bench.rebuild $(if $(JSON),--json "$(JSON)") $(ARGS)

bench: bench-environment ## Measure everything: worker, ingest, latency, hubs, judging, reading
	@$(BENCH) bench.worker
	@$(BENCH) bench.ingest
	@$(BENCH) bench.latency
	@$(BENCH) bench.graph
	@$(BENCH) bench.judge
	@$(BENCH) bench.read
	@$(BENCH) bench.rebuild

embedded:
	@sh scripts/bootstrap.sh .venv requirements-embedded.txt

dev:
	@sh scripts/bootstrap.sh .venv requirements-dev.txt

bench-environment:
	@sh scripts/bootstrap.sh .venv-bench requirements-bench.txt
