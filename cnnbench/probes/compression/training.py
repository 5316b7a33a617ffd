"""Part ``train``: train the float32 model that all variants are made from, once.

The model's folder then holds its weights (for Keras 2 and 3, and as a file for `cnnbench export`),
its outputs for the test images, and a card.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cnnbench.errors import UserError
from cnnbench.files import replace_text
from cnnbench.models import weights
from cnnbench.models.handle import ModelHandle
from cnnbench.named import show
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network, transfer
from cnnbench.probes.accuracy.training.recipes import RECIPES
from cnnbench.probes.compression import images, networks, outputs, paths
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model, inside
from cnnbench.probes.trained_network import trained_interface
from cnnbench.tasks.task import TASKS, Objective

# The known facts about the training of weights from a file.
_KNOWN = {"dataset", "task", "recipe", "image_size", "dataset_sha256", "fit"}
FILE = "trained.weights.h5"
RANDOM = "random, seeded"
"""The origin of weights that nothing has trained, in a card."""


def run(handle: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Train the model, or load its weights, or initialise them from a seed.

    Raises:
        Unavailable: the data or the weights are not on this machine.
        UserError: the weights do not fit the model.
        JobFailed: the training diverged, or the weights file changed since planning.
    """
    folder = paths.float32_folder(handle, setting, context)
    with paths.recording_failure(folder):
        return make(handle, setting, context, folder)


def make(
    handle: ModelHandle, setting: CompressionSetting, context: Context, folder: Path
) -> ProbeResult:
    """Do as `run` does, in a folder that exists."""
    if setting.training is None:
        return _untrained(handle, _weights_file(setting, context), folder)
    return _trained(handle, setting, context, folder)


def card(folder: Path) -> dict[str, Any]:
    """Return the card that `run` wrote.

    Raises:
        Unavailable: there is none.
    """
    file = paths.required(folder, paths.FLOAT32_CARD, "the float32 model is missing")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _untrained(handle: ModelHandle, file: Path | None, folder: Path) -> ProbeResult:
    """Use the weights in ``file``, or random ones for which outputs differ between images."""
    whole = handle.trained(weights=file) if file else calibrated_model.build(handle)
    model, output = network.select_output(handle, whole)
    origin = f"from {file.name}" if file else RANDOM
    if not file and handle.is_trained:
        origin = "those in the file"
    _save(model, handle, folder)
    facts = {
        "model": handle.label,
        "input_shape": list(handle.input_shape),
        "classes": handle.classes,
        **network.output_details(output),
        "weights": origin,
        "outputs": images.RandomImages(handle).objective.encoding(model),
    }
    _write_card(folder, facts)
    return ProbeResult(details={"weights": facts["weights"]})


def _trained(
    handle: ModelHandle, setting: CompressionSetting, context: Context, folder: Path
) -> ProbeResult:
    training = setting.training
    assert training is not None
    file = _weights_file(setting, context)
    job, loop = images.prepare_training(handle, training, context, with_backbone=file is None)
    shape, classes = trained_interface(handle, training, job.objective)
    flat, output = networks.build(handle, training, job.objective, shape, classes)
    if file is not None:
        load(flat, file, handle, training, job.objective, job.seed)
        result = ProbeResult(details={"weights": f"from {file.name}"})
    else:
        model = RECIPES[training.recipe](job, loop)
        result = _of_training(accuracy.evaluate(model, job, loop), training.goal.primary)
        flat.set_weights(model.get_weights())
    _save(flat, handle.with_interface(shape, classes), folder)
    flat.save_weights(str(folder / FILE))
    batches = job.evaluation_batches(job.dataset.test)
    outputs.write(network.predicted(flat, batches, job.objective), folder)
    facts = {
        "model": handle.label,
        "input_shape": list(shape),
        "classes": classes,
        **network.output_details(output),
        "class_names": list(job.dataset.classes)[:1000],
        "weights": result.details["weights"],
        "training": training.model_dump(mode="json", include=None if file is None else _KNOWN),
        "outputs": job.objective.encoding(flat),
        "notes": loop.notes,
    }
    _write_card(folder, facts)
    loop.checkpoint.remove()
    return result


def _of_training(result: ProbeResult, primary: str) -> ProbeResult:
    """Return the cost of the training; quality is measured on the converted file.

    A head that was trained on stored features has no ``images_per_s``.
    """
    kept = ("train_s", "epoch_s", "images_per_s")
    details = {"weights": "trained here", f"keras_{primary}": result.metrics[primary]}
    return ProbeResult(
        metrics={name: result.metrics[name] for name in kept if name in result.metrics},
        details=details | {"curve": result.details["curve"]},
    )


def load(
    flat: Any,
    file: Path,
    handle: ModelHandle,
    training: AccuracySetting,
    objective: Objective,
    seed: int,
) -> None:
    """Load the weights in ``file``, saved from ``flat`` or from the model that the recipe trains.

    Args:
        flat: the model with fresh weights, as `networks.build` returns it.
        file: the weights.
        handle, training, objective, seed: what was trained, and how.

    Raises:
        UserError: they belong to another model.
    """
    shape = show(flat.input_shape[1:])
    classes = objective.outputs_for(handle.classes)
    name = f"{handle.label} with {classes} classes and the input {shape}"
    try:
        weights.load(flat, file, name)
    except UserError as error:
        if training.recipe != "transfer":
            raise
        try:
            whole = transfer.build(handle, training, objective, None, seed).whole
            weights.load(whole, file, name)
        except UserError:
            raise error from None
        flat.set_weights(whole.get_weights())


def _save(model: Any, handle: ModelHandle, folder: Path) -> None:
    """Save the weights for Keras 2 and 3, and the outputs that a copy must reproduce."""
    networks.save_weights(model, folder)
    compare = inside.comparison(TASKS.find(handle.task), False)
    networks.save_outputs(model, calibrated_model.random_inputs(handle, 2, seed=2), folder, compare)


def _weights_file(setting: CompressionSetting, context: Context) -> Path | None:
    if not setting.weights:
        return None
    where = (context.search_path, context.data_dir)
    return network.weights_file(setting.weights, setting.weights_sha256, *where)


def _write_card(folder: Path, facts: dict[str, Any]) -> None:
    weights = (folder / networks.WEIGHTS).read_bytes()
    facts = facts | {"weights_sha256": hashlib.sha256(weights).hexdigest()}
    replace_text(folder / paths.FLOAT32_CARD, json.dumps(facts, indent=1, allow_nan=False))
