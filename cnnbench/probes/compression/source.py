"""Part ``train``: the float32 network that every variant is made of, trained once.

It leaves its weights (for either Keras, and as a file that `cnnbench export` takes), what it says
to the test images, and a card.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.errors import UserError
from cnnbench.files import replace_text
from cnnbench.models import stored_weights
from cnnbench.models.handle import ModelHandle
from cnnbench.models.model_name import show
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy import weights_file
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network, transfer
from cnnbench.probes.accuracy.training.recipes import RECIPES, TrainingJob
from cnnbench.probes.compression import carry_over, material, networks, paths
from cnnbench.probes.compression.settings import CompressionSetting, TrainedNetwork
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model
from cnnbench.tasks.classification import outputs

# Of weights that come in a file, nothing else is known of how they were trained.
_KNOWN = {"dataset", "recipe", "image_size", "dataset_sha256"}
CARD, OUTPUTS, FILE = "network.json", "outputs.npy", "trained.weights.h5"


def make(subject: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Train (or load, or seed) the network.

    Raises:
        Unavailable: the data or the weights are not here.
        UserError: the weights do not fit the network.
        JobFailed: the training diverged, or the weights are not those of the plan.
    """
    folder = paths.network(subject, setting, context)
    with paths.reasoned(folder):
        if setting.training is None:
            return _untrained(subject, _weights_file(setting, context), folder)
        return _trained(subject, setting, context, folder)


def card(folder: Path) -> dict[str, Any]:
    """What `make` left.

    Raises:
        Unavailable: the network is not there.
    """
    file = paths.required(folder, CARD, "the float32 network is not there")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _untrained(subject: ModelHandle, file: Path | None, folder: Path) -> ProbeResult:
    """The weights of ``file``, or random ones, drawn so that outputs differ between images."""
    whole = subject.build(weights=file) if file else calibrated_model.build(subject)
    model, output = network.judged(subject, whole)
    words = f"from {file.name}" if file else "random, seeded"
    if not file and subject.is_trained:
        words = "those in the file"
    _save(model, subject, folder)
    facts = {
        "model": subject.label,
        "input_shape": list(subject.input_shape),
        "classes": int(model.outputs[0].shape[-1]),
        **network.taken(output),
        "weights": words,
        "outputs": outputs.kind_of_network(model),
    }
    _write_card(folder, facts)
    return ProbeResult(details={"weights": facts["weights"]})


def _trained(
    subject: ModelHandle, setting: CompressionSetting, context: Context, folder: Path
) -> ProbeResult:
    training = setting.training
    assert training is not None
    file = _weights_file(setting, context)
    task, loop = material.prepare_training(subject, training, context, with_backbone=file is None)
    classes = len(task.dataset.classes)
    if training.recipe == "scratch":
        classes = outputs.width(subject.classes, classes)
    shape = network.images(subject, training)
    flat, output = networks.build(TrainedNetwork(subject, shape, classes), training)
    if file is not None:
        _load(flat, file, task, training)
        finding = ProbeResult(details={"weights": f"from {file.name}"})
    else:
        model = RECIPES[training.recipe](task, loop)
        finding = _of_training(accuracy.evaluate(model, task, loop))
        flat.set_weights(model.get_weights())
    _save(flat, TrainedNetwork(subject, shape, classes), folder)
    _write(flat, task, folder)
    facts = {
        "model": subject.label,
        "input_shape": list(shape),
        "classes": classes,
        **network.taken(output),
        "class_names": list(task.dataset.classes)[:1000],
        "weights": finding.details["weights"],
        "training": training.model_dump(mode="json", include=None if file is None else _KNOWN),
        "outputs": outputs.kind_of_network(flat),
        "notes": loop.notes,
    }
    _write_card(folder, facts)
    loop.checkpoint.remove()
    return finding


def _of_training(finding: ProbeResult) -> ProbeResult:
    """What the training took; how good the network is, its converted file will tell.

    A head that was trained on features saw no images, and so has no pace in images.
    """
    kept = ("train_s", "epoch_s", "images_per_s")
    details = {"weights": "trained here", "keras_top1": finding.metrics["top1"]}
    return ProbeResult(
        metrics={name: finding.metrics[name] for name in kept if name in finding.metrics},
        details=details | {"curve": finding.details["curve"]},
    )


def _load(flat: Any, file: Path, task: TrainingJob, training: AccuracySetting) -> None:
    """Give ``flat`` the weights in ``file``, saved from it or from what the recipe trains.

    Raises:
        UserError: they are of another network.
    """
    shape = show(flat.input_shape[1:])
    name = f"{task.model.label} with {len(task.dataset.classes)} classes and the input {shape}"
    try:
        stored_weights.load(flat, file, name)
    except UserError as error:
        if training.recipe != "transfer":
            raise
        try:
            whole = transfer.build(task.model, training, task.objective, None, task.seed).whole
            stored_weights.load(whole, file, name)
        except UserError:
            raise error from None
        flat.set_weights(whole.get_weights())


def _write(flat: Any, task: TrainingJob, folder: Path) -> None:
    flat.save_weights(str(folder / FILE))
    batches = task.evaluation_batches(task.dataset.test)
    np.save(folder / OUTPUTS, np.asarray(flat.predict(batches, verbose=0), np.float32))


def _save(model: Any, subject: ModelHandle, folder: Path) -> None:
    """Leave the weights for either Keras, and what a copy must say with them."""
    carry_over.save(model, folder)
    carry_over.save_answers(model, calibrated_model.random_inputs(subject, 2, seed=2), folder)


def _weights_file(setting: CompressionSetting, context: Context) -> Path | None:
    if not setting.weights:
        return None
    where = (context.search_path, context.data_dir)
    return weights_file.located(setting.weights, setting.weights_sha256, *where)


def _write_card(folder: Path, facts: dict[str, Any]) -> None:
    weights = (folder / carry_over.WEIGHTS).read_bytes()
    facts = facts | {"weights_sha256": hashlib.sha256(weights).hexdigest()}
    replace_text(folder / CARD, json.dumps(facts, indent=1, allow_nan=False))
