"""Whole runs of the compression probe: a small model, real digits, real files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.probes.compressed import run

pytestmark = pytest.mark.slow

_VARIANTS = """
name: s
models: ["nets:small"]
probes:
  compression:
    training: {dataset: digits, epochs: 30, train_examples: 1200, learning_rate: 0.005}
    variants: [ptq-dynamic, ptq-float16, ptq-int8, qat-int8, pruned-75, pruned-2x4, clustered-8,
      pruned-50+ptq-int8, pruned-50+qat-int8, clustered-8+qat-int8,
      pruned-50+clustered-8+qat-int8]
    fine_tune_epochs: 4
    fine_tune_rate: 0.002
    min_rounds: 1
    max_rounds: 1
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Any, list[dict[str, Any]]]:
    return run(tmp_path_factory.mktemp("compression"), _VARIANTS)


def test_every_variant_is_a_row_with_all_metrics(made: Any) -> None:
    code, report, records = made
    assert code == 0, [record["reason"] for record in records if record["status"] != "ok"]
    assert len(report) == 12
    label = "digits/scratch/30ep/n1200/learning_rate=0.005/litert"
    for name in (
        "file_bytes",
        "file_gzip_bytes",
        "sparsity",
        "distinct_weights",
        f"top1@{label}",
        f"agreement@{label}",
        "memory_infer_peak_bytes@litert/b1",
        "latency_location_s@cpu/litert/b1",
    ):
        assert report[name].notna().all(), name
    agreement = report[f"agreement@{label}"]
    assert agreement["float32"] == 1.0
    assert (agreement[["ptq-dynamic", "ptq-float16", "ptq-int8"]] > 0.95).all()
    assert (report[f"top1@{label}"] > 0.3).all(), "every variant is far above chance"


def test_files_contain_what_was_requested(made: Any) -> None:
    _, report, _ = made
    assert report.loc["ptq-int8", "coverage_macs"] == 1.0
    assert report.loc["qat-int8", "coverage_macs"] == 1.0
    assert report.loc["pruned-75", "sparsity"] == pytest.approx(0.75, abs=0.01)
    assert report.loc["pruned-50+qat-int8", "sparsity"] >= 0.5
    # Folding the batch normalisation gives each of 32 channels its own eight values.
    assert report.loc["clustered-8", "coverage_params"] > 0.9
    assert report.loc["clustered-8", "distinct_weights"] <= 8 * 32
    assert report.loc["pruned-50+clustered-8+qat-int8", "coverage_params"] > 0.9
    # The first kernel has one input channel and cannot be cut into groups of four.
    assert 0.9 < report.loc["pruned-2x4", "coverage_params"] < 1
    assert report.loc["ptq-int8", "file_bytes"] < 0.6 * report.loc["float32", "file_bytes"]


def test_every_variant_starts_from_the_same_weights(made: Any) -> None:
    _, _, records = made
    trained = [r for r in records if r["setting"]["part"] == "train"]
    assert len(trained) == 1
    assert trained[0]["details"]["weights"] == "trained here"
    assert trained[0]["metrics"]["train_s"] > 0


def test_every_row_has_a_verdict(made: Any) -> None:
    _, report, _ = made
    words = report["compression_verdict"].drop("float32")
    assert words.str.contains("speed unknown: 1 of at least 6 processes").all()
    assert "smaller only after gzip" in words["pruned-75"]


_HARD = """
name: s
models: ["nets:small", "nets:small[classes=9]", "nets:odd", "nets:of_keras_3_only"]
probes:
  compression:
    - models: ["nets:small"]
      training: {dataset: digits, epochs: 1, train_examples: 50}
      variants: [ptq-int8]
      representative: 51
      min_rounds: 1
      max_rounds: 1
    - models: ["nets:small[classes=9]"]
      variants: [ptq-int8]
      representative: 3
      min_rounds: 1
      max_rounds: 1
    - models: ["nets:odd", "nets:of_keras_3_only"]
      variants: [qat-int8]
      fine_tune_epochs: 1
      min_rounds: 1
      max_rounds: 1
"""


def test_failures_are_rows_and_the_suite_continues(tmp_path: Path) -> None:
    code, _, records = run(tmp_path, _HARD)
    assert code == 1, "some job failed"
    answers = {
        (r["model"], r["variant"], r["setting"]["representative"]): (r["status"], r["reason"])
        for r in records
        if r["setting"]["part"] == "convert"
    }
    status, reason = answers["nets:small", "ptq-int8", 51]
    assert (status, reason) == (
        "failed",
        "too few images for calibration: representative is 51, but digits has 50 training images: "
        "set representative to 50 or less",
    )
    status, reason = answers["nets:small[classes=9]", "ptq-int8", 3]
    assert status == "failed"
    assert "at least 10 are needed" in reason
    status, reason = answers["nets:odd", "float32", 0]
    assert status == "failed"
    assert "Betainc" in reason
    log = next((tmp_path / "results").glob("s/*/logs/*odd*conversion*"))
    assert "Betainc" in log.read_text()
    status, reason = answers["nets:of_keras_3_only", "qat-int8", 0]
    assert status == "skipped"
    assert "cannot be built in Keras 2, which the toolkit needs" in reason
    assert answers["nets:of_keras_3_only", "float32", 0][0] == "ok"
    later = [r for r in records if r["setting"]["part"] == "latency" and r["model"] == "nets:odd"]
    assert later
    assert all(r["status"] == "skipped" and "not converted: " in r["reason"] for r in later)
