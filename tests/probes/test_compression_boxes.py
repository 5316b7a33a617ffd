"""Compression of networks with several outputs: each output is read by its name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import Unavailable
from cnnbench.probes.compression import conversion, outputs
from cnnbench.probes.compression.variants import parse
from cnnbench.probes.latency import calibrated_model
from tests.probes.compressed import NETWORKS, run
from tests.probes.tiny import Boxes, Twins


@pytest.mark.parametrize("name", ["float32", "ptq-dynamic", "ptq-float16", "ptq-int8"])
def test_outputs_of_one_width_keep_their_names_in_every_kind_of_file(
    name: str, tmp_path: Path
) -> None:
    """An int8 file differs from Keras by design, so that values alone would not show a swap."""
    model = calibrated_model.build(Twins())
    images = calibrated_model.random_inputs(Twins(), 20, seed=5)
    content = conversion.convert(
        model,
        (1, *Twins.input_shape),
        parse(name),
        lambda: ([image[None]] for image in images),
    )
    (tmp_path / "x.tflite").write_bytes(content)
    file = conversion.File(tmp_path / "x.tflite")
    found = outputs.structured(model, file(images))
    expected = {key: np.asarray(one) for key, one in model(images, training=False).items()}
    assert isinstance(found, dict) and found.keys() == expected.keys() == {"y", "z"}
    scale = max(np.abs(one).max() for one in expected.values())
    apart = np.abs(expected["y"] - expected["z"]).max()
    for key, one in expected.items():
        assert np.abs(found[key] - one).max() < 0.1 * scale < apart


def test_structured_outputs_are_those_of_the_network() -> None:
    several, single = Boxes().build(), Boxes().build()
    arrays = [np.zeros((2, 4)), np.ones((2, 5))]  # sorted by name, as a runtime returns them
    found = outputs.structured(several, arrays)
    assert isinstance(found, dict)
    assert {key: one.shape for key, one in found.items()} == {"boxes": (2, 4), "classes": (2, 5)}
    import tensorflow as tf

    alone = tf.keras.Model(single.input, single.output["classes"])
    assert outputs.structured(alone, arrays[1:]) is arrays[1]


def test_stored_outputs_are_read_as_they_were(tmp_path: Path) -> None:
    one, two = np.zeros((2, 4), np.float32), np.ones((2, 5), np.float32)
    outputs.write(one, tmp_path)
    np.testing.assert_array_equal(outputs.read(tmp_path), one)
    outputs.write({"boxes": one, "classes": two}, tmp_path)
    found = outputs.read(tmp_path)
    assert isinstance(found, dict)
    np.testing.assert_array_equal(found["classes"], two)
    with pytest.raises(Unavailable, match="the outputs of the float32 model are missing"):
        outputs.read(tmp_path / "nowhere")


_DATA = '"scenes[objects=1,px=32,sides=14-28]"'
_TRAINED = f"""
name: s
models: ["nets:headed+box[input_shape=32x32x1,classes=10]"]
probes:
  compression:
    training: {{dataset: {_DATA}, epochs: 40, train_examples: 2000, test_examples: 300,
               learning_rate: 0.02}}
    variants: [ptq-dynamic, ptq-float16, ptq-int8, pruned-50, clustered-16, qat-int8]
    fine_tune_epochs: 1
    min_rounds: 1
    max_rounds: 1
"""


def _quality(report: Any, metric: str) -> dict[str, float]:
    (column,) = (
        name for name in report.columns if name.startswith(f"{metric}@") and "litert" in name
    )
    return dict(report[column])


@pytest.mark.slow
def test_a_trained_localiser_is_compressed_and_judged_in_its_file(tmp_path: Path) -> None:
    code, report, records = run(tmp_path, _TRAINED)
    assert code == 0, [record["reason"] for record in records if record["status"] != "ok"]
    variants = ["ptq-dynamic", "ptq-float16", "ptq-int8", "pruned-50", "clustered-16", "qat-int8"]
    made = {r["variant"]: r for r in records if r["setting"]["part"] == "convert"}
    assert list(made) == ["float32", *variants]
    for metric in ("mean_iou", "top1", "located_top1"):
        found = _quality(report, metric)
        base = found.pop("float32")
        for variant in ("ptq-dynamic", "ptq-float16", "ptq-int8"):
            assert found[variant] == pytest.approx(base, abs=0.05), (metric, variant)
    (trained,) = (r for r in records if r["setting"]["part"] == "train")
    assert trained["details"]["keras_mean_iou"] == pytest.approx(
        _quality(report, "mean_iou")["float32"], abs=1e-3
    )
    for variant in variants[:3]:
        assert made[variant]["metrics"]["agreement"] > 0.9
    assert made["float32"]["metrics"]["agreement"] == 1.0
    assert made["float32"]["details"]["flags"] == []
    assert made["pruned-50"]["metrics"]["sparsity"] > 0.45
    verdict = report.loc["ptq-int8", "compression_verdict"]
    assert verdict.count("of float32's mean IoU") == 1 and "accuracy" not in verdict


_SEEDED = """
name: s
models: ["nets:headed+box[input_shape=32x32x1,classes=10]", "MobileNetV2[alpha=0.35]+box[input_shape=64x64x3,classes=10]"]
probes:
  static: {}
  memory: {batch_sizes: [2]}
  latency: {runtimes: [graph, litert], threads: [1], min_rounds: 1, max_rounds: 1}
  compression:
    variants: [ptq-int8, qat-int8]
    fine_tune_epochs: 1
    min_rounds: 1
    max_rounds: 1
"""  # noqa: E501


@pytest.mark.slow
def test_every_probe_measures_a_network_with_a_head(tmp_path: Path) -> None:
    code, _, records = run(tmp_path, _SEEDED)
    assert code == 0, [record["reason"] for record in records if record["status"] != "ok"]
    assert {record["probe"] for record in records} == {"static", "memory", "latency", "compression"}
    for record in records:
        assert not any("disagrees" in flag for flag in record["details"].get("flags", ()))


@pytest.mark.slow
def test_exports_a_localiser_from_its_weights(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETWORKS)
    name = "nets:headed+box[input_shape=32x32x1,classes=10]"
    save = (
        "from cnnbench.models import registry\n"
        f"model = registry.resolve({name!r})\n"
        "model.build().save_weights('whole.weights.h5')\n"
        "model.build(include_top=False).save_weights('backbone.weights.h5')\n"
    )
    subprocess.run([sys.executable, "-c", save], cwd=tmp_path, check=True, capture_output=True)

    def export(variant: str, weights: str, *more: str) -> subprocess.CompletedProcess[str]:
        given = ["--variant", variant, "--weights", weights, "--out", f"{variant}.tflite", *more]
        command = [sys.executable, "-m", "cnnbench", "export", name, *given]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    done = export("ptq-float16", "whole.weights.h5")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ptq-float16.tflite").read_bytes()[4:8] == b"TFL3"
    done = export(
        "ptq-int8", "whole.weights.h5", "--dataset", "scenes[objects=1,px=32,sides=14-28]",
        "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    assert {"mean_iou", "top1", "located_top1", "agreement"} <= card["metrics"].keys()
    assert card["from"]["training"]["task"] == "localization"

    done = export("ptq-dynamic", "backbone.weights.h5")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "is untrained: " in done.stderr and "weights of the backbone alone" in done.stderr
