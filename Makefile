# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Errors alone: pip and what it builds with warn of much that is nobody's concern here.
QUIET := --quiet --quiet

.PHONY: run test test-slow test-all check lint format published docs audit clean

run: $(READY)
	$(BIN)/cnnbench run suites/mobile.yaml

# A file's tests share what they set up, so a file stays in one process.
PROCESSES ?= 2

test: $(READY)
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile

# In this order, as many as the minutes allow; the rest is named at the end. What drives whole runs
# and what users read comes first, the same check of one more network last.
MINUTES ?= 600
SLOW := smoke execution environment test_documented.py test_notebook.py test_your_network_page.py test_extras.py cli report tasks data probes chaos cluster test_security.py test_size.py models analysis selection test_house.py fuzz

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow --minutes $(MINUTES) $(SLOW:%=tests/%)

test-all: $(READY)
	$(BIN)/python -m pytest -m "slow or not slow"

check: lint test

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Every published table and every table in a page, made anew from the journals by today's code.
published: $(READY)
	$(BIN)/python -m tests.published

# The pages as a site, in build/docs; a broken link fails.
docs: $(READY)
	$(BIN)/python -m pip install $(QUIET) --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The installed versions against published advisories; pip-audit has an environment of its own.
audit: $(READY)
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip list --format=freeze --exclude-editable > $(VENV)/audit/installed.txt
	$(VENV)/audit/bin/pip-audit --no-deps --disable-pip -r $(VENV)/audit/installed.txt

# The marker is written last, so that an interrupted installation is taken up again.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(QUIET) --upgrade pip
	$(BIN)/python -m pip install $(QUIET) --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
