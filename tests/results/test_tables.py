"""Records -> tables: a row a network, a column a metric@setting, and nothing lost."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import cnnbench
from cnnbench.errors import UserError
from cnnbench.record import Record
from cnnbench.report import files
from cnnbench.results import csv_files, tables
from cnnbench.selection.compare import text as compare_text
from tests.records import LITERT, Book, record


def test_a_columns_setting_holds_only_what_the_metric_depends_on() -> None:
    report = tables.report(
        [
            record("A", "static", setting={"batch_size": 1}, params=10, activation_sum_bytes=100),
            record("A", "static", setting={"batch_size": 32}, params=10, activation_sum_bytes=3200),
        ]
    )
    assert list(report.columns) == [
        *("model", "variant", "input_shape", "classes", "environment", "schema_version"),
        "params",
        "activation_sum_bytes@b1",
        "activation_sum_bytes@b32",
    ]
    assert report.iloc[0]["input_shape"] == "32x32x3"
    assert report.iloc[0]["activation_sum_bytes@b32"] == 3200


def test_a_failed_cell_is_shown_with_its_reason() -> None:
    report = tables.report(
        [
            record("A", "static", params=10, macs=5, activation_infer_peak_bytes=1),
            record("B", "static", status="oom", reason="out of memory: signal 9"),
        ]
    )
    assert list(report["model"]) == ["A", "B"]
    assert report.loc[1, "params_status"] == "oom: out of memory: signal 9"
    assert math.isnan(report.loc[1, "params"])


def test_keeps_the_rows_of_a_model_together() -> None:
    def made(model: str, variant: str) -> Record:
        return replace(record(model, "static", params=1), variant=variant)

    order = [("B", "float32"), ("A", "float32"), ("B", "ptq-int8"), ("A", "ptq-int8")]
    found = tables.report([made(*one) for one in order])
    assert list(zip(found["model"], found["variant"], strict=True)) == [
        ("B", "float32"), ("B", "ptq-int8"), ("A", "float32"), ("A", "ptq-int8"),
    ]  # fmt: skip


def test_a_successful_retry_replaces_the_failure() -> None:
    report = tables.report(
        [
            record("A", "static", status="timeout", reason="too slow"),
            record("A", "static", params=10, macs=5, activation_infer_peak_bytes=1),
        ]
    )
    assert report.loc[0, "params"] == 10
    assert "params_status" not in report.columns


def test_measured_metrics_have_companion_columns() -> None:
    report = tables.report(
        [
            record("A", "memory", repeat, setting={"batch_size": 8}, memory_infer_peak_bytes=value)
            for repeat, value in enumerate([100.0, 130.0, 110.0])
        ]
    )
    row = report.iloc[0]
    assert row["memory_infer_peak_bytes@b8"] == 110
    assert row["memory_infer_peak_bytes_samples@b8"] == "100;130;110"
    assert row["memory_infer_peak_bytes_status@b8"] == "ok"
    for companion in ("ci_low", "ci_high", "verdict"):
        assert f"memory_infer_peak_bytes_{companion}@b8" in report.columns


def test_writes_whole_numbers_or_nine_digits() -> None:
    peaks = [4_294_967_301.0, 4_294_967_296.0, 4_294_967_299.0]
    records = [
        record("A", "memory", repeat, setting={"batch_size": 8}, memory_infer_peak_bytes=value)
        for repeat, value in enumerate(peaks)
    ]
    report = tables.report([*records, record("A", "static", macs=7, flops=1 / 3)])
    (row,) = csv.DictReader(io.StringIO(csv_files.to_csv(report)))
    assert row["memory_infer_peak_bytes@b8"] == "4294967299"
    assert row["memory_infer_peak_bytes_samples@b8"] == "4294967301;4294967296;4294967299"
    assert (row["macs"], row["flops"]) == ("7", "0.333333333")
    assert report.loc[0, "flops"] == 0.333333333, "what is decided is decided by what is written"


def test_latencies_of_any_size_are_shown(tmp_path: Path) -> None:
    book = Book()
    for model, references in (("A", [1.0] * 6), ("B", [1e300, 1e-300] * 3)):
        for repeat, seconds in enumerate([1e-300, 1e-200, 1e-100, 1e100, 1e200, 1e300]):
            found = {"latency_location_s": seconds, "throughput_per_s": seconds, "flops": 1e300}
            found["reference_s"] = references[repeat]
            book.record(model, LITERT, repeat, found, samples={"latency_s": [seconds] * 12})
    run = book.write(tmp_path / "run")
    files.write(run)
    assert "cpu/litert/b1" in files.text(run)
    compared = cnnbench.compare(cnnbench.load(run), cnnbench.load(run))
    compare_text.as_text(compared, 200)


def test_records_have_one_row_per_record_and_metric() -> None:
    tidy = tables.tidy(
        [
            record("A", "static", params=10, activation_sum_bytes=100),
            record("B", "static", status="failed", reason="broken"),
        ]
    )
    assert list(tidy["metric"]) == ["params", "activation_sum_bytes@b1", ""]
    assert list(tidy["status"]) == ["ok", "ok", "failed"]


def test_reads_a_report_back_from_csv_unchanged(tmp_path: Path) -> None:
    report = tables.report(
        [
            record("=HYPERLINK(A)", "static", params=10, macs=7),
            record("B", "static", status="failed", reason='@x, "y"\nz'),
        ]
    )
    text = csv_files.to_csv(report)
    assert "\n=HYPERLINK" not in text, "a spreadsheet would run it"
    assert "'=HYPERLINK(A)" in text
    file = tmp_path / "report.csv"
    file.write_text(text)
    back = tables.load(file).report
    assert list(back["model"]) == ["=HYPERLINK(A)", "B"]
    assert back.loc[0, "params"] == 10
    pd.testing.assert_frame_equal(back, report, check_dtype=False)


@pytest.mark.parametrize("text", ["853876591e20", "012345678901", "123456789012", "NA", "inf"])
@pytest.mark.parametrize(
    "name",
    [
        "environment",
        "model",
        "variant",
        "latency_p50_s_samples@cpu/graph/b1",
        "latency_p50_s_status@cpu/graph/b1",
        "latency_p50_s_verdict@cpu/graph/b1",
        "reference_s_samples@cpu/graph/b1",
    ],
)
def test_text_that_looks_like_a_number_stays_text(tmp_path: Path, name: str, text: str) -> None:
    whole = {"model": "A", "variant": "float32", "macs": "7", name: text}
    file = tmp_path / "report.csv"
    file.write_text(",".join(whole) + "\n" + ",".join(whole.values()) + "\n")
    back = csv_files.read_csv(file)
    assert back.loc[0, name] == text
    assert back.loc[0, "macs"] == 7


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a report"),
        ("a,b\n1,2\n", "no column 'model'"),
        ("model,variant,schema_version\nA,float32,99\n", "schema version 99, newer than"),
        ('"', "not a report"),
        ("model,variant,macs\n,float32,1\n", "a row has no model"),
        (f"model,variant,schema_version\nA,float32,{'9' * 400}\n", "is not a number"),
    ],
)
def test_refuses_a_csv_that_is_no_report(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "report.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=complaint):
        tables.load(file)


@pytest.mark.parametrize("cell", ["abc", "1e400", "9" * 400])
@pytest.mark.parametrize("column", ["params", "top1_ci_low@digits/scratch/1ep"])
def test_refuses_text_in_a_column_of_numbers_and_names_the_cell(
    tmp_path: Path, column: str, cell: str
) -> None:
    file = tmp_path / "report.csv"
    file.write_text(f"model,variant,{column},macs\nA,float32,1,2\nB,float32,{cell},3\n")
    shown = "inf" if cell == "1e400" else cell[:40]
    complaint = re.escape(f"'{shown}' is not a number (the column '{column}' of B)")
    with pytest.raises(UserError, match=complaint):
        tables.load(file)


def test_refuses_records_csv_and_a_folder_of_suites(tmp_path: Path) -> None:
    run = Book().static("A", params=1).write(tmp_path / "one")
    files.write(run)
    with pytest.raises(UserError, match=r"a row per record and metric \(use report\.csv"):
        tables.load(run / "records.csv")
    assert tables.load(tmp_path).path == run
    Book().static("A", params=1).write(tmp_path / "two")
    with pytest.raises(
        UserError, match=r"whose names do not show the newest; name one of them \(one, two\)"
    ):
        tables.load(tmp_path)


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zip"])
def test_does_not_unpack_a_compressed_csv(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({"model": ["A"], "variant": ["float32"]})
    file = tmp_path / f"report.csv.{ending}"
    frame.to_csv(file, index=False)
    with pytest.raises(UserError, match="not a report"):
        tables.load(file)


def test_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no records\.jsonl"):
        tables.load(tmp_path)
