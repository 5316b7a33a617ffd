"""``docs/suite_reference.md`` has every key of a suite, and its examples are valid."""

from __future__ import annotations

import re

import pytest
import yaml

from cnnbench.models import registry
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from cnnbench.suite.plan import plan
from tests import suite_reference

PAGE = suite_reference.PAGE.read_text("utf-8")
NAMES = [*suite_reference.schemas(), "options"]


def test_the_page_is_the_one_that_the_schema_gives() -> None:
    assert suite_reference.page(PAGE) == PAGE, "python -m tests.suite_reference"


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_a_suite_has_a_table_with_a_meaning_for_every_key(name: str) -> None:
    assert f"<!-- keys of {name} -->\n" in PAGE
    for row in suite_reference.table(name).splitlines()[2:]:
        key, kind, _, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", row[1:-1]))
        assert kind, key
        assert meaning, f"{name}.{key} is not in the docstring of its schema"


def test_types_bounds_and_defaults_are_those_of_the_schema() -> None:
    latency = suite_reference.table("latency")
    assert "| `precision` | share | `5%` | Relative half-width" in latency
    assert "| `threads` | list of `all` or integer 1 to 1024 | `[all]` |" in latency
    assert "| `models` |" not in latency
    assert "| `memory` | size | `8GiB` | Bytes per worker |" in suite_reference.table("limits")
    assert "| `dataset` | text | required |" in suite_reference.table("accuracy")


def test_the_examples_can_be_planned() -> None:
    whole, grid = (
        yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    )
    found = plan(suites.check(yaml_source.of_dictionary(whole, "page"), registry))
    assert len(found.suite.models) == 1 + 3 * 3
    also = {**grid, "name": "grid", "probes": {"static": None}}
    found = plan(suites.check(yaml_source.of_dictionary(also, "page"), registry))
    assert len(found.suite.models) == 1 + 3 * 3
    entries = dict(re.findall(r"^`(\w+): (\{.*?\})`", PAGE, re.MULTILINE))
    for probe in ("static", "memory", "latency", "accuracy", "compression", "stages", "load"):
        entry = {probe: yaml.safe_load(entries[probe])}
        suite = {"name": "one", "models": ["LeNet5", "BasicCNN+yolo"], "probes": entry}
        if probe in ("stages", "tracking"):
            suite["models"] = ["BasicCNN+yolo"]
        assert plan(suites.check(yaml_source.of_dictionary(suite, "page"), registry)).cells
