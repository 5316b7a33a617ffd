"""Part ``convert``: make a variant, convert it to LiteRT, analyse the file and evaluate it."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.data.pictures import data_details
from cnnbench.environment import usable_cores
from cnnbench.errors import CnnbenchError, JobFailed, is_out_of_memory
from cnnbench.files import replace_text, replacing
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.compression import (
    fine_tuning,
    images,
    kernels,
    networks,
    outputs,
    paths,
    training,
)
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.compression.steps.base import Representative
from cnnbench.probes.compression.steps.quantisation import Quantisation
from cnnbench.probes.compression.steps.wrapping import SkippedLayers
from cnnbench.probes.compression.variants import Variant, parse
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model, inside, on_device
from cnnbench.probes.latency.runtimes import litert
from cnnbench.tasks.objective import concatenated
from cnnbench.tasks.task import TASKS, Arrays, Task

_CHUNK = 256  # test images that are preprocessed at once

Evaluated = Callable[[np.ndarray], Sequence[np.ndarray]]


class File(litert.ObservedFile):
    """An opened flatbuffer with a batch size of one."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, usable_cores())
        self.load()
        self.compile()

    def __call__(self, images: np.ndarray, training: bool = False) -> list[np.ndarray]:
        """Return the outputs, ``(n, ...)`` each, for float32 ``images``, ``(n, h, w, c)``.

        Raises:
            JobFailed: an output is not finite, for example if a weight is too large for float16.
        """
        pixels = np.asarray(images, np.float32)
        calls = [self.outputs(self.call(self.feed(image[None]))) for image in pixels]
        outputs = [np.concatenate(parts) for parts in zip(*calls, strict=True)]
        if not all(np.isfinite(output).all() for output in outputs):
            raise JobFailed("its outputs are not finite")
        return outputs


def run(handle: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Make, convert, analyse and evaluate one variant.

    Raises:
        Unavailable: the float32 model is missing, or the toolkit does not support it.
        JobFailed: there are too few images for calibration, the conversion failed, or the outputs
            of the file are not finite.
    """
    if parse(setting.variant).is_fine_tuned:
        networks.use_keras_2()
    folder = paths.variant_folder(handle, setting, context)
    with paths.recording_failure(folder):
        return _run(handle, setting, context, folder)


def _run(
    handle: ModelHandle, setting: CompressionSetting, context: Context, folder: Path
) -> ProbeResult:
    variant = parse(setting.variant)
    float32 = paths.float32_folder(handle, setting, context)
    card = training.card(float32)
    data = images.load(handle, setting, context)
    model = networks.fresh_copy(handle, setting.training, data.objective, card, float32)
    skipped = SkippedLayers()
    if variant.is_fine_tuned:
        tuning = fine_tuning.FineTuning(
            *data.training_batches(model),
            epochs=setting.fine_tune_epochs,
            rate=setting.fine_tune_rate,
            loss=data.loss(card["outputs"]),
            loss_weights=data.loss_weights(card["outputs"]),
            for_training=data.for_training,
            report_progress=context.report_progress,
            skipped=skipped,
        )
        folder_of = partial(paths.stage_folder, handle, setting, context)
        model = fine_tuning.compress(model, variant, tuning, folder_of)
    if setting.nms:
        options = setting.training and setting.training.goal_options()
        model = task_of(handle, setting).finished(model, options)
    context.report_progress("converting")
    began = time.perf_counter()
    shape = tuple(card["input_shape"])
    content = convert(
        model, (1, *shape), variant, lambda: data.representative(setting.representative)
    )
    convert_s = time.perf_counter() - began
    with replacing(paths.model_file(handle, setting, folder)) as stream:
        stream.write(content)
        stream.flush()
        file = File(Path(stream.name))
        result = _analysed(content, variant)
        ran = file.delegated()
        result.metrics |= ran.metrics()
        result.details |= ran.details()
        sized = handle.with_interface(shape, card["classes"])
        compare = inside.comparison(task_of(handle, setting), setting.nms)
        difference, scale = _difference_from_keras(sized, model, file, folder, compare)
        if not math.isfinite(difference) and not setting.nms:
            raise JobFailed(
                "Keras' outputs are not finite, or their number differs from the file's"
            )
        result.metrics["convert_s"] = convert_s
        if math.isfinite(difference):
            result.metrics["output_max_abs_diff"] = difference
        result.details |= {"left": skipped.layers, "left_kinds": dict(skipped.kinds)}
        # A quantised file differs from Keras by design.
        if variant.step(Quantisation) is None:
            result.details["flags"] = calibrated_model.disagreement(difference, scale)
        if isinstance(data, images.DatasetImages):
            structured = partial(outputs.structured, model)
            evaluated = _evaluated(file, sized, setting, context)
            evaluate(result, evaluated, structured, data, card, float32, context, setting.nms)
            if isinstance(evaluated, on_device.FileThere):
                result.environment = evaluated.environment
        _write_card(folder, handle, setting, card, result)
    return result


def _evaluated(
    file: File, handle: ModelHandle, setting: CompressionSetting, context: Context
) -> Evaluated:
    """Return the file whose outputs are judged: on the device of the job, if it has one."""
    if context.device is None:
        return file
    sent = {litert.FILE: file.file}
    return on_device.FileThere(handle, setting.latency(), sent, context)


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
    conversion = litert.Conversion(model, shape)
    for step in variant.steps:
        step.configure(conversion.converter, representative)
    try:
        content: bytes = conversion.converter.convert()
    except CnnbenchError:  # while reading the representative images
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        print(error, file=sys.stderr)  # noqa: T201 - to the job's log
        raise JobFailed(f"the conversion failed: {inside.reason(error)}") from error
    conversion.check(content)
    return content


def task_of(handle: ModelHandle, setting: CompressionSetting) -> Task:
    """Return the task of the trained network."""
    return setting.training.goal if setting.training else TASKS.find(handle.task)


def _analysed(content: bytes, variant: Variant) -> ProbeResult:
    """Return the sizes of the file, and the sparsity, clusters and coverage of its kernels."""
    found = kernels.read(content)
    return ProbeResult(
        metrics=sizes(content) | kernels.metrics(found, variant),
        details=kernels.details(found, variant) | {"sha256": hashlib.sha256(content).hexdigest()},
    )


def sizes(content: bytes) -> dict[str, float]:
    """Return the size of a file, and that after compression."""
    return {
        "file_bytes": len(content),
        "file_gzip_bytes": len(gzip.compress(content, compresslevel=6, mtime=0)),
    }


def _difference_from_keras(
    handle: ModelHandle,
    model: Any,
    file: File,
    folder: Path,
    compare: inside.Difference,
) -> tuple[float, float]:
    """Return the largest difference between file and Keras model, and the largest output.

    The outputs of the file are stored in ``folder``, for the processes that time it.
    """
    inputs = calibrated_model.random_inputs(handle, 2, seed=2)
    calibrated_model.write_expected(handle, file, 1, folder)
    found = file(inputs), calibrated_model.keras_outputs(model, inputs)
    return compare(*found)


def evaluate(
    result: ProbeResult,
    file: Evaluated,
    structured: Callable[[Sequence[np.ndarray]], Arrays],
    data: images.DatasetImages,
    card: dict[str, Any],
    float32: Path,
    context: Context,
    is_finished: bool,
) -> None:
    """Add the quality on the test images, and the agreement with the float32 model.

    Args:
        file: images -> its outputs.
        structured: from the outputs in the order of the file to those of the network, by name.
        is_finished: the outputs of the file are the answers.
    """
    objective, encoding, test = data.objective, card["outputs"], data.job.dataset.test
    parts = []
    for start in range(0, len(test), _CHUNK):
        context.report_progress(f"testing in LiteRT, image {start + 1:,} of {len(test):,}")
        given = file(data.preprocessed(test.images[start : start + _CHUNK]))
        found_now = structured(given)
        parts.append(found_now if is_finished else objective.answers(found_now, encoding))
    answers = concatenated(parts)
    found = objective.evaluate(answers, objective.targets(test), encoding)
    result.metrics |= found.metrics
    agreement = objective.agreement(answers, outputs.read(float32), encoding)
    if agreement is not None:
        result.metrics["agreement"] = agreement
    result.details |= found.details
    result.details |= data_details(data.job.dataset, card.get("notes", ()))
    result.details |= network.output_details(card.get("output", ""))


def _write_card(
    folder: Path,
    handle: ModelHandle,
    setting: CompressionSetting,
    card: dict[str, Any],
    result: ProbeResult,
) -> None:
    """Write the card of the file: the variant, its origin, settings, hashes and metrics."""
    kept = ("kernels", "kernels_uncovered", "uncovered", "left", "left_kinds", "flags")
    facts = {
        "model": handle.label,
        "variant": setting.variant,
        "input_shape": card["input_shape"],
        "classes": card["classes"],
        "sha256": result.details["sha256"],
        "bytes": result.metrics["file_bytes"],
        "made": {
            "representative_images": setting.representative,
            "fine_tune_epochs": setting.fine_tune_epochs,
            "fine_tune_rate": setting.fine_tune_rate,
        },
        "from": {name: value for name, value in card.items() if name != "model"}
        | {"weights_file_sha256": setting.weights_sha256},
        **({"nms": True} if setting.nms else {}),
        "metrics": result.metrics,
        "read_back": {name: result.details[name] for name in kept if name in result.details},
    }
    text = json.dumps(facts, indent=1, allow_nan=False)
    replace_text(folder / paths.CARD, f"{text}\n")
