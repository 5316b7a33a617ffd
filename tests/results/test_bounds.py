"""A count that is a bound says so wherever it is shown."""

from __future__ import annotations

from pathlib import Path

from cnnbench.report import layout, remarks
from cnnbench.results import tables
from tests.records import record


def test_lower_bounds_are_marked_doubtful_in_every_table() -> None:
    known = record("Known", "static", macs=50, receptive_field_px=3)
    bounds = {"macs": "at least", "receptive_field_px": "at least"}
    bound = record("Bound", "static", details={"bounds": bounds}, macs=40, receptive_field_px=9)
    report = tables.measured([known, bound])
    assert [row.read("macs").value for row in report] == [50, 40]
    assert list(report.to_frame()["macs_verdict"].fillna("")) == ["", "unstable: at least"]
    assert "macs_samples" not in report.columns
    (shown,) = [one for one in layout.columns(report) if one.name == "macs"]
    assert [cell.is_doubtful for cell in layout.cells(report, shown)] == [False, True]
    assert "MACs, doubtful: Bound (at least)" in list(remarks.remarks(report))


def test_exact_counts_have_no_verdict_column(tmp_path: Path) -> None:
    report = tables.report([record("Known", "static", macs=50)])
    assert not [name for name in report.columns if "verdict" in str(name)]
