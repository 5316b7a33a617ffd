# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Errors alone: pip and what it builds with warn of much that is nobody's concern here.
QUIET := --quiet --quiet

.PHONY: run test test-slow test-all check lint format published audit clean

run: $(READY)
	$(BIN)/cnnbench run suites/mobile.yaml

# A file's tests share what they set up, so a file stays in one process.
PROCESSES ?= 2

test: $(READY)
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile

# In this order, as many as the minutes allow; the rest is named at the end.
MINUTES ?= 600
SLOW := execution cli report probes tasks chaos test_documented.py test_extras.py test_security.py test_size.py fuzz models analysis

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
