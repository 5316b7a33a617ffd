"""Part ``convert``: make a variant, convert it to LiteRT, analyse the file and evaluate it."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.data.pictures import data_details
from cnnbench.errors import CnnbenchError, JobFailed, brief, is_out_of_memory
from cnnbench.files import replace_text
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.compression import (
    coverage,
    fine_tuning,
    flatbuffer,
    images,
    networks,
    paths,
    training,
)
from cnnbench.probes.compression.interpreter import File, predict
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.compression.steps.base import Representative
from cnnbench.probes.compression.steps.quantisation import Quantisation
from cnnbench.probes.compression.steps.wrapping import SkippedLayers
from cnnbench.probes.compression.trained_model import TrainedModel
from cnnbench.probes.compression.variants import Variant, parse
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes import litert


def run(handle: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Make, convert, analyse and evaluate one variant.

    Raises:
        Unavailable: the float32 model is missing, or the toolkit does not support it.
        JobFailed: there are too few images for calibration, the conversion failed, or the outputs
            of the file are not finite.
    """
    variant = parse(setting.variant)
    if variant.is_fine_tuned:
        networks.use_keras_2()
    folder = paths.variant_folder(handle, setting, context)
    with paths.recording_failure(folder):
        float32 = paths.float32_folder(handle, setting, context)
        card = training.card(float32)
        if setting.training is not None:
            handle = TrainedModel(handle, tuple(card["input_shape"]), card["classes"])
        return _run(handle, setting, variant, context, card, float32, folder)


def _run(
    handle: ModelHandle,
    setting: CompressionSetting,
    variant: Variant,
    context: Context,
    card: dict[str, Any],
    float32: Path,
    folder: Path,
) -> ProbeResult:
    data = images.load(handle, setting, context)
    model = networks.fresh_copy(handle, setting.training, float32)
    skipped = SkippedLayers()
    if variant.is_fine_tuned:
        tuning = fine_tuning.FineTuning(
            batches=data.training_batches(model),
            epochs=setting.fine_tune_epochs,
            rate=setting.fine_tune_rate,
            on_labels=setting.training is not None or card["outputs"] in ("softmax", "sigmoids"),
            outputs=card["outputs"],
            report_progress=context.report_progress,
        )
        folder_of = partial(paths.stage_folder, handle, setting, context)
        model = fine_tuning.compress(model, variant, tuning, skipped, folder_of)
    context.report_progress("converting")
    began = time.perf_counter()
    shape = (1, *handle.input_shape)
    content = convert(model, shape, variant, lambda: data.representative(setting.representative))
    convert_s = time.perf_counter() - began
    part = folder / f".{paths.MODEL}.part"
    part.write_bytes(content)
    file = File(part)
    result = _analysed(content, variant)
    difference, scale = _difference_from_keras(handle, model, file, folder)
    result.metrics |= {"convert_s": convert_s, "output_max_abs_diff": difference}
    result.details |= {"left": skipped.layers, "left_kinds": dict(skipped.kinds)}
    # A quantised file differs from Keras by design.
    if variant.step(Quantisation) is None:
        result.details["flags"] = calibrated_model.disagreement(difference, scale)
    if isinstance(data, images.DatasetImages):
        _evaluate(result, file, data, card, float32, context)
    _write_card(folder, handle, setting, card, content, result)
    part.replace(folder / paths.MODEL)
    return result


def convert(
    model: Any, shape: tuple[int, ...], variant: Variant, representative: Representative
) -> bytes:
    """Return ``model`` as a LiteRT flatbuffer, with the converter's options for ``variant``.

    Input and output are float32; operations that the converter cannot quantise stay float.

    Args:
        model: a Keras 2 or Keras 3 model.
        shape: shape of the input, with the batch axis.
        variant: its steps set the options of the converter.
        representative: images for the ranges of int8 activations.

    Raises:
        JobFailed: the conversion failed; the converter's whole message is printed to stderr.
    """
    converter = litert.converter(model, shape)
    for step in variant.steps:
        step.configure(converter, representative)
    try:
        content: bytes = converter.convert()
    except CnnbenchError:  # while reading the representative images
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        print(error, file=sys.stderr)  # noqa: T201 - to the job's log
        raise JobFailed(f"the conversion failed: {reason(error)}") from error
    return content


def reason(error: BaseException) -> str:
    """Return the line of a converter's message that gives the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    with_reason = [line for line in lines if "error:" in line] or lines or [type(error).__name__]
    return brief(with_reason[0].rpartition("error:")[2].strip() or with_reason[0])


def _analysed(content: bytes, variant: Variant) -> ProbeResult:
    """Return the sizes of the file, and the sparsity, clusters and coverage of its kernels."""
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


def _difference_from_keras(
    handle: ModelHandle, model: Any, file: File, folder: Path
) -> tuple[float, float]:
    """Return the largest difference between file and Keras model, and the largest output.

    The outputs of the file are stored in ``folder``, for the processes that time it.

    Raises:
        JobFailed: the outputs cannot be compared.
    """
    inputs = calibrated_model.random_inputs(handle, 2, seed=2)
    calibrated_model.write_expected(handle, file, 1, folder)
    difference, scale = calibrated_model.difference(
        file(inputs), calibrated_model.keras_outputs(model, inputs)
    )
    if not math.isfinite(difference):
        raise JobFailed("Keras' outputs are not finite, or their number differs from the file's")
    return difference, scale


def _evaluate(
    result: ProbeResult,
    file: File,
    data: images.DatasetImages,
    card: dict[str, Any],
    float32: Path,
    context: Context,
) -> None:
    """Add the quality on the test images, and the agreement with the float32 model."""
    objective, encoding = data.objective, card["outputs"]
    outputs = predict(file, data.test.images, data.preprocessed, context.report_progress)
    found = objective.evaluate(outputs, objective.targets(data.test), encoding)
    original = np.load(float32 / training.OUTPUTS)
    result.metrics |= found.metrics
    if (agreement := objective.agreement(outputs, original, encoding)) is not None:
        result.metrics["agreement"] = agreement
    result.details |= found.details
    result.details |= data_details(data.dataset, card.get("notes", ()))
    result.details |= {name: card[name] for name in ("output",) if name in card}


def _write_card(
    folder: Path,
    handle: ModelHandle,
    setting: CompressionSetting,
    card: dict[str, Any],
    content: bytes,
    result: ProbeResult,
) -> None:
    """Write the card of the file: the variant, its origin, settings, hashes and metrics."""
    kept = ("kernels", "kernels_uncovered", "uncovered", "left", "left_kinds", "flags")
    facts = {
        "model": handle.label,
        "variant": setting.variant,
        "input_shape": list(handle.input_shape),
        "classes": handle.classes,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "made": {
            "representative_images": setting.representative,
            "fine_tune_epochs": setting.fine_tune_epochs,
            "fine_tune_rate": setting.fine_tune_rate,
        },
        "from": {name: value for name, value in card.items() if name != "model"}
        | {"weights_file_sha256": setting.weights_sha256},
        "metrics": result.metrics,
        "read_back": {name: result.details[name] for name in kept if name in result.details},
    }
    text = json.dumps(facts, indent=1, allow_nan=False)
    replace_text(folder / paths.CARD, f"{text}\n")
