# `make demo` shows the service, `make test` tests it; both install what they need into .venv.
#
#   PYTHON=python3.12 make demo           use another Python (>= 3.11) for the virtual environment
#   make test ARGS="-k cancel"            pass arguments on to tests/run.py and pytest
#   make test ARGS="--only sqlite"        one database only; TEST_DATABASE_URL=postgres://… names the server
#
# Before a push: lint, test-fast, and the tests of what was changed. A build server runs .ci/run: lint, test, check.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 2
export PYTHONUNBUFFERED := 1

WANTED := Python 3.11 or newer is needed; name it like this: make PYTHON=python3.12

# A database that other settings migrated must not be compared with these migrations.
NO_DATABASE = DATABASE_URL=sqlite:///:memory:
# The environment of `manage.py check --deploy`: what production sets, and nothing of the caller's.
PRODUCTION = env -i PATH="$$PATH" ALLOWED_HOSTS=example.org CACHE_URL=redis://cache.example.org \
	SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))')"

CHECKED := $(addprefix tests/system/,browser clients hosts image pgbouncer)

# The variable silences an advertisement, not a warning about these pages; --quiet would make --strict pass over those.
SITE = NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test-fast test check nightly coverage release-check lint docs openapi lock messages
.PHONY: bench bench-api bench-admin bench-attacks bench-peers bench-engines chaos venv venv-dev clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: venv ## Serve the demo site and a worker on SQLite; Ctrl-C stops both
	@exec $(BIN)/python manage.py demo $(ARGS)

test-fast: venv-dev ## Run the unit tests on SQLite; takes a minute
	@exec $(BIN)/python -m tests.run --only sqlite -n auto tests/unit $(ARGS)

# Paths in ARGS take the place of these.
test: venv-dev ## Run the unit and integration tests on SQLite and PostgreSQL, side by side; takes three minutes
	@exec $(BIN)/python -m tests.run $(if $(findstring tests/,$(ARGS)),,tests/unit tests/integration) $(ARGS)

# The first run is by itself, with one test at a time on each database: its workers, engines and chaos keep to times that
# a busy machine does not leave them.
# In the second, files share what is slow to set up, such as an environment with the wheel; each file has one process.
# Visits of every page, and environments, take minutes on a slow machine.
check: venv-dev ## Run whole processes: workers, engines, chaos; browser, clients, the wheel in hosts, image, pooler
	$(BIN)/python -m tests.run -n 1 tests/system
	$(BIN)/python -m tests.run --only postgresql --dist loadfile --timeout 600 $(CHECKED)

nightly: venv-dev ## Run what takes hours: every pair of Python and Django, other project models, long chaos, great sizes
	$(BIN)/python -m tests.run tests/system/pairs tests/system/nightly
	$(BIN)/python -m tests.run --only postgresql -n 1 tests/system/products
	$(BIN)/python -m nox
	$(BIN)/python -m tests.system.chaos
	$(BIN)/python -m tests.system.scale

# System tests add nothing: what they test runs in processes of its own, which are not measured.
coverage: venv-dev ## Measure branch coverage by unit and integration tests on both databases, into build/coverage
	@rm -rf build/coverage
	$(BIN)/python -m tests.run --coverage tests/unit tests/integration $(ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage html --quiet --fail-under 0
	$(BIN)/python -m coverage report

release-check: venv-dev ## Build sdist and wheel, check them, and follow the tutorial with the wheel in an empty environment
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m tests.support.tutorial dist/*.whl

# By `python -m`: the scripts in bin/ name their interpreter by path and break when a checkout is moved.
lint: venv-dev ## Check format, style, types, deployment settings, migrations and documentation
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy --strict jobs
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(NO_DATABASE) $(BIN)/python manage.py makemigrations --check --dry-run
	$(NO_DATABASE) $(BIN)/python manage.py makemigrations --check --dry-run --settings tests.settings_swapped
	$(SITE)

docs: venv-dev ## Build the documentation as a site into build/site; a link that leads nowhere is an error
	@$(SITE)
	@echo "It is in build/site; to search it, serve it: python3 -m http.server --directory build/site"

openapi: venv-dev ## Write the OpenAPI document and docs/errors.md anew, after a change of the API
	@exec $(BIN)/python -W error -m tests.support.openapi

# For the image alone: its Python and its extras. The address of the index that answered is left out.
LOCK = $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-config --no-annotate --no-emit-index-url \
	--custom-compile-command "make lock" --python-version 3.13 --python-platform linux
REQUIRED_TO_BUILD = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")

lock: venv-dev ## Write the locked packages of the image anew, each with its hashes, after a change of pyproject.toml
	$(LOCK) --extra demo --extra celery --output-file docs/deploy/requirements.lock pyproject.toml
	$(BIN)/python -c '$(REQUIRED_TO_BUILD)' | $(LOCK) --output-file docs/deploy/build.lock -

# Both files of a language are committed: hosts have no gettext, and the package needs none.
messages: venv-dev ## Collect the admin's texts for translation and compile them (needs GNU gettext)
	cd jobs && $(CURDIR)/$(BIN)/python $(CURDIR)/manage.py makemessages --locale de --no-location --no-wrap --no-obsolete
	cd jobs && $(CURDIR)/$(BIN)/python $(CURDIR)/manage.py compilemessages --locale de

bench: venv-dev ## Measure speed on PostgreSQL, beside hand-written loops
	@exec $(BIN)/python -m tests.benchmarks $(ARGS)

bench-api: venv-dev ## Measure the list of ten million jobs on PostgreSQL; takes some 10 GB and ten minutes
	@exec $(BIN)/python -m tests.benchmarks.listing $(ARGS)

bench-admin: venv-dev ## Measure the admin with ten million jobs on PostgreSQL; takes some 10 GB and ten minutes
	@exec $(BIN)/python -m tests.benchmarks.admin $(ARGS)

bench-attacks: venv-dev ## Measure what one hostile key does to the others, on gunicorn with PostgreSQL
	@exec $(BIN)/python -m tests.benchmarks.attacks $(ARGS)

bench-peers: venv-dev ## Measure the API beside other ways to serve it, on PostgreSQL; needs wrk and Redis
	@$(BIN)/python -m pip install --requirement tests/benchmarks/peers/requirements.txt
	@exec $(BIN)/python -m tests.benchmarks.peers $(ARGS)

bench-engines: venv-dev ## Measure the engines that may run jobs, beside their own empty tasks
	@exec $(BIN)/python -m tests.benchmarks.engines $(ARGS)

chaos: venv-dev ## Kill, cut off and freeze workers by the thousand; count what became of the jobs
	@exec $(BIN)/python -m tests.system.chaos --write $(ARGS)

clean: ## Remove the virtual environment and everything generated
	rm -rf $(VENV) build dist *.egg-info var .hypothesis .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. A stamp younger than pyproject.toml says that what pyproject.toml asks for is there.
# Installing only adds: after `make test`, `make demo` finds more than it needs and leaves it alone.

venv: $(VENV)/.has-demo
venv-dev: $(VENV)/.has-dev

define INSTALL
@echo "Installing into $(VENV); the first time takes a little"
@$(BIN)/python -c 'import pip' 2>/dev/null || $(BIN)/python -m ensurepip --default-pip >/dev/null
@$(BIN)/python -m pip install --editable
endef

$(VENV)/.has-demo: pyproject.toml | $(BIN)/python
	$(INSTALL) '.[demo]'
	@touch $@

$(VENV)/.has-dev: pyproject.toml | $(BIN)/python
	$(INSTALL) '.[dev]'
	@touch $@ $(VENV)/.has-demo

# Absent, or a link to nothing since the system's Python was replaced; then the stamps are wrong, too.
$(shell test -x $(BIN)/python || rm -f $(VENV)/.has-demo $(VENV)/.has-dev)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no '$(PYTHON)'. $(WANTED)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "'$(PYTHON)' is $$($(PYTHON) --version 2>&1). $(WANTED)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "'$(PYTHON)' cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
