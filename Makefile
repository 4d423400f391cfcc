# Every target does all of its own set-up: Python >= 3.11 and make are enough.
.DEFAULT_GOAL := help
.PHONY: help demo up test check lint format bench bench-worker embedded dev
.NOTPARALLEL:

BIN := .venv/bin
export PIP_ROOT_USER_ACTION = ignore

help:           ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

demo: embedded  ## Run the product with a simulated shop (SECONDS=20 ends by itself)
	@$(BIN)/tactus demo $(if $(SECONDS),--seconds $(SECONDS))

up: embedded    ## Run the product until Ctrl-C (DATA=dir, WORKERS=2)
	@$(BIN)/tactus up $(if $(DATA),--data $(DATA)) $(if $(WORKERS),--workers $(WORKERS))

test: dev       ## Run all tests (ARGS="-k words" chooses)
	@$(BIN)/python -m pytest $(ARGS)

lint: dev       ## Check style, types, imports and configuration files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/yamllint --strict .

check: lint test ## Run everything CI runs

format: dev     ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

embedded:
	@sh scripts/bootstrap.sh .venv requirements-embedded.txt

dev:
	@sh scripts/bootstrap.sh .venv requirements-dev.txt

bench-environment:
	@sh scripts/bootstrap.sh .venv-bench requirements-bench.txt
