# `make` alone lists what there is. Everything is installed into .venv, everything that runs keeps its files in var/.

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-bench run stop test coverage screenshots drill lint bench lock browser

# Another Python for the virtual environment: make setup PYTHON=python3.12
PYTHON ?=
# The web's port; the first free one from 8000 when empty: make run PORT=9000
PORT ?=
export PORT
# The rows that `make bench` measures, with commas between; all when empty.
ROWS ?=
export ROWS

VENV := .venv
PY := $(VENV)/bin/python
CODE := config tenants integrations delivery examples sandbox tests benchmarks manage.py
# The first one takes a third less of the processors: no window is drawn around a page.
SHELL_ALONE := chromium-headless-shell
CHROMIUM := command -v $(SHELL_ALONE) || command -v chromium || command -v chromium-browser || command -v google-chrome
APT_INSTALL := DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends
# One more than there are processors, for they wait for programs and pages a third of their time; four at most.
WORKERS := $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n < 3 ? n + 1 : 4)))
# Tests of one file stay together, the slow files of real programs first; PYTEST= alone runs in one process.
PYTEST ?= -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# For tools that load the settings and talk to no server.
NOWHERE := DATABASE_URL=postgres://nobody@127.0.0.1:1/none REDIS_URL=redis://127.0.0.1:1/0

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | while IFS='	' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: ## Prepare .venv and .env; the other commands do it by themselves
	@PYTHON="$(PYTHON)" sh config/setup.sh requirements.txt
	@$(PY) -m config.dotenv

setup-dev: setup
	@sh config/setup.sh requirements-dev.txt

setup-bench: setup-dev
	@sh config/setup.sh requirements-bench.txt

run: setup ## Run everything on this machine: make run [PORT=9000]
	@echo "Starting Headwater ..."
	@exec $(PY) manage.py run --with-parent

stop: ## Stop what `make run` started in this checkout
	@if [ -x $(PY) ]; then $(PY) manage.py stop; else echo "Nothing runs in this checkout."; fi

browser:
	@if [ "$$(id -u)" = 0 ] && ! command -v $(SHELL_ALONE) >/dev/null && command -v apt-get >/dev/null; then \
		echo "Looking for Chromium's headless shell, for the browser tests ..."; \
		($(APT_INSTALL) $(SHELL_ALONE) || (apt-get update -qq && $(APT_INSTALL) $(SHELL_ALONE)) || ($(CHROMIUM)) || $(APT_INSTALL) chromium) \
			>/dev/null 2>&1 || echo "Chromium could not be installed."; \
	fi

test: setup-bench browser ## Run all tests: make test [ARGS="tests/delivery -k lane"]
	@if ($(CHROMIUM)) >/dev/null; then \
		$(PY) -m pytest -m "not slow_drill" $(PYTEST) $(ARGS); \
	elif [ "$$CI" = true ]; then \
		echo "There is no Chromium, and in CI the browser tests are not left out: install chromium-headless-shell, or chromium." >&2; exit 1; \
	else \
		$(PY) -m pytest -m "not slow_drill and not browser" $(PYTEST) $(ARGS); result=$$?; \
		echo "The browser tests were left out: there is no Chromium on this machine."; \
		echo "Install it (Debian: apt-get install chromium-headless-shell; or make test as root) and run make test again."; \
		exit $$result; \
	fi

coverage: setup-bench browser ## Run all tests and show the lines and branches that none of them takes
	@$(PY) -m pytest -m "not slow_drill" $(PYTEST) --cov --cov-report=term-missing:skip-covered $(ARGS)

screenshots: setup-dev browser ## Draw every page on a phone and a desk, light and dark, into var/screenshots/
	@mkdir -p var/screenshots
	@SCREENSHOTS=$(CURDIR)/var/screenshots $(PY) -m pytest -n 0 tests/browser/test_pages.py tests/browser/test_states.py $(ARGS)

drill: setup-dev ## Break things on purpose and count the events
	@$(PY) -m pytest -m drill -v $(ARGS)

lint: setup-dev ## Check form, types, layers, migrations and the lock
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(NOWHERE) $(PY) -m mypy $(CODE)
	@$(NOWHERE) $(VENV)/bin/lint-imports
	@$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@if grep -nE 'https?://|^ *(-i|--index|--extra-index|--find-links)' docker/requirements.txt requirements.txt requirements-dev.txt requirements-bench.txt; then \
		echo "The lock holds an address of a package index: run make lock." >&2; exit 1; \
	fi

bench: setup-bench ## Measure: make bench [ROWS=drain_0ms,limiter] [ARGS="--list"]
	@$(PY) -m benchmarks $(ARGS)

lock: setup-dev ## Lock the dependencies of pyproject.toml anew
	@$(PY) -m uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--extra embedded pyproject.toml -o requirements.txt
	@$(PY) -m uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		-c requirements.txt pyproject.toml -o docker/requirements.txt
	@$(PY) -m uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--extra embedded --group dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	@$(PY) -m uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--group pyproject.toml:bench -c requirements-dev.txt -o requirements-bench.txt
