"""A comparison claims no more than it verified; with --strict, what it did not verify fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

import cnnbench
from cnnbench.errors import UserError
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.results import tables
from cnnbench.selection.compare import text as compare_text
from tests.records import FACTS, Book
from tests.selection.tables import LABEL, compare_by_command, from_columns, only, timed

NAMES = ["A", "B", "C", "D", "E", "F"]
GRAPH = LatencySetting(runtime="graph")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Six networks; the new run is of another machine and has no accuracies."""
    base, new = Book(seed=1), Book({**FACTS, "cores": 4}, seed=2)
    for place, name in enumerate(NAMES):
        for book in (base, new):
            book.static(name, macs=5 + place)
            book.latency(name, 0.01)
            book.latency(name, 0.02, setting=GRAPH)
        base.accuracy(name, [0.8, 0.81, 0.79])
    return base.write(tmp_path / "base"), new.write(tmp_path / "new")


def test_counts_missing_and_incomparable_numbers(pair: tuple[Path, Path]) -> None:
    text = compare_by_command(*pair)
    assert text.return_value == 0
    lines = text.stdout.splitlines()
    assert lines[-2:] == [
        "No regression in what was compared: 12 same",
        "Not verified: 6 accuracies missing in new, 12 latencies from another environment",
    ]
    assert "  Top-1 digits/scratch/32px/2ep: all networks" in lines
    markdown = compare_by_command(*pair, "--format", "md").stdout.splitlines()
    assert markdown[2] == f"**{lines[-1]}**"
    answer = json.loads(compare_by_command(*pair, "--json").stdout)
    assert answer["not_verified"] == [
        {"count": 6, "what": "accuracies", "verdict": "missing in new"},
        {"count": 12, "what": "latencies", "verdict": "another environment"},
    ]
    assert answer["regressions"] == []


def test_strict_fails_unverified_numbers(pair: tuple[Path, Path]) -> None:
    strict = compare_by_command(*pair, "--strict")
    assert strict.return_value == 1
    assert strict.stderr == (
        "--strict: not verified: 6 accuracies missing in new, "
        "12 latencies from another environment\n"
    )
    base, _ = pair
    assert compare_by_command(base, base, "--strict").return_value == 0
    found = cnnbench.compare(*map(tables.load, pair), strict=True)
    assert (found.failures, found.passes) == ((strict.stderr.rstrip(),), False)
    assert cnnbench.compare(*map(tables.load, pair)).passes, "nothing is known to be worse"
    assert compare_by_command(*pair, "--strict", "--metric", "macs").return_value == 0


def test_required_metrics_fail_where_they_are_missing_or_not_comparable(
    pair: tuple[Path, Path],
) -> None:
    assert compare_by_command(*pair, "--require", "macs").return_value == 0
    for metric, verdict in (
        ("top1", "missing in new"),
        ("latency_location", "another environment"),
        ("latency_p90@cpu/graph", "another environment"),
        ("memory_infer_peak", "missing in new"),  # neither has it
    ):
        required = compare_by_command(*pair, "--require", metric)
        assert required.return_value == 1, metric
        first = required.stderr.splitlines()[0]
        assert first.startswith("--require: ") and first.endswith(f"{verdict}: A, B, C, D, E, F")
    misspelt = compare_by_command(*pair, "--require", "latensy")
    assert isinstance(misspelt.exception, UserError)
    assert "--require" in str(misspelt.exception)


def test_requires_only_settings_that_a_network_has() -> None:
    both = from_columns(model=["A", "B"], **{"top1@d/s": [0.9, 0.8], "top1@e/s": [0.7, None]})
    assert cnnbench.compare(both, both, require=["top1"]).unmet == ()
    (row,) = cnnbench.compare(
        both, both.assign(**{"top1@d/s": [0.9, None]}), require=["top1"]
    ).unmet
    assert (row.name, row.verdict) == ("B", "missing in new")


def test_counts_a_missing_network_once(tmp_path: Path) -> None:
    base = from_columns(model=["A", "B", "B"], macs=[1, 2, 2], params=[1, 2, 2])
    base["variant"] = ["float32", "float32", "ptq-int8"]
    found = cnnbench.compare(base, base[:2])
    assert [str(one) for one in found.unverified] == ["1 network missing in new"]
    assert found.changes.only_in_base == ("B ptq-int8",)
    # In JSON its numbers are rows like any other.
    missing = [row for row in found.rows if row.verdict == "missing in new"]
    assert [(row.name, row.metric, row.base) for row in missing] == [
        ("B ptq-int8", "macs", 2),
        ("B ptq-int8", "params", 2),
    ]
    lines = compare_text.as_text(cnnbench.compare(base[:1], base), 120).splitlines()
    assert lines[-2:] == [
        "No regression in what was compared: 2 same",
        "Not verified: 2 networks missing in base",
    ]


def test_compares_every_duplicate_row() -> None:
    base = from_columns(model=["A", "A"], macs=[1, 1])
    lines = compare_text.as_text(cnnbench.compare(base, base[:1].assign(macs=2)), 120).splitlines()
    assert any(line.startswith("A ") and "worse" in line for line in lines)
    assert lines[-2:] == ["1 regression: 1 worse", "Not verified: 1 network missing in new"]


def test_reports_a_column_that_the_new_side_lacks() -> None:
    base = from_columns(model=["A"], macs=[1], **{"memory_infer_peak_bytes@b1": [4e6]})
    found = cnnbench.compare(base, base[["model", "variant", "macs"]])
    assert [(row.metric, row.verdict) for row in found.rows] == [
        ("macs", "same"),
        ("memory_infer_peak_bytes@b1", "missing in new"),
    ]


FAILED, SKIPPED = "failed: the converter's reason", "skipped: no GPU"


@pytest.mark.parametrize(
    ("base", "new", "verdict"),
    [
        ((0.9, "ok"), (None, FAILED), "worse"),
        ((None, FAILED), (0.9, "ok"), "better"),
        ((None, FAILED), (None, FAILED), "failed"),
        ((None, ""), (None, FAILED), "failed"),
        ((0.9, "ok"), (None, SKIPPED), "skipped"),
        ((None, SKIPPED), (0.9, "ok"), "skipped"),
        ((0.9, "ok"), (None, ""), "missing in new"),
        ((0.9, "ok"), (None, "3 more calls needed"), "missing in new"),
        ((None, ""), (0.9, "ok"), "missing in base"),
        ((None, SKIPPED), (None, SKIPPED), None),
        ((None, ""), (None, ""), None),
    ],
)
def test_distinguishes_reasons_for_missing_numbers(
    base: tuple[float | None, str], new: tuple[float | None, str], verdict: str | None
) -> None:
    def side(value: float | None, status: str) -> pd.DataFrame:
        return from_columns(
            model=["A"], macs=[1], **{"top1@d/s": [value], "top1_status@d/s": [status]}
        )

    rows = cnnbench.compare(side(*base), side(*new)).rows
    assert [row.verdict for row in rows if row.metric == "top1@d/s"] == [verdict] * bool(verdict)


def test_raw_and_drift_corrected_ratios_are_two_columns() -> None:
    """8.04 and 7.98 ms; the reference took 1 and 0.868 ms: 7.98 / 8.04 / 0.868 is 1.143."""
    row = only(found := cnnbench.compare(timed(8.04e-3), timed(7.98e-3, machine=0.8684e-3)))
    assert row.verdict == "worse"
    assert row.ratio == pytest.approx(0.9925, abs=1e-4)
    assert row.corrected_ratio == pytest.approx(1.143, abs=1e-3)
    # Both intervals are as wide as the noise of the processes, relative to their ratio.
    for ratio, (low, high) in (
        (row.ratio, row.ratio_ci),
        (row.corrected_ratio, row.corrected_ratio_ci),
    ):
        assert (low / ratio, high / ratio) == pytest.approx((0.98, 1.02), abs=0.01)
    head, line, legend, *_ = compare_text.as_text(found, 160).splitlines()
    assert re.sub(r" +", " ", head) == "Model Metric Base New New ÷ base Drift-corrected Verdict"
    assert "8.04 ms  7.98 ms      0.9925  1.143 (1." in line
    assert legend.startswith("Drift-corrected: new ÷ base with each sample divided by")
    (cells,) = found.to_json()["rows"]
    assert cells["corrected_ratio_ci"] == list(row.corrected_ratio_ci)


def test_without_a_reference_there_is_one_ratio() -> None:
    sides = [
        timed(seconds).drop(columns=[f"reference_s_samples@{LABEL}"]) for seconds in (0.01, 0.012)
    ]
    row = only(found := cnnbench.compare(*sides))
    assert (row.verdict, row.corrected_ratio) == ("worse", None)
    assert row.ratio == pytest.approx(1.2) and row.ratio_ci[0] < 1.2 < row.ratio_ci[1]
    assert "Drift-corrected" not in compare_text.as_text(found, 160)


DRIFTING = "unstable: drifting in 4 of 6 rounds"


def test_unstable_numbers_verify_nothing_but_still_show_regressions() -> None:
    row = only(cnnbench.compare(timed(0.0100), timed(0.0101, verdict=DRIFTING)))
    assert (row.verdict, row.note) == ("unstable", "new: drifting in 4 of 6 rounds")
    row = only(cnnbench.compare(timed(0.0100, verdict=DRIFTING), timed(0.0120)))
    assert row.verdict == "worse"
    assert row.note.endswith("; base: drifting in 4 of 6 rounds")
    same = timed(0.01, verdict=DRIFTING)
    assert only(cnnbench.compare(same, same)).note == "the same numbers"


@pytest.mark.parametrize("lost", ["latency_p50_s", "latency_location_s"])
def test_a_missing_latency_is_not_verified_by_another_percentile(tmp_path: Path, lost: str) -> None:
    both = [timed(0.01).assign(**{f"latency_p50_s@{LABEL}": 0.01}) for _ in range(2)]
    both[1][f"{lost}@{LABEL}"] = None
    files = [tmp_path / "base.csv", tmp_path / "new.csv"]
    for file, table in zip(files, both, strict=True):
        table.to_csv(file, index=False)
    assert compare_by_command(*files).return_value == 0
    done = compare_by_command(*files, "--strict")
    assert done.return_value == 1
    assert "--strict: not verified: 1 latency missing in new" in done.stderr


def test_comparing_nothing_is_no_success() -> None:
    sides = [timed(0.01).assign(environment=name) for name in ("aaa", "bbb")]
    lines = compare_text.as_text(cnnbench.compare(*sides), 160).splitlines()
    assert lines[-2:] == [
        "Nothing was compared",
        "Not verified: 1 latency from another environment",
    ]
