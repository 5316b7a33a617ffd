"""Notes below a table concern only its rows and columns."""

from __future__ import annotations

import pandas as pd

from cnnbench.report import layout, table
from cnnbench.report.remarks import remarks
from cnnbench.results.report import Report

REPORT = pd.DataFrame(
    {
        "model": ["A", "B"],
        "variant": ["float32", "float32"],
        "latency_p50_s@cpu/graph/b1": [0.1, 0.2],
        "latency_p50_s_verdict@cpu/graph/b1": ["stable", "unstable: drifting in 3 of 6 rounds"],
        "latency_p50_s@gpu/graph/b1": [None, None],
        "latency_p50_s_status@gpu/graph/b1": ["skipped: no GPU"] * 2,
        "top1@digits/scratch": [None, 0.9],
        "top1_status@digits/scratch": ["failed: diverged at epoch 2", "ok"],
        "top1_verdict@digits/scratch": [None, "unstable: one seed, at least 2 needed"],
    }
)


def test_a_reason_is_said_once_and_doubts_stand_a_line_a_column() -> None:
    assert list(remarks(Report.of(REPORT))) == [
        "Latency p50 gpu/graph/b1: skipped: no GPU (all models)",
        "Top-1 digits/scratch: failed: diverged at epoch 2 (A)",
        "Latency p50 cpu/graph/b1, doubtful: B (drifting in 3 of 6 rounds)",
        "Top-1 digits/scratch, doubtful: B (one seed, at least 2 needed)",
    ]


def test_a_long_setting_is_abbreviated_and_its_full_name_is_shown_once() -> None:
    long, other = "digits/scratch/9ep/optimizer=sgd/clip_norm=none", "digits/scratch/3ep"
    report = pd.DataFrame(
        {
            "model": ["A"],
            "variant": ["float32"],
            f"top1@{long}": [0.9],
            f"top1_verdict@{long}": ["unstable: one seed, at least 2 needed"],
            f"top1@{other}": [0.8],
        }
    )
    assert [column.head for column in layout.columns(Report.of(report))] == [
        "Top-1 digits/scratch/9ep/…",
        "Top-1 digits/scratch/3ep",
    ]
    assert list(remarks(Report.of(report))) == [
        "Top-1 digits/scratch/9ep/…, doubtful: A (one seed, at least 2 needed)",
        f"digits/scratch/9ep/…, full name: {long}",
    ]


def test_of_a_part_of_the_columns_only_theirs_are_said() -> None:
    assert list(remarks(Report.of(REPORT), ["top1"])) == [
        "Top-1 digits/scratch: failed: diverged at epoch 2 (A)",
        "Top-1 digits/scratch, doubtful: B (one seed, at least 2 needed)",
    ]
    assert list(remarks(Report.of(REPORT), ["latency_p50@gpu/graph/b1"])) == [
        "Latency p50 gpu/graph/b1: skipped: no GPU (all models)"
    ]


def test_only_columns_that_a_probe_declares_as_verdicts_stand_below_the_table() -> None:
    assert (
        list(
            remarks(
                Report.of(
                    REPORT.assign(other_verdict="words")[["model", "variant", "other_verdict"]]
                )
            )
        )
        == []
    )
    assert list(
        remarks(Report.of(REPORT[["model", "variant"]].assign(compression_verdict="words")))
    ) == ["A: words", "B: words"]


def test_what_compressing_bought_stands_below_the_table_in_text_and_in_markdown() -> None:
    words = "keeps 99.4 % of float32's accuracy; file 3.9x smaller"
    report = pd.DataFrame(
        {
            "model": ["A", "A"],
            "variant": ["float32", "ptq-int8"],
            "file_bytes": [4e6, 1e6],
            "compression_verdict": [None, words],
        }
    )
    assert list(remarks(Report.of(report))) == [f"A ptq-int8: {words}"]
    assert f"- A ptq-int8: {words}\n" in table.as_text(Report.of(report), {}, 160)
    assert f"- A ptq-int8: {words}\n" in table.as_markdown(Report.of(report), {})


def test_networks_that_a_delegate_took_in_part_are_named_with_what_it_left() -> None:
    report = pd.DataFrame(
        {
            "model": ["A", "B", "C"],
            "variant": ["float32"] * 3,
            "accelerated_ops@cpu/litert/b1": [1.0, 0.9, None],
            "accelerated_macs@cpu/litert/b1": [1.0, 0.75, None],
            "accelerated_ops@cpu/openvino/b1": [0.5, 1.0, None],
        }
    )
    assert list(remarks(Report.of(report))) == [
        "Not accelerated in cpu/litert/b1: B (10.0 % of operations, 25.0 % of the MACs)",
        "Not accelerated in cpu/openvino/b1: A (50.0 % of operations)",
    ]
