"""Models of several kinds in the model-optimization toolkit, and their coverage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.probes.compressed import NETWORKS, run

pytestmark = pytest.mark.slow

_SEPARABLE = """
name: s
models: ["nets:separable"]
probes:
  compression: {variants: [pruned-2x4], fine_tune_epochs: 1, min_rounds: 1, max_rounds: 1}
"""


def test_prunes_2x4_the_pointwise_kernel_of_a_separable_convolution(tmp_path: Path) -> None:
    code, report, records = run(tmp_path, _SEPARABLE)
    assert code == 0, [record["reason"] for record in records if record["status"] != "ok"]
    (made,) = (
        r for r in records if r["setting"]["part"] == "convert" and r["variant"] == "pruned-2x4"
    )
    assert made["details"]["left"] == {
        "2:4 pruning (no groups of four input channels)": ["three_channels"]
    }
    dense = 3 * 3 * 3 * 8 + 3 * 3 * 8  # the first kernel, and the depthwise half of the separable
    pruned = 8 * 16 + 16 * 10
    assert report.loc["pruned-2x4", "coverage_params"] == pytest.approx(pruned / (pruned + dense))


_TRAINING = """{dataset: digits, recipe: transfer, weights: backbone.weights.h5, epochs: 10,
      learning_rate: 0.02, fine_tune_epochs: 3, fine_tune_rate: 0.002"""
_TRANSFER = f"""
name: s
models: ["nets:headed"]
probes:
  accuracy: [{_TRAINING}, seeds: 1, keep_weights: true}}]
  compression:
    training: {_TRAINING}}}
    variants: [ptq-dynamic, qat-int8]
    fine_tune_epochs: 1
    min_rounds: 1
    max_rounds: 1
"""
_KEPT = f"""
name: s
models: ["nets:headed"]
probes:
  compression:
    training: {_TRAINING}}}
    weights: seed-0.weights.h5
    variants: [ptq-dynamic]
    min_rounds: 1
    max_rounds: 1
"""


def _top1(report: Any, in_file: bool) -> Any:
    """Return the accuracy of a transfer: of each variant's file, or of the model in Keras."""
    columns = [name for name in report.columns if name.startswith("top1@digits/transfer")]
    (found,) = (name for name in columns if name.endswith("/litert") == in_file)
    return report[found]


def test_a_transfer_is_the_same_in_keras_in_litert_and_from_its_weights_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "nets.py").write_text(NETWORKS)
    backbone = (
        "import tensorflow as tf, nets; tf.keras.utils.set_random_seed(0); "
        "nets.headed(include_top=False).save_weights('backbone.weights.h5')"
    )
    subprocess.run([sys.executable, "-c", backbone], cwd=tmp_path, check=True, capture_output=True)
    code, report, records = run(tmp_path, _TRANSFER)
    assert code == 0, [record["reason"] for record in records if record["status"] != "ok"]
    in_keras = _top1(report, in_file=False)["float32"]
    in_files = _top1(report, in_file=True)
    assert in_keras > 0.2, "above chance"
    assert in_files["float32"] == pytest.approx(in_keras, abs=0.01)
    assert (in_files > 0.2).all()
    assert report.loc["qat-int8", "coverage_macs"] == 1.0

    (kept,) = tmp_path.glob("results/s/*/artifacts/*/seed-0.weights.h5")
    kept.rename(tmp_path / "seed-0.weights.h5")
    code, report, records = run(tmp_path, _KEPT)
    assert code == 0, [record["reason"] for record in records if record["status"] != "ok"]
    (loaded,) = (r for r in records if r["setting"]["part"] == "train")
    assert loaded["details"]["weights"] == "from seed-0.weights.h5"
    assert _top1(report, in_file=True)["float32"] == pytest.approx(in_keras, abs=0.01)


_ARCHITECTURES = """
name: s
models:
  - MobileNetV2[input_shape=64x64x3]
  - MobileNetV3Small[input_shape=64x64x3]
  - EfficientNetB0[input_shape=64x64x3]
  - DenseNet121[input_shape=32x32x3]
  - ConvNeXtTiny[input_shape=64x64x3]
probes:
  compression: {variants: [qat-int8], fine_tune_epochs: 1, min_rounds: 1, max_rounds: 1}
"""


_COMBINED = """
name: s
models:
  - EfficientNetB0[input_shape=64x64x3]
  - ResNet50[input_shape=32x32x3]
probes:
  compression:
    variants: [pruned-50+qat-int8, clustered-16+qat-int8]
    fine_tune_epochs: 1
    min_rounds: 1
    max_rounds: 1
limits: {memory: 12GiB, timeout: 30min}
"""


def test_int8_preserves_pruning_and_clustering(tmp_path: Path) -> None:
    """Regression test: a Normalization that the toolkit cannot wrap was rejected, and kernels whose
    every channel holds all clusters ran out of memory.
    """
    code, _, records = run(tmp_path, _COMBINED)
    assert code == 0, [record["reason"] for record in records if record["status"] != "ok"]
    made = {
        (record["model"].partition("[")[0], record["variant"]): record["metrics"]
        for record in records
        if record["setting"]["part"] == "convert"
    }
    for name, covered in (("EfficientNetB0", 0.8), ("ResNet50", 1.0)):
        pruned, clustered = (
            made[name, f"{step}+qat-int8"] for step in ("pruned-50", "clustered-16")
        )
        assert pruned["sparsity"] > 0.45
        assert clustered["distinct_weights"] == 16
        assert min(pruned["coverage_macs"], clustered["coverage_macs"]) >= covered


def test_int8_coverage_of_architectures(tmp_path: Path) -> None:
    code, _, records = run(tmp_path, _ARCHITECTURES)
    assert code == 0, [record["reason"] for record in records if record["status"] == "failed"]
    made = {
        record["model"].partition("[")[0]: record
        for record in records
        if record["setting"]["part"] == "convert" and record["variant"] == "qat-int8"
    }
    refused = made.pop("ConvNeXtTiny")
    assert refused["status"] == "skipped"
    assert "the model-optimization toolkit does not support it: " in refused["reason"]
    covered = {
        name: (found["kernels"] - found["kernels_uncovered"], found["kernels"])
        for name, found in ((name, record["details"]) for name, record in made.items())
    }
    assert covered == {
        "MobileNetV2": (53, 53),
        "MobileNetV3Small": (53, 54),
        "EfficientNetB0": (65, 82),
        "DenseNet121": (121, 121),
    }
