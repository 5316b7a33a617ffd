"""The comparison, on samples drawn from known distributions and on bare tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import cnnbench
from cnnbench.results import csv_files, tables
from cnnbench.selection.compare import Comparison
from cnnbench.selection.compare import text as compare_text
from tests.records import FACTS, Book
from tests.selection.tables import from_columns

LOCATION = "latency_location_s@cpu/litert/b1"


def verdicts(found: Comparison) -> dict[tuple[str, str], str]:
    return {(row.model, row.metric): row.verdict for row in found.rows}


def test_finds_the_slower_model_and_no_other(tmp_path: Path) -> None:
    base = Book(seed=1).latency("A", 0.010).latency("B", 0.020).write(tmp_path / "base")
    new = Book(seed=2).latency("A", 0.012).latency("B", 0.020).write(tmp_path / "new")
    found = cnnbench.compare(tables.load(base), tables.load(new))
    assert found.comparable
    assert verdicts(found)["A", LOCATION] == "worse"
    assert verdicts(found)["B", LOCATION] == "same"
    (row,) = found.regressions
    # The shared drift of 20 % cancels: the ratio is 1.2 within the noise of 1 % a process.
    assert row.corrected_ratio == pytest.approx(1.2, rel=0.02)
    assert row.corrected_ratio_ci is not None
    assert 1.15 < row.corrected_ratio_ci[0] < row.corrected_ratio < row.corrected_ratio_ci[1] < 1.25


def test_csv_files_compare_with_the_same_statistics_as_runs(tmp_path: Path) -> None:
    runs = [
        tables.load(Book(seed=seed).latency("A", seconds).write(tmp_path / str(seed)))
        for seed, seconds in ((1, 0.010), (2, 0.012))
    ]
    files = []
    for run in runs:
        file = run.path.with_suffix(".csv")
        file.write_text(csv_files.to_csv(run.report))
        files.append(file)
    whole = cnnbench.compare(*runs)
    bare = cnnbench.compare(*(tables.load(file) for file in files))
    mixed = cnnbench.compare(runs[0], tables.load(files[1]))
    for other in (bare, mixed):
        for one, two in zip(whole.rows, other.rows, strict=True):
            assert (one.metric, one.verdict) == (two.metric, two.verdict)
            assert one.ratio == pytest.approx(two.ratio, rel=1e-6)
            assert one.corrected_ratio is two.corrected_ratio is None or (
                one.corrected_ratio == pytest.approx(two.corrected_ratio, rel=1e-6)
            )


def test_too_few_processes_verify_nothing(tmp_path: Path) -> None:
    base = Book(seed=1).latency("A", 0.010, rounds=3).write(tmp_path / "base")
    new = Book(seed=2).latency("A", 0.020, rounds=3).write(tmp_path / "new")
    found = cnnbench.compare(tables.load(base), tables.load(new), metrics=[LOCATION])
    (row,) = found.rows
    assert row.verdict == "too few samples"
    assert row.note == "3 and 3 processes, 6 per side are needed"
    assert found.regressions == ()


def test_ignores_a_difference_below_the_threshold(tmp_path: Path) -> None:
    base = tables.load(Book(seed=1).latency("A", 0.010).write(tmp_path / "base"))
    new = tables.load(Book(seed=2).latency("A", 0.012).write(tmp_path / "new"))
    assert cnnbench.compare(base, new, threshold="30%", metrics=[LOCATION]).regressions == ()
    assert cnnbench.compare(base, new, threshold=0.1, metrics=[LOCATION]).regressions


@pytest.mark.parametrize(
    ("metric", "slower"), [("latency_mean_s", 1.2), ("throughput_per_s", 1 / 1.2)]
)
def test_a_slower_machine_is_no_difference(metric: str, slower: float) -> None:
    def side(of_machine: float, of_metric: float) -> pd.DataFrame:
        noise = [0.99, 1.0, 1.01, 1.0, 0.99, 1.01]
        return from_columns(
            model=["A"],
            **{
                f"{metric}@cpu/litert/b1": [of_metric],
                f"{metric}_samples@cpu/litert/b1": [";".join(str(of_metric * n) for n in noise)],
                "reference_s_samples@cpu/litert/b1": [";".join([str(of_machine)] * len(noise))],
            },
        )

    for of_machine, verdict in ((1.2, "same"), (1.0, "worse")):
        new = side(of_machine, slower)
        (row,) = cnnbench.compare(side(1.0, 1.0), new, metrics=[f"{metric}@cpu/litert/b1"]).rows
        assert row.verdict == verdict


def test_does_not_compare_times_of_another_machine(tmp_path: Path) -> None:
    base = Book(seed=1).latency("A", 0.01).static("A", macs=5).write(tmp_path / "base")
    other = {**FACTS, "cores": 4}
    new = Book(other, seed=2).latency("A", 0.02).static("A", macs=6).write(tmp_path / "new")
    sides = tables.load(base), tables.load(new)
    found = cnnbench.compare(*sides)
    assert not found.comparable
    assert found.changes.environment == ("cores: 2 -> 4",)
    assert verdicts(found) == {
        ("A", LOCATION): "another environment",
        ("A", "macs"): "worse",
        ("A", "file_bytes"): "same",
    }
    assert [row.metric for row in found.regressions] == ["macs"]
    text = compare_text.as_text(found, 160)
    assert text.startswith("The environment changed: times are not comparable")
    forced = cnnbench.compare(*sides, force=True)
    assert forced.comparable
    assert verdicts(forced)["A", LOCATION] == "worse"


def test_csv_files_of_two_machines_show_their_ids(tmp_path: Path) -> None:
    base = from_columns(model=["A"], environment=["aaa"], **{"latency_p50_s@cpu/graph/b1": [0.1]})
    new = from_columns(model=["A"], environment=["bbb"], **{"latency_p50_s@cpu/graph/b1": [0.2]})
    found = cnnbench.compare(base, new)
    assert found.changes.environment == ("environment: aaa -> bbb",)
    assert [row.verdict for row in found.rows] == ["another environment"]


def test_counts_and_sizes_compare_exactly() -> None:
    base = from_columns(model=["A"], params=[100], file_bytes=[10], coverage_macs=[0.5], depth=[3])
    new = from_columns(model=["A"], params=[101], file_bytes=[9], coverage_macs=[0.5], depth=[4])
    assert verdicts(cnnbench.compare(base, new)) == {
        ("A", "params"): "worse",
        ("A", "file_bytes"): "better",
        ("A", "coverage_macs"): "same",
        ("A", "depth"): "changed",
    }


@pytest.mark.parametrize(
    ("new", "verdict"), [((0.80, 0.79, 0.81), "worse"), ((0.895, 0.885, 0.905), "not separated")]
)
def test_accuracies_compare_by_their_intervals(
    new: tuple[float, float, float], verdict: str
) -> None:
    def side(value: float, low: float, high: float) -> pd.DataFrame:
        return from_columns(
            model=["A"],
            **{"top1@d/s": [value], "top1_ci_low@d/s": [low], "top1_ci_high@d/s": [high]},
        )

    # 0.90 ± 0.01 against 0.895 ± 0.01: the difference is -0.005 ± 0.014, which holds 0.
    (row,) = cnnbench.compare(side(0.90, 0.89, 0.91), side(*new)).rows
    assert row.verdict == verdict


BLIND = "unstable: not above chance"


@pytest.mark.parametrize(
    ("base", "new", "verdict", "note"),
    [
        ("stable", "unstable: one seed, at least 2 needed", "too few samples", "a single training"),
        ("stable for one training", "stable", "too few samples", "a single training"),
        ("stable", BLIND, "worse", "new: not above chance"),
        ("unstable: one seed, at least 2 needed", BLIND, "worse", "base: one seed, at least 2 "),
        (BLIND, BLIND, "unstable", "base: not above chance; new: not above chance"),
    ],
)
def test_a_single_training_is_compared_only_with_chance(
    base: str, new: str, verdict: str, note: str
) -> None:
    def side(value: float, words: str) -> pd.DataFrame:
        cells = {"": value, "_ci_low": value - 0.01, "_ci_high": value + 0.01, "_verdict": words}
        return from_columns(
            model=["A"], **{f"top1{end}@d/s": [cell] for end, cell in cells.items()}
        )

    (row,) = cnnbench.compare(side(0.9, base), side(0.8, new)).rows
    assert (row.verdict, row.note[: len(note)]) == (verdict, note)


def test_the_range_of_few_seeds_is_not_used_as_an_interval() -> None:
    def side(values: list[float]) -> pd.DataFrame:
        columns = {
            "ece@d/s": sum(values) / len(values),
            "ece_ci_low@d/s": min(values),
            "ece_ci_high@d/s": max(values),
            "ece_samples@d/s": ";".join(map(str, values)),
        }
        return from_columns(model=["A"], **{name: [cell] for name, cell in columns.items()})

    base, new = [0.010, 0.011, 0.012], [0.020, 0.021, 0.022]
    (row,) = cnnbench.compare(side(base), side(new)).rows
    assert (row.verdict, row.note) == ("too few samples", "3 and 3 seeds, 6 per side are needed")
    (row,) = cnnbench.compare(side(2 * base), side(2 * new)).rows
    assert row.verdict == "worse"


def test_a_new_failure_is_a_regression(tmp_path: Path) -> None:
    base = Book().latency("A", 0.01).write(tmp_path / "base")
    new = Book().failed("A", "timeout", "longer than 10 min").write(tmp_path / "new")
    found = cnnbench.compare(tables.load(base), tables.load(new))
    assert [(row.verdict, row.note) for row in found.regressions] == [
        ("worse", "now timeout: longer than 10 min")
    ]
    assert verdicts(found)["A", "file_bytes"] == "missing in new", "and with it the file"
    back = cnnbench.compare(tables.load(new), tables.load(base))
    assert back.regressions == ()
    elsewhere = Book({**FACTS, "cores": 4}).failed("A", "failed", "the converter's reason")
    found = cnnbench.compare(tables.load(base), tables.load(elsewhere.write(tmp_path / "other")))
    assert [(row.verdict, row.note) for row in found.regressions] == [
        ("worse", "now failed: the converter's reason")
    ], "times of two machines are not comparable, a failure is"
    slow = Book({**FACTS, "cores": 4}).failed("A", "timeout", "longer than 10 min")
    here, there = tables.load(base), tables.load(slow.write(tmp_path / "slow"))
    for one, two, word in ((here, there, "now"), (there, here, "was")):
        (row,) = cnnbench.compare(one, two, metrics=["latency_location"]).rows
        assert row.verdict == "another environment", "and neither is that it took too long"
        assert row.note == f"{word} timeout: longer than 10 min"


def test_counts_that_depend_on_training_have_a_threshold() -> None:
    base = from_columns(
        model=["A"], file_gzip_bytes=[1000], distinct_weights=[16], file_bytes=[2000]
    )
    other = base.assign(file_gzip_bytes=1007, distinct_weights=17, file_bytes=2001)
    found = {row.metric: (row.verdict, row.note) for row in cnnbench.compare(base, other).rows}
    assert found == {
        "file_bytes": ("worse", "by +1 B"),
        "file_gzip_bytes": ("same", "by +7 B, as trainings differ"),
        "distinct_weights": ("worse", "by +1"),  # 6 %, and the threshold is 5
    }


def test_a_table_compared_with_itself_is_the_same(tmp_path: Path) -> None:
    book = Book().static("A", macs=5).latency("A", 0.01).accuracy("A", [0.8, 0.81, 0.79])
    run = tables.load(book.write(tmp_path / "run"))
    found = cnnbench.compare(run, run)
    assert {row.verdict for row in found.rows} == {"same"}
    assert found.changes.environment == ()


def test_compares_a_largest_batch_of_zero() -> None:
    base = from_columns(model=["A", "B"], **{"max_batch@cpu/graph": [88, 64]})
    new = from_columns(model=["A", "B"], **{"max_batch@cpu/graph": [0, 65]})
    found = cnnbench.compare(base, new)
    assert [(row.verdict, row.note) for row in found.rows] == [
        ("worse", "by -88"),
        ("same", "by +1"),
    ]


def test_prefers_a_latency_that_both_sides_have(tmp_path: Path) -> None:
    base = tables.load(Book(seed=1).latency("A", 0.010).latency("B", 0.010).write(tmp_path / "a"))
    new = tables.load(Book(seed=2).latency("A", 0.050).latency("B", 0.010).write(tmp_path / "b"))
    blank = [name for name in new.report.columns if name.startswith("latency_location_s")]
    table = new.report
    table.loc[table["model"] == "A", blank] = None
    found = verdicts(cnnbench.compare(base, table))
    assert found["A", "latency_p50_s@cpu/litert/b1"] == "worse"
    assert found["B", LOCATION] == "same"


def test_a_failed_measurement_does_not_make_counts_fail() -> None:
    base = from_columns(model=["A"], params=[1], **{"activation_infer_peak_bytes@b1": [4]})
    status = {"memory_infer_peak_bytes_status@b1": ["oom: x"]}
    new = from_columns(
        model=["A"], params=[1], **{"activation_infer_peak_bytes@b1": [None]}, **status
    )
    assert verdicts(cnnbench.compare(base, new)) == {
        ("A", "params"): "same",
        ("A", "activation_infer_peak_bytes@b1"): "missing in new",
    }
