"""What stands under a table is about what stands in it."""

from __future__ import annotations

import pandas as pd

from cnnbench.report import layout

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
        "top1_verdict@digits/scratch": [None, "unstable: one seed, 2 at least"],
    }
)


def test_a_reason_is_said_once_and_doubts_stand_a_line_a_column() -> None:
    assert list(layout.remarks(REPORT)) == [
        "Latency p50 gpu/graph/b1: skipped: no GPU (all models)",
        "Top-1 digits/scratch: failed: diverged at epoch 2 (A)",
        "Latency p50 cpu/graph/b1, doubtful: B (drifting in 3 of 6 rounds)",
        "Top-1 digits/scratch, doubtful: B (one seed, 2 at least)",
    ]


def test_of_a_part_of_the_columns_only_theirs_are_said() -> None:
    assert list(layout.remarks(REPORT, ["top1"])) == [
        "Top-1 digits/scratch: failed: diverged at epoch 2 (A)",
        "Top-1 digits/scratch, doubtful: B (one seed, 2 at least)",
    ]
    assert list(layout.remarks(REPORT, ["latency_p50@gpu/graph/b1"])) == [
        "Latency p50 gpu/graph/b1: skipped: no GPU (all models)"
    ]
