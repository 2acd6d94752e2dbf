# Python 3.11 or newer and make are all that must be there. `make help` lists what can be done.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes
# Tests, lint and maintenance read the known secrets of config/settings_test.py.
WITH_TEST_SETTINGS := DJANGO_SETTINGS_MODULE=config.settings_test
# What a production has set, with secrets that protect nothing: `check --deploy` reads it.
LIKE_PRODUCTION := JAWORT_ENV_FILE=/dev/null JAWORT_ORIGIN=https://news.example.org JAWORT_PROXIES=1 \
	DATABASE_URL=postgresql://app:x@db.example.org/jawort KEYSTORE_URL=postgresql://app:x@keys.example.org/keystore \
	CELERY_BROKER_URL=redis://broker.example.org/0 JAWORT_SMTP_URL=smtps://mail.example.org \
	JAWORT_KEY=bm90IGEgc2VjcmV0OiBmb3IgbWFrZSBsaW50IG9ubHk= \
	SECRET_KEY=not-a-secret-but-long-enough-for-the-check-of-make-lint-0123456789
# One more than there are processors: tests also wait, for browsers, kills and clocks.
JOBS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

.DEFAULT_GOAL := help
.PHONY: help run test lint story bench chaos drill install install-dev lock clean translations

help: ## Say what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: install ## Start Jawort: its databases, pages and workers (Ctrl-C stops it)
	@exec $(BIN)/python manage.py run

test: install-dev ## Run all tests on databases of their own
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: install-dev ## Check style, types, imports, migrations, safety of settings, translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/python -m pytest -q -n 0 tests/test_floor.py
	$(WITH_TEST_SETTINGS) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(LIKE_PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(WITH_TEST_SETTINGS) $(BIN)/python manage.py translations --check

story: install-dev ## Play the whole story over real HTTP and SMTP, and say what was seen
	@exec $(BIN)/python manage.py story

bench: install-dev ## Measure engine, intake and logs beside bare ways (BENCH=full: at full size)
	@$(BIN)/python -m tests.bench.engine $(if $(filter full,$(BENCH)),--full) $(BENCH_OPTIONS)
	@$(BIN)/python -m tests.bench.audit --entries $(if $(filter full,$(BENCH)),1000000,100000)

chaos: install-dev ## Kill everything 200 times while 100,000 people are written to; all scenarios
	@$(BIN)/python -m tests.chaos.run --seeds 10
	@$(BIN)/python -m tests.chaos.scenarios
	@$(BIN)/python -m tests.chaos.run --long

drill: install-dev ## Erase 1,000 people and look for them wherever a thief could look
	@exec $(BIN)/python -m tests.drills.erasure

translations: install-dev ## Gather new texts into the German catalogues, and compile them
	@$(WITH_TEST_SETTINGS) $(BIN)/python manage.py translations

lock: install-dev ## Choose versions anew and write requirements*.txt with hashes
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header \
		--no-emit-index-url --python-version 3.11 requirements.in --output-file requirements.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header \
		--no-emit-index-url --python-version 3.11 --constraints requirements.txt \
		requirements-dev.in --output-file requirements-dev.txt

clean: ## Remove what can be made again; data under var/ stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
	@find . -name '*.mo' -not -path './var/*' -delete

install: $(VENV)/requirements.txt ## Install what runs, and compile the translations
	@$(BIN)/python -m config.translations

install-dev: install $(VENV)/requirements-dev.txt ## Install what tests and lint need, too

# A copy of what was installed last: nothing is done until the file changes.
$(VENV)/%.txt: %.txt | $(VENV)/ready
	@echo "Installing $< …"
	@$(PIP) -r $<
	@cp $< $@

$(VENV)/ready:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Jawort needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python3." >&2; \
		exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { \
		echo "Python cannot make a virtual environment: install the package python3-venv." >&2; \
		exit 1; }
	@touch $@
