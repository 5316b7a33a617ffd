"""docs/metrics.md names every metric, with the direction that is better."""

from __future__ import annotations

import re

import pytest

from cnnbench.metrics import METRICS
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| `")]


def _names(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_an_entry(name: str) -> None:
    metric = METRICS[name]
    rows = [row for row in ROWS if name in _names(row[0])]
    if metric.is_published:
        assert name in _names(PAGE.split("## Published")[1])
        return
    (row,) = rows
    better = {cell.strip() for cell in row[1:-1]} & {"lower", "higher"}
    assert better == ({metric.better} if metric.better else set()), row


def test_no_entry_is_of_a_metric_that_is_gone() -> None:
    named = set().union(*(_names(row[0]) for row in ROWS))
    assert named <= set(METRICS)
