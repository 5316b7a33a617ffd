"""Published tables, and tables in pages, equal those generated from the journals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cnnbench.metrics import split
from cnnbench.models import registry
from cnnbench.report import files
from cnnbench.results import journal, tables
from cnnbench.suite import plan as planning
from cnnbench.suite import suite as suites
from tests import published

BLOCKS = [
    pytest.param(command, text, id=f"{page.name}: {command}")
    for page in published.PAGES
    for command, text in published.blocks(page)
]


def test_there_are_published_runs() -> None:
    assert published.RUNS
    assert BLOCKS


@pytest.mark.parametrize("folder", published.RUNS, ids=lambda path: path.name)
def test_published_tables_can_be_regenerated(folder: Path) -> None:
    run = tables.load(folder)
    made = files.contents(run)
    for name in ("report.csv", "records.csv", "report.md"):
        assert (folder / name).read_text(encoding="utf-8") == made[name], name
    assert {"suite.yaml", "environment.json"} <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize("folder", published.RUNS, ids=lambda path: path.name)
def test_published_percentiles_are_in_order_and_state_their_noise(folder: Path) -> None:
    report = tables.load(folder).measured
    settings = {split(name)[1] for name in report.numbers if split(name)[0] == "latency_p50_s"}
    for row in report:
        for label in settings:
            known = [row.read(f"latency_p{q}_s@{label}") for q in (50, 90, 95, 99)]
            for one in (
                one for one in known if one.has_interval and "too noisy" in one.verdict.why
            ):
                assert (
                    f"too noisy: ±{100 * (one.high - one.low) / 2 / one.value:.1f} % after"
                    in one.verdict.why
                )
            timed = [one for one in known if one.has_interval]
            for lower, higher in pairwise(timed):
                assert lower.value <= higher.value
                assert lower.low <= higher.low and lower.high <= higher.high


@pytest.mark.parametrize(("command", "text"), BLOCKS)
def test_a_table_in_a_page_equals_the_output_of_its_command(command: str, text: str) -> None:
    assert text.strip() == published.output_of(command).strip()


@pytest.mark.parametrize("name", ["chapter_14", "fashion_mnist", "mobile", "table_14_3"])
def test_keys_of_published_records_are_unchanged(name: str) -> None:
    """Otherwise a newer version could not continue the run."""
    folder = published.ROOT / "results/published" / name
    suite = suites.load(folder / "suite.yaml", registry)
    planned = {
        (_place(cell.model.label, cell.variant, cell.setting_json), job.repeat): job.key
        for cell in planning.plan(suite).cells
        for job in cell.jobs()
    }
    found = [
        (planned.get((_place(r.model, r.variant, r.setting), r.repeat)), r.key)
        for r in journal.read(folder / journal.FILE_NAME)[1]
    ]
    assert sum(today is None for today, _ in found) <= 2, "rounds that a suite asks for no more"
    assert all(today in (None, then) for today, then in found)


def _place(model: str, variant: str, setting: Mapping[str, Any]) -> tuple[str, str, str]:
    return model, variant, json.dumps(setting, sort_keys=True)
