"""A comparison claims no more than it verified; with --strict, what it did not verify fails."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

import cnnbench
from cnnbench.cli.compare import command
from cnnbench.errors import UserError
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.results import tables
from cnnbench.selection.compare import Comparison
from cnnbench.selection.compare import text as compare_text
from tests.report.made import FACTS, Book

NAMES = ["A", "B", "C", "D", "E", "F"]
STEADY = (0.99, 1.0, 1.01, 1.0, 0.99, 1.01)
LABEL = "cpu/litert/b1"
GRAPH = LatencySetting(runtime="graph")


def table(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"variant": ["float32"] * len(columns["model"]), **columns})


def timed(seconds: float, machine: float = 1e-3, verdict: str = "stable") -> pd.DataFrame:
    """Six processes around ``seconds``, beside a reference of ``machine`` seconds in each."""
    cells: dict[str, object] = {
        "latency_location_s": seconds,
        "latency_location_s_verdict": verdict,
        "latency_location_s_samples": ";".join(f"{seconds * noise:.9g}" for noise in STEADY),
        "reference_s_samples": ";".join([f"{machine:.9g}"] * 6),
    }
    return table(model=["A"], **{f"{name}@{LABEL}": [cell] for name, cell in cells.items()})


def only(found: Comparison) -> Any:
    (row,) = found.rows
    return row


def run(*arguments: object) -> Result:
    """``cnnbench compare`` with its exit code; a `UserError` stays an exception."""
    return CliRunner().invoke(command, [str(one) for one in arguments], standalone_mode=False)


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


def test_what_vanished_and_what_was_not_comparable_is_counted(pair: tuple[Path, Path]) -> None:
    text = run(*pair)
    assert text.return_value == 0
    lines = text.stdout.splitlines()
    assert lines[-2:] == [
        "No regression in what was compared: 12 same",
        "Not verified: 6 accuracies missing in new, 12 latencies from another environment",
    ]
    assert "  Top-1 digits/scratch/32px/2ep: all networks" in lines
    markdown = run(*pair, "--format", "md").stdout.splitlines()
    assert markdown[2] == f"**{lines[-1]}**"
    answer = json.loads(run(*pair, "--json").stdout)
    assert answer["not_verified"] == [
        {"count": 6, "what": "accuracies", "verdict": "missing in new"},
        {"count": 12, "what": "latencies", "verdict": "another environment"},
    ]
    assert answer["regressions"] == []


def test_strict_fails_what_was_not_verified(pair: tuple[Path, Path]) -> None:
    strict = run(*pair, "--strict")
    assert strict.return_value == 1
    assert strict.stderr == (
        "--strict: not verified: 6 accuracies missing in new, "
        "12 latencies from another environment\n"
    )
    base, _ = pair
    assert run(base, base, "--strict").return_value == 0
    found = cnnbench.compare(*map(tables.load, pair), strict=True)
    assert (found.failures, found.passes) == ((strict.stderr.rstrip(),), False)
    assert cnnbench.compare(*map(tables.load, pair)).passes, "nothing is known to be worse"
    assert run(*pair, "--strict", "--metric", "macs").return_value == 0


def test_required_metrics_fail_where_they_are_missing_or_not_comparable(
    pair: tuple[Path, Path],
) -> None:
    assert run(*pair, "--require", "macs").return_value == 0
    for metric, verdict in (
        ("top1", "missing in new"),
        ("latency_location", "another environment"),
        ("latency_p90@cpu/graph", "another environment"),
        ("memory_infer_peak", "missing in new"),  # neither has it
    ):
        required = run(*pair, "--require", metric)
        assert required.return_value == 1, metric
        first = required.stderr.splitlines()[0]
        assert first.startswith("--require: ") and first.endswith(f"{verdict}: A, B, C, D, E, F")
    misspelt = run(*pair, "--require", "latensy")
    assert isinstance(misspelt.exception, UserError)
    assert "--require" in str(misspelt.exception)


def test_a_required_setting_that_another_network_has_is_not_asked_of_all() -> None:
    both = table(model=["A", "B"], **{"top1@d/s": [0.9, 0.8], "top1@e/s": [0.7, None]})
    assert cnnbench.compare(both, both, require=["top1"]).unmet == ()
    (row,) = cnnbench.compare(
        both, both.assign(**{"top1@d/s": [0.9, None]}), require=["top1"]
    ).unmet
    assert (row.name, row.verdict) == ("B", "missing in new")


def test_a_network_or_a_variant_that_is_missing_counts_as_one(tmp_path: Path) -> None:
    base = table(model=["A", "B", "B"], macs=[1, 2, 2], params=[1, 2, 2])
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
    base = table(model=["A", "A"], macs=[1, 1])
    lines = compare_text.as_text(cnnbench.compare(base, base[:1].assign(macs=2)), 120).splitlines()
    assert any(line.startswith("A ") and "worse" in line for line in lines)
    assert lines[-2:] == ["1 regression: 1 worse", "Not verified: 1 network missing in new"]


def test_a_probe_that_vanished_is_missing_column_and_all() -> None:
    base = table(model=["A"], macs=[1], **{"memory_infer_peak_bytes@b1": [4e6]})
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
def test_why_a_number_is_not_there_is_told_apart(
    base: tuple[float | None, str], new: tuple[float | None, str], verdict: str | None
) -> None:
    def side(value: float | None, status: str) -> pd.DataFrame:
        return table(model=["A"], macs=[1], **{"top1@d/s": [value], "top1_status@d/s": [status]})

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


def test_an_unstable_number_verifies_nothing_and_hides_nothing() -> None:
    row = only(cnnbench.compare(timed(0.0100), timed(0.0101, verdict=DRIFTING)))
    assert (row.verdict, row.note) == ("unstable", "new: drifting in 4 of 6 rounds")
    row = only(cnnbench.compare(timed(0.0100, verdict=DRIFTING), timed(0.0120)))
    assert row.verdict == "worse"
    assert row.note.endswith("; base: drifting in 4 of 6 rounds")
    same = timed(0.01, verdict=DRIFTING)
    assert only(cnnbench.compare(same, same)).note == "the same numbers"


@pytest.mark.parametrize("lost", ["latency_p50_s", "latency_location_s"])
def test_a_shown_latency_that_is_gone_is_not_verified_by_the_other(
    tmp_path: Path, lost: str
) -> None:
    both = [timed(0.01).assign(**{f"latency_p50_s@{LABEL}": 0.01}) for _ in range(2)]
    both[1][f"{lost}@{LABEL}"] = None
    files = [tmp_path / "base.csv", tmp_path / "new.csv"]
    for file, table in zip(files, both, strict=True):
        table.to_csv(file, index=False)
    assert run(*files).return_value == 0
    done = run(*files, "--strict")
    assert done.return_value == 1
    assert "--strict: not verified: 1 latency missing in new" in done.stderr


def test_nothing_compared_is_no_success() -> None:
    sides = [timed(0.01).assign(environment=name) for name in ("aaa", "bbb")]
    lines = compare_text.as_text(cnnbench.compare(*sides), 160).splitlines()
    assert lines[-2:] == [
        "Nothing was compared",
        "Not verified: 1 latency from another environment",
    ]


def test_a_fact_that_is_accepted_does_not_keep_times_from_being_compared(tmp_path: Path) -> None:
    newer = {**FACTS, "libraries": {"tensorflow": "2.22.0"}, "kernel": "6.9"}
    base = tables.load(Book(seed=1).latency("A", 0.010).write(tmp_path / "base"))
    new = tables.load(Book(newer, seed=2).latency("A", 0.012).write(tmp_path / "new"))

    def verdict(*accept: str) -> str:
        found = cnnbench.compare(base, new, accept=accept, metrics=["latency_location"])
        assert found.comparable == (only(found).verdict != "another environment")
        return str(only(found).verdict)

    assert verdict() == verdict("kernel") == verdict("libraries") == "another environment"
    assert verdict("kernel", "libraries.tensorflow") == verdict("kernel", "libraries") == "worse"
    found = cnnbench.compare(base, new, accept=["kernel"])
    assert found.changes.environment == (
        "kernel: absent -> 6.9 (accepted)",
        "libraries.tensorflow: 2.21.0 -> 2.22.0",
    )
    done = run(base.path, new.path, "--accept", "kernel", "--accept", "libraries")
    assert done.return_value == 1 and "1 regression" in done.stdout
    with pytest.raises(UserError, match=r"--accept kernal: unknown fact.*kernel"):
        cnnbench.compare(base, new, accept=["kernal"])
    with pytest.raises(UserError, match="does not record its environment"):
        cnnbench.compare(base, new.report, accept=["kernel"])


def test_a_metric_has_its_own_threshold() -> None:
    base = table(model=["A"], macs=[1000], params=[1000])
    new = base.assign(macs=1009, params=1001)
    found = cnnbench.compare(base, new, thresholds={"macs": "1%"})
    assert {row.metric: row.verdict for row in found.rows} == {"macs": "same", "params": "worse"}
    assert found.to_json()["thresholds"] == {"macs": 0.01}

    sides = timed(0.010), timed(0.012)
    assert only(cnnbench.compare(*sides, thresholds={"latency": "30%"})).verdict == "same"
    assert only(cnnbench.compare(*sides, threshold="30%")).verdict == "same"
    found = cnnbench.compare(*sides, threshold="30%", thresholds={"latency_location": "5%"})
    assert only(found).verdict == "worse"


@pytest.mark.parametrize(
    ("threshold", "verdict"),
    [("0%", "worse"), ("1%", "worse"), ("2%", "not separated"), ("4%", "same")],
)
def test_the_threshold_of_an_accuracy_is_in_points(threshold: str, verdict: str) -> None:
    """0.90 ± 0.005 against 0.88 ± 0.005: the difference is -0.020 ± 0.007."""

    def side(value: float) -> pd.DataFrame:
        ends = {"": value, "_ci_low": value - 0.005, "_ci_high": value + 0.005}
        return table(model=["A"], **{f"top1{end}@d/s": [cell] for end, cell in ends.items()})

    row = only(cnnbench.compare(side(0.90), side(0.88), thresholds={"top1": threshold}))
    assert row.verdict == verdict


def test_thresholds_on_the_command_line(tmp_path: Path) -> None:
    base, new = tmp_path / "base.csv", tmp_path / "new.csv"
    base.write_text("model,variant,macs\nA,float32,1000\n")
    new.write_text("model,variant,macs\nA,float32,1009\n")
    assert run(base, new).return_value == 1
    assert run(base, new, "--threshold", "1%").return_value == 1, "times and memory only"
    assert run(base, new, "--threshold", "2%", "--threshold", "macs=1%").return_value == 0
    for wrong, words in (("macs=5ms", "no unit that fits"), ("mucs=5%", "no metric 'mucs'")):
        assert words in str(run(base, new, "--threshold", wrong).exception)
