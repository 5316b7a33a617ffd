"""Part ``convert``: make a variant, convert it, read the file back, judge it through LiteRT."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.data.pictures import data_details
from cnnbench.errors import JobFailed
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.compression import (
    converter,
    coverage,
    flatbuffer,
    material,
    networks,
    paths,
    source,
    toolkit,
)
from cnnbench.probes.compression.fine_tuning import FineTuning
from cnnbench.probes.compression.interpreter import File, answers
from cnnbench.probes.compression.layer_by_layer import Left
from cnnbench.probes.compression.settings import CompressionSetting, TrainedNetwork
from cnnbench.probes.compression.variants import Variant, parse
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model


def make(subject: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Make, read back and judge one variant.

    Raises:
        Unavailable: the float32 network is not there, or the toolkit does not take it.
        JobFailed: too little representative data, the conversion failed, or what the file says
            are no numbers.
    """
    variant = parse(setting.variant)
    if variant.is_trained_further:
        networks.use_keras_2()
    folder = paths.converted(subject, setting, context)
    with paths.reasoned(folder):
        trained = paths.network(subject, setting, context)
        card = source.card(trained)
        network = TrainedNetwork(subject, tuple(card["input_shape"]), card["classes"])
        return _make(network, setting, variant, context, card, trained, folder)


def _make(
    subject: Any,
    setting: CompressionSetting,
    variant: Variant,
    context: Context,
    card: dict[str, Any],
    trained: Path,
    folder: Path,
) -> ProbeResult:
    images = material.gather(subject, setting, context)
    model = networks.fresh_copy(subject, setting.training, trained)
    left = Left()
    if variant.is_trained_further:
        tuning = FineTuning(
            lessons=images.lessons(model),
            epochs=setting.fine_tune_epochs,
            rate=setting.fine_tune_rate,
            on_labels=setting.training is not None or card["outputs"] in ("softmax", "sigmoids"),
            outputs=card["outputs"],
            say=context.report_progress,
        )
        kept = partial(paths.tuned, subject, setting, context)
        model = toolkit.treated(model, variant, tuning, left, kept)
    context.report_progress("converting")
    began = time.perf_counter()
    shape = (1, *subject.input_shape)
    content = converter.convert(
        model, shape, variant, lambda: images.representative(setting.representative)
    )
    convert_s = time.perf_counter() - began
    part = folder / f".{paths.MODEL}.part"
    part.write_bytes(content)
    file = File(part)
    finding = _read_back(content, variant)
    difference, scale = _beside_keras(subject, model, file, folder)
    finding.metrics |= {"convert_s": convert_s, "output_max_abs_diff": difference}
    finding.details |= {"left": left.layers, "left_kinds": dict(left.kinds)}
    # Only float32 arithmetic must agree with Keras; rounding is what quantisation is about.
    if not variant.quantisation:
        finding.details["flags"] = calibrated_model.disagreement(difference, scale)
    if isinstance(images, material.Pictures):
        _judge(finding, file, images, card, trained, context)
    _write_card(folder, subject, setting, card, content, finding)
    part.replace(folder / paths.MODEL)
    return finding


def _read_back(content: bytes, variant: Variant) -> ProbeResult:
    """Sizes, and what the stored weights are like."""
    kernels = flatbuffer.kernels(content)
    sizes = {
        "file_bytes": len(content),
        "file_gzip_bytes": len(gzip.compress(content, compresslevel=6, mtime=0)),
    }
    return ProbeResult(
        metrics=sizes | coverage.metrics(kernels, variant),
        details=coverage.details(kernels, variant)
        | {"sha256": hashlib.sha256(content).hexdigest()},
    )


def _beside_keras(
    subject: ModelHandle, model: Any, file: File, folder: Path
) -> tuple[float, float]:
    """How far the file is from the Keras model it was made of; its own answers go to ``folder``.

    The processes that time the file compare theirs with these.

    Raises:
        JobFailed: they cannot be compared.
    """
    images = calibrated_model.random_inputs(subject, 2, seed=2)
    calibrated_model.write_expected(subject, file, 1, folder)
    difference, scale = calibrated_model.difference(
        file(images), calibrated_model.answers(model, images)
    )
    if not math.isfinite(difference):
        raise JobFailed("the outputs of Keras are not numbers, or not as many as the file's")
    return difference, scale


def _judge(
    finding: ProbeResult,
    file: File,
    images: material.Pictures,
    card: dict[str, Any],
    trained: Path,
    context: Context,
) -> None:
    """Accuracy on the test images, and how often the class is the one that float32 gave."""
    objective, encoding = images.objective, card["outputs"]
    outputs = answers(file, images.test.images, images.preprocessed, context.report_progress)
    found = objective.evaluate(outputs, objective.targets(images.test), encoding)
    float32 = np.load(trained / source.OUTPUTS)
    finding.metrics |= found.metrics
    if (agreement := objective.agreement(outputs, float32, encoding)) is not None:
        finding.metrics["agreement"] = agreement
    finding.details |= found.details
    finding.details |= data_details(images.dataset, card.get("notes", ()))
    finding.details |= {name: card[name] for name in ("output",) if name in card}


def _write_card(
    folder: Path,
    subject: ModelHandle,
    setting: CompressionSetting,
    card: dict[str, Any],
    content: bytes,
    finding: ProbeResult,
) -> None:
    """What was done, from what, with which counts and hashes."""
    kept = ("kernels", "kernels_uncovered", "uncovered", "left", "left_kinds", "flags")
    facts = {
        "model": subject.label,
        "variant": setting.variant,
        "input_shape": list(subject.input_shape),
        "classes": subject.classes,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "made": {
            "representative_images": setting.representative,
            "fine_tune_epochs": setting.fine_tune_epochs,
            "fine_tune_rate": setting.fine_tune_rate,
        },
        "from": {name: value for name, value in card.items() if name != "model"}
        | {"weights_file_sha256": setting.weights_sha256},
        "metrics": finding.metrics,
        "read_back": {name: finding.details[name] for name in kept if name in finding.details},
    }
    text = json.dumps(facts, indent=1, allow_nan=False)
    (folder / paths.CARD).write_text(f"{text}\n", encoding="utf-8")
