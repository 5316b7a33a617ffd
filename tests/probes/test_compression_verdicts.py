"""Verdicts on compressed models."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cnnbench.probes.compression.summary import COLUMN, columns
from cnnbench.probes.probe import check
from cnnbench.record import Record
from cnnbench.report.remarks import remarks
from cnnbench.results import tables
from cnnbench.results.report import Report
from cnnbench.row import Row
from tests.records import record

_LABEL = "cpu/litert/b1"
_NOISE = (1.0, 1.01, 0.99, 1.005, 0.995, 1.002)


def _row(variant: str, seconds: float = 1.0, **cells: Any) -> dict[str, Any]:
    times = [seconds * factor for factor in _NOISE]
    return {
        "model": "Net",
        "variant": variant,
        "input_shape": "8x8x1",
        "classes": 10,
        "file_bytes": 1000,
        "file_gzip_bytes": 900,
        "top1@digits/scratch/litert": 0.9,
        f"latency_location_s@{_LABEL}": seconds,
        f"latency_location_s_samples@{_LABEL}": ";".join(map(str, times)),
        f"reference_s_samples@{_LABEL}": ";".join(["1.0"] * len(times)),
    } | cells


def _rows(*cells: dict[str, Any]) -> list[Row]:
    return Report.of(pd.DataFrame(cells)).rows


def _verdict(row: dict[str, Any]) -> str:
    of_float32, found = columns(_rows(_row("float32"), row), [[], []])
    assert of_float32 == {}, "float32 is what the others are compared with"
    return found[COLUMN]


def test_a_speed_up_is_shown_with_its_interval() -> None:
    words = _verdict(_row("ptq-int8", 0.5, coverage_macs=1.0, coverage_params=1.0, file_bytes=260))
    assert "faster than float32 here (2.00x, 1.9" in words
    assert "file 3.8x smaller" in words
    assert "keeps 100.0 % of float32's accuracy" in words
    assert "partly" not in words


def test_slower_and_no_real_speed_up() -> None:
    assert "slower than float32 here (0.50x" in _verdict(_row("ptq-dynamic", 2.0))
    assert "as fast as float32 (0.99x" in _verdict(_row("pruned-50", 1.01))


def test_a_difference_below_the_least_effect_is_no_speed_up() -> None:
    assert "as fast as float32" in _verdict(_row("pruned-50", 0.97))


def test_a_speed_that_no_test_could_tell_is_not_called_the_same() -> None:
    wild = ";".join(map(str, (0.7, 1.3, 0.8, 1.2, 0.9, 1.1)))
    words = _verdict(_row("pruned-50", **{f"latency_location_s_samples@{_LABEL}": wild}))
    assert "no significant speed difference (1.0" in words


def test_too_few_processes_promise_nothing() -> None:
    row = _row("ptq-int8", 0.5)
    for name in ("latency_location_s_samples", "reference_s_samples"):
        row[f"{name}@{_LABEL}"] = "0.5"
    assert "speed unknown: 1 of at least 6 processes" in _verdict(row)


def test_smaller_only_when_compressed() -> None:
    words = _verdict(_row("pruned-80", file_bytes=1000, file_gzip_bytes=300))
    assert "smaller only after gzip (3.0x)" in words
    assert "file not smaller" in _verdict(_row("pruned-80"))


@pytest.mark.parametrize(
    ("top1", "words"),
    [
        (0.892, "keeps 99.1 %"),
        (0.8909, "accuracy loss: 98.9 % of float32's accuracy"),
        (0.88, "accuracy loss: 97.7 % of float32's accuracy"),
    ],
)
def test_the_gate_of_99_per_cent(top1: float, words: str) -> None:
    assert words in _verdict(_row("ptq-int8", **{"top1@digits/scratch/litert": top1}))


@pytest.mark.parametrize(
    ("variant", "macs", "params", "words"),
    [
        (
            "qat-int8",
            0.82,
            0.95,
            "not fully compressed (left float): 18 % of the MACs, 5 % of the weights",
        ),
        (
            "qat-int8",
            0.95,
            0.70,
            "not fully compressed (left float): 5 % of the MACs, 30 % of the weights",
        ),
        ("pruned-50", 0.5, 0.5, "not fully compressed (left dense): 50 %"),
        (
            "clustered-16+ptq-int8",
            0.5,
            0.5,
            "not fully compressed (left float, unclustered): 50 %",
        ),
    ],
)
def test_what_was_left_as_it_was(variant: str, macs: float, params: float, words: str) -> None:
    assert words in _verdict(_row(variant, coverage_macs=macs, coverage_params=params))


def test_nine_tenths_are_enough() -> None:
    assert "partly" not in _verdict(_row("qat-int8", coverage_macs=0.9, coverage_params=0.95))


def test_why_there_is_no_file() -> None:
    absent = {"model": "Net", "input_shape": "8x8x1", "classes": 10, "variant": "qat-int8"}
    skipped = _verdict(absent | {"file_bytes_status": "skipped: the toolkit refuses it: a reason"})
    assert skipped == "not applicable: the toolkit refuses it: a reason"
    failed = _verdict(absent | {"file_bytes_status": "failed: the converter refuses it: why"})
    assert failed == "failed: the converter refuses it: why"


def test_a_row_without_its_float32_row_has_no_verdict() -> None:
    rows = _rows(_row("float32"), _row("ptq-int8") | {"classes": 5})
    assert columns(rows, [[], []]) == [{}, {}]


_FLAG = "output disagrees with Keras by 0.3 (largest output 1)"


def _converted(
    variant: str, flags: list[str], details: dict[str, Any] | None = None, **metrics: float
) -> Record:
    words = {
        "part": "convert",
        "variant": variant,
        "training": {"dataset": "digits", "image_size": 8},
        "classes": 10,
    }
    details = {"flags": flags, "n_test": 359, "chance": 0.1} | (details or {})
    found = {"file_bytes": 1000, "file_gzip_bytes": 900, "output_max_abs_diff": 0.0} | metrics
    made = record("Net", "compression", setting=words, details=details, **found)
    return replace(made, variant=variant)


def test_what_is_known_of_the_images_of_a_folder_stands_below_the_table() -> None:
    told = {"notes": ["a note"], "n_problems": 1, "problems": ["red/0.jpg: not a picture"]}
    made = [_converted(name, [], told, top1=0.9) for name in ("float32", "ptq-int8")]
    (line,) = (line for line in remarks(tables.measured(made)) if "a note" in line)
    assert "a note; 1 file not used: red/0.jpg: not a picture" in line


def test_a_file_that_disagrees_with_keras_is_doubtful_and_its_verdict_says_so() -> None:
    report = tables.report(
        [
            _converted("float32", [], top1=0.9, agreement=1.0),
            _converted("pruned-50", [_FLAG], top1=0.9, agreement=0.9, output_max_abs_diff=0.3),
        ]
    )
    whole, pruned = (row for _, row in report.iterrows())
    assert whole["output_max_abs_diff_verdict@cpu/litert/b1"] == ""
    for name in ("top1", "agreement"):
        assert whole[f"{name}_verdict@digits/scratch/litert"] == "stable for one training"
        assert pruned[f"{name}_verdict@digits/scratch/litert"] == f"unstable: {_FLAG}"
    assert pruned["compression_verdict"].startswith(f"{_FLAG}; keeps 100.0 %")


def test_the_verdict_names_operations_that_only_the_variant_leaves_to_slow_kernels() -> None:
    pad = {"op": "PADV2", "count": 1, "macs": 0}
    multiply = {"op": "MUL", "count": 3, "macs": 0}
    plain, small = (
        {"accelerated_by": "XNNPACK", "not_accelerated": left} for left in ([pad], [multiply, pad])
    )
    report = tables.report(
        [
            _converted("float32", [], plain, top1=0.9),
            _converted("ptq-int8", [], small, top1=0.9),
            _converted("ptq-float16", [], plain, top1=0.9),
        ]
    )
    words = dict(zip(report["variant"], report["compression_verdict"], strict=True))
    left = "XNNPACK leaves 4 operations to slower kernels (MUL 3, PADV2 1)"
    assert left in words["ptq-int8"]
    assert "XNNPACK" not in words["ptq-float16"]


@pytest.mark.parametrize("left", [7, [7], [{"op": "MUL"}], [{"op": 1, "count": 1, "macs": 1}]])
def test_a_journal_with_other_details_is_damaged(left: Any) -> None:
    with pytest.raises(ValueError, match="not_accelerated"):
        check(_converted("float32", [], {"not_accelerated": left}))


def test_a_doubtful_file_without_a_data_set_stands_below_the_table() -> None:
    report = tables.measured([_converted("float32", [_FLAG], output_max_abs_diff=0.3)])
    doubt = f"Output difference cpu/litert/b1, doubtful: Net ({_FLAG})"
    assert list(remarks(report)) == [doubt]


def test_at_chance_and_in_disagreement_is_both() -> None:
    report = tables.report([_converted("float32", [_FLAG], top1=0.1)])
    words = report.loc[0, "top1_verdict@digits/scratch/litert"]
    assert words == f"unstable: not above chance; {_FLAG}"


def _judged(variant: str, right: np.ndarray, images: str = "these") -> Record:
    details = {
        "n_test": len(right),
        "correct": base64.b64encode(np.packbits(right).tobytes()).decode(),
        "test_labels_sha256": images,
    }
    return _converted(variant, [], details, top1=float(right.mean()))


def _flipped(right: np.ndarray, lost: int, won: int) -> np.ndarray:
    """``right`` with so many of its right answers wrong, and so many of its wrong ones right."""
    changed = right.copy()
    changed[np.flatnonzero(right)[:lost]] = False
    changed[np.flatnonzero(~right)[:won]] = True
    return changed


@pytest.mark.parametrize(
    ("examples", "lost", "won", "words"),
    [
        # By hand, of 400 images 360 right: (won - lost) / 402 = -0.02239, of which 11 + 1 and
        # 2 + 1 tell apart; 1.96 * sqrt((15 / 402 - 0.02239 ** 2) / 402) = 0.01876. Over 0.9.
        (
            400,
            11,
            2,
            "keeps 97.5 % of float32's accuracy (95.4-99.6 %; 400 test images cannot show whether "
            "it reaches 99 %)",
        ),
        (400, 60, 2, "accuracy loss: 83.8 % of float32's accuracy (79.9-88.0 %)"),
        # Equal answers on few images are not free of doubt.
        (
            400,
            0,
            0,
            "keeps 100.0 % of float32's accuracy (99.2-100.8 %)",
        ),
        (
            100,
            0,
            0,
            "keeps 100.0 % of float32's accuracy (97.0-103.0 %; 100 test images cannot show "
            "whether it reaches 99 %)",
        ),
    ],
)
def test_the_gate_where_the_single_answers_are_known(
    examples: int, lost: int, won: int, words: str
) -> None:
    right = np.arange(examples) < 0.9 * examples
    both = [_judged("float32", right), _judged("ptq-int8", _flipped(right, lost, won))]
    verdict = tables.report(both)["compression_verdict"][1]
    assert verdict.split("; file")[0] == words


def test_answers_to_other_images_are_not_paired() -> None:
    right = np.arange(400) < 360
    both = [_judged("float32", right), _judged("ptq-int8", right, images="others")]
    verdict = tables.report(both)["compression_verdict"][1]
    assert verdict.startswith("keeps 100.0 % of float32's accuracy; ")
