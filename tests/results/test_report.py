"""Report: measurements in memory, cells in a CSV, and several reports merged."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.results import tables
from cnnbench.results.merge import merge
from cnnbench.results.report import Report
from tests.conftest import ROOT
from tests.records import Book, record

LOCATION, REFERENCE = "latency_location_s@cpu/litert/b1", "reference_s@cpu/litert/b1"
PRETRAINED = AccuracySetting(dataset="folder:photos", recipe="pretrained", image_size="own")
PUBLISHED = sorted(ROOT.glob("results/published/**/report.csv"))


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.parent.name)
def test_writes_a_report_as_it_was_read(file: Path) -> None:
    assert Report.from_csv(file).to_csv() == file.read_text(encoding="utf-8")


def test_samples_are_numbers_in_memory() -> None:
    (row,) = tables.measured(Book().latency("A", 0.01).accuracy("A", [0.9, 0.8]).records)
    found = row.read(LOCATION)
    assert len(found.samples) == len(found.references) == 8
    assert all(type(sample) is float for sample in (*found.samples, *found.references))
    assert found.references == row.read(REFERENCE).samples
    assert row.read("top1@digits/scratch/32px").references == (), "no slower machine changes it"


def test_merging_keeps_samples_with_their_reference() -> None:
    """Written, it loses its samples where the setting's reference is of another table."""
    first, second = (tables.measured(Book(seed=n).latency("A", 0.01).records) for n in (1, 2))
    p50 = LOCATION.replace("location", "p50")
    kept = first.rows[0].read(p50)
    merged, replaced = merge([first, second.only([*_columns(LOCATION), *_columns(REFERENCE)])])
    (row,) = merged
    assert replaced[LOCATION] == ["A"]
    assert row.read(LOCATION) == second.rows[0].read(LOCATION)
    assert (row.read(p50).samples, row.read(p50).references) == (kept.samples, kept.references)
    frame = merged.to_frame().iloc[0]
    assert frame[p50] == kept.value
    assert not frame[p50.replace("_s@", "_s_samples@")]
    assert frame[LOCATION.replace("_s@", "_s_samples@")]


def test_merging_keeps_the_reason_why_a_number_is_missing() -> None:
    """The second report has the column for another network only."""
    failed = record("A", "latency", status="failed", reason="no memory")
    first = tables.measured([failed])
    second = tables.measured(
        [record("A", "static", macs=1), record("B", "latency", latency_p50_s=1)]
    )
    name = next(name for name in first.numbers if name.startswith("latency_p50_s"))
    assert name in second.numbers
    for reports in ([first, second], [second, first]):
        row = next(row for row in merge(reports)[0] if row.model == "A")
        assert str(row.get(name).status) == "failed: no memory"


def test_merging_leaves_the_reports_as_they_were() -> None:
    first, second = (tables.measured(Book().static("A", macs=n).records) for n in (1.0, 2.0))
    merged, _ = merge([first, second])
    assert [one.rows[0].read("macs").value for one in (merged, first, second)] == [2, 1, 2]


def _columns(name: str) -> list[str]:
    metric, label = name.split("@")
    return [f"{metric}{end}@{label}" for end in ("", "_ci_low", "_ci_high", "_samples", "_status")]
